//! Times for servers that know nothing of epochs.
#![allow(clippy::disallowed_methods, reason = "tests need some instant to count from")]

use std::time::{Duration, Instant};

use bytes::Bytes;
use proptest::prelude::*;
use stagebox_media::{Codec, Epoch, Frame, Packet, Track, TrackConfig};

use crate::from_zero::FromZero;

const MS_NS: i64 = 1_000_000;

fn codec(track: Track) -> Codec {
    if track == Track::Video { Codec::H264 } else { Codec::Aac }
}

fn config(track: Track, tag: u8) -> Packet {
    let (epoch, data) = (Epoch(u64::from(tag)), Bytes::from(vec![tag]));
    Packet::Config(TrackConfig { track, codec: codec(track), epoch, data })
}

fn frame(track: Track, at_ms: i64) -> Packet {
    let dts_ns = at_ms * MS_NS;
    let pts_ns = dts_ns + if track == Track::Video { 40 * MS_NS } else { 0 };
    let (codec, data) = (codec(track), Bytes::from_static(b"12345678"));
    Packet::Frame(Frame { track, codec, epoch: Epoch(9), pts_ns, dts_ns, key: true, data })
}

/// What goes in, and what has come out.
struct World {
    times: FromZero,
    now: Instant,
    out: Vec<Packet>,
}

impl World {
    fn new() -> Self {
        Self { times: FromZero::default(), now: Instant::now(), out: Vec::new() }
    }

    fn push(&mut self, packets: impl IntoIterator<Item = Packet>) {
        for packet in packets {
            self.times.push(self.now, packet);
            self.drain();
        }
    }

    fn drain(&mut self) {
        self.out.extend(std::iter::from_fn(|| self.times.pop(self.now)));
    }

    fn wait(&mut self, ms: u64) {
        self.now += Duration::from_millis(ms);
        self.drain();
    }

    /// Tracks by their first letters, with their times in ms; configurations with their tags, negative.
    fn take(&mut self) -> Vec<(char, i64)> {
        let letter = |track| if track == Track::Video { 'v' } else { 'a' };
        let told = |packet: Packet| match packet {
            Packet::Config(config) => (letter(config.track), -i64::from(config.data[0])),
            Packet::Frame(frame) => (letter(frame.track), frame.dts_ns / MS_NS),
        };
        self.out.drain(..).map(told).collect()
    }
}

fn video(times_ms: &[i64]) -> Vec<Packet> {
    times_ms.iter().map(|ms| frame(Track::Video, *ms)).collect()
}

fn audio(times_ms: &[i64]) -> Vec<Packet> {
    times_ms.iter().map(|ms| frame(Track::Audio, *ms)).collect()
}

#[test]
fn a_burst_of_pictures_waits_for_its_sound() {
    let mut world = World::new();
    world.push([config(Track::Video, 1), config(Track::Audio, 2)]);
    world.push(video(&[5000, 5040, 5080, 5120]));
    assert_eq!(world.take(), []);
    world.push(audio(&[5010, 5031, 5052, 5073, 5094]));
    let expected =
        [('v', -1), ('v', 0), ('a', -2), ('a', 10), ('a', 31), ('v', 40), ('a', 52), ('a', 73), ('v', 80)];
    assert_eq!(world.take()[..], [&expected[..], &[('a', 94)]].concat());
    world.wait(1000);
    assert_eq!(world.take(), [('v', 120)]);
}

#[test]
fn a_track_that_stays_away_is_waited_for_once() {
    let mut world = World::new();
    // None was announced.
    world.push([config(Track::Video, 1)]);
    world.push(video(&[0, 40]));
    assert_eq!(world.take(), [('v', -1), ('v', 0), ('v', 40)]);
    world.push(audio(&[50]));
    world.wait(990);
    assert_eq!(world.take(), []);
    assert_eq!(world.times.next_deadline(), Some(world.now + Duration::from_millis(10)));
    world.wait(10);
    assert_eq!(world.take(), [('a', 50)]);
    world.push(audio(&[71, 92]));
    assert_eq!(world.take(), [('a', 71), ('a', 92)], "the picture is no longer waited for");
    // What comes too late goes out at once, and is shown when it should be if that is still to come.
    world.push(video(&[60, 100]));
    let [Packet::Frame(late)] = &world.out[..] else { panic!("{:?}", world.out) };
    assert_eq!((late.dts_ns, late.pts_ns), (92 * MS_NS, 100 * MS_NS));
    world.take();
    world.push(audio(&[113]));
    assert_eq!(world.take(), [('v', 100)], "it is waited for again");
}

#[test]
fn a_new_run_is_told_and_goes_on_where_the_last_one_ended() {
    let mut world = World::new();
    world.push([config(Track::Video, 1), config(Track::Audio, 2)]);
    world.push([frame(Track::Video, 1000), frame(Track::Audio, 1000)]);
    assert_eq!(world.take(), [('v', -1), ('v', 0), ('a', -2), ('a', 0)]);
    // On the same clock; the sound's configuration is the same, and need not be told again.
    world.push([config(Track::Video, 3), config(Track::Audio, 2)]);
    world.push([frame(Track::Video, 1040), frame(Track::Audio, 1021)]);
    assert_eq!(world.take(), [('a', 21)]);
    // On clocks that know nothing of the first, back and far ahead.
    for (tag, clock) in [(4, 7), (5, 900_000)] {
        world.push([config(Track::Video, tag), config(Track::Audio, tag)]);
        world.push([frame(Track::Video, clock), frame(Track::Audio, clock + 12)]);
        world.push([frame(Track::Video, clock + 40), frame(Track::Audio, clock + 33)]);
    }
    let second = [('v', -3), ('v', 40)];
    let third = [('v', -4), ('v', 73), ('a', -4), ('a', 85), ('a', 106), ('v', 113)];
    let fourth = [('v', -5), ('v', 146), ('a', -5), ('a', 158), ('a', 179)];
    assert_eq!(world.take(), [&second[..], &third[..], &fourth[..]].concat());
    world.wait(1000);
    assert_eq!(world.take(), [('v', 186)]);
}

/// Two tracks that come in the order that `turns` says, pictures on true.
fn uneven(turns: &[bool]) -> Vec<Packet> {
    let (mut videos, mut audios) = (0, 0);
    let next = |is_video: &bool| {
        let (number, step_ms, track) =
            if *is_video { (&mut videos, 40, Track::Video) } else { (&mut audios, 21, Track::Audio) };
        *number += 1;
        frame(track, 7_000_000_000 + *number * step_ms)
    };
    let configs = [config(Track::Video, 1), config(Track::Audio, 2)];
    configs.into_iter().chain(turns.iter().map(next)).collect()
}

fn times(packets: &[Packet], only: Option<Track>) -> Vec<i64> {
    packets
        .iter()
        .filter(|packet| only.is_none_or(|track| packet.track() == track))
        .filter_map(|packet| match packet {
            Packet::Frame(frame) => Some(frame.dts_ns),
            Packet::Config(_) => None,
        })
        .collect()
}

fn rising(times: &[i64]) -> bool {
    times.windows(2).all(|pair| pair[0] <= pair[1])
}

proptest! {
    #[test]
    fn what_comes_unevenly_but_soon_keeps_its_times(turns in prop::collection::vec(any::<bool>(), 1..300)) {
        let mut world = World::new();
        let packets = uneven(&turns);
        world.push(packets.clone());
        world.wait(1000);
        let mut expected = times(&packets, None);
        expected.sort_unstable();
        let zero = expected[0];
        expected.iter_mut().for_each(|time| *time -= zero);
        prop_assert_eq!(times(&world.out, None), expected);
        prop_assert_eq!(world.times.queued_bytes(), 0);
    }

    #[test]
    fn times_never_fall_and_nothing_is_lost_however_late(
        turns in prop::collection::vec((any::<bool>(), 0..700_u64), 1..300),
        leaps in prop::collection::vec((0..300_usize, -3_000_000..3_000_000_i64), 0..4),
    ) {
        let mut world = World::new();
        let (order, waits): (Vec<_>, Vec<_>) = turns.into_iter().unzip();
        let mut packets = uneven(&order);
        for (from, leap_ms) in leaps {
            for packet in packets.iter_mut().skip(from) {
                if let Packet::Frame(frame) = packet {
                    (frame.dts_ns, frame.pts_ns) =
                        (frame.dts_ns + leap_ms * MS_NS, frame.pts_ns + leap_ms * MS_NS);
                }
            }
        }
        for (packet, wait_ms) in packets.iter().cloned().zip(waits.iter().chain(std::iter::repeat(&0))) {
            world.push([packet]);
            world.wait(*wait_ms);
        }
        world.wait(1000);
        let out = times(&world.out, None);
        prop_assert_eq!(out.first(), Some(&0));
        prop_assert!(rising(&out), "{:?}", out);
        for track in [Track::Video, Track::Audio] {
            prop_assert_eq!(times(&world.out, Some(track)).len(), times(&packets, Some(track)).len());
        }
        // A leap is closed up: no more is between two frames than a slow line may lose.
        prop_assert!(out.windows(2).all(|pair| pair[1] - pair[0] <= 30_000 * MS_NS));
    }
}
