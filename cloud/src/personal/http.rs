//! `/api/v1/users/<id>/export` and `/erase`.

use super::job::Wish;
use super::{EraseUser, Export, ExportUser, Whose};
use crate::access::{Caller, Permission};
use crate::app::App;
use crate::http::{self, ApiError, Call, Response, Routes, answer};
use crate::id::UserId;
use crate::job::{self, JobView, NewJob};
use ::http::{Method, header};
use std::sync::Arc;
use tokio::sync::Mutex;
use utoipa::OpenApi;
use warp::Filter;

/// The operations in the API's document.
#[derive(OpenApi)]
#[openapi(paths(read, begin, erase))]
pub struct Operations;

/// The slice's paths.
pub fn routes(app: App) -> Routes {
    let export_app = app.clone();
    // Two requests at once do not both find that nothing is under way.
    let turn = Arc::new(Mutex::new(()));
    let export = warp::path!("api" / "v1" / "users" / UserId / "export")
        .and(http::call())
        .then(move |id, call| answer(export(export_app.clone(), Arc::clone(&turn), id, call)));
    let erase = warp::path!("api" / "v1" / "users" / UserId / "erase")
        .and(http::call())
        .then(move |id, call| answer(erase(app.clone(), id, call)));
    export.or(erase).unify().boxed()
}

async fn export(app: App, turn: Arc<Mutex<()>>, id: UserId, call: Call) -> Result<Response, ApiError> {
    let caller = call.caller()?;
    if caller.user == id {
        app.accounts.demand_whole(&caller).await?;
    } else {
        caller.demand(Permission::UsersWrite)?;
        app.accounts.may_look_after(&caller, id).await?;
    }
    match call.method {
        Method::POST => begin(app, turn, id, caller).await,
        _ => read(app, id).await,
    }
}

/// Fetch what is kept of a user
///
/// The newest archive that was made; it is kept for 7 days. For the user, and for whoever may change users; not for tokens
/// that are limited to some permissions.
#[utoipa::path(
    get,
    path = "/api/v1/users/{user}/export",
    tag = "users",
    operation_id = "readUserExport",
    responses(
        (status = 200, description = "The archive.", body = Vec<u8>, content_type = "application/zip", headers(("ETag"))),
        (status = 404, description = "There is no archive: have one made."),
    )
)]
async fn read(app: App, id: UserId) -> Result<Response, ApiError> {
    let newest = Export::newest(&app.store, id, app.clock.now()).await?;
    let missing = "there is no archive: POST here has one made, and it is kept for 7 days";
    let export = newest.ok_or_else(|| ApiError::not_found(missing))?;
    let response = Response::new(export.archive().into());
    let response = http::with_header(response, header::CONTENT_TYPE, "application/zip");
    let response = http::with_header(response, header::CACHE_CONTROL, "no-store");
    let response = http::with_header(response, header::ETAG, &format!("\"{}\"", export.id));
    let name = format!("attachment; filename=\"stagebox-{id}.zip\"");
    Ok(http::with_header(response, header::CONTENT_DISPOSITION, &name))
}

/// Gather what is kept of a user
///
/// As one archive (ZIP) of JSON files that people can read; it takes the place of the one before. For the user, and for
/// whoever may change users; not for tokens that are limited to some permissions.
#[utoipa::path(
    post,
    path = "/api/v1/users/{user}/export",
    tag = "users",
    operation_id = "exportUser",
    responses(
        (status = 202, description = "The job that makes it.", body = JobView, headers(("Location"))),
        (status = 409, description = "One is being made already."),
    )
)]
async fn begin(app: App, turn: Arc<Mutex<()>>, id: UserId, caller: Caller) -> Result<Response, ApiError> {
    let _turn = turn.lock().await;
    if let Some(job) = app.jobs.under_way::<ExportUser>(caller.account, id).await? {
        let words = format!("an archive of this user is being made already: wait for {}", job::path(&job));
        return Err(ApiError::conflict(words));
    }
    let whose = Whose { account: caller.account, user: id };
    let job = NewJob::of::<ExportUser>("Gather what is kept of a user", &whose)?;
    enqueue(&app, &caller, id, job).await
}

/// Erase a user
///
/// Takes the user away with all that names them: profile, sessions, tokens, second factor, logins, archives. What they
/// made stays with the account, and the log names them by an id that says nothing any more. On the embedded store the
/// files are written anew without the old bytes.
#[utoipa::path(
    post,
    path = "/api/v1/users/{user}/erase",
    tag = "users",
    operation_id = "eraseUser",
    responses(
        (status = 202, description = "The job that does it.", body = JobView, headers(("Location"))),
        (status = 409, description = "It is the account's last administrator who can log in."),
    )
)]
async fn erase(app: App, id: UserId, call: Call) -> Result<Response, ApiError> {
    let caller = call.caller()?;
    app.accounts.may_remove(&caller, id).await?;
    let whose = Whose { account: caller.account, user: id };
    let wish = Wish { whose, by: caller.user, permissions: caller.permissions };
    let job = NewJob::of::<EraseUser>("Erase a user", &wish)?;
    enqueue(&app, &caller, id, job).await
}

async fn enqueue(app: &App, caller: &Caller, id: UserId, job: NewJob) -> Result<Response, ApiError> {
    let job = job.about(id).by(Some(caller.user)).of_account(caller.account);
    let job = app.jobs.enqueue(job).await?;
    http::accepted(&job::path(&job.id), &job)
}
