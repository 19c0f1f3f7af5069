//! An event that is on for a whole day: nothing grows without end, and no clock drifts.

use std::time::{Duration, Instant};

use bytes::Bytes;
use stagebox_media::aac::AudioSpecificConfig;
use stagebox_media::{Codec, Epoch, Frame, Packet, Track, TrackConfig};

use crate::clock::Timestamp;
use crate::event::{Details, EventStatus, Input};
use crate::live::lane::Packaged;
use crate::live::playlist::segment_uri;
use crate::live::rendition::Rendition;
use crate::live::segmenter::tests::video_config;
use crate::live::segmenter::{Lengths, Resume, Segmenter};
use crate::live::timeline::{InputId, Now, Policy, Timed, Timeline};
use crate::live::window::{Found, Keep, View, Window};

const MS_NS: i64 = 1_000_000;
const SECOND_NS: i64 = 1_000_000_000;
const HOUR_S: u64 = 3_600;
const DAY_S: u64 = 24 * HOUR_S;
const STARTED_MS: i64 = 1_700_000_000_000;
/// A slow camera and a narrow sound: the day is what matters.
const PICTURES_A_SECOND: i64 = 12;
const SAMPLE_RATE: i64 = 11_025;
const SAMPLES: i64 = 1024;
/// RTMP's clock of 32 bits comes to its end in the midst of the day.
const CLOCK_NS: i64 = (1 << 32) * MS_NS - 12 * HOUR_S as i64 * SECOND_NS;
const MEMORY_S: u64 = 30;
const ID: InputId = InputId(1);

struct Day {
    began: Instant,
    timeline: Timeline,
    segmenter: Segmenter,
    /// What viewers may wind back to: an hour, and the whole day.
    windows: [Window; 2],
    next: [i64; 2],
    discontinuities: u64,
}

fn configs() -> [TrackConfig; 2] {
    let data = AudioSpecificConfig::lc(SAMPLE_RATE as u32, 1).unwrap().to_bytes();
    let sound = TrackConfig { track: Track::Audio, codec: Codec::Aac, epoch: Epoch::UNKNOWN, data };
    [video_config(), sound]
}

fn now(began: Instant, at_ns: i64) -> Now {
    let instant = began + Duration::from_nanos(at_ns.unsigned_abs());
    Now { instant, unix_ms: STARTED_MS + at_ns / MS_NS }
}

impl Day {
    fn new() -> Self {
        let window = |seconds: u64| {
            let (window_us, memory_us) = (seconds * 1_000_000, MEMORY_S * 1_000_000);
            Window::new(Keep { part_us: 500_000, window_us, memory_us })
        };
        let began = Instant::now();
        let mut day = Self {
            began,
            timeline: Timeline::new(0, Policy::default()),
            segmenter: Segmenter::new(Lengths { part_ms: 500, segment_ms: 2_000 }, Resume::default()),
            windows: [window(HOUR_S), window(DAY_S)],
            next: [0, 0],
            discontinuities: 0,
        };
        day.timeline.join(ID, Input::Main);
        for config in configs() {
            day.packet(0, Packet::Config(config));
        }
        day
    }

    fn packet(&mut self, at_ns: i64, packet: Packet) {
        let (mut timed, mut out) = (Vec::new(), Vec::new());
        self.timeline.handle(now(self.began, at_ns), ID, packet, &mut timed);
        for timed in timed {
            match timed {
                Timed::Begin(start) => drop(self.segmenter.begin(&start, &[], &mut out).unwrap()),
                Timed::Frame(frame) => self.segmenter.frame(frame, &mut out),
                Timed::End => panic!("it breaks off"),
            }
        }
        for packaged in out {
            if let Packaged::Close { rendition, segment } = &packaged {
                assert!(segment.duration_us.abs_diff(2_000_000) <= 93_000, "{rendition} {segment:?}");
                self.discontinuities += u64::from(segment.discontinuity || segment.gap);
            }
            self.windows[0].apply(packaged.clone());
            self.windows[1].apply(packaged);
            self.windows.iter_mut().for_each(|window| drop(window.take_dropped()));
        }
    }

    /// Frames as they come until a moment.
    fn send_until(&mut self, until_ns: i64) {
        loop {
            let picture_ns = self.next[0] * SECOND_NS / PICTURES_A_SECOND;
            let sound_ns = self.next[1] * SAMPLES * SECOND_NS / SAMPLE_RATE;
            let at_ns = picture_ns.min(sound_ns);
            if at_ns >= until_ns {
                return;
            }
            let is_picture = picture_ns <= sound_ns;
            // RTMP's whole milliseconds.
            let dts_ns = (CLOCK_NS + at_ns + MS_NS / 2).div_euclid(MS_NS) * MS_NS;
            let key = !is_picture || self.next[0] % (2 * PICTURES_A_SECOND) == 0;
            let (track, codec) =
                if is_picture { (Track::Video, Codec::H264) } else { (Track::Audio, Codec::Aac) };
            self.next[usize::from(!is_picture)] += 1;
            let data = Bytes::from_static(&[0, 0, 0, 1, 0x65]);
            let frame = Frame { track, codec, epoch: Epoch::UNKNOWN, pts_ns: dts_ns, dts_ns, key, data };
            self.packet(at_ns, Packet::Frame(frame));
        }
    }

    /// What is true at any hour.
    fn look(&self, hours: u64) {
        let seconds = hours * HOUR_S;
        for (window, length_s) in self.windows.iter().zip([HOUR_S, DAY_S]) {
            for rendition in [Rendition::Source, Rendition::Audio] {
                let (newest, _) = window.edge(rendition).complete.unwrap();
                // One more is in hand, and its first frame may be to come.
                assert!((seconds / 2 - 2..seconds / 2).contains(&newest), "{newest} after {hours} h");
                let text = window
                    .playlist(rendition, View { from_msn: 0, plain: true, skip: false, iframes: false });
                let text = text.unwrap();
                let (first, count, duration_us) = listed(&text);
                assert_eq!(first + count, newest + 1);
                // As much as is to be there, and no segment more.
                let all_us = (newest + 1) * 2_000_000;
                let wanted_us = (length_s * 1_000_000).min(all_us);
                assert!(
                    duration_us + 93_000 >= wanted_us && duration_us < wanted_us + 2_093_000,
                    "{duration_us}"
                );
                // No clock drifts: dates are those of the wall, to within a frame.
                let last_ms = STARTED_MS + (newest * 2_000) as i64;
                let drift_ms = date_ms(&text) - last_ms;
                assert!(drift_ms.abs() <= 93, "{rendition}: {drift_ms} ms after {hours} h");
                let begins_us = (first * 2_000_000) as i64;
                let drift_us = begins_us + duration_us as i64 - all_us as i64;
                assert!(drift_us.abs() <= 93_000, "{rendition}: {drift_us} us after {hours} h");
                let view = View { from_msn: 0, plain: false, skip: true, iframes: false };
                let delta = window.playlist(rendition, view).unwrap();
                assert!(delta.contains("#EXT-X-SKIP:SKIPPED-SEGMENTS="), "{delta}");
                assert!(delta.len() < 4_096, "{} bytes after {hours} h", delta.len());
                let kept =
                    (first..=newest).filter(|msn| matches!(window.segment(rendition, *msn), Found::Here(_)));
                assert!(kept.count() as u64 <= MEMORY_S / 2 + 1);
                assert!(delta.contains(&segment_uri(newest)));
            }
        }
    }
}

/// The first number, how many segments there are, and how long they are together.
fn listed(text: &str) -> (u64, u64, u64) {
    let first = text.lines().find_map(|line| line.strip_prefix("#EXT-X-MEDIA-SEQUENCE:")).unwrap();
    let durations = text.lines().filter_map(|line| line.strip_prefix("#EXTINF:")?.strip_suffix(','));
    let us = durations.map(|text| (text.parse::<f64>().unwrap() * 1e6).round() as u64);
    let (count, sum) = us.fold((0, 0), |(count, sum), us| (count + 1, sum + us));
    (first.parse().unwrap(), count, sum)
}

/// The date of the last segment.
fn date_ms(text: &str) -> i64 {
    let date = text.lines().filter_map(|line| line.strip_prefix("#EXT-X-PROGRAM-DATE-TIME:")).next_back();
    let date = time::OffsetDateTime::parse(date.unwrap(), &time::format_description::well_known::Rfc3339);
    (date.unwrap().unix_timestamp_nanos() / 1_000_000) as i64
}

#[test]
fn a_day_on_air_stays_within_bounds_and_on_time_until_its_limit_ends_it() {
    let mut day = Day::new();
    let started = Some(Timestamp::from_unix_ms(STARTED_MS));
    let (ends, status) = Details::default().due(EventStatus::Started, started).unwrap();
    assert_eq!(status, EventStatus::Ended);
    let mut hours = 0;
    while ends.unix_ms() > STARTED_MS + (hours * HOUR_S * 1_000) as i64 {
        hours += 1;
        day.send_until((hours * HOUR_S) as i64 * SECOND_NS);
        if [1, 2, 13, 24].contains(&hours) {
            day.look(hours);
        }
    }
    assert_eq!(hours, 24, "the limit is a day");
    let mut out = Vec::new();
    day.segmenter.end(&mut out);
    let ends_ns: Vec<i64> = out
        .iter()
        .filter_map(|packaged| match packaged {
            Packaged::Close { segment, .. } => Some(segment.end_ns),
            _ => None,
        })
        .collect();
    assert_eq!(ends_ns.len(), 2);
    for end_ns in ends_ns {
        let off_ms = (end_ns - DAY_S as i64 * SECOND_NS) / MS_NS;
        assert!(off_ms.abs() <= 93, "the decode times are {off_ms} ms from a day");
    }
    assert_eq!(day.discontinuities, 0, "the encoder's clock came round unseen");
    println!("{} pictures, {} frames of sound", day.next[0], day.next[1]);
}
