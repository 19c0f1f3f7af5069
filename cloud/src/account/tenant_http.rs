//! `/api/v1/account`: the caller's own.
//!
//! ```json
//! { "number": 1, "name": "Main", "limits": { "storage_gib": null, "events_at_once": null, "recording_days": null,
//!   "upload_gib": null }, "created_at": "…", "updated_at": "…", "version": 1 }
//! ```

use super::AccountRecord;
use super::users_http::{not_null, tagged};
use crate::app::App;
use crate::http::{self, ApiError, Call, Response, Routes, answer, line};
use crate::store::Versioned;
use ::http::Method;
use serde_json::json;
use warp::Filter;

/// Longest name in characters.
const NAME: usize = 100;

/// The slice's paths.
pub(crate) fn routes(app: App) -> Routes {
    warp::path!("api" / "v1" / "account")
        .and(http::call())
        .then(move |call| answer(account(app.clone(), call)))
        .boxed()
}

async fn account(app: App, mut call: Call) -> Result<Response, ApiError> {
    let caller = call.caller()?;
    let missing = || ApiError::not_found("the account is gone");
    if call.method != Method::PATCH {
        return shown(&app.store.get::<AccountRecord>(caller.account).await?.ok_or_else(missing)?);
    }
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
    let body = json!({
        "number": account.number, "name": account.name, "limits": account.limits,
        "created_at": account.created_at, "updated_at": account.updated_at, "version": version,
    });
    Ok(tagged(http::json(&body)?, *version))
}
