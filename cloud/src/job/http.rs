//! `/api/v1/jobs`: the account's.
//!
//! | request | answer |
//! |---|---|
//! | `GET /jobs?state=…&kind=…&limit=…&after=…` | 200: `{"data":[job, …],"next":…}`, the newest first; both filters may be absent |
//! | `GET /jobs/<id>` | 200: the job |
//! | `DELETE /jobs/<id>` | 200: it waited and is cancelled now; 202: whoever works on it is told, and it ends as `cancelled`, or `done` if it was quicker; 409: it has ended already |
//! | `POST /jobs/<id>/retry` | 200: a failed job waits again, with all its attempts; 409: it did not fail |
//! | `GET /jobs/<id>/progress` | 200: server-sent events `progress`, each with the job, at once and at each change; `end` with the job when it has ended (`{}` if it is forgotten), after which the stream closes; `alive` in between |
//!
//! A job:
//!
//! ```json
//! { "id": "job_…", "kind": "delete-media", "subject": "itm_…", "title": "Delete the media of …",
//!   "state": "waiting|running|done|failed|cancelled", "percent": 40, "words": "8 of 20 files removed",
//!   "error": null, "cancelling": false, "attempts": 1, "max_attempts": 8, "asked_by": "usr_…",
//!   "created_at": "…", "run_at": null, "started_at": "…", "ended_at": null, "version": 4 }
//! ```

use super::{Filter, JobView, StateName, progress};
use crate::app::App;
use crate::http::{self, ApiError, Call, Response, Routes, answer};
use crate::id::JobId;
use ::http::Method;
use std::sync::Arc;
use tokio::sync::Semaphore;
use warp::Filter as _;

/// Progress streams at a time.
const MAX_STREAMS: usize = 200;
/// Longest kind in a filter.
const MAX_KIND: usize = 40;

/// The slice's paths.
pub fn routes(app: App) -> Routes {
    let (all_app, one_app, retry_app) = (app.clone(), app.clone(), app.clone());
    let places = Arc::new(Semaphore::new(MAX_STREAMS));
    let all = warp::path!("api" / "v1" / "jobs")
        .and(http::call())
        .then(move |call| answer(all(all_app.clone(), call)));
    let one = warp::path!("api" / "v1" / "jobs" / JobId)
        .and(http::call())
        .then(move |id, call| answer(one(one_app.clone(), id, call)));
    let retry = warp::path!("api" / "v1" / "jobs" / JobId / "retry")
        .and(http::call())
        .then(move |id, call| answer(retry(retry_app.clone(), id, call)));
    let progress = warp::path!("api" / "v1" / "jobs" / JobId / "progress")
        .and(http::call())
        .then(move |id, call| answer(progress::open(app.clone(), Arc::clone(&places), id, call)));
    all.or(one).unify().or(retry).unify().or(progress).unify().boxed()
}

async fn all(app: App, call: Call) -> Result<Response, ApiError> {
    let mut filter = Filter::default();
    let (after, limit) = http::filtered_request(&call, |key, value| match key {
        "state" => Some(value.parse::<StateName>().map(|state| filter.state = Some(state))),
        "kind" if value.is_empty() || value.len() > MAX_KIND => {
            Some(Err(format!("must be a kind of job: 1 to {MAX_KIND} characters")))
        }
        "kind" => {
            filter.kind = Some(value.to_owned());
            Some(Ok(()))
        }
        _ => None,
    })?;
    http::list(&app.jobs.list(call.caller()?.account, &filter, after, limit).await?)
}

async fn one(app: App, id: JobId, call: Call) -> Result<Response, ApiError> {
    let caller = call.caller()?;
    match call.method {
        Method::GET | Method::HEAD => http::json(&found(&app, &id).await?),
        Method::DELETE => {
            let job = app.jobs.cancel(&id, Some(caller.user)).await?;
            if job.ended_at.is_some() { http::json(&job) } else { http::accepted(&path(&id), &job) }
        }
        _ => Err(ApiError::method_not_allowed(&["GET", "HEAD", "DELETE"])),
    }
}

async fn retry(app: App, id: JobId, call: Call) -> Result<Response, ApiError> {
    let caller = call.caller()?;
    http::json(&app.jobs.retry(&id, Some(caller.user)).await?)
}

/// The job, or words that there is none.
pub(super) async fn found(app: &App, id: &JobId) -> Result<JobView, ApiError> {
    let found = app.jobs.get(id).await?;
    found.ok_or_else(|| ApiError::not_found(format!("there is no job {id}: it may have ended long ago")))
}

/// Where a job is found.
pub(crate) fn path(id: &JobId) -> String {
    format!("/api/v1/jobs/{id}")
}
