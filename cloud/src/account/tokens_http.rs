//! `/api/v1/tokens`: one's own.

use super::listing::TOKENS;
use super::token::{BY_USER, PREFIX, Token, hash};
use super::{AccountError, token};
use crate::access::{Caller, Permission, Permissions};
use crate::app::App;
use crate::clock::Timestamp;
use crate::http::{self, ApiError, Call, Line, Listed, Response, Routes, answer, line};
use crate::id::TokenId;
use crate::store::{IndexKey, Scan, StoreError, Versioned};
use ::http::Method;
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};
use warp::Filter;

/// Longest name in characters.
const NAME: usize = 100;
/// Tokens of one user.
const MOST: usize = 50;
const DAY_MS: i64 = 24 * 3600 * 1000;
/// Longest life in days.
const MOST_DAYS: i64 = 3660;

/// The operations in the API's document.
#[derive(OpenApi)]
#[openapi(paths(list, create, read, remove))]
pub(crate) struct TokenOperations;

type TokenList = Listed<TokenView>;
type Name = Line<NAME>;

/// A personal token, without the token itself.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Token)]
pub(super) struct TokenView {
    /// Its id.
    id: TokenId,
    /// What it is for.
    name: String,
    /// What it allows of what its user may do; `null` means everything.
    #[schema(required, value_type = Option<Vec<Permission>>)]
    permissions: Option<Permissions>,
    /// When it was made.
    created_at: Timestamp,
    /// When it ends; `null` means that it does not.
    #[schema(required)]
    expires_at: Option<Timestamp>,
    /// When it was last used, to the hour.
    #[schema(required)]
    last_used_at: Option<Timestamp>,
}

/// A new token, with the token itself.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CreatedToken)]
struct Created {
    #[serde(flatten)]
    view: TokenView,
    /// The token: it is told in this answer only. Use it as `Authorization: Bearer sbx_…`.
    token: String,
}

/// A new token. It has one end at most: `expires_at` or `expires_in_days`.
#[derive(ToSchema)]
#[schema(as = NewToken)]
#[expect(dead_code, reason = "a schema: bodies are read field by field")]
struct CreateBody {
    /// What it is for.
    name: Name,
    /// What it is to allow; absent means all that its user may do.
    permissions: Option<Vec<Permission>>,
    /// When it is to end: in the future.
    expires_at: Option<Timestamp>,
    /// After how many days it is to end.
    #[schema(minimum = 1, maximum = 3660)]
    expires_in_days: Option<i64>,
}

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

async fn all(app: App, call: Call) -> Result<Response, ApiError> {
    match call.method {
        Method::POST => create(app, call).await,
        _ => list(app, call).await,
    }
}

async fn one(app: App, id: TokenId, call: Call) -> Result<Response, ApiError> {
    match call.method {
        Method::DELETE => remove(app, id, call).await,
        _ => read(app, id, call).await,
    }
}

/// What the keys of the caller's own tokens begin with.
fn own(caller: &Caller) -> IndexKey {
    IndexKey::of(caller.account).text(caller.user)
}

/// List one's tokens
///
/// The caller's personal tokens, the newest first.
#[utoipa::path(
    get,
    path = "/api/v1/tokens",
    tag = "tokens",
    operation_id = "listTokens",
    responses((status = 200, description = "A part of the list.", body = TokenList))
)]
async fn list(app: App, call: Call) -> Result<Response, ApiError> {
    let caller = call.caller()?;
    let wanted = TOKENS.wanted(&call)?;
    let page = app.store.scan::<Token>(wanted.scan(own(&caller))).await?;
    wanted.reply(page.map(|token| shown(&token.document)))
}

/// Make a token
///
/// For a program that acts in the caller's name. It never allows more than its user's role, nor, if it is made with a
/// token, more than that one. A user has 50 tokens at most.
#[utoipa::path(
    post,
    path = "/api/v1/tokens",
    tag = "tokens",
    operation_id = "createToken",
    request_body(
        content = CreateBody,
        example = json!({ "name": "Rundown", "permissions": ["events:read"], "expires_in_days": 90 })
    ),
    responses(
        (status = 201, description = "The new token.", body = Created, headers(("Location"))),
        (status = 409, description = "The user has 50 tokens already."),
    )
)]
async fn create(app: App, mut call: Call) -> Result<Response, ApiError> {
    let caller = call.caller()?;
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
    if app.store.scan::<Token>(Scan::of(BY_USER).within(own(&caller)).limit(MOST)).await?.items.len() >= MOST
    {
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
    http::created(&format!("/api/v1/tokens/{}", new.id), &Created { view: shown(&new), token: secret })
}

/// A token that was made with a token never allows more than that one.
fn limit(caller: &Caller, permissions: Option<Permissions>) -> Option<Permissions> {
    match caller.via {
        crate::access::Via::Token => Some(permissions.unwrap_or(caller.permissions)),
        _ => permissions,
    }
}

/// Read a token
///
/// One of the caller's own, without the token itself.
#[utoipa::path(
    get,
    path = "/api/v1/tokens/{token}",
    tag = "tokens",
    operation_id = "readToken",
    responses((status = 200, description = "The token.", body = TokenView))
)]
async fn read(app: App, id: TokenId, call: Call) -> Result<Response, ApiError> {
    http::json(&shown(&found(&app, id, &call.caller()?).await?.document))
}

/// Take a token back
///
/// Whoever uses it is refused from now on.
#[utoipa::path(
    delete,
    path = "/api/v1/tokens/{token}",
    tag = "tokens",
    operation_id = "removeToken",
    responses((status = 204, description = "It is taken back."))
)]
async fn remove(app: App, id: TokenId, call: Call) -> Result<Response, ApiError> {
    let caller = call.caller()?;
    loop {
        let token = found(&app, id, &caller).await?;
        match app.store.commit(app.store.batch().by(Some(caller.user)).delete(&token)).await {
            Ok(_) => return Ok(http::empty()),
            // It was used meanwhile.
            Err(StoreError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

async fn found(app: &App, id: TokenId, caller: &Caller) -> Result<Versioned<Token>, ApiError> {
    let found = app.store.get_of::<Token>(caller.account, id).await?;
    let own = found.filter(|token| token.document.user == caller.user);
    own.ok_or_else(|| ApiError::not_found(format!("you have no token {id}")))
}

pub(super) fn shown(token: &Token) -> TokenView {
    TokenView {
        id: token.id,
        name: token.name.clone(),
        permissions: token.permissions,
        created_at: token.created_at,
        expires_at: token.expires_at,
        last_used_at: token.last_used_at,
    }
}
