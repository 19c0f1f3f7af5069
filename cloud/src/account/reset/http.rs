//! `/api/v1/password-resets`, for whoever has forgotten a password.

use crate::account::email::{Email, email};
use crate::account::login::Attempt;
use crate::account::login::browser::KnownBrowser;
use crate::account::login::http::add_cookie;
use crate::account::login::password::{self, NewPassword};
use crate::app::App;
use crate::http::{self, ApiError, Call, Response, Routes, answer};
use ::http::{Method, StatusCode};
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};
use warp::Filter;

/// The operations in the API's document.
#[derive(OpenApi)]
#[openapi(paths(read, ask, redeem))]
pub(crate) struct ResetOperations;

/// Whether a forgotten password can be replaced by mail.
#[derive(Serialize, ToSchema)]
#[schema(as = PasswordResets)]
struct ResetsView {
    /// Whether links are sent by mail.
    available: bool,
}

/// A link was asked for.
#[derive(Serialize, ToSchema)]
#[schema(as = AskedPasswordReset)]
struct AskedView {
    /// What happens now, in words.
    detail: &'static str,
}

/// Who has forgotten a password.
#[derive(ToSchema)]
#[schema(as = ForgottenPassword)]
#[expect(dead_code, reason = "a schema: bodies are read field by field")]
struct AskBody {
    /// The user's e-mail address.
    email: Email,
}

/// A new password by a link.
#[derive(ToSchema)]
#[schema(as = RedeemedReset)]
#[expect(dead_code, reason = "a schema: bodies are read field by field")]
struct RedeemBody {
    /// What stands after the `#` of the link.
    token: String,
    /// The new password.
    new: NewPassword,
}

/// The slice's paths.
pub(crate) fn routes(app: App) -> Routes {
    let redeem_app = app.clone();
    let all = warp::path!("api" / "v1" / "password-resets")
        .and(http::call())
        .then(move |call| answer(all(app.clone(), call)));
    let redeem = warp::path!("api" / "v1" / "password-resets" / "redeem")
        .and(http::call())
        .then(move |call| answer(redeem(redeem_app.clone(), call)));
    all.or(redeem).unify().boxed()
}

async fn all(app: App, call: Call) -> Result<Response, ApiError> {
    match call.method {
        Method::POST => ask(app, call).await,
        _ => read(app).await,
    }
}

/// Read whether passwords are replaced by mail
///
/// Where the server sends no mail, whoever runs it sets a new password on the command line, and an administrator of the
/// account with `POST /api/v1/users/<id>/password`.
#[utoipa::path(
    get,
    path = "/api/v1/password-resets",
    tag = "session",
    operation_id = "readPasswordResets",
    responses((status = 200, description = "Whether they are.", body = ResetsView))
)]
async fn read(app: App) -> Result<Response, ApiError> {
    http::json(&ResetsView { available: app.accounts.sends_mail() })
}

/// Ask for a link to a new password
///
/// The answer is the same whether somebody has the address or not. The link is sent to it by mail if the user's role allows
/// `password:change`, works once and for an hour, and ends with any change of the password or the address. A few an hour
/// are sent to one address.
#[utoipa::path(
    post,
    path = "/api/v1/password-resets",
    tag = "session",
    operation_id = "askPasswordReset",
    request_body(content = AskBody, example = json!({ "email": "crew@example.org" })),
    responses(
        (status = 202, description = "If somebody has the address, a mail is sent.", body = AskedView),
        (status = 409, description = "The server sends no mail."),
        (status = 429, description = "Too many were asked for from this address: wait for `Retry-After`."),
    )
)]
async fn ask(app: App, mut call: Call) -> Result<Response, ApiError> {
    let mut fields = call.fields().await?;
    let email = fields.required("email", |text: String| email(&text));
    fields.finish()?;
    if !app.accounts.sends_mail() {
        let words = "this server sends no mail: whoever runs it can set a new password with `stagebox-cloud \
                     reset-password --email ADDRESS`, and an administrator of the account by \
                     POST /api/v1/users/<id>/password";
        return Err(ApiError::conflict(words));
    }
    let attempt = Attempt { headers: &call.headers, peer: call.peer };
    app.accounts.ask_reset(&email.unwrap_or_default(), &attempt).await?;
    let detail = "if somebody has this address, a mail with a link is on its way to it";
    let mut response = http::json(&AskedView { detail })?;
    *response.status_mut() = StatusCode::ACCEPTED;
    Ok(response)
}

/// Set a new password by a link
///
/// All sessions of the user end, all tokens of theirs are taken back, and the user is told by mail. A second factor stays
/// as it is.
#[utoipa::path(
    post,
    path = "/api/v1/password-resets/redeem",
    tag = "session",
    operation_id = "redeemPasswordReset",
    request_body(content = RedeemBody, example = json!({ "token": "mX3…", "new": "a new long password" })),
    responses((status = 204, description = "The password is set."))
)]
async fn redeem(app: App, mut call: Call) -> Result<Response, ApiError> {
    let mut fields = call.fields().await?;
    let token = fields.required("token", Ok::<String, String>);
    let new = fields.required("new", password::acceptable);
    fields.finish()?;
    let (token, new) = (token.unwrap_or_default(), new.unwrap_or_default());
    let user = app.accounts.redeem_reset(&token, &new).await?;
    // Whoever reads the user's mail is the user: others' wrong guesses do not keep this browser out.
    let known = KnownBrowser::cookie(&app.vault, user, &call.headers, app.clock.now());
    Ok(known.into_iter().fold(http::empty(), |response, cookie| add_cookie(&app, &call, response, &cookie)))
}
