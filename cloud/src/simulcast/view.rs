//! A simulcast as the API shows it.

use super::document::Service;
use super::{Simulcast, Simulcasts};
use crate::clock::Timestamp;
use crate::event::masked;
use crate::id::{EventId, SimulcastId};
use crate::store::Versioned;
use serde::Serialize;
use serde_json::Value;
use stagebox_push::{OutputState, OutputStatus};
use std::time::Instant;
use utoipa::ToSchema;

/// Where an event is pushed to while viewers see it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Simulcast)]
pub(super) struct SimulcastView {
    /// Its id.
    id: SimulcastId,
    /// The event.
    event_id: EventId,
    /// What people call it.
    name: String,
    /// Whose servers.
    service: Service,
    /// The server.
    #[schema(format = "uri")]
    url: String,
    /// A second server that gets the same.
    #[schema(required, format = "uri")]
    backup_url: Option<String>,
    /// The stream key's last characters: the key itself is never shown.
    key: String,
    /// What is pushed: `source`, or a height such as `720p`.
    rendition: String,
    /// Whether it is pushed while the event is started.
    enabled: bool,
    /// What is sent to each server, the first one first.
    #[schema(value_type = Vec<OutputView>)]
    outputs: Outputs,
    /// When it was made.
    created_at: Timestamp,
    /// When it was last changed.
    updated_at: Timestamp,
    /// Goes up with each change; also the ETag.
    version: u64,
}

/// How far an output came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = SimulcastState)]
enum State {
    /// The event is not started, or the simulcast is switched off.
    Off,
    /// It looks for the server.
    Connecting,
    /// The server takes the stream.
    Sending,
    /// It failed, and tries again by itself.
    Waiting,
}

/// What is sent to one server.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SimulcastOutput)]
pub(crate) struct OutputView {
    /// The server.
    #[schema(format = "uri")]
    url: String,
    /// How far it came.
    state: State,
    /// What leaves.
    bitrate_kbps: u32,
    /// How much waits to be sent.
    queued_ms: u32,
    /// Pictures that were left out because the line was too slow.
    dropped_frames: u64,
    /// How often it was begun anew after a failure.
    reconnects: u32,
    /// Why it failed last, in words; `null` once the server takes the stream.
    #[schema(required)]
    error: Option<String>,
    /// Since when it sends, or has been trying to; `null` while it is off.
    #[schema(required)]
    since: Option<Timestamp>,
}

impl OutputView {
    /// An output to this address, as it is now; off, if it does not run.
    pub(super) fn of(url: &str, status: Option<OutputStatus>, now: Instant, wall: Timestamp) -> Self {
        let url = url.to_owned();
        let Some(status) = status else {
            return Self {
                url,
                state: State::Off,
                bitrate_kbps: 0,
                queued_ms: 0,
                dropped_frames: 0,
                reconnects: 0,
                error: None,
                since: None,
            };
        };
        let state = match status.state {
            OutputState::Off => State::Off,
            OutputState::Connecting => State::Connecting,
            OutputState::Sending => State::Sending,
            OutputState::Waiting => State::Waiting,
        };
        let ago_ms = i64::try_from(now.saturating_duration_since(status.since).as_millis()).unwrap_or(0);
        let since = Timestamp::from_unix_ms(wall.unix_ms().saturating_sub(ago_ms));
        Self {
            url,
            state,
            bitrate_kbps: status.bitrate_kbps,
            queued_ms: status.queued_ms,
            dropped_frames: status.dropped_frames,
            reconnects: status.reconnects,
            error: status.error,
            since: Some(since).filter(|_| state != State::Off),
        }
    }
}

/// What is sent to the servers, as this process knows it or as another one tells it.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Outputs {
    Own(Vec<OutputView>),
    Told(Value),
}

impl Simulcasts {
    /// As the API shows it; `told` is what another process says of the outputs of its event's simulcasts.
    pub(super) fn view(&self, found: &Versioned<Simulcast>, told: Option<&Value>) -> SimulcastView {
        let simulcast = &found.document;
        let name = match simulcast.name.is_empty() {
            true => simulcast.service.title().to_owned(),
            false => simulcast.name.clone(),
        };
        let told = told.map(|told| told[simulcast.id.to_string()].clone()).filter(Value::is_array);
        let outputs = told.map_or_else(|| Outputs::Own(self.outputs(simulcast)), Outputs::Told);
        SimulcastView {
            id: simulcast.id,
            event_id: simulcast.event_id,
            name,
            service: simulcast.service,
            url: simulcast.url.clone(),
            backup_url: simulcast.backup_url.clone(),
            key: masked(&simulcast.key_end),
            rendition: simulcast.rendition.to_string(),
            enabled: simulcast.enabled,
            outputs,
            created_at: simulcast.created_at,
            updated_at: simulcast.updated_at,
            version: found.version,
        }
    }
}
