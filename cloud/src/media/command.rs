//! `stagebox-cloud media check`: the check at a terminal, of a running server or of its files.

use std::io::{IsTerminal as _, Write as _};

use serde::Deserialize;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::io::StreamReader;
use tokio_util::sync::CancellationToken;

use super::check::{CheckError, Counts, Report, check};
use crate::app::{App, StartError};
use crate::clock::Clock;
use crate::config::Config;
use crate::control::Running;

/// Says why the command did not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The data cannot be opened.
    #[error(transparent)]
    Open(#[from] StartError),
    /// The running server did not carry it out.
    #[error("the running server: {0}")]
    Running(String),
    /// The check failed.
    #[error(transparent)]
    Check(#[from] CheckError),
    /// The terminal is gone.
    #[error("cannot print the report: {0}")]
    Print(#[from] std::io::Error),
}

/// Prints what is there too much and what is missing; `true` if nothing is missing.
///
/// # Errors
/// The data or the store cannot be read, or Ctrl-C ended it.
pub async fn check_and_print(config: Config, json: bool) -> Result<bool, CommandError> {
    // Refused only if a provider is there already, which then serves as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stop = CancellationToken::new();
    let stopping = stop.clone();
    tokio::spawn(async move {
        interrupt.recv().await;
        stopping.cancel();
    });
    let running = Running::find(&config.data_dir).await.map_err(told)?;
    let checked = tokio::select! {
        checked = async {
            match running {
                Some(running) => there(&running).await,
                None => here(config, &stop).await,
            }
        } => checked,
        // A request that does not end must not keep it.
        () = stop.cancelled() => Err(CheckError::Stopped.into()),
    };
    wipe();
    let report = checked?;
    print(&report, json)?;
    Ok(report.is_whole())
}

async fn here(config: Config, stop: &CancellationToken) -> Result<Report, CommandError> {
    let app = App::open(config, Clock::system()).await?;
    let checked = check(&app, show, stop).await;
    app.store.close().await;
    Ok(checked?)
}

/// A line of the running server's answer.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Progress(Counts),
    Report(Report),
    Error(String),
}

async fn there(running: &Running) -> Result<Report, CommandError> {
    let pieces = running.post("/media/check", None).await.map_err(told)?;
    let mut lines = BufReader::new(StreamReader::new(pieces)).lines();
    while let Some(line) = lines.next_line().await.map_err(told)? {
        match serde_json::from_str(&line).map_err(told)? {
            Line::Progress(counts) => show(&counts),
            Line::Report(report) => return Ok(report),
            Line::Error(error) => return Err(CommandError::Running(error)),
        }
    }
    Err(CommandError::Running("it broke off; its log says why".to_owned()))
}

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` calls")]
fn told(error: impl ToString) -> CommandError {
    CommandError::Running(error.to_string())
}

fn print(report: &Report, json: bool) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    if json {
        serde_json::to_writer(&mut out, report)?;
        writeln!(out)
    } else {
        writeln!(out, "{report}")
    }
}

fn show(counts: &Counts) {
    if std::io::stderr().is_terminal() {
        let Counts { events, events_in_all, objects, .. } = counts;
        eprint!("\r\x1b[Kevent {events} of {events_in_all}, {objects} objects");
    }
}

/// Takes the line of progress away.
fn wipe() {
    if std::io::stderr().is_terminal() {
        eprint!("\r\x1b[K");
    }
}
