//! `desired` is applied, and `reported` says how far that came.

use serde::{Deserialize, Serialize};
use stagebox_protocol::desired::{
    CODE_APPLIED, CODE_FAILED, CODE_PARTLY, CODE_REFUSED, ReportedOutput, mask_key,
};
use stagebox_protocol::{
    BoxState, BoxStatus, Desired, Reported, ReportedConfig, telemetry::LiveState, telemetry::RecordingState,
};

use super::targets::{FetchError, Targets};
use crate::config::in_words;
use crate::reconfigure;

/// Waits after failed fetches; the last one goes on.
const RETRY_MS: [u64; 6] = [500, 1_000, 2_000, 5_000, 10_000, 30_000];

/// What the link keeps of the cloud's wishes over a restart.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    pub desired: Option<Desired>,
    pub targets: Option<Targets>,
    /// The `targets_version` and event that `targets` was fetched for.
    pub targets_for: Wanted,
}

/// Which targets a desired state asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    pub event_id: Option<String>,
    pub targets_version: Option<u64>,
}

impl Wanted {
    fn of(desired: Option<&Desired>) -> Self {
        desired.map_or_else(Self::default, |desired| Self {
            event_id: desired.state.event_id.clone(),
            targets_version: desired.state.targets_version,
        })
    }
}

/// What is to be done about the desired state, in this order.
#[derive(Debug, Clone, PartialEq)]
pub enum ApplyAction {
    /// Write and sync before going on.
    Keep(Box<Kept>),
    Fetch,
    Use(Targets),
    Configure(reconfigure::Wanted),
}

/// How the fetching of targets stands.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Fetch {
    Idle,
    /// One is under way; `again` if something changed since it began.
    Running {
        wanted: Wanted,
        again: bool,
    },
    Waiting {
        until_ms: u64,
        attempt: usize,
        error: String,
    },
}

/// The desired state, the targets, and what came of them.
#[derive(Debug)]
pub struct Applying {
    kept: Kept,
    fetch: Fetch,
    attempt: usize,
    /// A desired state that could not be read: its version if it had one, and the reason.
    refused: Option<(u64, String)>,
    software: String,
    /// How far the box came with its configuration.
    config: Option<ReportedConfig>,
}

impl Applying {
    #[must_use]
    pub fn new(software: String, kept: Kept) -> Self {
        Self { kept, fetch: Fetch::Idle, attempt: 0, refused: None, software, config: None }
    }

    /// Gives the kept targets to the outputs after a restart, and the configuration to whoever takes it.
    pub fn resume(&self, out: &mut Vec<ApplyAction>) {
        out.extend(self.kept.targets.clone().map(ApplyAction::Use));
        self.configure(out);
    }

    /// Takes how far the box came with its configuration.
    pub fn configured(&mut self, config: ReportedConfig) {
        self.config = Some(config);
    }

    fn configure(&self, out: &mut Vec<ApplyAction>) {
        let state = self.kept.desired.as_ref().map(|desired| &desired.state);
        if let Some((version, change)) =
            state.and_then(|state| state.config_version.zip(state.config.clone()))
        {
            let now = state.is_some_and(|state| state.config_now);
            out.push(ApplyAction::Configure(reconfigure::Wanted { version, change, now }));
        }
    }

    /// Takes a `desired` payload.
    pub fn take(&mut self, payload: &[u8], out: &mut Vec<ApplyAction>) {
        let desired: Desired = match stagebox_protocol::payload::decode(payload) {
            Ok(desired) => desired,
            Err(error) => {
                let loose: serde_json::Value = serde_json::from_slice(payload).unwrap_or_default();
                self.refused = Some((loose["version"].as_u64().unwrap_or(0), error.to_string()));
                return;
            }
        };
        if desired.version <= self.version() {
            return;
        }
        self.refused = None;
        self.kept.desired = Some(desired);
        out.push(ApplyAction::Keep(Box::new(self.kept.clone())));
        self.configure(out);
        if self.kept.targets.is_none() || self.kept.targets_for != Wanted::of(self.kept.desired.as_ref()) {
            self.refresh(out);
        }
    }

    /// Fetches the targets anew: on connecting, on going live, when the desired state names others.
    pub fn refresh(&mut self, out: &mut Vec<ApplyAction>) {
        match &mut self.fetch {
            Fetch::Running { again, .. } => *again = true,
            Fetch::Idle | Fetch::Waiting { .. } => {
                self.fetch = Fetch::Running { wanted: Wanted::of(self.kept.desired.as_ref()), again: false };
                out.push(ApplyAction::Fetch);
            }
        }
    }

    /// Takes what a fetch brought.
    pub fn fetched(&mut self, now_ms: u64, result: Result<Targets, FetchError>, out: &mut Vec<ApplyAction>) {
        let Fetch::Running { wanted, again } = std::mem::replace(&mut self.fetch, Fetch::Idle) else {
            return;
        };
        match result {
            Ok(targets) => {
                self.attempt = 0;
                let changed = self.kept.targets.as_ref() != Some(&targets);
                if changed || self.kept.targets_for != wanted {
                    self.kept.targets = Some(targets.clone());
                    self.kept.targets_for = wanted;
                    out.push(ApplyAction::Keep(Box::new(self.kept.clone())));
                }
                if changed {
                    out.push(ApplyAction::Use(targets));
                }
                if again {
                    self.refresh(out);
                }
            }
            Err(error) => {
                let wait = RETRY_MS[self.attempt.min(RETRY_MS.len() - 1)];
                self.attempt += 1;
                self.fetch = Fetch::Waiting {
                    until_ms: now_ms + wait,
                    attempt: self.attempt,
                    error: error.to_string(),
                };
            }
        }
    }

    /// Tries a failed fetch again when its time has come.
    pub fn tick(&mut self, now_ms: u64, out: &mut Vec<ApplyAction>) {
        if self.next_deadline().is_some_and(|deadline| now_ms >= deadline) {
            self.refresh(out);
        }
    }

    #[must_use]
    pub fn next_deadline(&self) -> Option<u64> {
        match &self.fetch {
            Fetch::Waiting { until_ms, .. } => Some(*until_ms),
            Fetch::Idle | Fetch::Running { .. } => None,
        }
    }

    /// What is to stand on `reported`; nothing while a fetch that decides it is under way.
    #[must_use]
    pub fn reported(&self, status: &BoxStatus) -> Option<Reported> {
        let desired = self.kept.desired.as_ref();
        let wanted = Wanted::of(desired);
        let has_targets = self.kept.targets.is_some() && self.kept.targets_for == wanted;
        let (desired_version, code, error) = match (&self.refused, &self.fetch) {
            (Some((version, reason)), _) => (*version, CODE_REFUSED, Some(reason.clone())),
            (None, Fetch::Waiting { error, attempt, .. }) => {
                (self.version(), CODE_FAILED, Some(format!("attempt {attempt}: {error}")))
            }
            (None, Fetch::Running { .. }) if desired.is_some() && !has_targets => return None,
            (None, _) => {
                let unknown: Vec<&str> = desired
                    .iter()
                    .flat_map(|desired| desired.state.unknown.keys().map(String::as_str))
                    .collect();
                let unknown = (!unknown.is_empty())
                    .then(|| format!("not known to {}: {}", self.software, unknown.join(", ")));
                let refused = self.config.as_ref().filter(|config| !config.errors.is_empty());
                let refused = refused.map(|config| format!("config: {}", in_words(&config.errors)));
                let error: Vec<String> = unknown.into_iter().chain(refused).collect();
                if error.is_empty() {
                    (self.version(), CODE_APPLIED, None)
                } else {
                    (self.version(), CODE_PARTLY, Some(error.join("; ")))
                }
            }
        };
        Some(Reported { desired_version, code, error, state: self.state(status) })
    }

    fn version(&self) -> u64 {
        self.kept.desired.as_ref().map_or(0, |desired| desired.version)
    }

    fn state(&self, status: &BoxStatus) -> BoxState {
        let outputs = self.kept.targets.iter().flat_map(|targets| &targets.outputs);
        BoxState {
            software: self.software.clone(),
            name: self.kept.desired.as_ref().and_then(|desired| desired.state.name.clone()),
            event_id: self.kept.targets.as_ref().and_then(|targets| targets.event_id.clone()),
            targets_version: self.kept.targets_for.targets_version,
            outputs: outputs
                .map(|target| ReportedOutput {
                    role: target.role,
                    url: target.url.clone(),
                    key: mask_key(target.key.expose()),
                })
                .collect(),
            live: status.live.state != LiveState::Off,
            recording: status.recording.state != RecordingState::Off,
            config: self.config.clone(),
        }
    }
}
