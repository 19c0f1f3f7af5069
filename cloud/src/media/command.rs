//! `stagebox-cloud media check`: the check at a terminal, while the server does not run.

use std::io::{IsTerminal as _, Write as _};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::check::{CheckError, Counts, Report, check};
use crate::app::{App, StartError};
use crate::clock::Clock;
use crate::config::Config;

/// Says why the command did not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The data cannot be opened.
    #[error(
        "{0}. If the server is running on this data, ask it instead: POST /api/v1/media/check, as the administrator"
    )]
    Open(#[from] StartError),
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
    let app = App::open(config, Clock::system()).await?;
    let stop = CancellationToken::new();
    let stopping = stop.clone();
    tokio::spawn(async move {
        interrupt.recv().await;
        stopping.cancel();
    });
    let checked = tokio::select! {
        checked = check(&app, show, &stop) => checked,
        // A request that does not end must not keep it.
        () = stop.cancelled() => Err(CheckError::Stopped),
    };
    app.store.close().await;
    wipe();
    let report = checked?;
    print(&report, json)?;
    Ok(report.is_whole())
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
