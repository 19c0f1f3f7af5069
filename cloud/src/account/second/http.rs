//! `/api/v1/second-factor`: one's own; `/api/v1/users/<id>/second-factor` takes off another's.

use crate::account::login::Attempt;
use crate::app::App;
use crate::clock::Timestamp;
use crate::http::{self, ApiError, Call, Fields, Response, Routes, answer};
use crate::id::UserId;
use ::http::Method;
use qrcode::{Color, EcLevel, QrCode};
use serde::Serialize;
use std::borrow::Cow;
use std::fmt::Write as _;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{OpenApi, ToSchema};
use warp::Filter;

/// Longest code that is looked at.
const CODE: usize = 40;
/// Light modules around the picture (ISO/IEC 18004, 6.3.8).
const QUIET: usize = 4;

/// The operations in the API's document.
#[derive(OpenApi)]
#[openapi(paths(read, begin, confirm, renew, disable, take_off))]
pub(crate) struct SecondFactorOperations;

/// One's second factor.
#[derive(Serialize, ToSchema)]
#[schema(as = SecondFactor)]
struct FactorView {
    /// Whether the pages ask for a code after the password.
    enabled: bool,
    /// Since when.
    #[schema(required)]
    confirmed_at: Option<Timestamp>,
    /// Recovery codes that were not used yet.
    recovery_codes_left: usize,
}

/// A second factor that waits for its first code.
#[derive(Serialize, ToSchema)]
#[schema(as = BegunSecondFactor)]
struct BegunView {
    /// The secret as it is typed: it is told in this answer only.
    secret: String,
    /// The same for apps (`otpauth://…`).
    uri: String,
    /// The same as a picture for an app's camera, as SVG.
    qr: String,
}

/// Codes for when the app is lost.
#[derive(Serialize, ToSchema)]
#[schema(as = RecoveryCodes)]
struct CodesView {
    /// They are told in this answer only; each counts once.
    recovery_codes: Vec<String>,
}

/// The password, once more.
#[derive(ToSchema)]
#[schema(as = PasswordAgain)]
#[expect(dead_code, reason = "a schema: bodies are read field by field")]
struct PasswordBody {
    /// One's password.
    #[schema(min_length = 1, format = Password)]
    password: String,
}

/// The first code.
#[derive(ToSchema)]
#[schema(as = FirstCode)]
#[expect(dead_code, reason = "a schema: bodies are read field by field")]
struct CodeBody {
    /// What the app shows.
    code: Code,
}

/// Password and code, once more.
#[derive(ToSchema)]
#[schema(as = PasswordAndCode)]
#[expect(dead_code, reason = "a schema: bodies are read field by field")]
struct BothBody {
    /// One's password.
    #[schema(min_length = 1, format = Password)]
    password: String,
    /// A code of the app, or a recovery code.
    code: Code,
}

/// What [`code`] takes, in the API's document.
pub(in crate::account) struct Code;

impl utoipa::PartialSchema for Code {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length(Some(CODE)).into()
    }
}

impl ToSchema for Code {
    fn name() -> Cow<'static, str> {
        "Code".into()
    }
}

/// One's own.
pub(crate) fn routes(app: App) -> Routes {
    let step_app = app.clone();
    let own = warp::path!("api" / "v1" / "second-factor")
        .and(http::call())
        .then(move |call| answer(own(app.clone(), call)));
    let step = warp::path!("api" / "v1" / "second-factor" / String)
        .and(http::call())
        .then(move |name, call| answer(step(step_app.clone(), name, call)));
    own.or(step).unify().boxed()
}

/// Another's.
pub(crate) fn one_routes(app: App) -> Routes {
    warp::path!("api" / "v1" / "users" / UserId / "second-factor")
        .and(http::call())
        .then(move |id, call| answer(take_off(app.clone(), id, call)))
        .boxed()
}

async fn own(app: App, call: Call) -> Result<Response, ApiError> {
    match call.method {
        Method::POST => begin(app, call).await,
        _ => read(app, call).await,
    }
}

async fn step(app: App, name: String, call: Call) -> Result<Response, ApiError> {
    match name.as_str() {
        "confirm" => confirm(app, call).await,
        "recovery-codes" => renew(app, call).await,
        _ => disable(app, call).await,
    }
}

/// Read one's second factor
///
/// Whether there is one, and how many recovery codes are left.
#[utoipa::path(
    get,
    path = "/api/v1/second-factor",
    tag = "session",
    operation_id = "readSecondFactor",
    responses((status = 200, description = "The second factor.", body = FactorView))
)]
async fn read(app: App, call: Call) -> Result<Response, ApiError> {
    let factor = app.accounts.second_factor(call.caller()?.user).await?.map(|found| found.document);
    let confirmed_at = factor.as_ref().and_then(|factor| factor.confirmed_at);
    http::json(&FactorView {
        enabled: confirmed_at.is_some(),
        confirmed_at,
        recovery_codes_left: factor.map_or(0, |factor| factor.recovery.len()),
    })
}

/// Begin a second factor
///
/// Draws a secret for an authenticator app (TOTP, RFC 6238). Nothing asks for a code before the first one is confirmed.
#[utoipa::path(
    post,
    path = "/api/v1/second-factor",
    tag = "session",
    operation_id = "beginSecondFactor",
    request_body(content = PasswordBody, example = json!({ "password": "correct horse battery" })),
    responses(
        (status = 201, description = "The secret.", body = BegunView, headers(("Location"))),
        (status = 409, description = "There is one already."),
    )
)]
async fn begin(app: App, mut call: Call) -> Result<Response, ApiError> {
    let caller = call.caller()?;
    let mut fields = call.fields().await?;
    let password = password(&mut fields);
    fields.finish()?;
    let attempt = Attempt { headers: &call.headers, peer: call.peer };
    let begun = app.accounts.begin_second(&caller, &password.unwrap_or_default(), &attempt).await?;
    let qr = picture(&begun.uri)?;
    http::created("/api/v1/second-factor", &BegunView { secret: begun.secret, uri: begun.uri, qr })
}

/// Confirm a second factor
///
/// By the first code of the app. From then on logging in to the pages asks for a code, and HTTP Basic is closed to the
/// user; tokens are not.
#[utoipa::path(
    post,
    path = "/api/v1/second-factor/confirm",
    tag = "session",
    operation_id = "confirmSecondFactor",
    request_body(content = CodeBody, example = json!({ "code": "123456" })),
    responses(
        (status = 200, description = "Codes for when the app is lost.", body = CodesView),
        (status = 409, description = "Nothing waits for a code."),
    )
)]
async fn confirm(app: App, mut call: Call) -> Result<Response, ApiError> {
    let caller = call.caller()?;
    let mut fields = call.fields().await?;
    let code = code(&mut fields);
    fields.finish()?;
    let attempt = Attempt { headers: &call.headers, peer: call.peer };
    let recovery_codes = app.accounts.confirm_second(&caller, &code.unwrap_or_default(), &attempt).await?;
    http::json(&CodesView { recovery_codes })
}

/// Draw new recovery codes
///
/// The old ones count no more.
#[utoipa::path(
    post,
    path = "/api/v1/second-factor/recovery-codes",
    tag = "session",
    operation_id = "renewRecoveryCodes",
    request_body(content = BothBody, example = json!({ "password": "correct horse battery", "code": "123456" })),
    responses(
        (status = 200, description = "The new codes.", body = CodesView),
        (status = 409, description = "There is no second factor."),
    )
)]
async fn renew(app: App, mut call: Call) -> Result<Response, ApiError> {
    let caller = call.caller()?;
    let (password, code) = both(&mut call).await?;
    let attempt = Attempt { headers: &call.headers, peer: call.peer };
    let recovery_codes = app.accounts.renew_recovery(&caller, &password, &code, &attempt).await?;
    http::json(&CodesView { recovery_codes })
}

/// Take one's second factor off
///
/// The password alone logs in again then; the user is told by mail.
#[utoipa::path(
    post,
    path = "/api/v1/second-factor/disable",
    tag = "session",
    operation_id = "disableSecondFactor",
    request_body(content = BothBody, example = json!({ "password": "correct horse battery", "code": "123456" })),
    responses(
        (status = 204, description = "It is off."),
        (status = 409, description = "There is no second factor."),
    )
)]
async fn disable(app: App, mut call: Call) -> Result<Response, ApiError> {
    let caller = call.caller()?;
    let (password, code) = both(&mut call).await?;
    let attempt = Attempt { headers: &call.headers, peer: call.peer };
    app.accounts.end_second(&caller, &password, &code, &attempt).await?;
    Ok(http::empty())
}

/// Take a user's second factor off
///
/// For another user who has lost both the app and the recovery codes; the log and a mail to the user tell it. One's own is
/// taken off with `POST /api/v1/second-factor/disable`.
#[utoipa::path(
    delete,
    path = "/api/v1/users/{user}/second-factor",
    tag = "users",
    operation_id = "takeOffSecondFactor",
    responses(
        (status = 204, description = "It is off."),
        (status = 409, description = "It is the caller's own."),
    )
)]
async fn take_off(app: App, id: UserId, call: Call) -> Result<Response, ApiError> {
    app.accounts.take_off_by(&call.caller()?, id).await?;
    Ok(http::empty())
}

async fn both(call: &mut Call) -> Result<(String, String), ApiError> {
    let mut fields = call.fields().await?;
    let (password, code) = (password(&mut fields), code(&mut fields));
    fields.finish()?;
    Ok((password.unwrap_or_default(), code.unwrap_or_default()))
}

fn password(fields: &mut Fields) -> Option<String> {
    fields.required("password", |password: String| {
        if password.is_empty() { Err("must not be empty".to_owned()) } else { Ok(password) }
    })
}

/// A code of the app, or a recovery code.
pub(in crate::account) fn code(fields: &mut Fields) -> Option<String> {
    fields.required("code", |code: String| {
        let code = code.trim();
        if code.is_empty() || code.len() > CODE {
            return Err("must be six digits, or a recovery code".to_owned());
        }
        Ok(code.to_owned())
    })
}

/// A text as a picture for an app's camera: SVG, dark on light whatever is around it.
fn picture(text: &str) -> Result<String, ApiError> {
    let code =
        QrCode::with_error_correction_level(text, EcLevel::M).map_err(|error| ApiError::internal(&error))?;
    let (width, size) = (code.width(), code.width() + 2 * QUIET);
    let mut path = String::new();
    for (place, color) in code.to_colors().into_iter().enumerate() {
        if color == Color::Dark {
            // A text of bytes is never out of room.
            let _ = write!(path, "M{} {}h1v1h-1z", place % width + QUIET, place / width + QUIET);
        }
    }
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {size} {size}\" shape-rendering=\"crispEdges\">\
         <path fill=\"#fff\" d=\"M0 0h{size}v{size}H0z\"/><path fill=\"#000\" d=\"{path}\"/></svg>"
    ))
}
