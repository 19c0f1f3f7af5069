#![allow(clippy::disallowed_methods, reason = "tests wait for real servers")]

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use stagebox_media::rtmp::StreamInfo;
use stagebox_media::{Codec, Epoch, Frame, Packet, Track, TrackConfig};

use super::book::{Book, PATIENCE, Plain};
use crate::{
    Hub, OutputConfig, OutputHandle, OutputState, OutputStatus, Patience, StreamKey, Target, Times, spawn,
};

pub(super) fn config(times: Times, patience: Patience) -> OutputConfig {
    let stream = StreamInfo { encoder: "stagebox test".to_owned(), ..StreamInfo::default() };
    OutputConfig { name: "test".to_owned(), bitrate_kbps: 800, stream, times, patience }
}

pub(super) fn output(hub: &Hub, server: SocketAddr) -> OutputHandle {
    output_with(Times::Own, hub, server)
}

pub(super) fn output_with(times: Times, hub: &Hub, server: SocketAddr) -> OutputHandle {
    let handle = spawn(config(times, Patience::EAGER), Plain, hub.clone());
    let target = Target::parse(&format!("rtmp://{server}/live"), StreamKey::new("key")).unwrap();
    handle.set_target(Some(target));
    handle.set_live(true);
    handle
}

pub(super) async fn wait(output: &OutputHandle, wanted: impl FnMut(&OutputStatus) -> bool) -> OutputStatus {
    let mut status = output.status();
    let found = tokio::time::timeout(PATIENCE, status.wait_for(wanted)).await;
    match found {
        Ok(status) => status.unwrap().clone(),
        Err(_) => panic!("not in time: {:?}", output.status().borrow().clone()),
    }
}

pub(super) async fn wait_sending(output: &OutputHandle) {
    wait(output, |status| status.state == OutputState::Sending).await;
}

pub(super) async fn until(mut done: impl FnMut() -> bool) {
    let wait = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap();
}

fn configs() -> [Packet; 2] {
    let config = |track, codec, data: &'static [u8]| {
        let (epoch, data) = (Epoch(5), Bytes::from_static(data));
        Packet::Config(TrackConfig { track, codec, epoch, data })
    };
    let h264 = &[1, 100, 0, 31, 0xFF, 0xE1, 0, 1, 0x67, 1, 0, 1, 0x68];
    [config(Track::Video, Codec::H264, h264), config(Track::Audio, Codec::Aac, &[0x11, 0x90])]
}

/// A picture, a keyframe each tenth; 30 a second.
fn picture(number: i64, bytes: usize) -> Packet {
    let mut data = vec![number as u8; bytes];
    data[..4].copy_from_slice(&(bytes as u32 - 4).to_be_bytes());
    let dts_ns = 9_000_000_000_000_000 + number * 33_333_333;
    let (track, codec, epoch) = (Track::Video, Codec::H264, Epoch(5));
    let key = number % 10 == 0;
    Packet::Frame(Frame { track, codec, epoch, pts_ns: dts_ns, dts_ns, key, data: data.into() })
}

fn publish(hub: &Hub, numbers: std::ops::Range<i64>, bytes: usize) {
    numbers.for_each(|number| hub.publish(picture(number, bytes)));
}

fn times(book: &Book) -> Vec<i64> {
    let packets = book.packets.lock().unwrap();
    let time = |packet: &Packet| match packet {
        Packet::Frame(frame) => Some(frame.dts_ns),
        Packet::Config(_) => None,
    };
    packets.iter().filter_map(time).collect()
}

#[tokio::test]
async fn both_outputs_send_the_same_from_the_last_keyframe_on() {
    let (hub, main, backup) = (Hub::new(), Book::default(), Book::default());
    configs().into_iter().for_each(|config| hub.publish(config));
    publish(&hub, 0..15, 500);
    let first = output(&hub, main.open().await);
    let second = output(&hub, backup.open().await);
    wait_sending(&first).await;
    wait_sending(&second).await;
    publish(&hub, 15..40, 500);
    until(|| times(&main).len() == 30 && times(&backup).len() == 30).await;
    assert_eq!(*main.packets.lock().unwrap(), *backup.packets.lock().unwrap());
    // From the keyframe at number 10; the frame's own time in whole milliseconds, beyond 2^32 of them.
    let expected: Vec<_> =
        (10..40).map(|number| (9_000_000_000 + (number * 100 + 1) / 3) * 1_000_000).collect();
    assert_eq!(times(&main), expected);
    let status = wait(&first, |status| status.sent_bytes > 15_000).await;
    assert_eq!((status.dropped_frames, status.reconnects, status.error), (0, 0, None));
    first.set_live(false);
    until(|| main.unpublished.load(Ordering::Relaxed)).await;
    wait(&first, |status| status.state == OutputState::Off).await;
}

#[tokio::test]
async fn a_refusal_is_shown_and_tried_again() {
    let (hub, book) = (Hub::new(), Book::default());
    book.refuse.store(true, Ordering::Relaxed);
    let output = output(&hub, book.open().await);
    let status = wait(&output, |status| status.state == OutputState::Waiting).await;
    let error = status.error.unwrap();
    assert!(error.contains("no such key") && !status.url.unwrap().contains("key"), "{error}");
    book.refuse.store(false, Ordering::Relaxed);
    output.reconnect_now();
    wait_sending(&output).await;
    assert_eq!(output.status().borrow().reconnects, 1);
}

#[tokio::test]
async fn a_server_that_is_away_is_named() {
    let address = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let output = output(&Hub::new(), address);
    let status = wait(&output, |status| status.error.is_some()).await;
    assert_eq!(status.error.unwrap(), format!("nothing accepts connections at {address}"));
}

#[tokio::test]
async fn a_server_that_hangs_is_noticed_and_stop_does_not_wait_for_it() {
    let (hub, book) = (Hub::new(), Book::default());
    configs().into_iter().for_each(|config| hub.publish(config));
    let output = output(&hub, book.open().await);
    wait_sending(&output).await;
    publish(&hub, 0..60, 10_000);
    until(|| times(&book).len() == 60).await;
    book.hang.store(true, Ordering::Relaxed);
    let mut number = 60;
    let status = loop {
        publish(&hub, number..number + 10, 10_000);
        number += 10;
        tokio::time::sleep(Duration::from_millis(20)).await;
        let status = output.status().borrow().clone();
        if status.state != OutputState::Sending {
            break status;
        }
        assert!(number < 20_000, "{status:?}");
    };
    assert!(status.error.clone().unwrap().contains("the server hangs"), "{status:?}");
    assert!(status.sent_bytes < 30_000_000, "{status:?}");
    // It is being connected to again by now or soon; neither it nor anything else holds Stop up.
    let before = Instant::now();
    output.set_live(false);
    wait(&output, |status| status.state == OutputState::Off).await;
    assert!(before.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn a_slow_server_costs_whole_groups_of_pictures() {
    let (hub, book) = (Hub::new(), Book::default());
    configs().into_iter().for_each(|config| hub.publish(config));
    let output = output(&hub, book.open().await);
    wait_sending(&output).await;
    publish(&hub, 0..20, 1000);
    until(|| times(&book).len() == 20).await;
    book.hang.store(true, Ordering::Relaxed);
    // Far more than kernel and queue hold, in less time than it takes to count as hung.
    publish(&hub, 20..1020, 40_000);
    tokio::time::sleep(Duration::from_millis(300)).await;
    publish(&hub, 1020..1050, 1000);
    book.hang.store(false, Ordering::Relaxed);
    until(|| times(&book).last() == Some(&((9_000_000_000 + (1049 * 100 + 1) / 3) * 1_000_000))).await;
    let packets = book.packets.lock().unwrap().clone();
    let mut last = None;
    for packet in &packets {
        let Packet::Frame(frame) = packet else { continue };
        let number = ((frame.dts_ns - 9_000_000_000_000_000) as f64 / 33_333_333.0).round() as i64;
        assert!(frame.key || last == Some(number - 1), "{number} after {last:?} is no keyframe");
        last = Some(number);
    }
    let dropped = wait(&output, |status| status.dropped_frames > 0).await.dropped_frames;
    assert_eq!(dropped as usize + times(&book).len(), 1050);
}
