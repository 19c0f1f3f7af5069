use bytes::Bytes;
use proptest::prelude::*;
use stagebox_media::{Codec, Epoch, Frame, Packet, Track, TrackConfig};

use super::{Hub, SubscribeOptions, Subscriber};

fn config(track: Track, tag: u8) -> Packet {
    let codec = if track == Track::Video { Codec::H264 } else { Codec::Aac };
    Packet::Config(TrackConfig { track, codec, epoch: Epoch(1), data: Bytes::from(vec![tag]) })
}

/// `pts_ns` doubles as the frame's number.
fn frame(track: Track, number: i64, key: bool, len: usize) -> Packet {
    let codec = if track == Track::Video { Codec::H264 } else { Codec::Aac };
    let data = Bytes::from(vec![0; len]);
    Packet::Frame(Frame { track, codec, epoch: Epoch(1), pts_ns: number, dts_ns: number, key, data })
}

fn drain(subscriber: &mut Subscriber) -> Vec<Packet> {
    std::iter::from_fn(|| subscriber.try_recv()).collect()
}

fn numbers(packets: &[Packet]) -> Vec<i64> {
    packets
        .iter()
        .filter_map(|packet| match packet {
            Packet::Frame(frame) => Some(frame.pts_ns),
            Packet::Config(_) => None,
        })
        .collect()
}

fn joined(hub: &Hub, max_bytes: usize, from_last_keyframe: bool) -> Subscriber {
    hub.subscribe(SubscribeOptions { max_bytes, from_last_keyframe })
}

#[test]
fn a_joiner_gets_configurations_and_then_the_last_group() {
    let hub = Hub::new();
    hub.publish(config(Track::Video, 1));
    hub.publish(config(Track::Audio, 2));
    for number in 0..25 {
        hub.publish(frame(Track::Video, number, number % 10 == 0, 100));
    }
    let packets = drain(&mut joined(&hub, 1 << 20, true));
    assert_eq!(packets[..2], [config(Track::Video, 1), config(Track::Audio, 2)]);
    assert_eq!(numbers(&packets), (20..25).collect::<Vec<_>>());
}

#[test]
fn a_joiner_may_wait_for_the_next_keyframe() {
    let hub = Hub::new();
    hub.publish(config(Track::Video, 1));
    hub.publish(frame(Track::Video, 0, true, 10));
    let mut subscriber = joined(&hub, 1 << 20, false);
    for number in 1..6 {
        hub.publish(frame(Track::Video, number, number == 4, 10));
    }
    assert_eq!(numbers(&drain(&mut subscriber)), [4, 5]);
    assert_eq!(subscriber.dropped_frames(), 0, "what came before it joined is not lost");
}

#[test]
fn overflow_drops_the_oldest_group_and_keeps_its_configuration() {
    let hub = Hub::new();
    hub.publish(config(Track::Video, 1));
    let mut subscriber = joined(&hub, 1000, true);
    for number in 0..12 {
        hub.publish(frame(Track::Video, number, number % 4 == 0, 100));
    }
    let packets = drain(&mut subscriber);
    assert_eq!(packets[0], config(Track::Video, 1));
    assert_eq!(numbers(&packets), (4..12).collect::<Vec<_>>());
    assert_eq!(subscriber.dropped_frames(), 4);
}

#[test]
fn a_group_larger_than_the_queue_is_lost_up_to_the_next_keyframe() {
    let hub = Hub::new();
    let mut subscriber = joined(&hub, 300, true);
    hub.publish(config(Track::Video, 1));
    for number in 0..10 {
        hub.publish(frame(Track::Video, number, number == 0 || number == 8, 100));
    }
    assert_eq!(numbers(&drain(&mut subscriber)), [8, 9]);
    assert_eq!(subscriber.dropped_frames(), 8);
}

#[test]
fn sound_alone_needs_no_keyframe() {
    let hub = Hub::new();
    hub.publish(config(Track::Audio, 1));
    let mut subscriber = joined(&hub, 300, false);
    for number in 0..5 {
        hub.publish(frame(Track::Audio, number, true, 100));
    }
    assert_eq!(numbers(&drain(&mut subscriber)), [2, 3, 4]);
}

#[test]
fn a_new_video_configuration_ends_the_old_backlog() {
    let hub = Hub::new();
    hub.publish(config(Track::Video, 1));
    hub.publish(frame(Track::Video, 0, true, 10));
    hub.publish(config(Track::Video, 2));
    let packets = drain(&mut joined(&hub, 1000, true));
    assert_eq!(packets, []);
    hub.publish(frame(Track::Video, 1, true, 10));
    let packets = drain(&mut joined(&hub, 1000, true));
    assert_eq!(packets, [config(Track::Video, 2), frame(Track::Video, 1, true, 10)]);
}

#[tokio::test]
async fn readers_wake_up_and_end_with_the_hub() {
    let hub = Hub::new();
    hub.publish(config(Track::Video, 1));
    let mut subscriber = joined(&hub, 1000, true);
    let reader = tokio::spawn(async move {
        let mut packets = Vec::new();
        while let Some(packet) = subscriber.recv().await {
            packets.push(packet);
        }
        packets
    });
    tokio::task::yield_now().await;
    hub.publish(frame(Track::Video, 0, true, 10));
    tokio::task::yield_now().await;
    drop(hub);
    assert_eq!(numbers(&reader.await.unwrap()), [0]);
}

#[derive(Debug, Clone)]
enum Step {
    Video { key: bool, len: usize },
    Audio { len: usize },
    Config { video: bool },
    Read(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (prop::bool::weighted(0.2), 1..400_usize).prop_map(|(key, len)| Step::Video { key, len }),
        4 => (1..50_usize).prop_map(|len| Step::Audio { len }),
        1 => any::<bool>().prop_map(|video| Step::Config { video }),
        3 => (1..8_usize).prop_map(Step::Read),
    ]
}

proptest! {
    #[test]
    fn what_is_read_can_always_be_decoded(
        steps in prop::collection::vec(step(), 1..300),
        max_bytes in 200..2000_usize,
        from_last_keyframe: bool,
        join_at in 0..50_usize,
    ) {
        let hub = Hub::new();
        hub.publish(config(Track::Video, 0));
        hub.publish(config(Track::Audio, 0));
        let mut subscriber = None;
        let mut published_after_join = 0_u64;
        let mut read = Vec::new();
        let (mut number, mut tag, mut video) = (0, 0, Vec::new());
        for (at, step) in steps.into_iter().enumerate() {
            if at == join_at {
                subscriber = Some(joined(&hub, max_bytes, from_last_keyframe));
            }
            match step {
                Step::Read(count) => {
                    if let Some(subscriber) = &mut subscriber {
                        read.extend((0..count).map_while(|_| subscriber.try_recv()));
                    }
                    continue;
                }
                Step::Config { video: is_video } => {
                    tag += 1;
                    hub.publish(config(if is_video { Track::Video } else { Track::Audio }, tag));
                    continue;
                }
                Step::Video { key, len } => {
                    video.push((number, key));
                    hub.publish(frame(Track::Video, number, key, len));
                }
                Step::Audio { len } => hub.publish(frame(Track::Audio, number, true, len)),
            }
            number += 1;
            published_after_join += u64::from(subscriber.is_some());
            if let Some(subscriber) = &subscriber {
                prop_assert!(subscriber.queued_bytes() <= max_bytes);
            }
        }
        let Some(mut subscriber) = subscriber else { return Ok(()) };
        read.extend(drain(&mut subscriber));

        let frames = numbers(&read);
        prop_assert!(frames.windows(2).all(|pair| pair[0] < pair[1]), "frames stay in order");
        let first = read.iter().find(|packet| matches!(packet, Packet::Frame(_)));
        if let Some(Packet::Frame(first)) = first {
            prop_assert!(first.track == Track::Video && first.key, "a reader starts at a keyframe");
        }
        let read_video: Vec<_> = video.iter().filter(|(number, _)| frames.contains(number)).collect();
        for pair in read_video.windows(2) {
            let between = video.iter().filter(|(n, _)| *n > pair[0].0 && *n < pair[1].0).count();
            prop_assert!(between == 0 || pair[1].1, "after a hole comes a keyframe");
        }
        if !from_last_keyframe {
            let accounted = subscriber.dropped_frames() + frames.len() as u64;
            prop_assert!(accounted <= published_after_join, "what was not offered is not lost");
        }
    }
}
