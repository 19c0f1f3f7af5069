//! Real frames, encoded by ffmpeg and taken over RTMP; and a server that does as it is told.
#![allow(clippy::disallowed_methods, reason = "tests wait for real clients")]

use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::BytesMut;
use stagebox_media::Packet;
use stagebox_media::rtmp::{ServerConfig, ServerEvent, ServerSession};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;

/// How long tests wait for anything.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// A server's orders and what it has taken; clones are the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Book {
    pub(super) packets: Arc<Mutex<Vec<Packet>>>,
    pub(super) refuse: Arc<AtomicBool>,
    /// Reads nothing more, and keeps the connection.
    pub(super) hang: Arc<AtomicBool>,
    pub(super) unpublished: Arc<AtomicBool>,
}

impl Book {
    /// Listens on a free port and serves what comes.
    pub(super) async fn open(&self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let book = self.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let book = book.clone();
                tokio::spawn(async move { book.serve(stream).await });
            }
        });
        address
    }

    async fn serve(&self, mut stream: TcpStream) -> Option<()> {
        let mut session = ServerSession::new(ServerConfig::default());
        let mut input = BytesMut::new();
        loop {
            while self.hang.load(Ordering::Relaxed) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            if stream.read_buf(&mut input).await.ok()? == 0 {
                return None;
            }
            while let Some(event) = session.next(&mut input).ok()? {
                match event {
                    ServerEvent::PublishRequested(_) if self.refuse.load(Ordering::Relaxed) => {
                        session.refuse("no such key");
                    }
                    ServerEvent::PublishRequested(_) => session.accept(),
                    ServerEvent::Packet(packet) => self.packets.lock().unwrap().push(packet),
                    ServerEvent::Unpublished => self.unpublished.store(true, Ordering::Relaxed),
                    ServerEvent::Metadata(_) => {}
                }
            }
            stream.write_all_buf(session.output()).await.ok()?;
        }
    }
}

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
