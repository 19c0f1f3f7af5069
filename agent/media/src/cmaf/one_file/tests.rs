use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::*;

use super::movie_read::{Shown, assemble, movie, shown, whole_head};
use super::scan::Found;
use super::*;
use crate::aac::AudioSpecificConfig;
use crate::cmaf::CmafTrack;
use crate::cmaf::tests::{audio, audio_config, video, video_config};
use crate::{Frame, TrackConfig};

const MS: i64 = 1_000_000;

/// One track's segments, as the media store has them.
#[derive(Debug, Default)]
pub(super) struct Stored {
    pub(super) inits: BTreeMap<u32, Bytes>,
    /// By their names, with the section that each needs.
    pub(super) segments: BTreeMap<u64, (u32, Bytes)>,
}

impl Stored {
    /// Packages frames into segments of so many frames, with parts of so many.
    pub(super) fn of(config: &TrackConfig, frames: &[Frame], segment: usize, part: usize) -> Self {
        let mut stored = Self::default();
        stored.add(config, frames, segment, part);
        stored
    }

    /// Goes on with a configuration of its own.
    pub(super) fn add(&mut self, config: &TrackConfig, frames: &[Frame], segment: usize, part: usize) {
        let mut track = CmafTrack::new(config).unwrap();
        let init = self.inits.len() as u32;
        self.inits.insert(init, track.init());
        let (mut bytes, mut waiting) = (Vec::new(), 0);
        for (index, frame) in frames.iter().enumerate() {
            // a frame is cut once the next is there
            track.push(frame).unwrap();
            if index > 0 && (index % part == 0 || index % segment == 0) {
                bytes.extend(track.cut().map(|fragment| fragment.data.to_vec()).unwrap_or_default());
                waiting += 1;
            }
            if waiting > 0 && index % segment == 0 {
                self.store(init, std::mem::take(&mut bytes));
                waiting = 0;
            }
        }
        bytes.extend(track.finish().map(|fragment| fragment.data.to_vec()).unwrap_or_default());
        self.store(init, bytes);
    }

    fn store(&mut self, init: u32, bytes: Vec<u8>) {
        let name = self.segments.last_key_value().map_or(100, |(name, _)| name + 1);
        self.segments.insert(name, (init, Bytes::from(bytes)));
    }

    pub(super) fn sections(&self) -> BTreeMap<u32, InitSection> {
        self.inits.iter().map(|(init, bytes)| (*init, InitSection::parse(bytes).unwrap())).collect()
    }
}

/// The file of these tracks, with scans that were kept for a while.
pub(super) fn one_file(tracks: &[Stored]) -> OneFile {
    let mut builder = OneFileBuilder::new();
    for stored in tracks {
        let sections = stored.sections();
        let track = builder.add_track(&sections).unwrap();
        for (name, (init, bytes)) in &stored.segments {
            let scan = SegmentScan::of(&sections[init], bytes).unwrap();
            let kept = SegmentScan::decode(&scan.encode()).unwrap();
            assert_eq!(scan, kept);
            builder.push(track, *name, *init, &kept).unwrap();
        }
    }
    builder.finish().unwrap()
}

pub(super) fn bytes_of(file: &OneFile, tracks: &[Stored], range: Range<u64>) -> Vec<u8> {
    assemble(file, range, |track, name| &tracks[track].segments[&name].1)
}

/// Every frame is in the file, with its bytes, and shown when it should be.
fn holds(whole: &[u8], samples: &[Shown], frames: &[Frame], zero_ns: i64) {
    assert_eq!(samples.len(), frames.len());
    for (sample, frame) in samples.iter().zip(frames) {
        let off = sample.at_ns - (frame.pts_ns - zero_ns);
        assert!(off.abs() <= 25_000, "{off} ns off");
        assert_eq!((sample.key, sample.size as usize), (frame.key, frame.data.len()));
        let place = sample.place as usize;
        assert_eq!(whole[place..place + frame.data.len()], frame.data);
    }
}

fn pictures(from_ms: i64, count: i64) -> Vec<Frame> {
    (0..count)
        .map(|n| video((from_ms + n * 40) * MS, (from_ms + n * 40) * MS, n % 25 == 0, 50 + n as usize % 7))
        .collect()
}

fn sounds(from_ms: i64, count: i64) -> Vec<Frame> {
    (0..count).map(|n| audio(from_ms * MS + n * 64 * MS / 3, 20 + n as usize % 5)).collect()
}

fn any_pictures() -> impl Strategy<Value = Vec<Frame>> {
    let frame = (1i64..9000, -3_000i64..20_000, any::<bool>(), 1usize..60);
    (0i64..1 << 33, proptest::collection::vec(frame, 1..60)).prop_map(|(start, steps)| {
        let mut tick = start + 3_000;
        let frames = steps.into_iter().map(|(step, offset, key, size)| {
            tick += step;
            let ns = |tick: i64| (tick * 100_000 + 4) / 9;
            video(ns(tick), ns(tick + offset), key, size)
        });
        frames.collect()
    })
}

proptest! {
    #[test]
    fn a_file_holds_every_frame_in_its_time(
        pictures in any_pictures(),
        sound_after_ms in prop_oneof![-15i64..0, -400i64..2000],
        count in 1i64..80,
        (segment, part) in (1usize..9, 1usize..4),
        cuts in proptest::collection::vec(any::<u64>(), 8),
    ) {
        let first = pictures.iter().map(|frame| frame.pts_ns).min().unwrap();
        let sounds = sounds((first / MS + sound_after_ms).max(0), count);
        let tracks = [
            Stored::of(&video_config(), &pictures, segment, part),
            Stored::of(&audio_config(), &sounds, segment * 2, part),
        ];
        let file = one_file(&tracks);
        let whole = bytes_of(&file, &tracks, 0..u64::MAX);
        prop_assert_eq!(whole.len() as u64, file.bytes());
        let samples = shown(&whole);
        let earlier = first - sounds[0].pts_ns;
        let zero = if earlier > 10 * MS { sounds[0].pts_ns } else { first };
        holds(&whole, &samples[0], &pictures, zero);
        holds(&whole, &samples[1], &sounds, zero);

        let cut = |cut: &u64| cut % (file.bytes() + 1);
        for pair in cuts.windows(2) {
            let (from, to) = (cut(&pair[0]).min(cut(&pair[1])), cut(&pair[0]).max(cut(&pair[1])));
            prop_assert_eq!(&bytes_of(&file, &tracks, from..to), &whole[from as usize..to as usize]);
        }
        let mut joined = Vec::new();
        let step = cuts[0] % 60 + 1;
        for from in (0..file.bytes()).step_by(step as usize) {
            joined.extend(bytes_of(&file, &tracks, from..from + step));
        }
        prop_assert_eq!(joined, whole);
    }
}

#[test]
fn a_segment_can_be_scanned_in_parts() {
    let stored = Stored::of(&video_config(), &pictures(0, 40), 20, 4);
    let init = &stored.sections()[&0];
    let bytes = &stored.segments[&100].1;
    let whole = SegmentScan::of(init, bytes).unwrap();
    let first = 8 + crate::cmaf::boxes::child(bytes, b"moof").unwrap().len();
    let scanned = SegmentScan::of_parts(init, [&bytes[..first], &bytes[first..]]).unwrap();
    assert_eq!(scanned, whole);
    assert_eq!(whole.samples(), 20);
    assert_eq!(SegmentScan::of(init, &bytes[..first]), Err(CmafError::SampleOutOfBounds.into()));
    assert_eq!(SegmentScan::of(init, &bytes[..first + 5]), Err(OneFileError::CutOff));
    assert_eq!(SegmentScan::of(init, &bytes[..first + 20]), Err(OneFileError::CutOff));
}

#[test]
fn both_tracks_take_turns() {
    let tracks = [
        Stored::of(&video_config(), &pictures(5_000, 250), 50, 5),
        Stored::of(&audio_config(), &sounds(5_000, 469), 94, 9),
    ];
    let file = one_file(&tracks);
    let samples = shown(&whole_head(&file));
    // no sample stands further from another of its time than a second of media is long
    let mut order: Vec<_> = samples.iter().flatten().map(|sample| (sample.place, sample.at_ns)).collect();
    order.sort_unstable();
    let mut latest = 0;
    for (_, at_ns) in order {
        assert!(at_ns > latest - 1_000 * MS, "{at_ns} comes after {latest}");
        latest = latest.max(at_ns);
    }
    let turns = file.chunks.windows(2).filter(|pair| pair[0].track != pair[1].track).count();
    assert!((20..=34).contains(&turns), "{turns} turns in ten seconds");
    assert_eq!(file.duration_ms() / 10, 1000);
}

#[test]
fn what_is_missing_leaves_a_hole_of_its_length() {
    let (seen, heard) = (pictures(90_000, 300), sounds(90_000, 562));
    let mut tracks = [Stored::of(&video_config(), &seen, 50, 5), Stored::of(&audio_config(), &heard, 94, 9)];
    tracks[0].segments.retain(|name, _| !(102..=103).contains(name));
    tracks[1].segments.retain(|name, _| *name != 102);
    let file = one_file(&tracks);
    let whole = bytes_of(&file, &tracks, 0..u64::MAX);
    let samples = shown(&whole);
    let kept: Vec<_> = [&seen[..100], &seen[200..]].concat();
    holds(&whole, &samples[0], &kept, seen[0].pts_ns);
    assert_eq!(samples[0][99].duration, 101 * 3600);
    let kept: Vec<_> = [&heard[..188], &heard[282..]].concat();
    holds(&whole, &samples[1], &kept, seen[0].pts_ns);
    assert_eq!(samples[1][187].duration, 95 * 1024);
}

#[test]
fn a_track_that_begins_much_later_waits() {
    let (seen, heard) = (pictures(10_000, 100), sounds(4_000, 400));
    let tracks = [Stored::of(&video_config(), &seen, 50, 5), Stored::of(&audio_config(), &heard, 94, 9)];
    let file = one_file(&tracks);
    let whole = bytes_of(&file, &tracks, 0..u64::MAX);
    let samples = shown(&whole);
    assert_eq!((samples[0][0].at_ns, samples[1][0].at_ns), (6_000 * MS, 0));
    let edits = movie(&whole).trak[0].edts.clone().unwrap().elst.unwrap().entries;
    assert_eq!((edits[0].media_time, edits[0].segment_duration), (None, 6 * 90_000));
    assert_eq!((edits[1].media_time, edits[1].segment_duration), (Some(0), 4 * 90_000));
    // a little sound before the first picture is cut off instead
    let tracks =
        [Stored::of(&video_config(), &seen, 50, 5), Stored::of(&audio_config(), &sounds(9_991, 100), 94, 9)];
    let samples = shown(&whole_head(&one_file(&tracks)));
    assert_eq!((samples[0][0].at_ns, samples[1][0].at_ns), (0, -9 * MS));
}

#[test]
fn configurations_that_differ_become_entries() {
    let mut stored = Stored::of(&video_config(), &pictures(0, 50), 25, 5);
    let mut other = video_config();
    let mut avcc = other.data.to_vec();
    avcc[3] = 0x28;
    other.data = Bytes::from(avcc);
    let mut unused = other.data.to_vec();
    unused[3] = 0x29;
    stored.add(&other, &pictures(2_000, 50), 25, 5);
    stored.add(&video_config(), &pictures(4_000, 25), 25, 5);
    let unused = CmafTrack::new(&TrackConfig { data: Bytes::from(unused), ..other }).unwrap().init();
    stored.inits.insert(9, unused);
    let head = whole_head(&one_file(&[stored]));
    assert_eq!(movie(&head).trak[0].mdia.minf.stbl.stsd.codecs.len(), 2);
    let entries: Vec<_> = shown(&head)[0].iter().map(|sample| sample.entry).collect();
    assert_eq!(entries, [vec![1; 50], vec![2; 50], vec![1; 25]].concat());
}

#[test]
fn sound_of_two_rates_stays_in_time() {
    let slow = TrackConfig { data: AudioSpecificConfig::lc(44_100, 2).unwrap().to_bytes(), ..audio_config() };
    let step = |n: i64| 3_000 * MS + n * 1024 * 1_000 * MS / 44_100;
    let later: Vec<_> = (0..60).map(|n| audio(step(n), 9)).collect();
    let first = sounds(1_000, 90);
    let mut stored = Stored::of(&audio_config(), &first, 30, 5);
    stored.add(&slow, &later, 30, 5);
    let tracks = [stored];
    let file = one_file(&tracks);
    let whole = bytes_of(&file, &tracks, 0..u64::MAX);
    assert_eq!(movie(&whole).trak[0].mdia.mdhd.timescale, 7_056_000);
    holds(&whole, &shown(&whole)[0], &[first, later].concat(), 1_000 * MS);
}

#[test]
fn a_hole_of_ten_hours_is_told_in_longer_ticks() {
    let mut stored = Stored::of(&video_config(), &pictures(0, 50), 50, 5);
    let later = pictures(10 * 3600 * 1000, 50);
    stored.add(&video_config(), &later, 50, 5);
    let tracks = [stored];
    let file = one_file(&tracks);
    let whole = bytes_of(&file, &tracks, 0..u64::MAX);
    assert_eq!(movie(&whole).trak[0].mdia.mdhd.timescale, 45_000);
    holds(&whole, &shown(&whole)[0], &[pictures(0, 50), later].concat(), 0);
}

#[test]
fn a_segment_that_goes_back_follows_the_one_before() {
    let mut stored = Stored::of(&video_config(), &pictures(10_000, 25), 25, 5);
    // it overlaps by half a frame: that frame is cut short
    stored.add(&video_config(), &pictures(10_980, 25), 25, 5);
    // it goes back by nine seconds
    stored.add(&video_config(), &pictures(3_000, 25), 25, 5);
    // time goes on where it should
    stored.add(&video_config(), &pictures(14_000, 25), 25, 5);
    let samples = shown(&whole_head(&one_file(&[stored]))).remove(0);
    let starts: Vec<_> = [24, 25, 49, 50, 74, 75].iter().map(|n| samples[*n].at_ns / MS).collect();
    assert_eq!(starts, [960, 980, 1940, 1980, 2940, 4000]);
}

/// A scan of samples that no test could hold.
fn scan(start: u64, sizes: &[u32], delta: u64, offset: impl Fn(u64) -> i32) -> SegmentScan {
    let mut position = 100;
    let found = |(size, n): (&u32, u64)| {
        let sample = Found { at: start + n * delta, offset: offset(n), key: n == 0, position, size: *size };
        position += size;
        sample
    };
    let found: Vec<_> = sizes.iter().zip(0..).map(found).collect();
    SegmentScan::write(&found, start + sizes.len() as u64 * delta)
}

#[test]
fn a_file_over_4_gib_has_long_places() {
    let sections = Stored::of(&video_config(), &pictures(0, 1), 1, 1).sections();
    for (size, long) in [(100_000_000, false), (110_000_000, true)] {
        let mut builder = OneFileBuilder::new();
        let track = builder.add_track(&sections).unwrap();
        for n in 0..40 {
            builder.push(track, n, 0, &scan(n * 90_000, &[size], 90_000, |_| 0)).unwrap();
        }
        let file = builder.finish().unwrap();
        let head = whole_head(&file);
        assert_eq!(file.bytes() > 1 << 32, long);
        assert_eq!(movie(&head).trak[0].mdia.minf.stbl.co64.is_some(), long);
        let mdat = file.bytes() - file.head_bytes();
        if long {
            assert_eq!(head[head.len() - 16..head.len() - 8], *b"\0\0\0\x01mdat");
            assert_eq!(head[head.len() - 8..], (mdat + 16).to_be_bytes());
        } else {
            assert_eq!(head[head.len() - 8..head.len() - 4], (mdat as u32 + 8).to_be_bytes());
        }
        let places: Vec<_> = shown(&head)[0].iter().map(|sample| sample.place).collect();
        assert_eq!(places[39], file.head_bytes() + 39 * u64::from(size));
        let last = file.pieces(places[39] + 5..u64::MAX).collect::<Vec<_>>();
        assert_eq!(last, [Piece::Source { track: 0, source: 39, offset: 105, len: u64::from(size) - 5 }]);
    }
}

#[test]
fn what_was_cut_out_takes_no_time() {
    let sections = Stored::of(&video_config(), &pictures(0, 1), 1, 1).sections();
    let mut builder = OneFileBuilder::new();
    builder.add_track(&sections).unwrap();
    builder.push(0, 0, 0, &scan(90_000, &[10, 10], 90_000, |_| 0)).unwrap();
    // Ten hours later, of which nothing is to be seen.
    let later = scan(90_000 * 36_003, &[10, 10], 90_000, |_| 0);
    builder.push_earlier(0, 1, 0, &later, 36_000_000_000).unwrap();
    assert_eq!(builder.finish().unwrap().duration_ms(), 4_000);
}

#[test]
fn limits_are_told() {
    let sections = Stored::of(&video_config(), &pictures(0, 1), 1, 1).sections();
    let mut builder = OneFileBuilder::new();
    assert_eq!(builder.add_track(&BTreeMap::new()), Err(OneFileError::Mixed));
    assert_eq!(builder.add_track(&sections), Ok(0));
    assert_eq!(builder.add_track(&sections), Err(CmafError::Tracks.into()));
    let one = scan(0, &[10], 3600, |_| 0);
    assert_eq!(builder.push(1, 0, 0, &one), Err(OneFileError::UnknownTrack(1)));
    assert_eq!(builder.push(0, 0, 3, &one), Err(OneFileError::UnknownInit { track: 0, init: 3 }));
    builder.push(0, 0, 0, &one).unwrap();
    let late = scan(5 * 86_400 * 90_000, &[10], 3600, |_| 0);
    assert_eq!(builder.push(0, 1, 0, &late), Err(OneFileError::TooLong));
    assert_eq!(shown(&whole_head(&builder.finish().unwrap()))[0].len(), 1, "the others were not taken");
    let mut builder = OneFileBuilder::new();
    builder.add_track(&sections).unwrap();
    builder.push(0, 0, 0, &scan(0, &[], 1, |_| 0)).unwrap();
    assert_eq!(builder.finish().unwrap_err(), OneFileError::Empty);
    assert_eq!(InitSection::parse(&[]).unwrap_err(), CmafError::MissingBox { kind: *b"moov" }.into());
}

#[test]
fn tracks_that_are_days_apart_are_refused() {
    let mut builder = OneFileBuilder::new();
    builder.add_track(&Stored::of(&video_config(), &pictures(0, 1), 1, 1).sections()).unwrap();
    builder.add_track(&Stored::of(&audio_config(), &sounds(0, 1), 1, 1).sections()).unwrap();
    builder.push(0, 0, 0, &scan(0, &[10], 3600, |_| 0)).unwrap();
    builder.push(1, 0, 0, &scan(1 << 55, &[10], 1024, |_| 0)).unwrap();
    assert_eq!(builder.finish().unwrap_err(), OneFileError::TooLong);
}
