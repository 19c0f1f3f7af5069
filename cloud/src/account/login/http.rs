//! `/api/v1/session`.

use super::password::{self, NewPassword};
use super::session::{COOKIE_S, SESSION_COOKIE, token_of};
use crate::access::{Permission, Permissions, Via};
use crate::account::email::{Email, email};
use crate::account::{Accounts, User};
use crate::app::App;
use crate::http::{self, ApiError, Call, Response, Routes, answer};
use crate::id::UserId;
use crate::store::Account;
use ::http::{Method, header};
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};
use warp::Filter;

/// The operations in the API's document.
#[derive(OpenApi)]
#[openapi(paths(read, login, logout, change_password))]
pub struct SessionOperations;

/// A login that lasts: who is logged in, and what they may do.
#[derive(Serialize, ToSchema)]
#[schema(as = Session)]
struct SessionView<'a> {
    /// The user's id.
    user_id: UserId,
    /// The user's e-mail address.
    email: &'a str,
    /// What the user is called; may be empty.
    name: &'a str,
    /// The number of the user's account.
    account: Account,
    /// What the user may do.
    #[schema(value_type = Vec<Permission>)]
    permissions: Permissions,
    /// What `X-CSRF-Token` must be in requests of this session that change something.
    csrf: String,
}

/// Who wants to log in.
#[derive(ToSchema)]
#[schema(as = Login)]
#[expect(dead_code, reason = "a schema: bodies are read field by field")]
struct LoginBody {
    /// The user's e-mail address.
    email: Email,
    /// The user's password.
    #[schema(min_length = 1, format = Password)]
    password: String,
}

/// A new password for oneself.
#[derive(ToSchema)]
#[schema(as = OwnPasswordChange)]
#[expect(dead_code, reason = "a schema: bodies are read field by field")]
struct PasswordBody {
    /// The present password.
    #[schema(format = Password)]
    current: String,
    /// The new one.
    new: NewPassword,
}

/// The slice's paths.
pub fn routes(app: App) -> Routes {
    let session_app = app.clone();
    let session = warp::path!("api" / "v1" / "session")
        .and(http::call())
        .then(move |call| answer(session(session_app.clone(), call)));
    let password = warp::path!("api" / "v1" / "session" / "password")
        .and(http::call())
        .then(move |call| answer(change_password(app.clone(), call)));
    session.or(password).unify().boxed()
}

async fn session(app: App, call: Call) -> Result<Response, ApiError> {
    match call.method {
        Method::POST => login(app, call).await,
        Method::DELETE => logout(app, call).await,
        _ => read(app, call).await,
    }
}

/// Read one's session
///
/// Who is logged in with the session's cookie; HTTP Basic and tokens have no session (401).
#[utoipa::path(
    get,
    path = "/api/v1/session",
    tag = "session",
    operation_id = "readSession",
    security(("session" = [])),
    responses((status = 200, description = "The session.", body = SessionView))
)]
async fn read(app: App, call: Call) -> Result<Response, ApiError> {
    let caller = call.caller()?;
    let token = own_token(&call)?;
    let user = app.accounts.user_of(caller.account, caller.user).await?;
    shown(&app.accounts, &user.document, token, caller.permissions)
}

/// Log out
///
/// Ends the session whose cookie comes with the request; HTTP Basic and tokens have none (401).
#[utoipa::path(
    delete,
    path = "/api/v1/session",
    tag = "session",
    operation_id = "logout",
    security(("session" = [], "csrf" = [])),
    responses((status = 204, description = "The session has ended.", headers(("Set-Cookie"))))
)]
async fn logout(app: App, call: Call) -> Result<Response, ApiError> {
    app.accounts.end_session(own_token(&call)?).await?;
    Ok(http::with_header(http::empty(), header::SET_COOKIE, &cookie(&app, &call, "", 0)))
}

/// The token of the session that asks; whoever asks in another way has none.
fn own_token(call: &Call) -> Result<&str, ApiError> {
    let token =
        token_of(&call.headers).filter(|_| call.caller().is_ok_and(|caller| caller.via == Via::Session));
    token.ok_or_else(|| ApiError::unauthorized("log in first: this is no session"))
}

/// Change one's own password
///
/// All other sessions of the user end.
#[utoipa::path(
    put,
    path = "/api/v1/session/password",
    tag = "session",
    operation_id = "changeOwnPassword",
    request_body(content = PasswordBody, example = json!({ "current": "present password", "new": "a new long password" })),
    responses((status = 204, description = "The password is changed."))
)]
async fn change_password(app: App, mut call: Call) -> Result<Response, ApiError> {
    let caller = call.caller()?;
    let mut fields = call.fields().await?;
    let current = fields.required("current", Ok::<String, String>);
    let new = fields.required("new", password::acceptable);
    fields.finish()?;
    let (current, new) = (current.unwrap_or_default(), new.unwrap_or_default());
    let kept = token_of(&call.headers).filter(|_| caller.via == Via::Session);
    app.accounts.change_own_password(&caller, &current, &new, call.peer, kept).await?;
    Ok(http::empty())
}

/// Log in
///
/// Begins a session, whose cookie comes with the answer; a session that the request came with ends. Wrong passwords
/// make the next try from the same address wait.
#[utoipa::path(
    post,
    path = "/api/v1/session",
    tag = "session",
    operation_id = "login",
    request_body(content = LoginBody, example = json!({ "email": "crew@example.org", "password": "correct horse battery" })),
    responses(
        (status = 200, description = "The session.", body = SessionView, headers(("Set-Cookie"))),
        (status = 401, description = "The e-mail address or the password is wrong."),
        (status = 403, description = "The user is for the API only, the account is suspended, or a page of another site asks."),
        (status = 429, description = "Too many wrong passwords from this address, or too many logins at once.",
         headers(("Retry-After"))),
    )
)]
async fn login(app: App, mut call: Call) -> Result<Response, ApiError> {
    // A foreign page must not log its visitor in as somebody else; JSON alone demands a preflight too.
    if call.header("sec-fetch-site").is_some_and(|site| site != "same-origin" && site != "none") {
        return Err(ApiError::forbidden("a page of another site may not log in"));
    }
    let mut fields = call.fields().await?;
    let email = fields.required("email", |text: String| email(&text));
    let password = fields.required("password", |password: String| {
        if password.is_empty() { Err("must not be empty".to_owned()) } else { Ok(password) }
    });
    fields.finish()?;
    let (email, password) = (email.unwrap_or_default(), password.unwrap_or_default());
    let user = app.accounts.check(&email, &password, call.peer).await?;
    let permissions = app.accounts.may_enter(&user.document, &call.headers).await?;
    if let Some(old) = token_of(&call.headers) {
        app.accounts.end_session(old).await?;
    }
    let token = app.accounts.begin_session(user.document.id).await?;
    let response = shown(&app.accounts, &user.document, &token, permissions)?;
    Ok(http::with_header(response, header::SET_COOKIE, &cookie(&app, &call, &token, COOKIE_S)))
}

fn shown(
    accounts: &Accounts,
    user: &User,
    token: &str,
    permissions: Permissions,
) -> Result<Response, ApiError> {
    http::json(&SessionView {
        user_id: user.id,
        email: &user.email,
        name: &user.name,
        account: user.account,
        permissions,
        csrf: accounts.csrf(token),
    })
}

fn cookie(app: &App, call: &Call, token: &str, max_age_s: i64) -> String {
    let https = call.https || app.addresses.http_url(&app.config).starts_with("https:");
    let secure = if https { "; Secure" } else { "" };
    format!("{SESSION_COOKIE}={token}; Path=/; Max-Age={max_age_s}; HttpOnly; SameSite=Strict{secure}")
}
