//! `POST /api/v1/media/check`: a check of the running server, as lines of JSON while it goes on.
//!
//! `{"progress":{…}}` a few times a second, and at last either `{"report":{…}}` or
//! `{"error":"…"}`. Whoever goes away ends the check.
#![allow(clippy::disallowed_methods, reason = "a driver: a check ends after a while")]

use std::convert::Infallible;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ::http::header;
use bytes::Bytes;
use serde::Serialize;
use tokio::sync::{Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use utoipa::{OpenApi, ToSchema};
use warp::{Filter, Reply};

use super::{Counts, Report, check};
use crate::app::App;
use crate::http::{self, ApiError, Response, Routes, answer};

/// The longest that a check over HTTP may take; the command has no limit.
const LIMIT: Duration = Duration::from_secs(30 * 60);
/// Between two lines of progress.
const PROGRESS: Duration = Duration::from_millis(250);

/// A second check would only slow the first one down.
static PLACE: Semaphore = Semaphore::const_new(1);
/// Why there is no second one.
pub(crate) const BUSY: &str = "a check is going on already: wait until it is done";

type Lines = mpsc::Sender<Result<Bytes, Infallible>>;

/// The operations in the API's document.
#[derive(OpenApi)]
#[openapi(paths(run))]
pub(crate) struct Operations;

/// One line of a check; exactly one of the fields is there.
#[derive(Default, Serialize, ToSchema)]
#[schema(as = MediaCheckLine)]
struct Line {
    /// How far the check has come.
    #[serde(skip_serializing_if = "Option::is_none")]
    progress: Option<Counts>,
    /// The last line: what was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<Report>,
    /// The last line instead: why the check ended early.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl Line {
    fn error(words: impl Into<String>) -> Self {
        Self { error: Some(words.into()), ..Self::default() }
    }
}

/// The slice's paths.
pub(in crate::media) fn routes(app: App) -> Routes {
    warp::path!("api" / "v1" / "media" / "check").then(move || answer(run(app.clone()))).boxed()
}

/// Check the media store
///
/// What the store has that nobody needs, and what is needed and not there. The answer is lines of JSON, a few a second
/// while the check goes on: `{"progress": …}`, and at last `{"report": …}` or `{"error": "…"}`. Whoever goes away ends
/// the check; after half an hour it ends by itself.
#[utoipa::path(
    post,
    path = "/api/v1/media/check",
    tag = "servers",
    operation_id = "checkMedia",
    responses(
        (status = 200, description = "The lines.", body = Line, content_type = "application/x-ndjson"),
        (status = 409, description = "A check is going on already."),
    )
)]
async fn run(app: App) -> Result<Response, ApiError> {
    let lines = begin(app).ok_or_else(|| ApiError::conflict(BUSY))?;
    let response = warp::reply::stream(ReceiverStream::new(lines)).into_response();
    let response = http::with_header(response, header::CONTENT_TYPE, "application/x-ndjson");
    Ok(http::with_header(response, header::CACHE_CONTROL, "no-store"))
}

/// Begins a check, which ends when its lines are dropped; `None` while another one goes on.
pub(crate) fn begin(app: App) -> Option<mpsc::Receiver<Result<Bytes, Infallible>>> {
    let place = PLACE.try_acquire().ok()?;
    let (lines, received) = mpsc::channel(4);
    tokio::spawn(async move {
        let _place = place;
        drive(app, lines).await;
    });
    Some(received)
}

async fn drive(app: App, lines: Lines) {
    let (stop, counts) = (CancellationToken::new(), Mutex::new(Counts::default()));
    let seen = |now: &Counts| now.clone_into(&mut counts.lock().unwrap_or_else(PoisonError::into_inner));
    let checking = check(&app, seen, &stop);
    tokio::pin!(checking);
    let limit = tokio::time::sleep(LIMIT);
    tokio::pin!(limit);
    let mut tick = tokio::time::interval(PROGRESS);
    let last = loop {
        tokio::select! {
            checked = &mut checking => break match checked {
                Ok(report) => Line { report: Some(report), ..Line::default() },
                Err(error) => Line::error(error.to_string()),
            },
            _ = tick.tick() => {
                let progress = counts.lock().unwrap_or_else(PoisonError::into_inner).clone();
                // A reader that is slow misses some of it; one that is gone is noticed below.
                let _ = lines.try_send(Ok(line(&Line { progress: Some(progress), ..Line::default() })));
            }
            () = &mut limit => break Line::error("the check took too long: run `stagebox-cloud media check`"),
            () = lines.closed() => return,
            () = app.shutdown.cancelled() => break Line::error("the server is stopping"),
        }
    };
    // Nobody may be there to hear it.
    let _ = lines.send(Ok(line(&last))).await;
}

fn line(value: &impl Serialize) -> Bytes {
    let mut text = serde_json::to_vec(value).unwrap_or_default();
    text.push(b'\n');
    text.into()
}
