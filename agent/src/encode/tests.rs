use bytes::Bytes;
use stagebox_media::{Epoch, Packet, Track, h264};

use super::meter::{Levels, Meter};
use super::output::{Encoded, Output};
use super::sound_time::SoundTime;

fn draw() -> Epoch {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(1);
    Epoch(NEXT.fetch_add(1, Ordering::Relaxed))
}

fn encoded(track: Track, at_ms: i64, config: &'static [u8]) -> Encoded {
    Encoded {
        track,
        config: Bytes::from_static(config),
        pts_ns: at_ms * 1_000_000,
        dts_ns: at_ms * 1_000_000,
        key: true,
        // One IDR unit of two bytes.
        data: Bytes::from_static(&[0, 0, 0, 2, 0x65, 0x88]),
    }
}

#[test]
fn sound_is_counted_and_anchored_anew_only_after_a_hole() {
    let mut time = SoundTime::new(1024);
    let frame_ns = |frames: i64| frames * 1024 * 1_000_000_000 / 48_000;
    let start = 5_000_000_000;
    assert_eq!(time.stamp(start), start - frame_ns(1));
    for frame in 1..1000 {
        let jitter = (frame % 7 - 3) * 1_000_000;
        assert_eq!(time.stamp(start + frame_ns(frame) + jitter), start + frame_ns(frame - 1));
    }
    let after = start + frame_ns(1000) + 100_000_000;
    assert_eq!(time.stamp(after), after - frame_ns(1));
    assert_eq!(time.stamp(after + frame_ns(1)), after);
}

#[test]
fn packets_come_in_order_of_decoding_behind_their_configuration() {
    let mut output = Output::new(SoundTime::new(0), draw);
    let mut out = Vec::new();
    for at in [0, 21, 43, 64, 85, 107] {
        output.push(encoded(Track::Audio, at, b"a"), &mut out);
    }
    assert_eq!(out, []);
    output.push(encoded(Track::Video, 0, b"v"), &mut out);
    output.push(encoded(Track::Video, 66, b"v"), &mut out);
    let tracks: Vec<_> = out.iter().map(Packet::track).collect();
    let (video, audio) = (Track::Video, Track::Audio);
    assert_eq!(tracks, [video, video, audio, audio, audio, audio, audio, video]);
    assert!(matches!(out[0], Packet::Config(_)) && matches!(out[2], Packet::Config(_)));
    let Packet::Frame(key) = &out[1] else { panic!("a frame follows its configuration") };
    assert_eq!(h264::read_epoch(&key.data), Some(key.epoch));
}

#[test]
fn one_track_alone_does_not_wait_for_ever() {
    let mut output = Output::new(SoundTime::new(0), draw);
    let mut out = Vec::new();
    for at in 0..120 {
        output.push(encoded(Track::Video, at * 66, b"v"), &mut out);
    }
    assert!(out.len() > 40, "{}", out.len());
}

#[test]
fn a_changed_configuration_begins_an_epoch_of_both_tracks() {
    let mut output = Output::new(SoundTime::new(0), draw);
    let mut out = Vec::new();
    output.push(encoded(Track::Audio, 0, b"a"), &mut out);
    output.push(encoded(Track::Video, 0, b"v"), &mut out);
    output.push(encoded(Track::Video, 66, b"w"), &mut out);
    output.push(encoded(Track::Audio, 66, b"a"), &mut out);
    output.push(encoded(Track::Audio, 140, b"a"), &mut out);
    output.push(encoded(Track::Video, 200, b"w"), &mut out);
    let epochs: Vec<_> = out.iter().map(|packet| packet.epoch().0).collect();
    let (first, second) = (epochs[0], epochs[epochs.len() - 1]);
    assert_ne!(first, second);
    assert!(epochs.is_sorted(), "{epochs:?}");
    let configs = out.iter().filter(|packet| matches!(packet, Packet::Config(_)));
    assert_eq!(configs.map(|packet| packet.epoch().0).collect::<Vec<_>>(), [first, first, second, second]);
}

#[test]
fn the_meter_reads_decibels_below_full_scale() {
    let mut meter = Meter::default();
    meter.push(&[1.0, 0.0, -1.0, 0.0]);
    let levels = meter.take();
    assert_eq!((levels[0].peak_dbfs, levels[0].rms_dbfs), (0.0, 0.0));
    assert_eq!((levels[1].peak_dbfs, levels[1].rms_dbfs), (-120.0, -120.0));
    assert!(meter.take().is_empty());
}

#[test]
fn levels_come_twenty_times_a_second_and_the_second_keeps_its_peak() {
    let mut levels = Levels::default();
    let mut told = Vec::new();
    // 30 pictures' sound; one sample of it is loud.
    for picture in 0..30 {
        let mut sound = vec![0.1_f32; 3_200];
        if picture == 3 {
            sound[0] = 1.0;
        }
        told.extend(levels.push(&sound));
    }
    assert_eq!(told.len(), 20);
    let peaks: Vec<f32> = told.iter().map(|levels| levels[0].peak_dbfs).collect();
    assert_eq!(peaks.iter().filter(|peak| **peak == 0.0).count(), 1, "{peaks:?}");
    assert!(told.iter().all(|levels| levels[1].peak_dbfs == -20.0));
    let second = levels.take();
    assert_eq!((second[0].peak_dbfs, second[1].peak_dbfs), (0.0, -20.0));
    assert!(levels.take().is_empty());
}
