//! `/api/v1/sessions`: where one is logged in.

use super::session::{hash, token_of};
use crate::access::Via;
use crate::account::Session;
use crate::app::App;
use crate::clock::Timestamp;
use crate::http::listing::{IN_MEMORY, Listing, Way};
use crate::http::{self, ApiError, Call, Listed, Response, Routes, answer};
use crate::id::SessionId;
use ::http::Method;
use serde::Serialize;
use std::net::IpAddr;
use utoipa::{OpenApi, ToSchema};
use warp::Filter;

/// The operations in the API's document.
#[derive(OpenApi)]
#[openapi(paths(list, remove_others, remove))]
pub(crate) struct SessionListOperations;

/// `GET /api/v1/sessions`.
pub(crate) static SESSIONS: Listing = Listing {
    path: "/api/v1/sessions",
    filters: &[],
    ways: &[Way::newest(&[], "created_at", IN_MEMORY), Way::newest(&[], "last_seen_at", IN_MEMORY)],
};

type SessionList = Listed<SessionView>;

/// A browser that is logged in.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OwnSession)]
pub(in crate::account) struct SessionView {
    /// Its id.
    id: SessionId,
    /// From where it was used last.
    #[schema(required, value_type = Option<String>)]
    address: Option<IpAddr>,
    /// What the browser calls itself.
    browser: String,
    /// When somebody logged in with it.
    created_at: Timestamp,
    /// When it was used last, to ten minutes.
    last_seen_at: Timestamp,
    /// When it ends, unless it is used before.
    ends_at: Timestamp,
    /// Whether it is the one that asks.
    current: bool,
}

/// The slice's paths.
pub(crate) fn routes(app: App) -> Routes {
    let all_app = app.clone();
    let all = warp::path!("api" / "v1" / "sessions")
        .and(http::call())
        .then(move |call| answer(all(all_app.clone(), call)));
    let one = warp::path!("api" / "v1" / "sessions" / String)
        .and(http::call())
        .then(move |id, call| answer(remove(app.clone(), id, call)));
    all.or(one).unify().boxed()
}

async fn all(app: App, call: Call) -> Result<Response, ApiError> {
    match call.method {
        Method::DELETE => remove_others(app, call).await,
        _ => list(app, call).await,
    }
}

/// The session that asks, if it is one.
fn own(call: &Call) -> Result<Option<&str>, ApiError> {
    let caller = call.caller()?;
    Ok(token_of(&call.headers).filter(|_| caller.via == Via::Session))
}

/// List one's sessions
///
/// Where the caller is logged in to the pages, the newest first. Not for tokens that are limited to some permissions.
#[utoipa::path(
    get,
    path = "/api/v1/sessions",
    tag = "session",
    operation_id = "listSessions",
    responses((status = 200, description = "The sessions.", body = SessionList))
)]
async fn list(app: App, call: Call) -> Result<Response, ApiError> {
    let (own, caller) = (own(&call)?.map(hash), call.caller()?);
    app.accounts.demand_whole(&caller).await?;
    let sessions = app.accounts.sessions_of(caller.user).await?;
    let items = sessions.iter().map(|session| shown(&session.document, own.as_deref()));
    SESSIONS.wanted(&call)?.reply_of(items, "id")
}

/// End one's other sessions
///
/// All but the one that asks, if it is one.
#[utoipa::path(
    delete,
    path = "/api/v1/sessions",
    tag = "session",
    operation_id = "endOtherSessions",
    responses((status = 204, description = "The others have ended."))
)]
async fn remove_others(app: App, call: Call) -> Result<Response, ApiError> {
    let caller = call.caller()?;
    app.accounts.demand_whole(&caller).await?;
    app.accounts.end_sessions_but(caller.user, own(&call)?).await?;
    Ok(http::empty())
}

/// End one of one's sessions
///
/// Its browser is asked to log in again.
#[utoipa::path(
    delete,
    path = "/api/v1/sessions/{name}",
    tag = "session",
    operation_id = "endSession",
    responses((status = 204, description = "It has ended."))
)]
async fn remove(app: App, id: String, call: Call) -> Result<Response, ApiError> {
    let caller = call.caller()?;
    app.accounts.demand_whole(&caller).await?;
    let sessions = app.accounts.sessions_of(caller.user).await?;
    let found = sessions.into_iter().find(|session| session.document.public_id().to_string() == id);
    let session = found.ok_or_else(|| ApiError::not_found("you have no such session: it may have ended"))?;
    app.accounts.end_session_of(&session.document.token_hash).await?;
    Ok(http::empty())
}

pub(in crate::account) fn shown(session: &Session, own: Option<&str>) -> SessionView {
    SessionView {
        id: session.public_id(),
        address: session.address,
        browser: session.browser.clone(),
        created_at: session.created_at,
        last_seen_at: session.last_seen_at,
        ends_at: session.ends_at,
        current: own == Some(session.token_hash.as_str()),
    }
}
