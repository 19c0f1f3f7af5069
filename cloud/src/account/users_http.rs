//! `/api/v1/users`.
//!
//! ```json
//! { "id": "usr_…", "email": "…", "name": "…", "role": "rol_…", "api_only": false, "active": true,
//!   "created_at": "…", "updated_at": "…", "version": 3 }
//! ```
//!
//! `POST /users` takes `email`, `role`, and `name`, `api_only`, `password`; without a password one is drawn, and is in
//! this one answer. `POST /users/<id>/password` takes `password`, or draws one; all the user's sessions end.

use super::{AccountError, NewUser, PatchUser, User, password};
use crate::app::App;
use crate::http::{self, ApiError, Call, Fields, Parsed, Response, Routes, answer, line};
use crate::id::{RoleId, UserId};
use crate::store::Versioned;
use ::http::{Method, header};
use serde_json::{Value, json};
use warp::Filter;

/// Longest e-mail address (RFC 5321, 4.5.3.1.3).
const EMAIL: usize = 254;
/// Longest name in characters.
const NAME: usize = 100;

/// The slice's paths.
pub(crate) fn routes(app: App) -> Routes {
    let (all_app, one_app) = (app.clone(), app.clone());
    let all = warp::path!("api" / "v1" / "users")
        .and(http::call())
        .then(move |call| answer(all(all_app.clone(), call)));
    let one = warp::path!("api" / "v1" / "users" / UserId)
        .and(http::call())
        .then(move |id, call| answer(one(one_app.clone(), id, call)));
    let password = warp::path!("api" / "v1" / "users" / UserId / "password")
        .and(http::call())
        .then(move |id, call| answer(password(app.clone(), id, call)));
    all.or(one).unify().or(password).unify().boxed()
}

/// Checks an e-mail address.
pub(super) fn email(text: &str) -> Result<String, String> {
    let text = text.trim();
    let whole = text.split_once('@').is_some_and(|(name, host)| !name.is_empty() && !host.is_empty());
    if whole && text.len() <= EMAIL && !text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        Ok(text.to_owned())
    } else {
        Err("must be an e-mail address".to_owned())
    }
}

async fn all(app: App, mut call: Call) -> Result<Response, ApiError> {
    let caller = call.caller()?;
    if call.method != Method::POST {
        let (after, limit) = http::page_request(&call)?;
        let page = app.accounts.users(caller.account, after, limit).await?;
        return http::list(&page.map(|user| shown(&user)));
    }
    let mut fields = call.fields().await?;
    let email = fields.required("email", |text: String| email(&text));
    let role = fields.required("role", |text: String| role(&text));
    let name = fields.optional("name", line(NAME)).value();
    let api_only = fields.optional("api_only", Ok::<bool, String>).value();
    let password = fields.optional("password", password::acceptable).value();
    fields.finish()?;
    let (Some(email), Some(role)) = (email, role) else {
        return Err(ApiError::field("email", "is required"));
    };
    let (name, api_only) = (name.unwrap_or_default(), api_only.unwrap_or(false));
    let new = NewUser { email, name, role, api_only, password };
    let (user, drawn) = app.accounts.create_user(&caller, new).await.map_err(of_field)?;
    let mut body = shown(&user);
    if let Some(drawn) = drawn {
        body["password"] = drawn.into();
    }
    let path = format!("/api/v1/users/{}", user.document.id);
    Ok(tagged(http::created(&path, &body)?, user.version))
}

async fn one(app: App, id: UserId, mut call: Call) -> Result<Response, ApiError> {
    let caller = call.caller()?;
    match call.method {
        Method::PATCH => {
            let expected = call.if_match()?;
            let mut fields = call.fields().await?;
            let patch = PatchUser {
                email: not_null(&mut fields, "email", |text: String| email(&text)),
                name: not_null(&mut fields, "name", line(NAME)),
                role: not_null(&mut fields, "role", |text: String| role(&text)),
                api_only: not_null(&mut fields, "api_only", Ok::<bool, String>),
                active: not_null(&mut fields, "active", Ok::<bool, String>),
            };
            fields.finish()?;
            let user = app.accounts.patch_user(&caller, id, patch, expected).await.map_err(of_field)?;
            Ok(tagged(http::json(&shown(&user))?, user.version))
        }
        Method::DELETE => {
            app.accounts.delete_user(&caller, id, call.if_match()?).await?;
            Ok(http::empty())
        }
        _ => {
            let user = app.accounts.user_of(caller.account, id).await?;
            Ok(tagged(http::json(&shown(&user))?, user.version))
        }
    }
}

async fn password(app: App, id: UserId, mut call: Call) -> Result<Response, ApiError> {
    let caller = call.caller()?;
    let mut fields = call.optional_fields().await?;
    let password = fields.optional("password", password::acceptable).value();
    fields.finish()?;
    match app.accounts.set_password(&caller, id, password).await? {
        Some(drawn) => http::json(&json!({ "password": drawn })),
        None => Ok(http::empty()),
    }
}

fn role(text: &str) -> Result<RoleId, String> {
    text.parse().map_err(|error: crate::id::IdError| error.to_string())
}

/// A role that is not there is a wrong field of the request, not a wrong address.
fn of_field(error: AccountError) -> ApiError {
    match &error {
        AccountError::NotFound(what) if what.starts_with("role ") => {
            ApiError::field("role", error.to_string())
        }
        _ => error.into(),
    }
}

/// A field that may be left out but not emptied.
pub(super) fn not_null<J: serde::de::DeserializeOwned, T: PartialEq>(
    fields: &mut Fields,
    name: &str,
    parse: impl FnOnce(J) -> Result<T, String>,
) -> Option<T> {
    let parsed = fields.optional(name, parse);
    if parsed == Parsed::Null {
        fields.wrong(name, "cannot be null");
    }
    parsed.value()
}

fn shown(user: &Versioned<User>) -> Value {
    let Versioned { version, document: user } = user;
    json!({
        "id": user.id, "email": user.email, "name": user.name, "role": user.role, "api_only": user.api_only,
        "active": user.active, "created_at": user.created_at, "updated_at": user.updated_at, "version": version,
    })
}

pub(super) fn tagged(response: Response, version: u64) -> Response {
    http::with_header(response, header::ETAG, &format!("\"{version}\""))
}
