//! Servers that others wrote: nginx-rtmp and ffmpeg.
#![allow(clippy::disallowed_methods, reason = "tests wait for real servers")]

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use stagebox_media::{Packet, Track};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use super::book::PATIENCE;
use super::footage::footage;
use super::own::{output_with, wait, wait_sending};
use crate::{Hub, OutputState, Times};

/// Video and audio packets in a file, by ffprobe.
async fn packets_in(file: &Path) -> (usize, usize) {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-show_entries", "packet=codec_type", "-of", "csv=p=0"])
        .arg(file)
        .output()
        .await
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let count = |kind| text.lines().filter(|line| line.trim_matches(',') == kind).count();
    (count("video"), count("audio"))
}

fn expected(packets: &[Packet]) -> (usize, usize) {
    let frames = packets.iter().filter(|packet| matches!(packet, Packet::Frame(_)));
    let video = frames.clone().filter(|packet| packet.track() == Track::Video).count();
    (video, frames.count() - video)
}

/// Sends all packets through an output and stops it.
async fn push(packets: Vec<Packet>, server: SocketAddr, times: Times) {
    let hub = Hub::new();
    let output = output_with(times, &hub, server);
    wait_sending(&output).await;
    let total = |packet: &Packet| match packet {
        Packet::Frame(frame) => frame.data.len() as u64,
        Packet::Config(_) => 0,
    };
    let bytes: u64 = packets.iter().map(total).sum();
    packets.into_iter().for_each(|packet| hub.publish(packet));
    wait(&output, |status| status.sent_bytes > bytes && status.queued_ms == 0).await;
    output.set_live(false);
    wait(&output, |status| status.state == OutputState::Off).await;
}

async fn free_port() -> SocketAddr {
    tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

/// Waits until the file has what was sent.
async fn wait_for_packets(file: &Path, wanted: (usize, usize)) {
    let mut found = (0, 0);
    for _ in 0..60 {
        found = packets_in(file).await;
        if found == wanted {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{found:?} packets in the file, {wanted:?} sent");
}

async fn start_nginx(directory: &Path, address: SocketAddr) -> Child {
    let dir = directory.display();
    let config = format!(
        "load_module /usr/lib/nginx/modules/ngx_rtmp_module.so;\n\
         daemon off; master_process off; pid {dir}/pid; error_log {dir}/error.log;\n\
         events {{ worker_connections 32; }}\n\
         rtmp {{ server {{ listen {address}; application live {{ live on; \
         record all; record_path {dir}; record_suffix .flv; }} }} }}\n"
    );
    let file = directory.join("nginx.conf");
    std::fs::write(&file, config).unwrap();
    let child = Command::new("nginx")
        .arg("-c")
        .arg(&file)
        .arg("-e")
        .arg(directory.join("error.log"))
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let ready = async {
        while TcpStream::connect(address).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, ready).await.unwrap();
    child
}

async fn nginx_records(times: Times) {
    let directory = tempfile::tempdir().unwrap();
    let address = free_port().await;
    let _nginx = start_nginx(directory.path(), address).await;
    let packets = footage().await;
    let wanted = expected(&packets);
    push(packets, address, times).await;
    wait_for_packets(&directory.path().join("key.flv"), wanted).await;
}

#[tokio::test]
async fn nginx_records_every_packet() {
    nginx_records(Times::Own).await;
}

#[tokio::test]
async fn nginx_records_every_packet_from_zero() {
    nginx_records(Times::FromZero).await;
}

#[tokio::test]
async fn ffmpeg_receives_every_packet() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("out.flv");
    let packets = footage().await;
    let wanted = expected(&packets);
    let address = free_port().await;
    let url = format!("rtmp://{address}/live/key");
    let mut ffmpeg = Command::new("ffmpeg")
        .args(["-loglevel", "error", "-listen", "1", "-f", "flv", "-i", &url, "-c", "copy", "-y"])
        .arg(&file)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    push(packets, address, Times::Own).await;
    tokio::time::timeout(PATIENCE, ffmpeg.wait()).await.unwrap().unwrap();
    assert_eq!(packets_in(&file).await, wanted);
}
