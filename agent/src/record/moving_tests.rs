//! A disk that fails while it is recorded to: the recording goes on elsewhere, and no frame is lost.
#![allow(clippy::disallowed_methods, reason = "a test: it makes up its own time from one reading")]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use proptest::prelude::*;
use stagebox_media::cmaf::{CmafReader, Marker};
use stagebox_media::{Frame, Packet, Track};

use super::retained::MOST_REPLAYS;
use super::state::{Action, FileId, Input, State};
use super::state_tests::{audio_config, frame, video_config};

/// A frame that is told from all others by its bytes.
pub(super) fn marked(track: Track, ms: i64, key: bool) -> Frame {
    let number = u32::try_from(ms + 10_000).unwrap().to_be_bytes();
    let data = match track {
        Track::Video => [&[0, 0, 0, 6, if key { 0x65 } else { 0x41 }, 0x88][..], &number].concat(),
        Track::Audio => [&[0x21, 0x10][..], &number].concat(),
    };
    Frame { data: Bytes::from(data), ..frame(track, ms, key) }
}

/// The frames of a file, closed or not.
pub(super) fn frames(bytes: &[u8]) -> Vec<Frame> {
    let end = match Marker::read(bytes) {
        Some(Marker::Closed { end }) => usize::try_from(end).unwrap(),
        _ => bytes.len(),
    };
    let mut reader = CmafReader::new();
    reader.push(Marker::Open.set(&bytes[..end]));
    let mut frames = Vec::new();
    while let Some(packet) = reader.next().unwrap() {
        frames.extend(match packet {
            Packet::Frame(frame) => Some(frame),
            Packet::Config(_) => None,
        });
    }
    frames
}

#[derive(Debug)]
enum Work {
    Do(Action),
    Abandon,
}

/// A writing thread that fails, and comes late.
struct Bench {
    state: State,
    now: Instant,
    work: VecDeque<Work>,
    files: BTreeMap<FileId, Vec<u8>>,
    open: BTreeSet<FileId>,
    /// How much work is done before a piece fails; the last piece fails for ever where it is said.
    fails: BTreeSet<usize>,
    for_ever: bool,
    done: usize,
    broken: bool,
    /// The failure is not told yet.
    untold: bool,
    told: u32,
}

impl Bench {
    fn new(segment_s: u32, fails: BTreeSet<usize>, for_ever: bool) -> Self {
        let mut bench = Self {
            state: State::new(segment_s, None, true),
            now: Instant::now(),
            work: VecDeque::new(),
            files: BTreeMap::new(),
            open: BTreeSet::new(),
            fails,
            for_ever,
            done: 0,
            broken: false,
            untold: false,
            told: 0,
        };
        bench.give(Input::Start);
        bench.give(Input::Packet(Packet::Config(video_config(1))));
        bench.give(Input::Packet(Packet::Config(audio_config(1))));
        bench
    }

    fn fails_now(&self) -> bool {
        let last = self.fails.last().is_some_and(|last| self.done >= *last);
        self.fails.contains(&self.done) || (self.for_ever && last)
    }

    /// Works and tells until there is nothing more of either; not for ever.
    fn settle(&mut self) {
        for _ in 0..100 {
            self.work(0);
            if !self.untold {
                return self.give(Input::Settled);
            }
            self.tell();
        }
        panic!("it begins anew for ever");
    }

    fn give(&mut self, input: Input) {
        let mut out = Vec::new();
        self.state.handle(self.now, input, &mut out);
        self.work.extend(out.into_iter().map(Work::Do));
    }

    /// Works until only so much is left.
    fn work(&mut self, left: usize) {
        while self.work.len() > left {
            let Some(work) = self.work.pop_front() else { return };
            let action = match work {
                Work::Abandon => {
                    self.broken = false;
                    self.open.clear();
                    continue;
                }
                Work::Do(action) => action,
            };
            if self.broken {
                continue;
            }
            self.done += 1;
            if self.fails_now() {
                (self.broken, self.untold) = (true, true);
                self.open.clear();
                continue;
            }
            match action {
                Action::Open { file, opening } => {
                    self.open.insert(file);
                    self.files.insert(file, opening.header.to_vec());
                }
                Action::Append { file, append } => self.append(file, &append.data, append.cut_ns),
                Action::Close { file, last, .. } => {
                    if let Some(append) = last {
                        self.append(file, &append.data, append.cut_ns);
                    }
                    self.open.remove(&file);
                }
            }
        }
    }

    fn append(&mut self, file: FileId, data: &[u8], cut_ns: i64) {
        if self.open.contains(&file) {
            self.files.get_mut(&file).unwrap().extend_from_slice(data);
            self.give(Input::Written { cut_ns });
        }
    }

    fn tell(&mut self) {
        if std::mem::take(&mut self.untold) {
            self.told += 1;
            self.work.push_back(Work::Abandon);
            self.give(Input::Broken { error: "pulled".to_owned(), elsewhere: true });
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn wherever_disks_fail_every_frame_is_in_a_file(
        fails in prop::collection::btree_set(1_usize..80, 1..=MOST_REPLAYS as usize),
        behind in 0_usize..20,
        told_after in 1_usize..40,
        segment_s in 2_u32..20,
        key_s in 1_i64..5,
        seconds in 4_i64..25,
        sound_late_ms in 0_i64..900,
    ) {
        let mut bench = Bench::new(segment_s, fails, false);
        let (mut given, mut since) = (BTreeSet::new(), 0);
        for ms in (0..seconds * 1_000).step_by(40) {
            let sound_ms = ms - sound_late_ms / 40 * 40;
            for frame in [marked(Track::Video, ms, ms % (key_s * 1_000) == 0), marked(Track::Audio, sound_ms, true)] {
                if frame.pts_ns >= 0 {
                    given.insert(frame.data.clone());
                }
                bench.give(Input::Packet(Packet::Frame(frame)));
            }
            bench.work(behind);
            since += usize::from(bench.untold);
            if since >= told_after {
                since = 0;
                bench.tell();
            }
        }
        bench.give(Input::Stop);
        bench.settle();
        prop_assert!(bench.state.is_idle() && !bench.untold);
        let mut found = BTreeSet::new();
        for (file, bytes) in &bench.files {
            let frames = frames(bytes);
            let first = frames.iter().find(|frame| frame.track == Track::Video);
            prop_assert!(first.is_none_or(|frame| frame.key), "{file:?} begins with a picture that cannot be decoded");
            found.extend(frames.into_iter().map(|frame| frame.data));
        }
        let lost: Vec<_> = given.difference(&found).collect();
        prop_assert!(lost.is_empty(), "{} of {} frames are lost: {lost:?}", lost.len(), given.len());
    }

    #[test]
    fn where_disks_fail_over_and_over_it_says_so_and_comes_to_an_end(
        fails in prop::collection::btree_set(1_usize..80, 1..12),
        for_ever in any::<bool>(),
        behind in 0_usize..20,
        told_after in 1_usize..40,
        segment_s in 2_u32..20,
        seconds in 4_i64..25,
        is_stopped in any::<bool>(),
    ) {
        let mut bench = Bench::new(segment_s, fails.clone(), for_ever);
        let mut since = 0;
        for ms in (0..seconds * 1_000).step_by(40) {
            for track in [Track::Video, Track::Audio] {
                bench.give(Input::Packet(Packet::Frame(marked(track, ms, track == Track::Audio || ms % 1_000 == 0))));
            }
            bench.now += Duration::from_millis(40);
            bench.work(behind);
            since += usize::from(bench.untold);
            if since >= told_after {
                since = 0;
                bench.tell();
            }
        }
        if is_stopped {
            bench.give(Input::Stop);
        }
        let before = bench.told;
        bench.settle();
        let most = u32::try_from(fails.len()).unwrap() + MOST_REPLAYS + 1;
        prop_assert!(bench.told - before <= most, "told {} times", bench.told - before);
        if is_stopped {
            prop_assert!(bench.state.is_idle());
        } else if for_ever && bench.fails.last().is_some_and(|last| bench.done >= *last) {
            prop_assert!(bench.state.error().is_some());
        }
    }
}

#[test]
fn what_no_disk_takes_is_a_failure_and_is_given_up_at_a_stop() {
    for is_stopped in [false, true] {
        let mut state = State::new(60, None, true);
        let (now, mut out) = (Instant::now(), Vec::new());
        state.handle(now, Input::Start, &mut out);
        state.handle(now, Input::Packet(Packet::Config(video_config(1))), &mut out);
        for ms in (0..3_000).step_by(40) {
            let frame = marked(Track::Video, ms, ms % 1_000 == 0);
            state.handle(now, Input::Packet(Packet::Frame(frame)), &mut out);
        }
        if is_stopped {
            state.handle(now, Input::Stop, &mut out);
        }
        let mut replays = 0;
        for _ in 0..20 {
            out.clear();
            state.handle(now, Input::Broken { error: "full".to_owned(), elsewhere: true }, &mut out);
            replays += u32::from(!out.is_empty());
        }
        assert_eq!(replays, MOST_REPLAYS);
        assert_eq!(state.error(), (!is_stopped).then_some("full"));
        assert_eq!(state.next_deadline().is_some(), !is_stopped, "it is tried again");
        assert_eq!(state.is_idle(), is_stopped);
    }
}

#[test]
fn a_disk_that_works_costs_little_memory_and_one_alone_costs_none() {
    for moves in [false, true] {
        let mut state = State::new(60, None, moves);
        let (now, mut out) = (Instant::now(), Vec::new());
        state.handle(now, Input::Start, &mut out);
        state.handle(now, Input::Packet(Packet::Config(video_config(1))), &mut out);
        for ms in (0..60_000).step_by(40) {
            state.handle(
                now,
                Input::Packet(Packet::Frame(marked(Track::Video, ms, ms % 2_000 == 0))),
                &mut out,
            );
            for action in std::mem::take(&mut out) {
                if let Action::Append { append, .. } = action {
                    state.handle(now, Input::Written { cut_ns: append.cut_ns }, &mut Vec::new());
                }
            }
        }
        state.handle(now, Input::Broken { error: "pulled".to_owned(), elsewhere: moves }, &mut out);
        let again: u32 = out
            .iter()
            .map(|action| match action {
                Action::Append { append, .. } => append.video_frames,
                _ => 0,
            })
            .sum();
        assert!(if moves { (50..250).contains(&again) } else { again == 0 }, "{again} frames are kept");
    }
}
