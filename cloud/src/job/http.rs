//! `/api/v1/jobs`: the account's.

use super::{Filter, JobView, StateName, progress};
use crate::app::App;
use crate::http::{self, ApiError, Call, Listed, PageQuery, Response, Routes, answer};
use crate::id::JobId;
use ::http::Method;
use std::sync::Arc;
use tokio::sync::Semaphore;
use utoipa::OpenApi;
use warp::Filter as _;

/// Progress streams at a time.
const MAX_STREAMS: usize = 200;
/// Longest kind in a filter.
const MAX_KIND: usize = 40;

/// The operations in the API's document.
#[derive(OpenApi)]
#[openapi(paths(list, read, cancel, retry, progress::open))]
pub struct Operations;

type JobList = Listed<JobView>;

/// What a list of jobs is narrowed down to.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(
    dead_code,
    reason = "a schema: queries are read pair by pair, so that all mistakes are told at once"
)]
struct FilterQuery {
    /// Jobs in this state only.
    #[param(required = false)]
    state: StateName,
    /// Jobs of this kind only, such as `delete-media`.
    #[param(required = false, min_length = 1, max_length = 40)]
    kind: String,
}

/// The slice's paths.
pub fn routes(app: App) -> Routes {
    let (all_app, one_app, retry_app) = (app.clone(), app.clone(), app.clone());
    let places = Arc::new(Semaphore::new(MAX_STREAMS));
    let all = warp::path!("api" / "v1" / "jobs")
        .and(http::call())
        .then(move |call| answer(list(all_app.clone(), call)));
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
    params(PageQuery, FilterQuery),
    responses((status = 200, description = "A part of the list.", body = JobList))
)]
async fn list(app: App, call: Call) -> Result<Response, ApiError> {
    let mut filter = Filter::default();
    let (after, limit) = http::filtered_request(&call, |key, value| match key {
        "state" => Some(value.parse::<StateName>().map(|state| filter.state = Some(state))),
        "kind" if value.is_empty() || value.chars().count() > MAX_KIND => {
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
