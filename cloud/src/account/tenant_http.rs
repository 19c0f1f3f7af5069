//! `/api/v1/account`: the caller's own.

use super::users_http::{not_null, tagged};
use super::{AccountRecord, Limits};
use crate::app::App;
use crate::clock::Timestamp;
use crate::http::{self, ApiError, Call, IfMatch, Line, Response, Routes, answer, line};
use crate::id::AccountId;
use crate::settings;
use crate::store::{Account, Versioned};
use crate::tenant::{self, Level};
use ::http::Method;
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};
use warp::Filter;

/// Longest name in characters.
const NAME: usize = 100;

/// The operations in the API's document.
#[derive(OpenApi)]
#[openapi(paths(read, change))]
pub(crate) struct TenantOperations;

type Name = Line<NAME>;

/// An account: whose things are kept apart from everybody else's.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Account)]
struct AccountView<'a> {
    /// Its number.
    number: Account,
    /// By what it is known in the addresses of its include files.
    public_id: AccountId,
    /// Its name.
    name: &'a str,
    /// What it may use; `null` where nothing limits it.
    limits: Limits,
    /// What it uses.
    usage: UsageView,
    /// When it was made.
    created_at: Timestamp,
    /// When it was last changed.
    updated_at: Timestamp,
    /// Goes up with each change; also the ETag.
    version: u64,
}

/// What an account uses.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AccountUsage)]
struct UsageView {
    /// Bytes of its recordings, items and files in the media store; `null` until they are counted for the first time.
    #[schema(required)]
    storage_bytes: Option<u64>,
    /// How full that is of its limit: more than 80 % is `high`, more than 95 % `nearly_full`.
    storage_level: Level,
    /// When all of it was last counted anew; what comes and goes is counted as it does.
    #[schema(required)]
    counted_at: Option<Timestamp>,
}

/// What is to be changed of an account; what is absent stays.
#[derive(ToSchema)]
#[schema(as = AccountChange)]
#[expect(dead_code, reason = "a schema: bodies are read field by field")]
struct ChangeBody {
    /// Its name.
    #[schema(required = false)]
    name: Name,
}

/// The slice's paths.
pub(crate) fn routes(app: App) -> Routes {
    let settings = settings::routes(app.clone());
    warp::path!("api" / "v1" / "account")
        .and(http::call())
        .then(move |call| answer(account(app.clone(), call)))
        .or(settings)
        .unify()
        .boxed()
}

async fn account(app: App, call: Call) -> Result<Response, ApiError> {
    match call.method {
        Method::PATCH => change(app, call).await,
        _ => read(app, call).await,
    }
}

fn missing() -> ApiError {
    ApiError::not_found("the account is gone")
}

/// Read the account
///
/// The caller's own, with what limits it and what it uses.
#[utoipa::path(
    get,
    path = "/api/v1/account",
    tag = "account",
    operation_id = "readAccount",
    responses((status = 200, description = "The account.", body = AccountView, headers(("ETag"))))
)]
async fn read(app: App, call: Call) -> Result<Response, ApiError> {
    let found = app.store.get::<AccountRecord>(call.caller()?.account).await?;
    shown(&app, &found.ok_or_else(missing)?).await
}

/// Change the account
///
/// Its name; whoever runs the server sets its limits.
#[utoipa::path(
    patch,
    path = "/api/v1/account",
    tag = "account",
    operation_id = "changeAccount",
    params(IfMatch),
    request_body(content = ChangeBody, example = json!({ "name": "City Theatre" })),
    responses((status = 200, description = "The account as it is now.", body = AccountView, headers(("ETag"))))
)]
async fn change(app: App, mut call: Call) -> Result<Response, ApiError> {
    let caller = call.caller()?;
    let expected = call.if_match()?;
    let mut fields = call.fields().await?;
    let name = not_null(&mut fields, "name", line(NAME));
    fields.finish()?;
    let changed = app
        .store
        .update::<AccountRecord, ApiError>(caller.account, Some(caller.user), |account, version, now| {
            if expected.is_some_and(|expected| expected != version) {
                let words = format!("the account has been changed meanwhile; it is at version {version}");
                return Err(ApiError::changed_meanwhile(words));
            }
            let Some(name) = name.clone().filter(|name| *name != account.name) else { return Ok(false) };
            (account.name, account.updated_at) = (name, now);
            Ok(true)
        })
        .await?;
    shown(&app, &changed.ok_or_else(missing)?).await
}

async fn shown(app: &App, account: &Versioned<AccountRecord>) -> Result<Response, ApiError> {
    let Versioned { version, document: account } = account;
    let used = tenant::used(&app.store, account.number).await?;
    let level = used.as_ref().map_or(Level::Free, |used| {
        app.quotas.of(account.number).level.next(used.media_bytes, &account.limits)
    });
    let body = AccountView {
        number: account.number,
        public_id: account.public_id,
        name: &account.name,
        limits: account.limits,
        usage: UsageView {
            storage_bytes: used.as_ref().map(|used| used.media_bytes),
            storage_level: level,
            counted_at: used.map(|used| used.counted_at),
        },
        created_at: account.created_at,
        updated_at: account.updated_at,
        version: *version,
    };
    Ok(tagged(http::json(&body)?, *version))
}
