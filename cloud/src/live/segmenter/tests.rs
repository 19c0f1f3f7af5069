use std::collections::VecDeque;

use bytes::Bytes;

use super::*;
use crate::live::segment::Segment;
use proptest::prelude::*;
use stagebox_media::aac::AudioSpecificConfig;
use stagebox_media::cmaf::CmafReader;
use stagebox_media::{Codec, Epoch};

/// avcC of x264, High, 1280x720, 30 frames a second.
const AVCC: &[u8] = &[
    0x01, 0x64, 0x00, 0x1f, 0xff, 0xe1, 0x00, 0x1a, 0x67, 0x64, 0x00, 0x1f, 0xac, 0xd9, 0x40, 0x50, 0x05,
    0xbb, 0x01, 0x10, 0x00, 0x00, 0x03, 0x00, 0x10, 0x00, 0x00, 0x03, 0x03, 0xc0, 0xf1, 0x83, 0x19, 0x60,
    0x01, 0x00, 0x04, 0x68, 0xef, 0x8f, 0xcb, 0xfd, 0xf8, 0xf8, 0x00,
];
const SMALL: Rendition = Rendition::Scaled(360);
const LENGTHS: Lengths = Lengths { part_ms: 500, segment_ms: 2000 };

pub(in crate::live) fn video_config() -> TrackConfig {
    let data = Bytes::from_static(AVCC);
    TrackConfig { track: Track::Video, codec: Codec::H264, epoch: Epoch::UNKNOWN, data }
}

fn audio_config() -> TrackConfig {
    let data = AudioSpecificConfig::lc(48_000, 2).unwrap().to_bytes();
    TrackConfig { track: Track::Audio, codec: Codec::Aac, epoch: Epoch::UNKNOWN, data }
}

fn frame(track: Track, dts_ns: i64, offset_ns: i64, key: bool) -> Frame {
    let codec = if track == Track::Video { Codec::H264 } else { Codec::Aac };
    let data = Bytes::from_static(&[0, 0, 0, 1, 0x65]);
    Frame { track, codec, epoch: Epoch::UNKNOWN, pts_ns: dts_ns + offset_ns, dts_ns, key, data }
}

/// A stretch of a source: pictures, and sound that may run early or late.
#[derive(Debug, Clone)]
struct Source {
    frames: u32,
    fps: u32,
    key_every: u32,
    offset_frames: u32,
    sound_early_ms: i64,
    whole_ms: bool,
}

impl Source {
    /// Its frames from `from_ns` on, in the order in which they would come; and where it ends.
    fn play(&self, from_ns: i64) -> (Vec<Frame>, i64) {
        let frame_ns = SECOND_NS / i64::from(self.fps);
        let round = |at_ns: i64| if self.whole_ms { (at_ns + MS_NS / 2) / MS_NS * MS_NS } else { at_ns };
        let offset_ns = frame_ns * i64::from(self.offset_frames);
        let mut coming = Vec::new();
        for index in 0..self.frames {
            let at_ns = from_ns + round(frame_ns * i64::from(index));
            coming.push((at_ns, frame(Track::Video, at_ns, offset_ns, index % self.key_every == 0)));
        }
        let length_ns = frame_ns * i64::from(self.frames);
        for index in 0.. {
            let at_ns = offset_ns + i64::from(index) * 1024 * SECOND_NS / 48_000;
            if at_ns >= length_ns {
                break;
            }
            let comes_ns = from_ns + at_ns - self.sound_early_ms * MS_NS;
            coming.push((comes_ns, frame(Track::Audio, from_ns + round(at_ns), 0, true)));
        }
        coming.sort_by_key(|(comes_ns, _)| *comes_ns);
        (coming.into_iter().map(|(_, frame)| frame).collect(), from_ns + length_ns)
    }
}

#[derive(Debug, Default)]
struct Outcome {
    target_duration_s: Option<u64>,
    segments: BTreeMap<Rendition, Vec<Segment>>,
    data: BTreeMap<Rendition, Vec<Bytes>>,
}

impl Outcome {
    fn take(&mut self, out: &mut Vec<Packaged>) {
        for packaged in out.drain(..) {
            match packaged {
                Packaged::Target { target_duration_s } => {
                    assert_eq!(self.target_duration_s.replace(target_duration_s), None);
                }
                Packaged::Init { rendition, data, .. } | Packaged::Part { rendition, data, .. } => {
                    self.data.entry(rendition).or_default().push(data);
                }
                Packaged::Close { rendition, segment } => {
                    self.segments.entry(rendition).or_default().push(segment);
                }
            }
        }
    }

    fn read_back(&self, rendition: Rendition) -> Vec<Frame> {
        let mut reader = CmafReader::new();
        let mut frames = Vec::new();
        for data in &self.data[&rendition] {
            reader.push(data);
        }
        while let Some(packet) = reader.next().unwrap() {
            if let Packet::Frame(frame) = packet {
                frames.push(frame);
            }
        }
        frames
    }
}

/// Packages runs one after the other; the small rendition comes `lag` frames late.
fn package(runs: &[Source], lag: usize) -> (Outcome, Vec<Vec<Frame>>) {
    let mut segmenter = Segmenter::new(LENGTHS, Resume::default());
    let (mut outcome, mut out) = (Outcome::default(), Vec::new());
    let mut given = Vec::new();
    let mut from_ns = 0;
    for source in runs {
        let start = RunStart {
            source: super::super::timeline::Source::Slate,
            video: Some(video_config()),
            audio: Some(audio_config()),
            start_unix_ms: from_ns / MS_NS,
        };
        let run = segmenter.begin(&start, &[SMALL], &mut out).unwrap();
        let (frames, end_ns) = source.play(from_ns);
        segmenter.scaled(SMALL, Packet::Config(video_config()), &mut out).unwrap();
        let mut late = VecDeque::new();
        for frame in &frames {
            segmenter.frame(frame.clone(), &mut out);
            if frame.track == Track::Video {
                late.push_back(Frame { dts_ns: frame.pts_ns, ..frame.clone() });
            }
            while late.len() > lag {
                segmenter.scaled(SMALL, Packet::Frame(late.pop_front().unwrap()), &mut out).unwrap();
            }
            outcome.take(&mut out);
        }
        segmenter.end(&mut out);
        for frame in late {
            segmenter.scaled(SMALL, Packet::Frame(frame), &mut out).unwrap();
        }
        segmenter.scaled_end(SMALL, run, &mut out);
        outcome.take(&mut out);
        given.push(frames);
        // The timeline leaves room for the sound that crosses the end.
        from_ns = end_ns + 22 * MS_NS;
    }
    (outcome, given)
}

fn source() -> impl Strategy<Value = Source> {
    (1u32..400, prop_oneof![Just(15u32), Just(25), Just(30), Just(50), Just(60)], 1u32..300, 0u32..3)
        .prop_flat_map(|(frames, fps, key_every, offset_frames)| {
            (-300i64..300, any::<bool>()).prop_map(move |(sound_early_ms, whole_ms)| Source {
                frames,
                fps,
                key_every,
                offset_frames,
                sound_early_ms,
                whole_ms,
            })
        })
}

#[test]
fn two_seconds_are_four_parts() {
    let source =
        Source { frames: 150, fps: 30, key_every: 60, offset_frames: 0, sound_early_ms: 0, whole_ms: false };
    let (outcome, _) = package(&[source], 4);
    assert_eq!(outcome.target_duration_s, Some(2));
    for rendition in [Rendition::Source, SMALL] {
        let segments = &outcome.segments[&rendition];
        let shape: Vec<(u64, u64, usize)> =
            segments.iter().map(|segment| (segment.msn, segment.duration_us, segment.parts.len())).collect();
        assert_eq!(shape, [(0, 2_000_000, 4), (1, 2_000_000, 4), (2, 1_000_000, 2)], "{rendition}");
        assert!(segments.iter().all(|segment| segment.independent));
    }
    let audio: Vec<u32> = outcome.segments[&Rendition::Audio].iter().map(|segment| segment.frames).collect();
    assert_eq!(audio, [94, 94, 47]);
}

#[test]
fn the_last_sound_is_not_lost_to_the_rounding_of_timestamps() {
    let source =
        Source { frames: 393, fps: 60, key_every: 89, offset_frames: 0, sound_early_ms: 0, whole_ms: true };
    let (outcome, given) = package(&[source], 9);
    let sounds = given.iter().flatten().filter(|frame| frame.track == Track::Audio).count();
    assert_eq!(outcome.read_back(Rendition::Audio).len(), sounds);
}

#[test]
fn sound_that_reaches_beyond_the_picture_keeps_to_the_target() {
    let source =
        Source { frames: 270, fps: 60, key_every: 269, offset_frames: 1, sound_early_ms: 0, whole_ms: false };
    let (outcome, _) = package(&[source], 6);
    let longest = outcome.segments.values().flatten().map(|segment| segment.duration_us).max();
    let rounded = longest.map(|longest| (longest + 500_000) / 1_000_000);
    assert!(rounded <= outcome.target_duration_s, "{longest:?} {:?}", outcome.target_duration_s);
}

fn pictures_only() -> RunStart {
    let source = super::super::timeline::Source::Slate;
    RunStart { source, video: Some(video_config()), audio: None, start_unix_ms: 0 }
}

#[test]
fn a_lost_worker_leaves_a_gap_and_comes_back_at_a_boundary() {
    let mut segmenter = Segmenter::new(LENGTHS, Resume::default());
    let (mut outcome, mut out) = (Outcome::default(), Vec::new());
    let start = pictures_only();
    let run = segmenter.begin(&start, &[SMALL], &mut out).unwrap();
    segmenter.scaled(SMALL, Packet::Config(video_config()), &mut out).unwrap();
    for index in 0..600i64 {
        let frame = frame(Track::Video, index * SECOND_NS / 30, 0, index % 60 == 0);
        segmenter.frame(frame.clone(), &mut out);
        if index == 90 {
            segmenter.scaled_end(SMALL, run, &mut out);
        }
        if !(90..300).contains(&index) {
            segmenter.scaled(SMALL, Packet::Frame(frame), &mut out).unwrap();
        }
    }
    segmenter.end(&mut out);
    segmenter.scaled_end(SMALL, run, &mut out);
    outcome.take(&mut out);
    let gaps: Vec<bool> = outcome.segments[&SMALL].iter().map(|segment| segment.gap).collect();
    assert_eq!(gaps, [false, false, true, true, true, false, false, false, false, false]);
    assert!(
        outcome.segments[&SMALL].iter().filter(|segment| segment.gap).all(|gap| gap.duration_us == 2_000_000)
    );
}

#[test]
fn what_a_run_is_not_shown_in_is_missing_at_once() {
    let mut segmenter = Segmenter::new(LENGTHS, Resume::default());
    let (mut outcome, mut out) = (Outcome::default(), Vec::new());
    let start = pictures_only();
    let run = segmenter.begin(&start, &[SMALL], &mut out).unwrap();
    segmenter.scaled(SMALL, Packet::Config(video_config()), &mut out).unwrap();
    let picture = |index: i64| frame(Track::Video, index * SECOND_NS / 30, 0, index % 60 == 0);
    let closed = |outcome: &Outcome| -> Vec<bool> {
        outcome.segments[&SMALL].iter().map(|segment| segment.gap).collect()
    };
    (0..60).for_each(|index| segmenter.frame(picture(index), &mut out));
    segmenter.end(&mut out);
    segmenter.begin(&start, &[], &mut out).unwrap();
    (60..70).for_each(|index| segmenter.frame(picture(index), &mut out));
    // Its worker is still to deliver what it owes of the run before.
    for index in 0..60 {
        segmenter.scaled(SMALL, Packet::Frame(picture(index)), &mut out).unwrap();
    }
    segmenter.scaled_end(SMALL, run, &mut out);
    outcome.take(&mut out);
    assert_eq!(closed(&outcome), [false]);
    assert_eq!(outcome.segments[&SMALL][0].frames, 60);
    (70..190).for_each(|index| segmenter.frame(picture(index), &mut out));
    outcome.take(&mut out);
    assert_eq!(closed(&outcome), [false, true, true], "the third one of the source is in hand");
}

#[test]
fn a_source_that_is_made_anew_has_its_segments_on_the_grid() {
    let source =
        Source { frames: 300, fps: 30, key_every: 299, offset_frames: 2, sound_early_ms: 0, whole_ms: true };
    let mut segmenter = Segmenter::new(LENGTHS, Resume::default());
    let (mut outcome, mut out) = (Outcome::default(), Vec::new());
    let start = RunStart {
        source: super::super::timeline::Source::Slate,
        video: Some(video_config()),
        audio: Some(audio_config()),
        start_unix_ms: 5_000,
    };
    let run = segmenter.begin(&start, &[Rendition::Source], &mut out).unwrap();
    segmenter.scaled(Rendition::Source, Packet::Config(video_config()), &mut out).unwrap();
    // It begins anywhere, here a tenth of a second before a stretch of the grid.
    let (frames, _) = source.play(1_900 * MS_NS);
    let (mut late, mut reached, mut given) = (VecDeque::new(), i64::MAX, 0);
    for frame in frames {
        segmenter.frame(frame.clone(), &mut out);
        if frame.track == Track::Video {
            let number = segmenter.grid().number(frame.pts_ns);
            late.push_back(Frame { dts_ns: frame.pts_ns, key: given == 0 || number > reached, ..frame });
            (reached, given) = (number, given + 1);
        }
        while late.len() > 5 {
            segmenter.scaled(Rendition::Source, Packet::Frame(late.pop_front().unwrap()), &mut out).unwrap();
        }
    }
    segmenter.end(&mut out);
    for frame in late {
        segmenter.scaled(Rendition::Source, Packet::Frame(frame), &mut out).unwrap();
    }
    segmenter.scaled_end(Rendition::Source, run, &mut out);
    outcome.take(&mut out);
    assert_eq!(outcome.read_back(Rendition::Source).len(), 300);
    let segments = &outcome.segments[&Rendition::Source];
    assert!(segments.iter().all(|segment| segment.independent && !segment.gap), "{segments:?}");
    let begins: Vec<i64> = segments.iter().map(|segment| segment.start_unix_ms - 5_000).collect();
    // The first picture is shown at 1967 ms: what is left of that stretch is too little for a segment.
    assert_eq!(begins, [0, 2_033, 4_033, 6_033, 8_033]);
    assert_eq!(outcome.target_duration_s, Some(2));
    let sound = &outcome.segments[&Rendition::Audio];
    assert_eq!(sound.len(), segments.len());
}

#[test]
fn after_a_restart_numbers_and_sections_go_on() {
    let (outcome, _) = package(
        &[Source {
            frames: 60,
            fps: 30,
            key_every: 60,
            offset_frames: 0,
            sound_early_ms: 0,
            whole_ms: false,
        }],
        0,
    );
    let inits =
        [Rendition::Source, Rendition::Audio].map(|name| (name, (0, outcome.data[&name][0].clone()))).into();
    let resume = Resume {
        next_msn: 7,
        discontinuity_sequence: 2,
        target_duration_s: Some(2),
        dated_until_ms: None,
        inits,
    };
    let mut segmenter = Segmenter::new(LENGTHS, resume);
    let mut out = Vec::new();
    let start = RunStart {
        source: super::super::timeline::Source::Slate,
        video: Some(video_config()),
        audio: Some(audio_config()),
        start_unix_ms: 0,
    };
    segmenter.begin(&start, &[], &mut out).unwrap();
    assert!(out.is_empty(), "the same sections are not made again: {out:?}");
    segmenter.frame(frame(Track::Video, 0, 0, true), &mut out);
    segmenter.end(&mut out);
    let Some(Packaged::Close { segment, .. }) = out.last() else { panic!("{out:?}") };
    assert_eq!((segment.msn, segment.discontinuity, segment.discontinuity_sequence), (7, true, 3));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// Nothing is lost or doubled, parts and segments keep to their lengths, and all renditions are cut alike.
    #[test]
    fn segments_hold_together(runs in proptest::collection::vec(source(), 1..4), lag in 0usize..12) {
        let (outcome, given) = package(&runs, lag);
        let target_us = outcome.target_duration_s.unwrap() * 1_000_000;
        let lead = &outcome.segments[&Rendition::Source];
        for (rendition, segments) in &outcome.segments {
            let numbers: Vec<u64> = segments.iter().map(|segment| segment.msn).collect();
            prop_assert_eq!(&numbers, &(0..lead.len() as u64).collect::<Vec<_>>(), "{}", rendition);
            for (segment, other) in segments.iter().zip(lead) {
                prop_assert_eq!(segment.discontinuity, other.discontinuity);
                prop_assert_eq!(segment.start_unix_ms, other.start_unix_ms);
                prop_assert!((segment.duration_us + 500_000) / 1_000_000 * 1_000_000 <= target_us, "{:?}", segment);
                let parts = segment.parts.len();
                for (index, part) in segment.parts.iter().enumerate() {
                    prop_assert!(part.duration_us <= 500_001, "{} {:?}", rendition, segment);
                    prop_assert!(index + 1 == parts || part.duration_us >= 425_000, "{} {:?}", rendition, segment);
                }
            }
        }
        let expected = given.iter().flatten();
        let pictures: Vec<i64> =
            expected.clone().filter(|frame| frame.track == Track::Video).map(|frame| frame.dts_ns).collect();
        let read: Vec<i64> = outcome.read_back(Rendition::Source).iter().map(|frame| frame.dts_ns).collect();
        prop_assert_eq!(pictures.len(), read.len());
        for (given, read) in pictures.iter().zip(&read) {
            prop_assert!((given - read).abs() < 20_000, "{} {}", given, read);
        }
        prop_assert_eq!(outcome.read_back(SMALL).len(), pictures.len());
        let sounds = expected.filter(|frame| frame.track == Track::Audio).count();
        let read = outcome.segments.get(&Rendition::Audio).map_or(0, |_| outcome.read_back(Rendition::Audio).len());
        prop_assert_eq!(read, sounds);
        let discontinuities = lead.iter().filter(|segment| segment.discontinuity).count();
        prop_assert_eq!(discontinuities, runs.len() - 1);
    }
}
