//! A server that does as it is told and keeps what it is sent; and ways to it.
#![allow(clippy::disallowed_methods, reason = "tests wait for real clients")]

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::BytesMut;
use stagebox_media::Packet;
use stagebox_media::rtmp::{Metadata, ServerConfig, ServerEvent, ServerSession};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::{ConnectError, Connector, Target, Transport, over_tcp};

/// How long tests wait for anything.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// A server's orders and what it has taken; clones are the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Book {
    pub(super) packets: Arc<Mutex<Vec<Packet>>>,
    pub(super) metadata: Arc<Mutex<Vec<Metadata>>>,
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

    pub(super) async fn serve(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin) -> Option<()> {
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
                    ServerEvent::Metadata(metadata) => self.metadata.lock().unwrap().push(metadata),
                    ServerEvent::LeftOut(left_out) => panic!("{left_out:?}"),
                }
            }
            stream.write_all_buf(session.output()).await.ok()?;
        }
    }
}

/// A way over TCP, without TLS.
pub(super) struct Plain;

impl Connector for Plain {
    async fn connect(&self, target: &Target, second_bytes: u32) -> Result<Box<dyn Transport>, ConnectError> {
        let tcp = TcpStream::connect((target.host(), target.port())).await?;
        Ok(over_tcp(tcp, second_bytes, None).await?)
    }
}

/// A way through memory, whatever the target's address.
pub(super) struct Memory(pub(super) Book);

impl Connector for Memory {
    async fn connect(&self, _: &Target, _: u32) -> Result<Box<dyn Transport>, ConnectError> {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let book = self.0.clone();
        tokio::spawn(async move { book.serve(theirs).await });
        Ok(Box::new(ours))
    }
}
