#![allow(clippy::disallowed_methods, reason = "an instant can only be had from the clock")]

mod broken;
mod copies;
mod slates;
mod switching;

use super::*;
use bytes::Bytes;
use proptest::prelude::*;
use stagebox_media::{Codec, Track};
use std::time::Duration;

const MS: i64 = 1_000_000;
const A: InputId = InputId(1);
const B: InputId = InputId(2);

struct Bench {
    timeline: Timeline,
    start: Instant,
    now_ms: u64,
    out: Vec<Timed>,
}

impl Bench {
    fn new(end_ms: i64) -> Self {
        let timeline = Timeline::new(end_ms * MS, Policy::default());
        Self { timeline, start: Instant::now(), now_ms: 0, out: Vec::new() }
    }

    fn now(&self) -> Now {
        Now { instant: self.start + Duration::from_millis(self.now_ms), unix_ms: self.now_ms as i64 }
    }

    fn join(&mut self, id: InputId, epoch: u64) {
        let role = if id == A { Input::Main } else { Input::Backup };
        self.timeline.join(id, role);
        for track in [Track::Video, Track::Audio] {
            self.config(id, track, epoch, b"first");
        }
    }

    fn config(&mut self, id: InputId, track: Track, epoch: u64, data: &'static [u8]) {
        let codec = if track == Track::Video { Codec::H264 } else { Codec::Aac };
        let config = TrackConfig { track, codec, epoch: Epoch(epoch), data: Bytes::from_static(data) };
        self.timeline.handle(self.now(), id, Packet::Config(config), &mut self.out);
    }

    fn frame(&mut self, id: InputId, track: Track, epoch: u64, at_ms: i64, key: bool) {
        let frame = Frame {
            track,
            codec: Codec::H264,
            epoch: Epoch(epoch),
            pts_ns: at_ms * MS,
            dts_ns: at_ms * MS,
            key,
            data: Bytes::new(),
        };
        self.timeline.handle(self.now(), id, Packet::Frame(frame), &mut self.out);
    }

    /// Video at 25 frames a second, a key frame each second; sound each 20 ms.
    fn play(&mut self, id: InputId, epoch: u64, from_ms: i64, to_ms: i64) {
        for at_ms in (from_ms..to_ms).step_by(20) {
            self.frame(id, Track::Audio, epoch, at_ms, true);
            if at_ms % 40 == 0 {
                self.frame(id, Track::Video, epoch, at_ms, at_ms % 1000 == 0);
            }
        }
    }

    /// A tenth of a second of both inputs, B a little ahead.
    fn together(&mut self, from_ms: i64) {
        self.play(A, 1, from_ms, from_ms + 100);
        self.play(B, 2, from_ms + 80, from_ms + 180);
    }

    fn tick(&mut self) {
        self.timeline.tick(self.now(), &mut self.out);
    }

    /// Does what is due, when it is due, as a driver does.
    fn run_until(&mut self, until_ms: u64) {
        while self.now_ms < until_ms {
            let next = self.timeline.next_deadline(self.now().instant);
            let next_ms = next.map_or(until_ms, |at| (at - self.start).as_nanos().div_ceil(1_000_000) as u64);
            assert!(next_ms > self.now_ms, "a driver would spin");
            self.now_ms = next_ms.min(until_ms);
            self.tick();
        }
    }

    fn taken(&mut self) -> String {
        let mut text = String::new();
        for timed in self.out.drain(..) {
            match timed {
                Timed::Begin(_) => text.push_str("begin "),
                Timed::Frame(frame) if frame.track == Track::Video => {
                    text.push_str(&format!("{} ", frame.dts_ns / MS));
                }
                Timed::Frame(_) => {}
                Timed::End => text.push_str("end "),
            }
        }
        text.trim_end().to_owned()
    }
}

#[test]
fn a_run_begins_at_a_key_frame_where_the_last_one_ended() {
    let mut bench = Bench::new(5_000);
    bench.join(A, 0);
    bench.play(A, 0, 800, 1_100);
    assert_eq!(bench.taken(), "begin 5000 5040 5080");
    bench.timeline.leave(bench.now(), A, &mut bench.out);
    bench.join(B, 0);
    bench.play(B, 0, 70_960, 71_060);
    assert_eq!(bench.taken(), "end begin 5120 5160");
}

#[test]
fn a_step_of_the_encoders_clock_is_taken_out_and_a_new_configuration_ends_the_run() {
    let mut bench = Bench::new(0);
    bench.join(A, 0);
    bench.play(A, 0, 0, 80);
    bench.play(A, 0, 5_000, 5_080);
    bench.play(A, 0, 1_000, 1_080);
    assert_eq!(bench.taken(), "begin 0 40 80 120 160 200");
    bench.config(A, Track::Video, 0, b"first");
    assert_eq!(bench.taken(), "", "the same once more means nothing");
    bench.config(A, Track::Video, 0, b"second");
    bench.play(A, 0, 5_080, 5_160);
    bench.play(A, 0, 6_000, 6_080);
    assert_eq!(bench.taken(), "end begin 240 280");
}

#[test]
fn what_was_seen_is_not_shown_again_when_an_encoder_reconnects() {
    let mut bench = Bench::new(0);
    bench.join(A, 9);
    bench.play(A, 9, 0, 1_200);
    bench.taken();
    bench.timeline.leave(bench.now(), A, &mut bench.out);
    bench.join(B, 9);
    bench.play(B, 9, 1_000, 2_080);
    assert_eq!(bench.taken(), "end begin 1200 1240");
}

#[test]
fn video_alone_and_sound_alone_begin_after_a_while() {
    let mut bench = Bench::new(0);
    bench.timeline.join(A, Input::Main);
    bench.config(A, Track::Video, 0, b"v");
    for at_ms in (0..=1_000).step_by(500) {
        bench.frame(A, Track::Video, 0, at_ms, at_ms == 0);
    }
    assert_eq!(bench.taken(), "begin 0 500 1000");

    let mut bench = Bench::new(0);
    bench.timeline.join(A, Input::Main);
    bench.config(A, Track::Audio, 0, b"a");
    for at_ms in (0..1_200).step_by(100) {
        bench.frame(A, Track::Audio, 0, at_ms, true);
    }
    assert!(matches!(&bench.out[0], Timed::Begin(start) if start.video.is_none()));
    assert_eq!(bench.out.len(), 13);
}

proptest! {
    /// Whatever is sent: decoding times rise within each track, and runs are properly bracketed.
    #[test]
    fn the_timeline_never_goes_back(
        steps in proptest::collection::vec((0u8..8, 0u8..2, -3_000i64..3_000, any::<bool>(), 0u64..3), 1..400)
    ) {
        let mut bench = Bench::new(0);
        let mut at_ms = [0i64; 2];
        for (what, who, step_ms, key, epoch) in steps {
            let id = InputId(u64::from(who));
            let at = &mut at_ms[usize::from(who)];
            bench.now_ms += 40;
            match what {
                0 => bench.join(id, epoch),
                1 => bench.timeline.leave(bench.now(), id, &mut bench.out),
                2 => *at = at.saturating_add(step_ms),
                3 => bench.config(id, Track::Video, epoch, if key { b"x" } else { b"y" }),
                _ => {
                    *at += 40;
                    let track = if what % 2 == 0 { Track::Video } else { Track::Audio };
                    let at = *at;
                    bench.frame(id, track, epoch, at, key || track == Track::Audio);
                }
            }
        }
        let mut last = [i64::MIN; 2];
        let mut running = false;
        for timed in &bench.out {
            match timed {
                Timed::Begin(_) => {
                    prop_assert!(!running);
                    running = true;
                }
                Timed::End => {
                    prop_assert!(running);
                    running = false;
                }
                Timed::Frame(frame) => {
                    prop_assert!(running);
                    let last = &mut last[usize::from(frame.track == Track::Audio)];
                    if frame.track == Track::Video {
                        prop_assert!(frame.dts_ns > *last, "{} after {}", frame.dts_ns, *last);
                    }
                    *last = frame.dts_ns;
                }
            }
        }
    }
}
