//! Whatever comes, in whatever order, the meter goes on and counts right.

use proptest::prelude::*;

use super::super::minute::Minute;
use super::super::{Resolution, read_minutes};
use super::*;

/// What may happen.
#[derive(Debug, Clone)]
enum Happens {
    Begin,
    End,
    Run(bool),
    Config(TrackConfig),
    Frame(Frame),
    /// Milliseconds go by.
    Wait(u32),
    /// The wall clock is set.
    Set(i64),
}

fn time() -> impl Strategy<Value = i64> {
    prop_oneof![
        4 => 0..20_000_000_000i64,
        1 => any::<i64>(),
        1 => prop_oneof![Just(i64::MIN), Just(i64::MAX), Just(0)],
    ]
}

fn codec() -> impl Strategy<Value = Codec> {
    prop_oneof![Just(Codec::H264), Just(Codec::Aac), any::<[u8; 4]>().prop_map(Codec::FourCc)]
}

fn track() -> impl Strategy<Value = Track> {
    prop_oneof![Just(Track::Video), Just(Track::Audio)]
}

fn data() -> impl Strategy<Value = Bytes> {
    prop_oneof![
        3 => proptest::collection::vec(any::<u8>(), 0..80).prop_map(Bytes::from),
        1 => Just(video(1_280, 720, 1, 8).data),
        1 => Just(Bytes::from_static(&[0x11, 0x90])),
        1 => Just(Bytes::from(vec![0; 100_000])),
        1 => Just(Bytes::from_static(&[0, 0, 0, 2, 0x01, 0xa0])),
    ]
}

fn happens() -> impl Strategy<Value = Happens> {
    let frame = (track(), codec(), time(), time(), any::<bool>(), data());
    prop_oneof![
        1 => Just(Happens::Begin),
        1 => Just(Happens::End),
        1 => any::<bool>().prop_map(Happens::Run),
        1 => prop_oneof![20 => -5_000..5_000i64, 1 => any::<i64>()].prop_map(Happens::Set),
        4 => (track(), codec(), data()).prop_map(|(track, codec, data)| {
            Happens::Config(TrackConfig { track, codec, epoch: Epoch::UNKNOWN, data })
        }),
        8 => prop_oneof![400 => 0..3_000u32, 1 => any::<u32>()].prop_map(Happens::Wait),
        16 => frame.prop_map(|(track, codec, pts_ns, dts_ns, key, data)| {
            Happens::Frame(Frame { track, codec, epoch: Epoch::UNKNOWN, pts_ns, dts_ns, key, data })
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn nothing_breaks_it(all in proptest::collection::vec(happens(), 0..150)) {
        let start = Feed::new().start;
        let mut now = Now { instant: start, unix_ms: START_S * 1_000 };
        let mut meter = Meter::default();
        let mut lines = String::new();
        for happens in all {
            match happens {
                Happens::Begin => meter.begin(now, Source::default()),
                Happens::End => meter.end(now),
                Happens::Run(is) => meter.set_running(now, is),
                Happens::Config(config) => meter.packet(now, &Packet::Config(config)),
                Happens::Frame(frame) => meter.packet(now, &Packet::Frame(frame)),
                Happens::Wait(ms) => {
                    now.instant += Duration::from_millis(ms.into());
                    now.unix_ms = now.unix_ms.saturating_add(ms.into());
                    meter.tick(now);
                }
                Happens::Set(ms) => now.unix_ms = now.unix_ms.saturating_add(ms),
            }
            lines.extend(meter.take_minutes().into_iter().map(Minute::to_line));
            prop_assert!(meter.next_deadline().is_none_or(|at| at > now.instant));
        }
        meter.finish(now);
        lines.extend(meter.take_minutes().into_iter().map(Minute::to_line));
        prop_assert!(read_minutes(lines.as_bytes()).len() <= lines.lines().count());
        for resolution in [Resolution::Second, Resolution::Minute] {
            prop_assert!(serde_json::to_string(&meter.health(resolution)).is_ok());
        }
        prop_assert!(meter.history().seconds().len() <= 3_600);
    }

    #[test]
    fn everything_is_counted_once(
        frames in proptest::collection::vec((track(), 0..400u32, 0..5_000usize, time()), 1..200),
    ) {
        let mut feed = Feed { has_sound: false, ..Feed::new() };
        let (mut pictures, mut video_bytes, mut audio_bytes) = (0u64, 0u64, 0u64);
        for (track, wait_ms, bytes, dts_ns) in frames {
            feed.ms += i64::from(wait_ms);
            let codec = Codec::FourCc(*b"av01");
            let data = Bytes::from(vec![0; bytes]);
            let frame = Frame { track, codec, epoch: Epoch::UNKNOWN, pts_ns: 0, dts_ns, key: true, data };
            feed.meter.packet(feed.now(feed.ms), &Packet::Frame(frame));
            match track {
                Track::Video => (pictures, video_bytes) = (pictures + 1, video_bytes + bytes as u64),
                Track::Audio => audio_bytes += bytes as u64,
            }
        }
        feed.meter.finish(feed.now(feed.ms + 1_000));
        let seconds = feed.meter.history().seconds();
        prop_assert_eq!(seconds.iter().map(|sample| u64::from(sample.frames)).sum::<u64>(), pictures);
        let minutes: Vec<_> = feed.meter.history().minutes().collect();
        prop_assert_eq!(minutes.iter().map(|minute| u64::from(minute.frames)).sum::<u64>(), pictures);
        let looked_at: usize = minutes.iter().map(|minute| usize::from(minute.seconds)).sum();
        prop_assert_eq!(looked_at, seconds.len());
        // Whole kilobits: each second may lack less than one.
        let sums = seconds.iter().fold((0, 0), |(video, audio), sample| {
            (video + u64::from(sample.video_kbps), audio + u64::from(sample.audio_kbps))
        });
        for (kbit, bytes) in [(sums.0, video_bytes), (sums.1, audio_bytes)] {
            let sent = bytes * 8 / 1_000;
            prop_assert!(kbit <= sent && sent <= kbit + seconds.len() as u64, "{} of {}", kbit, sent);
        }
    }
}
