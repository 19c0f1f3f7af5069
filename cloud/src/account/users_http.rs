//! `/api/v1/users`.

use super::email::{Email, email};
use super::listing::USERS;
use super::login::password::{self, NewPassword};
use super::{AccountError, NewUser, PatchUser, User};
use crate::app::App;
use crate::clock::Timestamp;
use crate::http::{
    self, ApiError, Call, Fields, IfMatch, Line, Listed, Parsed, Response, Routes, answer, line,
};
use crate::id::{RoleId, UserId};
use crate::store::{IndexKey, Versioned};
use ::http::{Method, header};
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};
use warp::Filter;

/// Longest name in characters.
const NAME: usize = 100;

/// The operations in the API's document.
#[derive(OpenApi)]
#[openapi(paths(list, create, read, change, remove, set_password))]
pub(crate) struct UserOperations;

type UserList = Listed<UserView>;
type Name = Line<NAME>;

/// Somebody, or a program, that can log in.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = User)]
struct UserView {
    /// The user's id.
    id: UserId,
    /// What the user logs in with.
    email: String,
    /// What the user is called; may be empty.
    name: String,
    /// The id of the user's role.
    role: RoleId,
    /// Whether it is a program: it uses the API and has no session.
    api_only: bool,
    /// Whoever is not active cannot log in.
    active: bool,
    /// Whether the pages ask for a code after the password; HTTP Basic is closed then.
    second_factor: bool,
    /// When the password was last changed; `null` if it never was.
    #[schema(required)]
    password_changed_at: Option<Timestamp>,
    /// When the user was made.
    created_at: Timestamp,
    /// When the user was last changed.
    updated_at: Timestamp,
    /// Goes up with each change; also the ETag.
    version: u64,
}

/// A new user, with the password if one was drawn.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CreatedUser)]
struct Created {
    #[serde(flatten)]
    view: UserView,
    /// The password that was drawn: it is told in this answer only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    password: Option<String>,
}

/// A password that was drawn.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DrawnPassword)]
struct Drawn {
    /// The password: it is told in this answer only.
    password: String,
}

/// A new user.
#[derive(ToSchema)]
#[schema(as = NewUser)]
#[expect(dead_code, reason = "a schema: bodies are read field by field")]
struct CreateBody {
    /// What the user logs in with; nobody else of the installation has it.
    email: Email,
    /// The id of the user's role, which allows nothing that the caller may not do.
    role: RoleId,
    /// What the user is called.
    name: Option<Name>,
    /// Whether it is a program: it uses the API and has no session.
    #[schema(default = false)]
    api_only: Option<bool>,
    /// The password; without one, one is drawn.
    password: Option<NewPassword>,
}

/// What is to be changed of a user; what is absent stays.
#[derive(ToSchema)]
#[schema(as = UserChange)]
#[expect(dead_code, reason = "a schema: bodies are read field by field")]
struct ChangeBody {
    /// What the user logs in with; nobody else of the installation has it.
    #[schema(required = false)]
    email: Email,
    /// What the user is called.
    #[schema(required = false)]
    name: Name,
    /// The id of the user's role, which allows nothing that the caller may not do.
    #[schema(required = false)]
    role: RoleId,
    /// Whether it is a program: it uses the API and has no session.
    #[schema(required = false)]
    api_only: bool,
    /// Whoever is not active cannot log in.
    #[schema(required = false)]
    active: bool,
}

/// A new password for a user.
#[derive(ToSchema)]
#[schema(as = PasswordReset)]
#[expect(dead_code, reason = "a schema: bodies are read field by field")]
struct PasswordBody {
    /// The password; without one, one is drawn.
    password: Option<NewPassword>,
}

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
        .then(move |id, call| answer(set_password(app.clone(), id, call)));
    all.or(one).unify().or(password).unify().boxed()
}

async fn all(app: App, call: Call) -> Result<Response, ApiError> {
    match call.method {
        Method::POST => create(app, call).await,
        _ => list(app, call).await,
    }
}

async fn one(app: App, id: UserId, call: Call) -> Result<Response, ApiError> {
    match call.method {
        Method::PATCH => change(app, id, call).await,
        Method::DELETE => remove(app, id, call).await,
        _ => read(call).await,
    }
}

/// List users
///
/// The account's users, the newest first.
#[utoipa::path(
    get,
    path = "/api/v1/users",
    tag = "users",
    operation_id = "listUsers",
    responses((status = 200, description = "A part of the list.", body = UserList))
)]
async fn list(app: App, call: Call) -> Result<Response, ApiError> {
    let wanted = USERS.wanted(&call)?;
    let page = app.accounts.users(wanted.scan(IndexKey::of(call.caller()?.account))).await?;
    wanted.reply(page.map(|user| shown(&user)))
}

/// Make a user
///
/// Without a password one is drawn, and is in this one answer.
#[utoipa::path(
    post,
    path = "/api/v1/users",
    tag = "users",
    operation_id = "createUser",
    request_body(
        content = CreateBody,
        example = json!({ "email": "crew@example.org", "name": "Crew", "role": "rol_3f9k2m7q8t5v6w0x1y4z" })
    ),
    responses((status = 201, description = "The new user.", body = Created, headers(("Location"), ("ETag"))))
)]
async fn create(app: App, mut call: Call) -> Result<Response, ApiError> {
    let caller = call.caller()?;
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
    let (user, password) = app.accounts.create_user(&caller, new).await.map_err(of_field)?;
    let path = format!("/api/v1/users/{}", user.document.id);
    let created = Created { view: shown(&user), password };
    Ok(tagged(http::created(&path, &created)?, user.version))
}

/// Read a user
///
/// Never with the password, of which a hash is kept.
#[utoipa::path(
    get,
    path = "/api/v1/users/{user}",
    tag = "users",
    operation_id = "readUser",
    responses((status = 200, description = "The user.", body = UserView, headers(("ETag"))))
)]
async fn read(mut call: Call) -> Result<Response, ApiError> {
    let user = call.named()?;
    Ok(tagged(http::json(&shown(&user))?, user.version))
}

/// Change a user
///
/// Whoever is switched off or made API-only loses all sessions at once.
#[utoipa::path(
    patch,
    path = "/api/v1/users/{user}",
    tag = "users",
    operation_id = "changeUser",
    params(IfMatch),
    request_body(content = ChangeBody, example = json!({ "name": "Stage crew", "active": true })),
    responses(
        (status = 200, description = "The user as they are now.", body = UserView, headers(("ETag"))),
        (status = 409, description = "This is the account's last administrator who can log in."),
    )
)]
async fn change(app: App, id: UserId, mut call: Call) -> Result<Response, ApiError> {
    let caller = call.caller()?;
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

/// Delete a user
///
/// With all their sessions and tokens.
#[utoipa::path(
    delete,
    path = "/api/v1/users/{user}",
    tag = "users",
    operation_id = "deleteUser",
    params(IfMatch),
    responses(
        (status = 204, description = "They are deleted."),
        (status = 409, description = "This is the account's last administrator who can log in."),
    )
)]
async fn remove(app: App, id: UserId, call: Call) -> Result<Response, ApiError> {
    app.accounts.delete_user(&call.caller()?, id, call.if_match()?).await?;
    Ok(http::empty())
}

/// Give a user a new password
///
/// Without a password one is drawn. All the user's sessions end, and all their tokens are taken back. One's own password is
/// changed with `PUT /api/v1/session/password`.
#[utoipa::path(
    post,
    path = "/api/v1/users/{user}/password",
    tag = "users",
    operation_id = "resetPassword",
    request_body(content = Option<PasswordBody>, example = json!({ "password": "a new long password" })),
    responses(
        (status = 200, description = "The password that was drawn.", body = Drawn),
        (status = 204, description = "The password is the one that was sent."),
        (status = 409, description = "It is the caller's own."),
    )
)]
async fn set_password(app: App, id: UserId, mut call: Call) -> Result<Response, ApiError> {
    let caller = call.caller()?;
    let mut fields = call.optional_fields().await?;
    let password = fields.optional("password", password::acceptable).value();
    fields.finish()?;
    match app.accounts.set_password(&caller, id, password).await? {
        Some(password) => http::json(&Drawn { password }),
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

fn shown(user: &Versioned<User>) -> UserView {
    let Versioned { version, document: user } = user;
    UserView {
        id: user.id,
        email: user.email.clone(),
        name: user.name.clone(),
        role: user.role,
        api_only: user.api_only,
        active: user.active,
        second_factor: user.second_factor,
        password_changed_at: user.password_changed_at,
        created_at: user.created_at,
        updated_at: user.updated_at,
        version: *version,
    }
}

pub(super) fn tagged(response: Response, version: u64) -> Response {
    http::with_header(response, header::ETAG, &format!("\"{version}\""))
}
