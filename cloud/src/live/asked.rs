//! What only the process that takes an event in knows of it, for whichever process is asked: `/known/<event>/<what>` between
//! processes, as JSON.

use bytes::Bytes;
use serde_json::Value;

use super::health::Resolution;
use super::health_http;
use super::stream::lock;
use crate::app::App;
use crate::http::ApiError;
use crate::id::EventId;

/// What can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    Health(Resolution),
    Conformance,
    /// What is sent to the event's simulcasts, by their ids.
    Outputs,
}

impl Known {
    const ALL: [(Self, &'static str); 4] = [
        (Self::Health(Resolution::Second), "health-by-second"),
        (Self::Health(Resolution::Minute), "health-by-minute"),
        (Self::Conformance, "conformance"),
        (Self::Outputs, "outputs"),
    ];

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(known, _)| *known == self).map_or("", |(_, name)| name)
    }
}

/// Asks the process that takes the event in; `None` if that is this one, or none.
///
/// # Errors
/// It does not answer.
pub(crate) async fn of_owner(app: &App, event: &EventId, what: Known) -> Result<Option<Bytes>, ApiError> {
    let (None, Some(relay)) = (app.live.stream(event), app.cluster.relay()) else { return Ok(None) };
    if !app.cluster.owners().is_elsewhere(event).await? {
        return Ok(None);
    }
    let Some(owner) = relay.owner(app, event).await? else { return Ok(None) };
    let answer = relay.ask(&owner, event, format!("/known/{event}/{}", what.name())).await;
    if answer.status.is_success() {
        Ok(Some(answer.body.plain()))
    } else {
        Err(ApiError::unavailable(answer.words()))
    }
}

/// Answers another process.
///
/// # Errors
/// This one does not take the event in, or nothing of this name can be asked for.
pub(crate) fn answer_known(app: &App, path: &str) -> Result<Value, ApiError> {
    let nothing = || ApiError::not_found("there is nothing at this address");
    let mut segments = path.split('/').skip(2);
    let event = segments.next().and_then(|text| text.parse::<EventId>().ok()).ok_or_else(nothing)?;
    let name = segments.next().unwrap_or_default();
    let (what, _) = Known::ALL.into_iter().find(|(_, known)| *known == name).ok_or_else(nothing)?;
    let stream = app.live.stream(&event).ok_or_else(nothing)?;
    let value = match what {
        Known::Health(resolution) => {
            serde_json::to_value(health_http::shown(&lock(&stream.vitals), resolution))
        }
        Known::Conformance => serde_json::to_value(stream.inspected.get()),
        Known::Outputs => serde_json::to_value(app.simulcasts.outputs_of(&event)),
    };
    value.map_err(|error| ApiError::internal(&error))
}
