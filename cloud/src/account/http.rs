//! `/api/v1/session`.

use super::session::{COOKIE_S, SESSION_COOKIE, token_of};
use super::{Accounts, User};
use crate::app::App;
use crate::http::{self, ApiError, Call, Response, Routes, answer};
use ::http::{Method, header};
use serde_json::json;
use warp::Filter;

/// Longest e-mail address (RFC 5321, 4.5.3.1.3).
const EMAIL: usize = 254;

/// The slice's paths.
pub fn routes(app: App) -> Routes {
    warp::path!("api" / "v1" / "session")
        .and(http::call())
        .then(move |call| answer(session(app.clone(), call)))
        .boxed()
}

async fn session(app: App, mut call: Call) -> Result<Response, ApiError> {
    match call.method {
        Method::POST => login(&app, &mut call).await,
        Method::GET | Method::HEAD => {
            let user = app.accounts.by_session(&call.method, &call.headers).await?;
            let token = token_of(&call.headers).unwrap_or_default();
            shown(&app.accounts, &user.document, token)
        }
        Method::DELETE => {
            app.accounts.by_session(&call.method, &call.headers).await?;
            app.accounts.end_session(token_of(&call.headers).unwrap_or_default()).await?;
            Ok(http::with_header(http::empty(), header::SET_COOKIE, &cookie(&app, &call, "", 0)))
        }
        _ => Err(ApiError::method_not_allowed(&["GET", "HEAD", "POST", "DELETE"])),
    }
}

async fn login(app: &App, call: &mut Call) -> Result<Response, ApiError> {
    // A foreign page must not log its visitor in as somebody else; JSON alone demands a preflight too.
    if call.header("sec-fetch-site").is_some_and(|site| site != "same-origin" && site != "none") {
        return Err(ApiError::forbidden("a page of another site may not log in"));
    }
    let mut fields = call.fields().await?;
    let email = fields.required("email", |email: String| {
        let email = email.trim().to_owned();
        if email.contains('@') && email.len() <= EMAIL {
            Ok(email)
        } else {
            Err("must be an e-mail address".to_owned())
        }
    });
    let password = fields.required("password", |password: String| {
        if password.is_empty() { Err("must not be empty".to_owned()) } else { Ok(password) }
    });
    fields.finish()?;
    let (email, password) = (email.unwrap_or_default(), password.unwrap_or_default());
    let user = app.accounts.check(&email, &password, call.peer).await?;
    if let Some(old) = token_of(&call.headers) {
        app.accounts.end_session(old).await?;
    }
    let token = app.accounts.begin_session(user.document.id).await?;
    let response = shown(&app.accounts, &user.document, &token)?;
    Ok(http::with_header(response, header::SET_COOKIE, &cookie(app, call, &token, COOKIE_S)))
}

fn shown(accounts: &Accounts, user: &User, token: &str) -> Result<Response, ApiError> {
    http::json(&json!({ "user_id": user.id, "email": user.email, "csrf": accounts.csrf(token) }))
}

fn cookie(app: &App, call: &Call, token: &str, max_age_s: i64) -> String {
    let https = call.https || app.addresses.http_url(&app.config).starts_with("https:");
    let secure = if https { "; Secure" } else { "" };
    format!("{SESSION_COOKIE}={token}; Path=/; Max-Age={max_age_s}; HttpOnly; SameSite=Strict{secure}")
}
