//! Checks what is wanted, keeps what holds, and moves the parts of the box.
//!
#![allow(clippy::disallowed_methods, reason = "a driver: it reads the clock for the core")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use stagebox_protocol::preflight::PreflightState;
use stagebox_protocol::telemetry::{EncoderState, LiveState, RecordingState};
use stagebox_protocol::{BoxStatus, ConfigProblem, EventBody, ReportedConfig};
use tokio::sync::{mpsc, watch};

use super::Wanted;
use super::state::{Action, Input, State};
use crate::clock::sleep_until;
use crate::config::{Config, FileConfig, LastGood, Start, source_problem};
use crate::encode::MediaStatus;

/// Starts the media process anew, for the so manieth setup.
pub type StartMedia = Box<dyn Fn(u64, &Config) + Send + Sync>;

/// What a configuration is carried out with.
pub struct Parts {
    pub media: StartMedia,
    /// What the media process does.
    pub media_status: watch::Receiver<MediaStatus>,
    /// What the box does.
    pub status: watch::Receiver<BoxStatus>,
    /// Everything else follows this.
    pub held: watch::Sender<Arc<Config>>,
    /// Somebody who wants to know what happened.
    pub tell: mpsc::UnboundedSender<EventBody>,
}

/// A handle to the configuration; clones are the same.
#[derive(Debug, Clone)]
pub struct Reconfigure {
    wanted: watch::Sender<Option<Wanted>>,
    report: watch::Receiver<ReportedConfig>,
    last_word: watch::Receiver<u64>,
}

impl Reconfigure {
    /// Wants a configuration; of several that come at once the last one counts.
    pub fn want(&self, wanted: Wanted) {
        self.wanted.send_replace(Some(wanted));
    }

    /// How far it came.
    #[must_use]
    pub fn report(&self) -> watch::Receiver<ReportedConfig> {
        self.report.clone()
    }

    /// From which setup on a media process that cannot work is the end of it.
    #[must_use]
    pub fn last_word(&self) -> watch::Receiver<u64> {
        self.last_word.clone()
    }
}

/// Begins to take wishes.
#[must_use]
pub fn spawn(start: &Start, parts: Parts) -> Reconfigure {
    let mut actions = Vec::new();
    let state = State::new(start, &mut actions);
    let (wanted, wishes) = watch::channel(None);
    let (publish, report) = watch::channel(state.report());
    let (publish_word, last_word) = watch::channel(state.last_word());
    let driver = Driver {
        state,
        file: Arc::new(start.file.clone()),
        data_dir: start.config.data_dir.clone(),
        parts,
        publish,
        last_word: publish_word,
    };
    tokio::spawn(driver.run(wishes, actions));
    Reconfigure { wanted, report, last_word }
}

struct Driver {
    state: State,
    file: Arc<FileConfig>,
    data_dir: PathBuf,
    parts: Parts,
    publish: watch::Sender<ReportedConfig>,
    last_word: watch::Sender<u64>,
}

impl Driver {
    async fn run(mut self, mut wishes: watch::Receiver<Option<Wanted>>, first: Vec<Action>) {
        self.perform(first).await;
        let (mut media, mut status) = (self.parts.media_status.clone(), self.parts.status.clone());
        self.take(on_air(&mut status)).await;
        media.mark_changed();
        loop {
            let deadline = self.state.next_deadline();
            // What the box does comes before what is wanted of it, and what the media process does before the time.
            let input = tokio::select! {
                biased;
                changed = status.changed() => match changed {
                    Ok(()) => on_air(&mut status),
                    Err(_) => return,
                },
                changed = media.changed() => match changed {
                    Ok(()) => {
                        let Some(input) = news(&media.borrow_and_update()) else { continue };
                        input
                    }
                    Err(_) => return,
                },
                changed = wishes.changed() => {
                    let wanted = wishes.borrow_and_update().clone();
                    match (changed, wanted) {
                        (Ok(()), Some(wanted)) => {
                            let checked = self.check(wanted).await;
                            // Checking may have taken its time.
                            self.take(on_air(&mut status)).await;
                            checked
                        }
                        (Ok(()), None) => continue,
                        (Err(_), _) => return,
                    }
                }
                () = sleep_until(deadline) => {
                    let mut actions = Vec::new();
                    self.state.on_deadline(Instant::now(), &mut actions);
                    self.perform(actions).await;
                    continue;
                }
            };
            self.take(input).await;
        }
    }

    async fn take(&mut self, input: Input) {
        let mut actions = Vec::new();
        self.state.handle(Instant::now(), input, &mut actions);
        self.perform(actions).await;
    }

    async fn check(&self, wanted: Wanted) -> Input {
        let (file, change) = (Arc::clone(&self.file), wanted.change.clone());
        // A file may lie on a disk that hangs.
        let checked = tokio::task::spawn_blocking(move || {
            let config = file.with(&change)?;
            match source_problem(&config.source) {
                Some(problem) => Err(vec![problem]),
                None => Ok(Box::new(config)),
            }
        });
        let failed = |error: tokio::task::JoinError| {
            let problem = format!("cannot be checked: {error}");
            let fix = "leave it out".to_owned();
            Err(vec![ConfigProblem { field: String::new(), problem, fix }])
        };
        Input::Wanted(wanted, checked.await.unwrap_or_else(failed))
    }

    async fn perform(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Media { setup, config } => {
                    tracing::info!(setup, "the media process is started with another configuration");
                    (self.parts.media)(setup, &config);
                }
                Action::Use(config) => {
                    self.parts.held.send_replace(Arc::from(config));
                }
                Action::Keep(last_good) => self.keep(last_good).await,
                Action::Tell(event) => {
                    // A box without a cloud tells nobody.
                    let _ = self.parts.tell.send(event);
                }
            }
        }
        let report = self.state.report();
        let last_word = self.state.last_word();
        self.last_word.send_if_modified(|known| std::mem::replace(known, last_word) != last_word);
        self.publish.send_if_modified(|known| {
            let is_new = *known != report;
            if is_new {
                log(&report);
            }
            *known = report;
            is_new
        });
    }

    async fn keep(&mut self, last_good: LastGood) {
        let dir = self.data_dir.clone();
        let kept = tokio::task::spawn_blocking(move || match LastGood::read(&dir) {
            Ok(there) if there == last_good => Ok(()),
            _ => last_good.keep(&dir),
        });
        let kept = match kept.await {
            Ok(kept) => kept.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        if let Err(error) = &kept {
            tracing::warn!(error, dir = %self.data_dir.display(), "cannot keep the configuration (data_dir)");
        }
        // It asks for nothing more.
        self.state.handle(Instant::now(), Input::Kept(kept), &mut Vec::new());
    }
}

fn log(report: &ReportedConfig) {
    let version = report.version;
    match report {
        ReportedConfig { waits: Some(waits), .. } => tracing::info!(version, "a configuration waits {waits}"),
        ReportedConfig { applied: true, .. } => tracing::info!(version, "a configuration holds"),
        ReportedConfig { errors, .. } => {
            let errors = crate::config::in_words(errors);
            tracing::warn!(version, errors, "a configuration is refused");
        }
    }
}

fn news(media: &MediaStatus) -> Option<Input> {
    let setup = media.setup;
    match media.state {
        EncoderState::Starting => Some(Input::Starts { setup }),
        EncoderState::Running => Some(Input::Delivers { setup, restarts: media.restarts }),
        EncoderState::Failed => Some(Input::Fails {
            setup,
            restarts: media.restarts,
            error: media.error.clone().unwrap_or_default(),
            configuration: media.configuration,
        }),
        _ => None,
    }
}

fn on_air(status: &mut watch::Receiver<BoxStatus>) -> Input {
    let status = status.borrow_and_update();
    let is_tested = status.preflight.as_ref().is_some_and(|test| test.state == PreflightState::Running);
    let is_used = status.live.state != LiveState::Off || status.recording.state != RecordingState::Off;
    Input::OnAir(is_used || is_tested)
}
