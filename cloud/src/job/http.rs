//! `/api/v1/jobs`: the account's.

use super::listing::LISTING;
use super::{JobView, progress, results};
use crate::app::App;
use crate::http::places::Places;
use crate::http::{self, ApiError, Call, Listed, Response, Routes, answer};
use crate::id::JobId;
use crate::store::IndexKey;
use ::http::Method;
use utoipa::OpenApi;
use warp::Filter;

/// Progress streams at a time.
const MAX_STREAMS: usize = 1_000;
/// Of those, streams of one account.
const MAX_OF_ACCOUNT: usize = 200;

/// The operations in the API's document.
#[derive(OpenApi)]
#[openapi(paths(list, read, cancel, retry, progress::open, results::list))]
pub struct Operations;

type JobList = Listed<JobView>;

/// The slice's paths.
pub fn routes(app: App) -> Routes {
    let (all_app, one_app, retry_app, results_app) = (app.clone(), app.clone(), app.clone(), app.clone());
    let places = Places::new(MAX_STREAMS, MAX_OF_ACCOUNT);
    let all = warp::path!("api" / "v1" / "jobs")
        .and(http::call())
        .then(move |call| answer(list(all_app.clone(), call)));
    let one = warp::path!("api" / "v1" / "jobs" / JobId)
        .and(http::call())
        .then(move |id, call| answer(one(one_app.clone(), id, call)));
    let retry = warp::path!("api" / "v1" / "jobs" / JobId / "retry")
        .and(http::call())
        .then(move |id, call| answer(retry(retry_app.clone(), id, call)));
    let results = warp::path!("api" / "v1" / "jobs" / JobId / "results")
        .and(http::call())
        .then(move |id, call| answer(results::list(results_app.clone(), id, call)));
    let progress = warp::path!("api" / "v1" / "jobs" / JobId / "progress")
        .and(http::call())
        .then(move |id, call| answer(progress::open(app.clone(), places.clone(), id, call)));
    all.or(one).unify().or(retry).unify().or(progress).unify().or(results).unify().boxed()
}

async fn one(app: App, id: JobId, call: Call) -> Result<Response, ApiError> {
    match call.method {
        Method::GET | Method::HEAD => read(app, id).await,
        Method::DELETE => cancel(app, id, call).await,
        _ => Err(ApiError::method_not_allowed(&["GET", "HEAD", "DELETE"])),
    }
}

/// List jobs
///
/// What runs in the background for the account, the newest first. Jobs that ended long ago are forgotten.
#[utoipa::path(
    get,
    path = "/api/v1/jobs",
    tag = "jobs",
    operation_id = "listJobs",
    responses((status = 200, description = "A part of the list.", body = JobList))
)]
async fn list(app: App, call: Call) -> Result<Response, ApiError> {
    let wanted = LISTING.wanted(&call)?;
    let within = IndexKey::of(call.caller()?.account);
    wanted.reply(app.jobs.page(wanted.scan(within)).await?)
}

/// Read a job
///
/// How far it has come, and what came of it.
#[utoipa::path(
    get,
    path = "/api/v1/jobs/{job}",
    tag = "jobs",
    operation_id = "readJob",
    responses((status = 200, description = "The job.", body = JobView))
)]
async fn read(app: App, id: JobId) -> Result<Response, ApiError> {
    http::json(&found(&app, &id).await?)
}

/// Cancel a job
///
/// One that waits is cancelled at once. Whoever works on one that runs is told; it ends as `cancelled`, or as `done`
/// if it was quicker.
#[utoipa::path(
    delete,
    path = "/api/v1/jobs/{job}",
    tag = "jobs",
    operation_id = "cancelJob",
    responses(
        (status = 200, description = "It waited, and is cancelled now.", body = JobView),
        (status = 202, description = "It runs, and is told to end.", body = JobView, headers(("Location"))),
        (status = 409, description = "It has ended already."),
    )
)]
async fn cancel(app: App, id: JobId, call: Call) -> Result<Response, ApiError> {
    let job = app.jobs.cancel(&id, Some(call.caller()?.user)).await?;
    if job.ended_at.is_some() { http::json(&job) } else { http::accepted(&path(&id), &job) }
}

/// Try a failed job again
///
/// It waits again, with all its attempts.
#[utoipa::path(
    post,
    path = "/api/v1/jobs/{job}/retry",
    tag = "jobs",
    operation_id = "retryJob",
    responses(
        (status = 200, description = "The job, which waits now.", body = JobView),
        (status = 409, description = "It did not fail."),
    )
)]
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
