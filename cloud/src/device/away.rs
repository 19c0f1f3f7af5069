//! Boxes on a process that has not their broker: the one that has it is asked.
#![allow(clippy::disallowed_methods, reason = "a driver: it waits before it asks again")]

use super::Devices;
use crate::app::App;
use crate::cluster::{CLIENT_ADDRESS, Role};
use crate::http::{ApiError, Call, Response};
use ::http::StatusCode;
use std::time::Duration;

/// Between two looks for the process that has the broker.
const AGAIN: Duration = Duration::from_secs(2);

/// Has the broker's process answer; `None` if the answer is to be made here.
///
/// A request that only reads is answered here too while no other process can be asked: without what is live.
pub(super) async fn ask(app: &App, call: &mut Call) -> Result<Option<Response>, ApiError> {
    if !is_away(app) {
        return Ok(None);
    }
    let was_passed_on = call.headers.contains_key(CLIENT_ADDRESS);
    let there = if was_passed_on { None } else { app.cluster.elsewhere(Role::Broker).await? };
    let (Some(address), Some(peers)) = (there, app.cluster.peers()) else {
        if call.is_safe() {
            return Ok(None);
        }
        let words = "no process with the role `broker` runs now: start one, or try again in a moment";
        return Err(ApiError::unavailable(words));
    };
    let body = call.body().await?;
    match peers.pass_on(&address, call, body).await {
        Ok(answer) => Ok(Some(seen_from_here(app, answer))),
        Err(error) if call.is_safe() => {
            tracing::debug!(address, %error, "the broker's process is not reached; boxes are shown as they are kept");
            Ok(None)
        }
        Err(error) => {
            tracing::warn!(address, %error, "the broker's process is not reached");
            let words =
                "the process that has the broker does not answer: look whether it was done, and try again";
            Err(ApiError::unavailable(words))
        }
    }
}

/// Whether another process answers what concerns boxes.
pub(crate) fn is_away(app: &App) -> bool {
    !app.devices.has_broker() && can_be_away(app)
}

/// Other processes can be on the store, and one of them can have a broker.
fn can_be_away(app: &App) -> bool {
    app.cluster.owners().is_shared() && app.config.mqtt.enabled
}

/// A new box is told the addresses that this process tells: the other one may not know them.
fn seen_from_here(app: &App, answer: ::http::Response<bytes::Bytes>) -> Response {
    let (parts, mut body) = answer.into_parts();
    if parts.status == StatusCode::CREATED
        && let Ok(mut shown) = serde_json::from_slice::<serde_json::Value>(&body)
    {
        shown["url"] = app.addresses.http_url(&app.config).into();
        if let Some(url) = &app.config.mqtt.public_url {
            shown["mqtt_url"] = url.as_str().into();
        }
        body = shown.to_string().into();
    }
    Response::from_parts(parts, body.into())
}

/// Passes on what boxes tell another process, for as long as that one has the broker.
pub(crate) fn follow_telemetry(app: &App) {
    if !can_be_away(app) {
        return;
    }
    let app = app.clone();
    app.cluster.clone().spawn(async move {
        tokio::select! {
            () = app.shutdown.cancelled() => {}
            () = listen(&app) => {}
        }
    });
}

async fn listen(app: &App) {
    loop {
        if !app.devices.has_broker()
            && let Some(peers) = app.cluster.peers()
            && let Ok(Some(address)) = app.cluster.elsewhere(Role::Broker).await
            && let Err(error) = peers.lines(&address, "/telemetry", |line| tell(&app.devices, line)).await
        {
            tracing::debug!(address, %error, "what boxes measure is not told");
        }
        tokio::time::sleep(AGAIN).await;
    }
}

fn tell(devices: &Devices, line: &[u8]) {
    if let Ok(told) = serde_json::from_slice(line) {
        devices.tell(told);
    }
}
