//! Ingest: streams of 3 Mbit/s received and thrown away, against nginx with its RTMP module.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use stagebox_cloud::ingest::{Broadcast, Gone, Ingest, IngestLimits, Publisher, Publishing, Refused, serve};
use stagebox_media::Packet;
use stagebox_media::rtmp::LeftOut;
use stagebox_tests::house::peer::Nginx;
use stagebox_tests::house::{Process, free_port, wait_until};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::cpu;
use super::figure::{Figure, median};
use super::{footage, live};

const WINDOW: Duration = Duration::from_secs(15);
/// All clients are connected and past their first burst after this.
const SETTLE: Duration = Duration::from_secs(5);

/// Takes every broadcast and forgets it.
#[derive(Clone)]
struct Nowhere;

impl Publishing for Nowhere {
    type Publisher = Self;

    async fn publish(&self, _broadcast: &Broadcast) -> Result<Self, Refused> {
        Ok(Self)
    }
}

impl Publisher for Nowhere {
    async fn send(&mut self, _packet: Packet) -> Result<(), Gone> {
        Ok(())
    }

    async fn left_out(&mut self, _: LeftOut) -> Result<(), Gone> {
        Ok(())
    }

    async fn leave(self) {}
}

/// Serves in this process until it is killed: the server that is measured.
pub(crate) async fn sink(address: SocketAddr) -> Result<()> {
    let listener = TcpListener::bind(address).await.context("binding the sink")?;
    serve(listener, None, Ingest::new(Nowhere, IngestLimits::default(), CancellationToken::new())).await;
    Ok(())
}

/// CPU seconds for a stream's minute, and MiB of memory, of the server `server` on `port`.
async fn load(
    clip: &Path,
    directory: &Path,
    server: &Process,
    port: u16,
    streams: usize,
) -> Result<(f64, f64)> {
    let urls = (0..streams).map(|index| format!("rtmp://127.0.0.1:{port}/live/stream{index}"));
    let mut clients = live::publish(clip, directory, urls)?;
    sleep(SETTLE).await;
    let used = cpu::during(server.id(), WINDOW).await?;
    let memory = cpu::resident_mib(server.id())?;
    live::all_publish(&mut clients)?;
    Ok((used / WINDOW.as_secs_f64() * 60.0 / streams as f64, memory))
}

async fn ours(clip: &Path, streams: usize) -> Result<(f64, f64)> {
    let directory = tempfile::tempdir()?;
    let port = free_port(0);
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--sink", &format!("127.0.0.1:{port}")]);
    let server = Process::start("sink", &directory.path().join("logs"), command)?;
    let limit = Duration::from_secs(10);
    wait_until("the sink listens", limit, || async {
        Ok(TcpStream::connect(("127.0.0.1", port)).await.ok())
    })
    .await?;
    load(clip, directory.path(), &server, port, streams).await
}

async fn peer(clip: &Path, streams: usize) -> Result<(f64, f64)> {
    let directory = tempfile::tempdir()?;
    let nginx = Nginx::rtmp(directory.path(), "nginx", free_port(0), false).await?;
    load(clip, directory.path(), &nginx.process, nginx.port, streams).await
}

pub(crate) async fn measure(runs: usize) -> Result<Vec<Figure>> {
    let clip = footage::steady().await?;
    let mut figures = Vec::new();
    for streams in [1, 20] {
        let mut pairs = Vec::new();
        for _ in 0..runs {
            pairs.push((ours(&clip, streams).await?, peer(&clip, streams).await?));
        }
        let times: Vec<(f64, f64)> = pairs.iter().map(|(ours, peer)| (ours.0, peer.0)).collect();
        figures.push(Figure::lower(
            &format!("ingest cpu, {streams} streams"),
            &times,
            Some(1.0),
            "CPU-s a stream's minute",
        ));
        let memory: Vec<(f64, f64)> = pairs.iter().map(|(ours, peer)| (ours.1, peer.1)).collect();
        ensure!(median(memory.iter().map(|pair| pair.0)) > 0.0, "the server's memory cannot be read");
        figures.push(Figure::lower(&format!("ingest memory, {streams} streams"), &memory, None, "MiB"));
    }
    Ok(figures)
}
