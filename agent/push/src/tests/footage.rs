//! Real frames, encoded by ffmpeg and taken over RTMP.
#![allow(clippy::disallowed_methods, reason = "tests wait for real clients")]

use std::process::Stdio;
use std::sync::atomic::Ordering;
use std::time::Duration;

use stagebox_media::Packet;
use tokio::process::Command;

use super::book::{Book, PATIENCE};

/// Two seconds of a test picture and a tone: 30 pictures with two keyframes, about 87 audio frames.
pub(super) async fn footage() -> Vec<Packet> {
    let book = Book::default();
    let url = format!("rtmp://{}/live/key", book.open().await);
    let input = "-loglevel error -f lavfi -i testsrc2=size=320x180:rate=15:duration=2 \
                 -f lavfi -i sine=sample_rate=44100:duration=2";
    let codecs = "-c:v libx264 -preset ultrafast -bf 2 -g 15 -pix_fmt yuv420p -c:a aac -f flv";
    let status = Command::new("ffmpeg")
        .args(input.split_whitespace().chain(codecs.split_whitespace()))
        .arg(url)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .status();
    assert!(tokio::time::timeout(PATIENCE, status).await.unwrap().unwrap().success());
    let until = async {
        while !book.unpublished.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, until).await.unwrap();
    let packets = std::mem::take(&mut *book.packets.lock().unwrap());
    assert!(packets.len() > 110, "{}", packets.len());
    packets
}
