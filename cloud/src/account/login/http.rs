//! `/api/v1/session`: the login to the pages, in two steps where the user has a second factor.

use super::Attempt;
use super::browser::KnownBrowser;
use super::password::{self, NewPassword};
use super::record::How;
use super::session::{COOKIE_S, SESSION_COOKIE, token_of};
use super::step::Step;
use crate::access::{Permission, Permissions, Via};
use crate::account::email::{Email, email};
use crate::account::second::{Code, code};
use crate::account::{Accounts, User};
use crate::app::App;
use crate::clock::Timestamp;
use crate::http::{self, ApiError, Call, Response, Routes, answer};
use crate::id::UserId;
use crate::store::Account;
use ::http::{HeaderValue, Method, StatusCode, header};
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};
use warp::Filter;

/// The operations in the API's document.
#[derive(OpenApi)]
#[openapi(paths(read, login, second_step, logout, change_password))]
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

/// The first of two steps: the password was right.
#[derive(Serialize, ToSchema)]
#[schema(as = LoginStep)]
struct StepView {
    /// A code of the user's app, or a recovery code, is asked for.
    second_factor: bool,
    /// What the code must come with.
    login: String,
    /// Until when.
    ends_at: Timestamp,
}

/// The second of two steps.
#[derive(ToSchema)]
#[schema(as = LoginCode)]
#[expect(dead_code, reason = "a schema: bodies are read field by field")]
struct CodeBody {
    /// `login` of the first step.
    login: String,
    /// A code of the user's app, or a recovery code; each counts once.
    code: Code,
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
    let (session_app, code_app) = (app.clone(), app.clone());
    let session = warp::path!("api" / "v1" / "session")
        .and(http::call())
        .then(move |call| answer(session(session_app.clone(), call)));
    let password = warp::path!("api" / "v1" / "session" / "password")
        .and(http::call())
        .then(move |call| answer(change_password(app.clone(), call)));
    let code = warp::path!("api" / "v1" / "session" / "code")
        .and(http::call())
        .then(move |call| answer(second_step(code_app.clone(), call)));
    session.or(password).unify().or(code).unify().boxed()
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
    let attempt = Attempt { headers: &call.headers, peer: call.peer };
    app.accounts.change_own_password(&caller, &current, &new, &attempt, kept).await?;
    Ok(http::empty())
}

/// Log in
///
/// Begins a session, whose cookie comes with the answer; a session that the request came with ends. Where the user has a
/// second factor, the answer is 202, and `POST /api/v1/session/code` takes its `login` together with a code. Wrong
/// passwords make the next try wait, from the same address and for the same user; a browser that has logged in as the
/// user before is counted by itself.
#[utoipa::path(
    post,
    path = "/api/v1/session",
    tag = "session",
    operation_id = "login",
    request_body(content = LoginBody, example = json!({ "email": "crew@example.org", "password": "correct horse battery" })),
    responses(
        (status = 200, description = "The session.", body = SessionView, headers(("Set-Cookie"))),
        (status = 202, description = "The password is right; a code is asked for.", body = StepView, headers(("Location"))),
        (status = 401, description = "The e-mail address or the password is wrong."),
        (status = 403, description = "The user is for the API only, the account is suspended, or a page of another site asks."),
        (status = 429, description = "Too many wrong passwords from this address, or too many logins at once.",
         headers(("Retry-After"))),
    )
)]
async fn login(app: App, mut call: Call) -> Result<Response, ApiError> {
    refuse_foreign(&call)?;
    let mut fields = call.fields().await?;
    let email = fields.required("email", |text: String| email(&text));
    let password = fields.required("password", |password: String| {
        if password.is_empty() { Err("must not be empty".to_owned()) } else { Ok(password) }
    });
    fields.finish()?;
    let (email, password) = (email.unwrap_or_default(), password.unwrap_or_default());
    let attempt = Attempt { headers: &call.headers, peer: call.peer };
    let user = app.accounts.check(&email, &password, &attempt, How::Password).await?;
    app.accounts.may_enter(&user.document, &call.headers).await?;
    if user.document.second_factor {
        let step = Step::new(user.document.id, user.version, app.clock.now());
        let login = step.sign(&app.vault);
        let body = StepView { second_factor: true, login, ends_at: step.ends_at };
        return http::accepted("/api/v1/session/code", &body);
    }
    enter(&app, &call, &user.document, How::Password).await
}

/// Log in, second step
///
/// For users with a second factor: within five minutes of the first step. Wrong codes make the next try wait.
#[utoipa::path(
    post,
    path = "/api/v1/session/code",
    tag = "session",
    operation_id = "loginWithCode",
    request_body(content = CodeBody, example = json!({ "login": "eyJ1c2Vy….mac", "code": "123456" })),
    responses(
        (status = 200, description = "The session.", body = SessionView, headers(("Set-Cookie"))),
        (status = 401, description = "The code is wrong or was used, or the first step is over."),
        (status = 403, description = "The account is suspended, or a page of another site asks."),
    )
)]
async fn second_step(app: App, mut call: Call) -> Result<Response, ApiError> {
    refuse_foreign(&call)?;
    let mut fields = call.fields().await?;
    let login = fields.required("login", Ok::<String, String>);
    let code = code(&mut fields);
    fields.finish()?;
    let over =
        || ApiError::unauthorized("the login took too long, or something changed meanwhile: begin anew");
    let step = Step::read(&login.unwrap_or_default(), &app.vault, app.clock.now()).ok_or_else(over)?;
    let user =
        app.accounts.user(step.user).await?.filter(|user| user.version == step.version).ok_or_else(over)?;
    app.accounts.may_enter(&user.document, &call.headers).await?;
    let attempt = Attempt { headers: &call.headers, peer: call.peer };
    let checked = app.accounts.check_code(&user, &code.unwrap_or_default(), &attempt, How::Code).await;
    checked.map_err(|error| {
        let is_wrong = error.status() == StatusCode::UNPROCESSABLE_ENTITY;
        if is_wrong { ApiError::unauthorized("the code is wrong or was used already") } else { error }
    })?;
    enter(&app, &call, &user.document, How::Code).await
}

/// Begins a session, in place of one that the browser has, and makes the browser known to the user.
async fn enter(app: &App, call: &Call, user: &User, how: How) -> Result<Response, ApiError> {
    let permissions = app.accounts.may_enter(user, &call.headers).await?;
    if let Some(old) = token_of(&call.headers) {
        app.accounts.end_session(old).await?;
    }
    let attempt = Attempt { headers: &call.headers, peer: call.peer };
    let token = app.accounts.begin_session(user, &attempt, how).await?;
    let response = shown(&app.accounts, user, &token, permissions)?;
    let response = http::with_header(response, header::SET_COOKIE, &cookie(app, call, &token, COOKIE_S));
    let known = KnownBrowser::cookie(&app.vault, user.id, &call.headers, app.clock.now());
    Ok(known.into_iter().fold(response, |response, cookie| add_cookie(app, call, response, &cookie)))
}

/// Adds a cookie to an answer that may have others.
pub(in crate::account) fn add_cookie(
    app: &App,
    call: &Call,
    mut response: Response,
    cookie: &str,
) -> Response {
    if let Ok(cookie) = HeaderValue::from_str(&format!("{cookie}{}", secure(app, call))) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

fn refuse_foreign(call: &Call) -> Result<(), ApiError> {
    // A foreign page must not log its visitor in as somebody else; JSON alone demands a preflight too.
    if call.header("sec-fetch-site").is_some_and(|site| site != "same-origin" && site != "none") {
        return Err(ApiError::forbidden("a page of another site may not log in"));
    }
    Ok(())
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
    let secure = secure(app, call);
    format!("{SESSION_COOKIE}={token}; Path=/; Max-Age={max_age_s}; HttpOnly; SameSite=Strict{secure}")
}

fn secure(app: &App, call: &Call) -> &'static str {
    let https = call.https || app.addresses.http_url(&app.config).starts_with("https:");
    if https { "; Secure" } else { "" }
}
