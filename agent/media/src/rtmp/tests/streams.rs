use proptest::prelude::*;

use super::{Pair, audio_config, frame, video_config};
use crate::rtmp::{ClientConfig, HandshakeKind, ServerConfig, ServerEvent};
use crate::{Codec, Epoch, Frame, Packet, Track, TrackConfig};

fn publish(packets: &[Packet], config: ClientConfig, step: usize) -> Vec<Packet> {
    let mut pair = Pair::new(config, ServerConfig::default(), step);
    pair.run().unwrap();
    assert!(pair.client.is_publishing());
    for packet in packets {
        pair.client.send(packet).unwrap();
        if pair.client.output().len() > 100_000 {
            pair.run().unwrap();
        }
    }
    pair.run().unwrap();
    pair.packets()
}

#[derive(Debug, Clone)]
struct Step {
    video: bool,
    advance_ms: i64,
    composition_ms: i64,
    length: usize,
    key: bool,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let length = prop_oneof![1..400_usize, 100..140_usize, 1..20_000_usize];
    let step = (any::<bool>(), 0..60_i64, -100..200_i64, length, any::<bool>());
    prop::collection::vec(
        step.prop_map(|(video, advance_ms, composition_ms, length, key)| Step {
            video,
            advance_ms,
            composition_ms,
            length,
            key,
        }),
        1..25,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn the_server_reads_what_the_client_writes(
        steps in steps(),
        start_ms in prop_oneof![
            Just(0_i64), Just((1 << 24) - 100), Just((1 << 31) - 100), Just((1 << 32) - 100), 0..(1_i64 << 40),
        ],
        epoch in prop_oneof![1..=u64::MAX, Just(u64::MAX)],
        chunk_bytes in prop_oneof![1..300_u32, Just(4096), Just(65_536), Just(16_777_215)],
        step in prop_oneof![1..50_usize, 50..100_000_usize],
        plain in any::<bool>(),
    ) {
        let mut packets = vec![video_config(epoch), audio_config(epoch)];
        let mut now = start_ms;
        for step in steps {
            now += step.advance_ms;
            let track = if step.video { Track::Video } else { Track::Audio };
            let composition = if step.video { step.composition_ms } else { 0 };
            packets.push(frame(track, epoch, now, composition, step.key || !step.video, step.length));
        }
        let handshake = if plain { HandshakeKind::Plain } else { HandshakeKind::Digest };
        let config = ClientConfig { chunk_bytes, handshake, ..ClientConfig::default() };
        prop_assert_eq!(publish(&packets, config, step), packets);
    }
}

#[test]
fn a_new_epoch_is_told_before_its_frames() {
    let packets = [
        video_config(1),
        frame(Track::Video, 1, 5_000_000_000, 0, true, 50),
        frame(Track::Audio, 1, 5_000_000_010, 0, true, 50),
        video_config(2),
        frame(Track::Audio, 1, 5_000_000_030, 0, true, 50),
        frame(Track::Video, 2, 5_000_000_040, 0, true, 50),
    ];
    let read = publish(&packets, ClientConfig::default(), 1000);
    // The configuration goes with its first frame; audio without one is not passed on.
    let expected: Vec<_> = packets.iter().filter(|packet| packet.track() == Track::Video).cloned().collect();
    assert_eq!(read, expected);
}

#[test]
fn codecs_by_four_cc_pass_through() {
    let codec = Codec::FourCc(*b"hvc1");
    let epoch = Epoch(9);
    let config = TrackConfig { track: Track::Video, codec, epoch, data: vec![1, 2, 3].into() };
    let picture = Frame {
        track: Track::Video,
        codec,
        epoch,
        pts_ns: 80_000_000,
        dts_ns: 40_000_000,
        key: true,
        data: vec![5; 500].into(),
    };
    let packets = [Packet::Config(config), Packet::Frame(picture)];
    assert_eq!(publish(&packets, ClientConfig::default(), 64), packets);
}

#[test]
fn nanoseconds_are_rounded_once_and_metadata_is_told() {
    let mut packet = frame(Track::Audio, 3, 0, 0, true, 10);
    if let Packet::Frame(frame) = &mut packet {
        (frame.pts_ns, frame.dts_ns) = (21_333_333, 21_333_333);
    }
    let mut config = ClientConfig::default();
    config.stream.encoder = "stagebox".to_owned();
    config.stream.width = 640;
    let mut pair = Pair::new(config, ServerConfig::default(), 1000);
    pair.run().unwrap();
    pair.client.send(&audio_config(3)).unwrap();
    pair.client.send(&packet).unwrap();
    pair.run().unwrap();
    let Some(Packet::Frame(frame)) = pair.packets().pop() else { panic!("no frame") };
    assert_eq!((frame.pts_ns, frame.epoch), (21_000_000, Epoch(3)));
    let told = pair.events.iter().find_map(|event| match event {
        ServerEvent::Metadata(metadata) => Some(metadata),
        _ => None,
    });
    let told = told.expect("the client sends metadata before the first frame");
    assert_eq!((told.encoder.as_deref(), told.width, told.height), (Some("stagebox"), Some(640.0), None));
}
