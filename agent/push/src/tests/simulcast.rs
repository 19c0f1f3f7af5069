//! A live event's stream, as a service of others takes it.
#![allow(clippy::disallowed_methods, reason = "tests wait for a server")]

use std::sync::atomic::Ordering;

use bytes::Bytes;
use stagebox_media::rtmp::ms_from_ns;
use stagebox_media::{Codec, Epoch, Frame, Packet, Track, TrackConfig};

use super::book::{Book, Memory};
use super::own::{config, until, wait, wait_sending};
use crate::{Hub, OutputHandle, OutputState, Patience, StreamKey, Target, Times, spawn};

const START_NS: i64 = 9_000_000_000_000_000;
const PICTURE_NS: i64 = 33_333_333;
const SOUND_NS: i64 = 21_333_333;

/// A run's configurations; each run is of an encoder of its own.
fn configs(run: u8) -> [Packet; 2] {
    let config = |track, codec, data: Vec<u8>| {
        Packet::Config(TrackConfig { track, codec, epoch: Epoch(u64::from(run)), data: Bytes::from(data) })
    };
    let h264 = vec![1, 100, 0, 31, 0xFF, 0xE1, 0, 1, 0x67, 1, 0, 1, run];
    [config(Track::Video, Codec::H264, h264), config(Track::Audio, Codec::Aac, vec![0x11, 0x90])]
}

fn frame(track: Track, run: u8, at_ns: i64, key: bool) -> Packet {
    let codec = if track == Track::Video { Codec::H264 } else { Codec::Aac };
    let data = Bytes::from(vec![0, 0, 0, 3, 0x65, run, 7]);
    let (pts_ns, dts_ns) = (at_ns, at_ns);
    Packet::Frame(Frame { track, codec, epoch: Epoch(u64::from(run)), pts_ns, dts_ns, key, data })
}

/// A second of pictures, and then all of its sound at once: as a run begins.
fn second(run: u8, from_ns: i64) -> Vec<Packet> {
    let pictures = (0..30).map(|n| frame(Track::Video, run, from_ns + n * PICTURE_NS, n == 0));
    let sounds = (0..47).map(|n| frame(Track::Audio, run, from_ns + n * SOUND_NS, true));
    configs(run).into_iter().chain(pictures).chain(sounds).collect()
}

/// An output to a service; nobody else is asked.
fn service(hub: &Hub, book: &Book, key: &str) -> OutputHandle {
    let output = spawn(config(Times::FromZero, Patience::POLITE), Memory(book.clone()), hub.clone());
    output.set_target(Some(Target::parse("rtmp://live.example.org/app", StreamKey::new(key)).unwrap()));
    output.set_live(true);
    output
}

/// What has come by now, and the times of one track in milliseconds.
fn times(packets: &[Packet], track: Track) -> Vec<i64> {
    let time = |packet: &Packet| match packet {
        Packet::Frame(frame) if frame.track == track => Some(frame.dts_ns / 1_000_000),
        _ => None,
    };
    packets.iter().filter_map(time).collect()
}

#[tokio::test]
async fn runs_of_an_event_come_as_one_stream_from_zero() {
    let (hub, book) = (Hub::new(), Book::default());
    let output = service(&hub, &book, "key");
    wait_sending(&output).await;
    // The third encoder's clock is another one.
    for (run, from_ns) in [(1, START_NS), (2, START_NS + 1_000_000_000), (3, 40_000_000_000)] {
        second(run, from_ns).into_iter().for_each(|packet| hub.publish(packet));
    }
    // Each run's two configurations, of which the sound's are all the same.
    until(|| book.packets.lock().unwrap().len() == 3 * 77 + 4).await;
    let packets = book.packets.lock().unwrap().clone();
    let all: Vec<_> = packets
        .iter()
        .filter_map(|packet| if let Packet::Frame(frame) = packet { Some(frame.dts_ns) } else { None })
        .collect();
    assert_eq!(all[0], 0);
    assert!(all.windows(2).all(|pair| pair[0] <= pair[1]), "a time falls: {all:?}");
    let steps = |from_ns: i64, count, step_ns| (0..count).map(move |n| ms_from_ns(from_ns + n * step_ns));
    // The third run follows the last frame before it, which is a sound.
    let third_ns = 1_000_000_000 + 46 * SOUND_NS + PICTURE_NS;
    let begins = [0, 1_000_000_000, third_ns];
    let expected: Vec<_> = begins.iter().flat_map(|begin| steps(*begin, 30, PICTURE_NS)).collect();
    assert_eq!(times(&packets, Track::Video), expected);
    let expected: Vec<_> = begins.iter().flat_map(|begin| steps(*begin, 47, SOUND_NS)).collect();
    assert_eq!(times(&packets, Track::Audio), expected);
    // Each picture is decoded by what its own encoder said.
    let mut told = 0;
    for packet in packets.iter().filter(|packet| packet.track() == Track::Video) {
        match packet {
            Packet::Config(config) => told = config.data[12],
            Packet::Frame(frame) => assert_eq!(frame.data[5], told),
        }
    }
    assert_eq!(told, 3);
    let metadata = book.metadata.lock().unwrap().clone();
    assert_eq!(metadata.len(), 1);
    assert_eq!(metadata[0].epoch, Epoch::UNKNOWN, "a service is told nothing that it does not know");
}

#[tokio::test]
async fn each_connection_begins_at_zero() {
    let (hub, book) = (Hub::new(), Book::default());
    let output = service(&hub, &book, "key");
    wait_sending(&output).await;
    second(1, START_NS).into_iter().for_each(|packet| hub.publish(packet));
    until(|| book.packets.lock().unwrap().len() == 79).await;
    output.set_live(false);
    until(|| book.unpublished.load(Ordering::Relaxed)).await;
    wait(&output, |status| status.state == OutputState::Off).await;
    book.packets.lock().unwrap().clear();
    output.set_live(true);
    // From the last keyframe on: the whole second.
    until(|| book.packets.lock().unwrap().len() == 79).await;
    let packets = book.packets.lock().unwrap().clone();
    assert_eq!(times(&packets, Track::Video)[..2], [0, 33]);
    assert_eq!(times(&packets, Track::Audio)[..2], [0, 21]);
}

#[tokio::test]
async fn a_server_that_quotes_the_key_gives_it_away_to_nobody() {
    let (hub, book) = (Hub::new(), Book::default());
    book.refuse.store(true, Ordering::Relaxed);
    let output = service(&hub, &book, "no such key");
    let status = wait(&output, |status| status.error.is_some()).await;
    assert_eq!(status.error.unwrap(), "the server refused: *** (NetStream.Publish.BadName)");
}
