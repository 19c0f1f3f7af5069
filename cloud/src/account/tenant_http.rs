//! `/api/v1/account`: the caller's own.

use super::users_http::{not_null, tagged};
use super::{AccountRecord, Limits};
use crate::app::App;
use crate::clock::Timestamp;
use crate::http::{self, ApiError, Call, IfMatch, Line, Response, Routes, answer, line};
use crate::store::{Account, Versioned};
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
    /// Its name.
    name: &'a str,
    /// What it may use; `null` where nothing limits it.
    limits: Limits,
    /// When it was made.
    created_at: Timestamp,
    /// When it was last changed.
    updated_at: Timestamp,
    /// Goes up with each change; also the ETag.
    version: u64,
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
    warp::path!("api" / "v1" / "account")
        .and(http::call())
        .then(move |call| answer(account(app.clone(), call)))
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
/// The caller's own, with what limits it.
#[utoipa::path(
    get,
    path = "/api/v1/account",
    tag = "account",
    operation_id = "readAccount",
    responses((status = 200, description = "The account.", body = AccountView, headers(("ETag"))))
)]
async fn read(app: App, call: Call) -> Result<Response, ApiError> {
    shown(&app.store.get::<AccountRecord>(call.caller()?.account).await?.ok_or_else(missing)?)
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
    shown(&changed.ok_or_else(missing)?)
}

fn shown(account: &Versioned<AccountRecord>) -> Result<Response, ApiError> {
    let Versioned { version, document: account } = account;
    let body = AccountView {
        number: account.number,
        name: &account.name,
        limits: account.limits,
        created_at: account.created_at,
        updated_at: account.updated_at,
        version: *version,
    };
    Ok(tagged(http::json(&body)?, *version))
}
