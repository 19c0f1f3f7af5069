//! `/api/v1/session`.

use super::session::{COOKIE_S, SESSION_COOKIE, token_of};
use super::users_http::email;
use super::{Accounts, User, password};
use crate::access::{Permissions, Via};
use crate::app::App;
use crate::http::{self, ApiError, Call, Response, Routes, answer};
use ::http::{Method, header};
use serde_json::json;
use warp::Filter;

/// The slice's paths.
pub fn routes(app: App) -> Routes {
    let session_app = app.clone();
    let session = warp::path!("api" / "v1" / "session")
        .and(http::call())
        .then(move |call| answer(session(session_app.clone(), call)));
    let password = warp::path!("api" / "v1" / "session" / "password")
        .and(http::call())
        .then(move |call| answer(password(app.clone(), call)));
    session.or(password).unify().boxed()
}

async fn session(app: App, mut call: Call) -> Result<Response, ApiError> {
    match call.method {
        Method::POST => login(&app, &mut call).await,
        Method::DELETE => {
            app.accounts.end_session(own_token(&call)?).await?;
            Ok(http::with_header(http::empty(), header::SET_COOKIE, &cookie(&app, &call, "", 0)))
        }
        _ => {
            let caller = call.caller()?;
            let token = own_token(&call)?;
            let user = app.accounts.user_of(caller.account, caller.user).await?;
            shown(&app.accounts, &user.document, token, caller.permissions)
        }
    }
}

/// The token of the session that asks; whoever asks in another way has none.
fn own_token(call: &Call) -> Result<&str, ApiError> {
    let token =
        token_of(&call.headers).filter(|_| call.caller().is_ok_and(|caller| caller.via == Via::Session));
    token.ok_or_else(|| ApiError::unauthorized("log in first: this is no session"))
}

/// Changes one's own password: takes `current` and `new`; other sessions end.
async fn password(app: App, mut call: Call) -> Result<Response, ApiError> {
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

async fn login(app: &App, call: &mut Call) -> Result<Response, ApiError> {
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
    Ok(http::with_header(response, header::SET_COOKIE, &cookie(app, call, &token, COOKIE_S)))
}

fn shown(
    accounts: &Accounts,
    user: &User,
    token: &str,
    permissions: Permissions,
) -> Result<Response, ApiError> {
    http::json(&json!({
        "user_id": user.id, "email": user.email, "name": user.name, "account": user.account,
        "permissions": permissions, "csrf": accounts.csrf(token),
    }))
}

fn cookie(app: &App, call: &Call, token: &str, max_age_s: i64) -> String {
    let https = call.https || app.addresses.http_url(&app.config).starts_with("https:");
    let secure = if https { "; Secure" } else { "" };
    format!("{SESSION_COOKIE}={token}; Path=/; Max-Age={max_age_s}; HttpOnly; SameSite=Strict{secure}")
}
