//! A line between two processes that can be cut or held: a network that fails.
#![allow(clippy::disallowed_methods, reason = "a driver: it passes bytes on")]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::CloudOptions;

/// What the kernel may hold of a connection.
const LINE_BYTES: usize = 32 * 1024;
/// A slow line lets a little through so often.
const TRICKLES: Duration = Duration::from_millis(20);

/// What becomes of a connection's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Open,
    /// So many bytes a second there, and all back.
    Slow(u32),
    Held,
    Cut,
}

/// Listens on a loopback port and passes each connection on.
#[derive(Debug)]
pub struct Line {
    /// Where to connect to.
    pub port: u16,
    to: u16,
    connections: Arc<Mutex<Vec<watch::Sender<Way>>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Way {
    fn passes(&self) -> bool {
        matches!(self, Self::Open | Self::Slow(_))
    }
}

impl Line {
    /// A line to a port of this machine.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn to(port: u16) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("a port for a line")?;
        // A thin line holds nothing back that is not on its way.
        SockRef::from(&listener).set_recv_buffer_size(LINE_BYTES)?;
        let own = listener.local_addr()?.port();
        let connections = Arc::<Mutex<Vec<watch::Sender<Way>>>>::default();
        let all = Arc::clone(&connections);
        let task = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let (way, followed) = watch::channel(Way::Open);
                all.lock().unwrap_or_else(PoisonError::into_inner).push(way);
                tokio::spawn(pass_on(near, SocketAddr::from(([127, 0, 0, 1], port)), followed));
            }
        });
        Ok(Self { port: own, to: port, connections, task })
    }

    /// A cloud that listens for RTMP at the line's end, and says that it does at its beginning.
    #[must_use]
    pub fn cloud(&self) -> CloudOptions {
        let url = format!("rtmp://127.0.0.1:{}/live", self.port);
        CloudOptions {
            extra: "[live]\ntranscode = false\n".into(),
            ports: [0, self.to, 0],
            environment: vec![("STAGEBOX_RTMP__PUBLIC_URL".into(), url.into())],
            ..CloudOptions::default()
        }
    }

    /// How many connections there have been.
    #[must_use]
    pub fn count(&self) -> usize {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Ends a connection, as a server that dies.
    pub fn cut(&self, number: usize) {
        self.set(number, Way::Cut);
    }

    /// Lets nothing through any more, as a network that fails.
    pub fn hold(&self, number: usize) {
        self.set(number, Way::Held);
    }

    /// Lets so many bytes a second through, as a line that is too thin.
    pub fn slow(&self, number: usize, bytes_per_s: u32) {
        self.set(number, Way::Slow(bytes_per_s));
    }

    /// Lets everything through again.
    pub fn open(&self, number: usize) {
        self.set(number, Way::Open);
    }

    fn set(&self, number: usize, way: Way) {
        let connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(connection) = connections.get(number) {
            connection.send_replace(way);
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass_on(near: TcpStream, to: SocketAddr, mut way: watch::Receiver<Way>) {
    let Ok(far) = TcpStream::connect(to).await else { return };
    let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
    let (there, back) = (way.clone(), way.clone());
    tokio::select! {
        _ = way.wait_for(|way| *way == Way::Cut) => {}
        _ = pump(near_in, far_out, there) => {}
        _ = pump(far_in, near_out, back) => {}
    }
}

async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut way: watch::Receiver<Way>,
) -> std::io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        // Whoever ends the line lets nothing more through either.
        if way.wait_for(Way::passes).await.is_err() {
            return Ok(());
        }
        let most = match *way.borrow() {
            Way::Slow(bytes_per_s) => (bytes_per_s as usize / 50).clamp(1, buffer.len()),
            _ => buffer.len(),
        };
        let read = from.read(&mut buffer[..most]).await?;
        // What was read while it was held waits too.
        if read == 0 || way.wait_for(Way::passes).await.is_err() {
            return Ok(());
        }
        to.write_all(&buffer[..read]).await?;
        let is_slow = matches!(*way.borrow(), Way::Slow(_));
        if is_slow {
            tokio::time::sleep(TRICKLES).await;
        }
    }
}
