//! Viewers by the thousand: connections that are kept, over a few of which something is asked at a time.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::FutureExt as _;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::http::{Ask, read_answer, room};

/// Viewers whose answers are read at a time: others' requests are spread over time too.
const LANES: usize = 32;
/// Files beside the viewers' connections.
const OTHER_FILES: u64 = 500;

/// Viewers of one server; they leave when this is dropped.
pub(crate) struct Crowd {
    lanes: Vec<Vec<TcpStream>>,
}

impl Crowd {
    /// Has so many viewers connect.
    pub(crate) async fn connect(address: &str, count: usize) -> Result<Self> {
        let mut tasks = JoinSet::new();
        for lane in 0..LANES {
            let address = address.to_owned();
            tasks.spawn(async move {
                let mut streams = Vec::new();
                for _ in (lane..count).step_by(LANES) {
                    let stream = TcpStream::connect(&address).await.context("a viewer cannot connect")?;
                    stream.set_nodelay(true)?;
                    streams.push(stream);
                }
                anyhow::Ok(streams)
            });
        }
        Ok(Self { lanes: all(tasks).await? })
    }

    /// Each asks so many times, each time for the next of `asks` and then the first again, beginning where it pleases;
    /// returns how many answers there were.
    pub(crate) async fn ask(&mut self, asks: &[Ask], rounds: usize) -> Result<usize> {
        let heads: Arc<[String]> = asks.iter().map(Ask::head).collect();
        let mut tasks = JoinSet::new();
        for mut streams in self.lanes.drain(..) {
            let heads = Arc::clone(&heads);
            tasks.spawn(async move {
                let mut buffer = room();
                for round in 0..rounds {
                    for (viewer, stream) in streams.iter_mut().enumerate() {
                        let head = &heads[(viewer + round) % heads.len()];
                        stream.write_all(head.as_bytes()).await.context("asking")?;
                        let (status, _) = read_answer(stream, &mut buffer).await?;
                        ensure!(status == 200, "the answer is {status}");
                    }
                }
                anyhow::Ok(streams)
            });
        }
        self.lanes = all(tasks).await?;
        Ok(self.lanes.iter().map(Vec::len).sum::<usize>() * rounds)
    }

    /// Each asks and waits.
    pub(crate) async fn wait_for(&mut self, ask: &Ask) -> Result<()> {
        let head = ask.head();
        for stream in self.lanes.iter_mut().flatten() {
            stream.write_all(head.as_bytes()).await.context("asking")?;
        }
        Ok(())
    }

    /// How many have an answer that they have not read.
    pub(crate) async fn answered(&self) -> usize {
        // What has come is noticed in between.
        sleep(Duration::from_millis(1)).await;
        self.lanes.iter().flatten().filter(|stream| stream.readable().now_or_never().is_some()).count()
    }
}

async fn all(mut tasks: JoinSet<Result<Vec<TcpStream>>>) -> Result<Vec<Vec<TcpStream>>> {
    let mut lanes = Vec::new();
    while let Some(done) = tasks.join_next().await {
        lanes.push(done.context("viewers ended")??);
    }
    Ok(lanes)
}

/// Lets this process, and those that it starts, have so many connections.
pub(crate) fn allow(connections: usize) -> Result<()> {
    let wanted = connections as u64 + OTHER_FILES;
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    ensure!(
        hard >= wanted,
        "{wanted} open files are needed, and only {hard} are allowed: raise `ulimit -Hn`"
    );
    if soft < wanted {
        setrlimit(Resource::RLIMIT_NOFILE, wanted, hard).context("raising the limit of open files")?;
    }
    Ok(())
}
