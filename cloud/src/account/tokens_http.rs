//! `/api/v1/tokens`: one's own.
//!
//! ```json
//! { "id": "tok_…", "name": "Rundown", "permissions": ["events:read"], "created_at": "…", "expires_at": null,
//!   "last_used_at": null }
//! ```
//!
//! `POST` takes `name`, `permissions` (absent: all that its user may do) and `expires_at` or `expires_in_days`; the
//! `token` is in this one answer. It is used as `Authorization: Bearer sbx_…`.

use super::token::{BY_USER, PREFIX, Token, hash};
use super::{AccountError, token};
use crate::access::{Caller, Permissions};
use crate::app::App;
use crate::clock::Timestamp;
use crate::http::{self, ApiError, Call, Response, Routes, answer, line};
use crate::id::TokenId;
use crate::store::{IndexKey, Scan, StoreError};
use ::http::Method;
use serde_json::{Value, json};
use warp::Filter;

/// Longest name in characters.
const NAME: usize = 100;
/// Tokens of one user.
const MOST: usize = 50;
const DAY_MS: i64 = 24 * 3600 * 1000;
/// Longest life in days.
const MOST_DAYS: i64 = 3660;

/// The slice's paths.
pub(crate) fn routes(app: App) -> Routes {
    let all_app = app.clone();
    let all = warp::path!("api" / "v1" / "tokens")
        .and(http::call())
        .then(move |call| answer(all(all_app.clone(), call)));
    let one = warp::path!("api" / "v1" / "tokens" / TokenId)
        .and(http::call())
        .then(move |id, call| answer(one(app.clone(), id, call)));
    all.or(one).unify().boxed()
}

async fn all(app: App, mut call: Call) -> Result<Response, ApiError> {
    let caller = call.caller()?;
    let own = || Scan::of(BY_USER).within(IndexKey::of(caller.account).text(caller.user));
    if call.method != Method::POST {
        let (after, limit) = http::page_request(&call)?;
        let page = app.store.scan::<Token>(own().falling().after(after).limit(limit)).await?;
        return http::list(&page.map(|token| shown(&token.document)));
    }
    let now = app.clock.now();
    let mut fields = call.fields().await?;
    let name = fields.required("name", line(NAME));
    let permissions = fields.optional("permissions", |names: Vec<String>| Permissions::parse(&names)).value();
    let ends = fields.optional("expires_at", |end: Timestamp| {
        if end > now { Ok(end) } else { Err("must be in the future".to_owned()) }
    });
    let days = fields.optional("expires_in_days", |days: i64| {
        if (1..=MOST_DAYS).contains(&days) { Ok(days) } else { Err(format!("must be 1 to {MOST_DAYS}")) }
    });
    let (ends, days) = (ends.value(), days.value());
    if ends.is_some() && days.is_some() {
        fields.wrong("expires_in_days", "cannot be together with `expires_at`");
    }
    fields.finish()?;
    let beyond = permissions.unwrap_or_default().beyond(caller.permissions);
    if !beyond.is_empty() {
        return Err(AccountError::Beyond(beyond).into());
    }
    if app.store.scan::<Token>(own().limit(MOST)).await?.items.len() >= MOST {
        return Err(ApiError::conflict(format!(
            "a user has {MOST} tokens at most: delete one that is not used"
        )));
    }
    let secret = format!("{PREFIX}{}", token::<32>());
    let batch = app.store.batch().by(Some(caller.user));
    let days_end = days.map(|days| Timestamp::from_unix_ms(now.unix_ms() + days * DAY_MS));
    let new = Token {
        id: TokenId::random(),
        account: caller.account,
        user: caller.user,
        name: name.unwrap_or_default(),
        permissions: limit(&caller, permissions),
        hash: hash(&secret),
        created_at: batch.at(),
        expires_at: ends.or(days_end),
        last_used_at: None,
    };
    app.store.commit(batch.create(&new)).await?;
    let mut body = shown(&new);
    body["token"] = secret.into();
    http::created(&format!("/api/v1/tokens/{}", new.id), &body)
}

/// A token that was made with a token never allows more than that one.
fn limit(caller: &Caller, permissions: Option<Permissions>) -> Option<Permissions> {
    match caller.via {
        crate::access::Via::Token => Some(permissions.unwrap_or(caller.permissions)),
        _ => permissions,
    }
}

async fn one(app: App, id: TokenId, call: Call) -> Result<Response, ApiError> {
    let caller = call.caller()?;
    loop {
        let found = app.store.get_of::<Token>(caller.account, id).await?;
        let Some(token) = found.filter(|token| token.document.user == caller.user) else {
            return Err(ApiError::not_found(format!("you have no token {id}")));
        };
        if call.method != Method::DELETE {
            return http::json(&shown(&token.document));
        }
        match app.store.commit(app.store.batch().by(Some(caller.user)).delete(&token)).await {
            Ok(_) => return Ok(http::empty()),
            // It was used meanwhile.
            Err(StoreError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn shown(token: &Token) -> Value {
    json!({
        "id": token.id, "name": token.name, "permissions": token.permissions, "created_at": token.created_at,
        "expires_at": token.expires_at, "last_used_at": token.last_used_at,
    })
}
