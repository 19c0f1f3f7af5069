//! What can be done to many events at once.

use super::EventStatus;
use crate::access::Thing;
use crate::batch::Action;
use crate::http::ApiError;
use ::http::Method;
use serde_json::json;

/// For `POST /api/v1/batches`.
pub(crate) const ACTIONS: &[Action] = &[Action {
    name: "status",
    words: "Change the status of events",
    thing: Thing::Event,
    route: (Method::POST, "/api/v1/events/x/status"),
    at_broker: false,
    read: |fields| {
        let status = fields.required("status", |text: String| text.parse::<EventStatus>());
        json!({ "status": status.map(|status| status.to_string()) })
    },
    run: |app, one| {
        Box::pin(async move {
            let status: Result<EventStatus, String> = one.text("status").parse();
            let status = status.map_err(|detail| ApiError::field("with.status", detail))?;
            let by = Some(one.caller.user);
            Ok(app.events.set_status(&one.id()?, status, None, by).await.map(|_| ())?)
        })
    },
}];
