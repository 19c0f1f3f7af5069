//! `stagebox-cloud store …`: on a running server or on its files.

use super::client::Running;
use super::destination::Place;
use super::{Ground, Line, Work};
use crate::app;
use crate::clock::Clock;
use crate::config::Config;
use crate::store::{Fault, Progress};
use anyhow::{Context as _, bail};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use serde_json::Value;
use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal as _, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;

/// What can be done with the store as a whole.
#[derive(Debug, Clone, PartialEq, Eq, clap::Subcommand)]
pub enum StoreCommand {
    /// Writes all documents and the journal to one file, also while the server runs; media are not in it.
    Backup {
        /// The file; `-` is the standard output.
        #[arg(long)]
        to: PathBuf,
    },
    /// Fills an empty store from a backup; the server must not be running.
    Restore {
        /// The file; `-` is the standard input.
        #[arg(long)]
        from: PathBuf,
    },
    /// Moves everything to another engine, also while the server runs, which then goes on there.
    Copy(Place),
    /// Looks for what does not fit together; the exit status says whether something was found.
    Check,
    /// Writes the embedded store anew, without what it holds no more.
    Rewrite,
}

/// What can be done with what secrets are encrypted with.
#[derive(Debug, Clone, PartialEq, Eq, clap::Subcommand)]
pub enum SecretsCommand {
    /// Encrypts all secrets with a new key, also while the server runs; the old one then opens nothing any more.
    ///
    /// Broken off, it goes on when it is given again. Where processes have a key file each, copy the file to them while it
    /// waits for that.
    Rotate,
}

/// Carries out a command on the store; Ctrl-C cancels it.
pub async fn run(config: Config, command: StoreCommand) -> anyhow::Result<()> {
    until_cancelled(config, async |config, running, cancelled| {
        carry_out(config, running, command, cancelled).await
    })
    .await
}

/// Carries out a command on the secrets; Ctrl-C cancels it.
pub async fn run_secrets(config: Config, command: SecretsCommand) -> anyhow::Result<()> {
    let SecretsCommand::Rotate = command;
    until_cancelled(config, async |config, running, cancelled| {
        work(config, running, ("/secrets/rotate", None), Work::Rotate, &Meter::default(), cancelled).await
    })
    .await
}

pub(super) async fn until_cancelled(
    config: Config,
    carry_out: impl AsyncFnOnce(Config, Option<Running>, CancellationToken) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let running = Running::find(&config.data_dir).await?;
    let cancelled = CancellationToken::new();
    let carried_out = carry_out(config, running, cancelled.clone());
    tokio::pin!(carried_out);
    tokio::select! {
        result = &mut carried_out => result,
        _ = tokio::signal::ctrl_c() => {
            cancelled.cancel();
            // What runs here ends at a good place; what runs in a server is told by the closed connection.
            carried_out.await
        }
    }
}

async fn carry_out(
    config: Config,
    running: Option<Running>,
    command: StoreCommand,
    cancelled: CancellationToken,
) -> anyhow::Result<()> {
    let meter = Meter::default();
    match (command, running) {
        (StoreCommand::Backup { to }, Some(running)) => {
            let pieces = running.post("/store/backup", None).await?;
            write_backup(pieces, &to, &meter, &cancelled).await
        }
        (StoreCommand::Backup { to }, None) => {
            let Ground { store, .. } = open(config).await?;
            let pieces = ReceiverStream::new(store.backup(Progress::unwatched())?);
            let pieces = pieces.map(|piece| piece.map_err(io::Error::other));
            let written = write_backup(pieces, &to, &meter, &cancelled).await;
            store.close().await;
            written
        }
        (StoreCommand::Restore { .. }, Some(_)) => {
            bail!("a server runs on this data directory: end it first, a restore fills an empty store")
        }
        (StoreCommand::Restore { from }, None) => restore(config, &from, meter, cancelled).await,
        (command, running) => {
            let (path, body, what) = match command {
                StoreCommand::Copy(place) => {
                    let place = place.absolute();
                    let destination = place.destination().map_err(anyhow::Error::msg)?;
                    for hint in destination.hints() {
                        eprintln!("stagebox-cloud: {hint}");
                    }
                    ("/store/copy", Some(place.to_json()), Work::Copy(destination))
                }
                StoreCommand::Rewrite => ("/store/rewrite", None, Work::Rewrite),
                _ => ("/store/check", None, Work::Check),
            };
            work(config, running, (path, body), what, &meter, cancelled).await
        }
    }
}

/// Has work done by the server that runs, or here.
async fn work(
    config: Config,
    running: Option<Running>,
    (path, body): (&str, Option<Value>),
    what: Work,
    meter: &Meter,
    cancelled: CancellationToken,
) -> anyhow::Result<()> {
    let last = match running {
        Some(running) => {
            let asked = running.work(path, body, |percent, words| meter.tell(percent, words));
            tokio::select! {
                last = asked => last?,
                () = cancelled.cancelled() => bail!("cancelled"),
            }
        }
        None => here(config, what, meter, cancelled).await?,
    };
    meter.end();
    told(last)
}

async fn open(mut config: Config) -> anyhow::Result<Ground> {
    let clock = Clock::system();
    let (store, vault) = app::open_store(&mut config, &clock).await?;
    Ok(Ground { store, vault, clock, node: String::new() })
}

pub(super) async fn here(
    config: Config,
    work: Work,
    meter: &Meter,
    cancelled: CancellationToken,
) -> anyhow::Result<Line> {
    let ground = open(config).await?;
    let meter = meter.clone();
    let progress = Progress::new(move |percent, words| meter.tell(percent, &words), cancelled);
    let result = work.run(&ground, progress).await;
    ground.store.close().await;
    Ok(match result {
        Ok((done, faults)) => Line::Done { done, faults },
        Err(error) => Line::Failed { error: error.to_string() },
    })
}

pub(super) fn told(last: Line) -> anyhow::Result<()> {
    match last {
        Line::Done { done, faults } => {
            for Fault { place, detail } in &faults {
                println!("{place}: {detail}");
            }
            println!("{done}");
            if faults.is_empty() { Ok(()) } else { bail!("{} faults", faults.len()) }
        }
        Line::Failed { error } => bail!("{error}"),
        Line::Progress { .. } => bail!("the running server broke off"),
    }
}

/// Writes beside and renames, so that a file with the wanted name is a whole backup on the disk.
async fn write_backup(
    mut pieces: impl Stream<Item = io::Result<Bytes>> + Unpin,
    to: &Path,
    meter: &Meter,
    cancelled: &CancellationToken,
) -> anyhow::Result<()> {
    let to_terminal = to.as_os_str() == "-";
    let mut name = to.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    let beside = to.with_file_name(name);
    let mut out: Box<dyn Write + Send> = if to_terminal {
        Box::new(io::stdout())
    } else {
        Box::new(File::create(&beside).with_context(|| format!("--to: cannot write {}", beside.display()))?)
    };
    let mut counted = Counted::default();
    let result = loop {
        let piece = tokio::select! {
            piece = pieces.next() => piece,
            () = cancelled.cancelled() => break Err(anyhow::anyhow!("cancelled; no backup was made")),
        };
        match piece {
            None => break Ok(()),
            Some(Err(error)) => break Err(error).context("the backup broke off; the server's log says why"),
            Some(Ok(piece)) => {
                counted.take(&piece);
                if let Err(error) = out.write_all(&piece) {
                    break Err(error).context("--to: cannot write the backup");
                }
                meter.tell(counted.percent(), &format!("{} records", counted.lines));
            }
        }
    };
    meter.end();
    drop(out);
    if to_terminal {
        return result;
    }
    if let Err(error) = result {
        let _ = std::fs::remove_file(&beside);
        return Err(error);
    }
    settle(&beside, to).with_context(|| format!("--to: cannot keep {}", to.display()))?;
    println!("{} records in {}", counted.lines.saturating_sub(2), to.display());
    Ok(())
}

pub(super) fn settle(beside: &Path, to: &Path) -> io::Result<()> {
    File::open(beside)?.sync_all()?;
    std::fs::rename(beside, to)?;
    let parent = to.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

/// How far a backup is, by its head and its lines.
#[derive(Default)]
struct Counted {
    head: Vec<u8>,
    all: Option<u64>,
    lines: u64,
}

impl Counted {
    fn take(&mut self, piece: &[u8]) {
        self.lines += piece.iter().filter(|byte| **byte == b'\n').count() as u64;
        if self.all.is_none() {
            self.head.extend(piece.iter().take_while(|byte| **byte != b'\n'));
            let head: Option<Value> = serde_json::from_slice(&self.head).ok();
            self.all = head.and_then(|head| head["records"].as_u64());
        }
    }

    fn percent(&self) -> u8 {
        (self.lines * 100).checked_div(self.all.unwrap_or(0)).unwrap_or(0).min(99) as u8
    }
}

async fn restore(
    config: Config,
    from: &Path,
    meter: Meter,
    cancelled: CancellationToken,
) -> anyhow::Result<()> {
    let input: Box<dyn BufRead + Send> = if from.as_os_str() == "-" {
        Box::new(BufReader::new(io::stdin()))
    } else {
        let file = File::open(from).with_context(|| format!("--from: cannot read {}", from.display()))?;
        Box::new(BufReader::new(file))
    };
    let mut config = config;
    let store = app::open_bare_store(&mut config, &Clock::system()).await?;
    let shown = meter.clone();
    let progress = Progress::new(move |percent, words| shown.tell(percent, &words), cancelled);
    let restored = store.restore(input, &progress).await;
    store.close().await;
    meter.end();
    println!("{} records are back", restored?);
    Ok(())
}

/// Shows on a terminal how far it is; elsewhere a line every ten percent.
#[derive(Debug, Clone, Default)]
pub(super) struct Meter(Arc<Mutex<Option<u8>>>);

impl Meter {
    pub(super) fn tell(&self, percent: u8, words: &str) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut out = io::stderr();
        if out.is_terminal() {
            let _ = write!(out, "\r\x1b[K{percent:>3} %  {words}");
        } else if last.is_none_or(|last| percent / 10 != last / 10) {
            let _ = writeln!(out, "{percent:>3} %  {words}");
        }
        *last = Some(percent);
    }

    pub(super) fn end(&self) {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_some() && io::stderr().is_terminal() {
            let _ = writeln!(io::stderr());
        }
    }
}
