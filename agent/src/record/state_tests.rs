#![allow(clippy::disallowed_methods, reason = "a test: it makes up its own time from one reading")]

use std::time::{Duration, Instant};

use bytes::Bytes;
use stagebox_media::aac::AudioSpecificConfig;
use stagebox_media::{Codec, Epoch, Frame, Packet, Track, TrackConfig};

use super::details::Gap;
use super::state::{Action, FileId, Input, State};

const MS: i64 = 1_000_000;
/// avcC of x264, High, 1280x720, 30 frames a second.
pub(super) const AVCC: &[u8] = &[
    0x01, 0x64, 0x00, 0x1f, 0xff, 0xe1, 0x00, 0x1a, 0x67, 0x64, 0x00, 0x1f, 0xac, 0xd9, 0x40, 0x50, 0x05,
    0xbb, 0x01, 0x10, 0x00, 0x00, 0x03, 0x00, 0x10, 0x00, 0x00, 0x03, 0x03, 0xc0, 0xf1, 0x83, 0x19, 0x60,
    0x01, 0x00, 0x04, 0x68, 0xef, 0x8f, 0xcb, 0xfd, 0xf8, 0xf8, 0x00,
];

pub(super) fn video_config(epoch: u64) -> TrackConfig {
    let data = Bytes::from_static(AVCC);
    TrackConfig { track: Track::Video, codec: Codec::H264, epoch: Epoch(epoch), data }
}

pub(super) fn audio_config(epoch: u64) -> TrackConfig {
    let data = AudioSpecificConfig::lc(48_000, 2).unwrap().to_bytes();
    TrackConfig { track: Track::Audio, codec: Codec::Aac, epoch: Epoch(epoch), data }
}

pub(super) fn frame(track: Track, ms: i64, key: bool) -> Frame {
    let (codec, data) = match track {
        Track::Video => (Codec::H264, Bytes::from_static(&[0, 0, 0, 2, 0x65, 0x88])),
        Track::Audio => (Codec::Aac, Bytes::from_static(&[0x21, 0x10, 4])),
    };
    Frame { track, codec, epoch: Epoch(1), pts_ns: ms * MS, dts_ns: ms * MS, key, data }
}

/// A stream at 25 frames a second with a keyframe every second; sound comes 200 ms after its picture.
struct Run {
    state: State,
    now: Instant,
    out: Vec<Action>,
}

impl Run {
    fn new(segment_s: u32) -> Self {
        let mut run =
            Self { state: State::new(segment_s, None, false), now: Instant::now(), out: Vec::new() };
        run.give(Input::Start);
        run.give(Input::Packet(Packet::Config(video_config(1))));
        run.give(Input::Packet(Packet::Config(audio_config(1))));
        run
    }

    fn give(&mut self, input: Input) {
        self.state.handle(self.now, input, &mut self.out);
    }

    fn frame(&mut self, track: Track, ms: i64, key: bool) {
        self.give(Input::Packet(Packet::Frame(frame(track, ms, key))));
    }

    fn play(&mut self, from_ms: i64, to_ms: i64) {
        for ms in (from_ms..to_ms).step_by(20) {
            if ms % 40 == 0 {
                self.frame(Track::Video, ms, ms % 1000 == 0);
            }
            self.frame(Track::Audio, ms - 200, true);
        }
    }

    /// Video and audio frames of each file, in the order of their opening.
    fn files(&self) -> Vec<(u32, u32)> {
        let mut files = Vec::new();
        for action in &self.out {
            let (file, append) = match action {
                Action::Open { .. } => {
                    files.push((0, 0));
                    continue;
                }
                Action::Append { file, append } => (file, Some(append)),
                Action::Close { file, last, .. } => (file, last.as_ref()),
            };
            if let Some(append) = append {
                let counts = &mut files[file.0 as usize - 1];
                *counts = (counts.0 + append.video_frames, counts.1 + append.audio_frames);
            }
        }
        files
    }

    fn closed(&self) -> Vec<FileId> {
        let closed = self.out.iter().filter_map(|action| match action {
            Action::Close { file, .. } => Some(*file),
            _ => None,
        });
        closed.collect()
    }
}

#[test]
fn every_frame_from_the_first_keyframe_on_is_in_a_file() {
    let mut run = Run::new(3);
    run.play(500, 10_000);
    run.give(Input::Stop);
    // from 1 s on: 225 pictures, and the sound from 1 s to 9.8 s
    assert_eq!(run.files(), [(75, 150), (75, 150), (75, 140)]);
    assert_eq!(run.closed(), [FileId(1), FileId(2), FileId(3)]);
    assert!(run.state.is_idle());
}

#[test]
fn a_fragment_is_cut_each_half_second() {
    let mut run = Run::new(60);
    run.play(0, 4_000);
    let durations: Vec<_> = run
        .out
        .iter()
        .filter_map(|action| match action {
            Action::Append { append, .. } => Some(append.duration_ns),
            _ => None,
        })
        .collect();
    assert!(durations.len() >= 7, "{durations:?}");
    assert!(durations.windows(2).all(|pair| pair[1] - pair[0] <= 500 * MS), "{durations:?}");
}

#[test]
fn new_pictures_begin_a_new_file_and_new_sound_waits_for_a_keyframe() {
    let mut run = Run::new(60);
    run.play(0, 1_500);
    run.give(Input::Packet(Packet::Config(video_config(1))));
    assert!(run.closed().is_empty(), "the same again changes nothing");
    run.give(Input::Packet(Packet::Config(audio_config(2))));
    run.play(1_500, 2_500);
    run.give(Input::Packet(Packet::Config(video_config(2))));
    assert_eq!(run.closed(), [FileId(1), FileId(2)]);
    run.frame(Track::Video, 2_520, false);
    run.frame(Track::Video, 2_560, true);
    run.give(Input::Stop);
    let video: Vec<_> = run.files().iter().map(|file| file.0).collect();
    assert_eq!(video, [50, 13, 1], "pictures go on while the sound changes");
}

#[test]
fn after_a_failure_it_begins_anew_at_a_keyframe() {
    let mut run = Run::new(60);
    run.play(0, 1_500);
    run.give(Input::Broken { error: "no room".to_owned(), elsewhere: false });
    assert_eq!(run.state.error(), Some("no room"));
    run.play(1_500, 3_500);
    assert_eq!(run.files().len(), 1);
    let retry_at = run.state.next_deadline().unwrap();
    run.now = retry_at + Duration::from_millis(1);
    run.give(Input::Tick);
    assert_eq!((run.state.error(), run.state.next_deadline()), (Some("no room"), None));
    run.play(3_500, 4_500);
    assert_eq!(run.state.error(), None);
    assert_eq!(run.files().len(), 2);
    run.give(Input::Stop);
    assert_eq!(run.files()[1].0, 13);
}

#[test]
fn sound_alone_is_recorded_and_strange_pictures_are_refused_in_words() {
    let mut run = Run { state: State::new(2, None, false), now: Instant::now(), out: Vec::new() };
    run.give(Input::Start);
    run.give(Input::Packet(Packet::Config(audio_config(1))));
    for n in 0..300 {
        run.frame(Track::Audio, n * 20, true);
    }
    assert_eq!(run.files().len(), 3);
    let hevc = TrackConfig { codec: Codec::FourCc(*b"hvc1"), ..video_config(2) };
    run.give(Input::Packet(Packet::Config(hevc)));
    run.frame(Track::Video, 6_000, true);
    let error = run.state.error().unwrap();
    assert!(error.contains("hvc1") && error.contains("H.264"), "{error}");
    run.give(Input::Stop);
    assert!(run.state.is_idle() && run.state.error().is_none());
}

#[test]
fn sound_that_comes_first_waits_for_its_picture() {
    let mut run = Run { state: State::new(2, None, false), now: Instant::now(), out: Vec::new() };
    run.give(Input::Start);
    run.give(Input::Packet(Packet::Config(audio_config(1))));
    run.frame(Track::Audio, 0, true);
    run.frame(Track::Audio, 20, true);
    assert!(run.out.is_empty(), "a file of sound alone");
    run.give(Input::Packet(Packet::Config(video_config(1))));
    run.frame(Track::Video, 40, true);
    run.frame(Track::Audio, 40, true);
    run.give(Input::Stop);
    assert_eq!(run.files().len(), 1);
}

#[test]
fn a_file_says_where_it_lacks_pictures_and_where_it_is_now() {
    let mut run = Run::new(60);
    run.play(0, 2_000);
    assert_eq!(run.state.position(), Some((FileId(1), 1_960 * MS)));
    run.play(3_000, 4_000);
    run.give(Input::Stop);
    let gaps = run.out.iter().flat_map(|action| match action {
        Action::Append { append, .. } | Action::Close { last: Some(append), .. } => append.gaps.clone(),
        _ => Vec::new(),
    });
    assert_eq!(gaps.collect::<Vec<_>>(), [Gap { at_ms: 2_000, duration_ms: 1_000 }]);
    assert_eq!(run.state.position(), None);
}

#[test]
fn nothing_is_written_that_was_not_asked_for() {
    let mut run = Run::new(60);
    run.give(Input::Stop);
    run.play(0, 3_000);
    run.give(Input::Broken { error: "late".to_owned(), elsewhere: false });
    assert!(run.out.is_empty() && run.state.is_idle());
    run.give(Input::Start);
    run.play(3_000, 4_100);
    assert!(run.out.is_empty(), "a start forgets the configurations of before");
}
