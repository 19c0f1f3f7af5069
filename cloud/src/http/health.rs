//! Whether the server lives, is ready, and how it fares.

use super::{ApiError, Call, Response, Routes, answer, call, with_header};
use crate::app::App;
use crate::store::Account;
use http::header;
use warp::Filter;

/// `/healthz`, `/readyz` and `/metrics`.
pub(super) fn routes(app: App) -> Routes {
    warp::path!(String)
        .and(call())
        .then(move |name: String, call: Call| answer(respond(app.clone(), name, call)))
        .boxed()
}

async fn respond(app: App, name: String, call: Call) -> Result<Response, ApiError> {
    if !call.is_safe() {
        return Err(ApiError::method_not_allowed(&["GET", "HEAD"]));
    }
    match name.as_str() {
        "healthz" => Ok(text("ok\n".to_owned(), "text/plain; charset=utf-8")),
        "readyz" if !app.is_ready() => Err(ApiError::unavailable("the server is starting or stopping")),
        "readyz" if !app.store.is_healthy() => Err(ApiError::unavailable("the store does not take writes")),
        "readyz" => Ok(text("ready\n".to_owned(), "text/plain; charset=utf-8")),
        "metrics" => Ok(text(metrics(&app).await, "text/plain; version=0.0.4; charset=utf-8")),
        _ => Err(ApiError::not_found("there is nothing at this address")),
    }
}

fn text(body: String, kind: &str) -> Response {
    let response = with_header(Response::new(body.into()), header::CONTENT_TYPE, kind);
    with_header(response, header::CACHE_CONTROL, "no-store")
}

async fn metrics(app: &App) -> String {
    let ready = u8::from(app.is_ready() && app.store.is_healthy());
    let head = app.store.journal_seq(Account::FIRST);
    let bytes = app.store.size_on_disk().await.unwrap_or(0);
    let uptime = app.uptime().as_secs();
    let waiting = app.media.status();
    let mut text = format!(
        "# TYPE stagebox_ready gauge\nstagebox_ready {ready}\n\
         # TYPE stagebox_uptime_seconds gauge\nstagebox_uptime_seconds {uptime}\n\
         # TYPE stagebox_http_connections gauge\nstagebox_http_connections {}\n\
         # TYPE stagebox_http_requests_total counter\nstagebox_http_requests_total {}\n\
         # TYPE stagebox_journal_seq counter\nstagebox_journal_seq {head}\n\
         # TYPE stagebox_store_bytes gauge\nstagebox_store_bytes {bytes}\n\
         # TYPE stagebox_media_waiting_bytes gauge\nstagebox_media_waiting_bytes {}\n\
         # TYPE stagebox_media_waiting_limit_bytes gauge\nstagebox_media_waiting_limit_bytes {}\n\
         # TYPE stagebox_media_waiting_objects gauge\nstagebox_media_waiting_objects {}\n\
         # TYPE stagebox_alarm gauge\n",
        app.http_counters.connections(),
        app.http_counters.requests(),
        waiting.bytes,
        waiting.limit_bytes,
        waiting.objects,
    );
    for alarm in app.alarms.list() {
        // Names are ours: nothing in them needs escaping.
        text.push_str(&format!("stagebox_alarm{{name=\"{}\"}} 1\n", alarm.name));
    }
    text
}
