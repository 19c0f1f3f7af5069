//! `/api/v1/roles` and `/api/v1/permissions`.

use super::Role;
use super::listing::{PERMISSIONS, ROLES};
use super::users_http::{not_null, tagged};
use crate::access::{Permission, Permissions};
use crate::app::App;
use crate::clock::Timestamp;
use crate::http::{self, ApiError, Call, IfMatch, Line, Listed, Response, Routes, answer, line};
use crate::id::RoleId;
use crate::store::{IndexKey, Versioned};
use ::http::Method;
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};
use warp::Filter;

/// Longest name in characters.
const NAME: usize = 60;

/// The operations in the API's document.
#[derive(OpenApi)]
#[openapi(paths(list, create, read, change, remove, permissions))]
pub(crate) struct RoleOperations;

type RoleList = Listed<RoleView>;
type PermissionList = Listed<PermissionView>;
type Name = Line<NAME>;

/// A role: a named set of permissions.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Role)]
struct RoleView {
    /// Its id.
    id: RoleId,
    /// Its name.
    name: String,
    /// What it allows.
    #[schema(value_type = Vec<Permission>)]
    permissions: Permissions,
    /// Whether it is the administrators' role, which allows everything and stays as it is.
    administrator: bool,
    /// When it was made.
    created_at: Timestamp,
    /// When it was last changed.
    updated_at: Timestamp,
    /// Goes up with each change; also the ETag.
    version: u64,
}

/// What can be allowed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PermissionInfo)]
struct PermissionView {
    /// Its name.
    name: Permission,
    /// What it allows, in a sentence.
    description: &'static str,
    /// Whether the caller has it.
    granted: bool,
}

/// A new role.
#[derive(ToSchema)]
#[schema(as = NewRole)]
#[expect(dead_code, reason = "a schema: bodies are read field by field")]
struct CreateBody {
    /// Its name; no other role of the account has it.
    name: Name,
    /// What it is to allow: nothing that the caller may not do.
    permissions: Vec<Permission>,
}

/// What is to be changed of a role; what is absent stays.
#[derive(ToSchema)]
#[schema(as = RoleChange)]
#[expect(dead_code, reason = "a schema: bodies are read field by field")]
struct ChangeBody {
    /// Its name; no other role of the account has it.
    #[schema(required = false)]
    name: Name,
    /// What it is to allow from now on: nothing that the caller may not do.
    #[schema(required = false)]
    permissions: Vec<Permission>,
}

/// The roles' paths.
pub(crate) fn routes(app: App) -> Routes {
    let all_app = app.clone();
    let all = warp::path!("api" / "v1" / "roles")
        .and(http::call())
        .then(move |call| answer(all(all_app.clone(), call)));
    let one = warp::path!("api" / "v1" / "roles" / RoleId)
        .and(http::call())
        .then(move |id, call| answer(one(app.clone(), id, call)));
    all.or(one).unify().boxed()
}

/// `GET /api/v1/permissions`: each with what it allows, and whether the caller has it.
pub(crate) fn permission_routes(_app: App) -> Routes {
    warp::path!("api" / "v1" / "permissions").and(http::call()).then(|call| answer(permissions(call))).boxed()
}

async fn all(app: App, call: Call) -> Result<Response, ApiError> {
    match call.method {
        Method::POST => create(app, call).await,
        _ => list(app, call).await,
    }
}

async fn one(app: App, id: RoleId, call: Call) -> Result<Response, ApiError> {
    match call.method {
        Method::PATCH => change(app, id, call).await,
        Method::DELETE => remove(app, id, call).await,
        _ => read(call).await,
    }
}

/// List permissions
///
/// Everything that can be allowed, and whether the caller may do it.
#[utoipa::path(
    get,
    path = "/api/v1/permissions",
    tag = "roles",
    operation_id = "listPermissions",
    responses((status = 200, description = "The permissions.", body = PermissionList))
)]
async fn permissions(call: Call) -> Result<Response, ApiError> {
    let caller = call.caller()?;
    let all = Permission::ALL.iter().map(|permission| PermissionView {
        name: *permission,
        description: permission.words(),
        granted: caller.permissions.has(*permission),
    });
    PERMISSIONS.wanted(&call)?.reply_of(all, "name")
}

/// List roles
///
/// The account's roles, by name.
#[utoipa::path(
    get,
    path = "/api/v1/roles",
    tag = "roles",
    operation_id = "listRoles",
    responses((status = 200, description = "A part of the list.", body = RoleList))
)]
async fn list(app: App, call: Call) -> Result<Response, ApiError> {
    let wanted = ROLES.wanted(&call)?;
    let page = app.accounts.roles(wanted.scan(IndexKey::of(call.caller()?.account))).await?;
    wanted.reply(page.map(|role| shown(&role)))
}

/// Make a role
///
/// Users get it by `changeUser` or when they are made.
#[utoipa::path(
    post,
    path = "/api/v1/roles",
    tag = "roles",
    operation_id = "createRole",
    request_body(content = CreateBody, example = json!({ "name": "Camera", "permissions": ["events:read", "devices:read"] })),
    responses((status = 201, description = "The new role.", body = RoleView, headers(("Location"), ("ETag"))))
)]
async fn create(app: App, mut call: Call) -> Result<Response, ApiError> {
    let caller = call.caller()?;
    let mut fields = call.fields().await?;
    let name = fields.required("name", line(NAME));
    let permissions = fields.required("permissions", |names: Vec<String>| Permissions::parse(&names));
    fields.finish()?;
    let (name, permissions) = (name.unwrap_or_default(), permissions.unwrap_or_default());
    let role = app.accounts.create_role(&caller, &name, permissions).await?;
    let path = format!("/api/v1/roles/{}", role.document.id);
    Ok(tagged(http::created(&path, &shown(&role))?, role.version))
}

/// Read a role
///
/// What it allows.
#[utoipa::path(
    get,
    path = "/api/v1/roles/{role}",
    tag = "roles",
    operation_id = "readRole",
    responses((status = 200, description = "The role.", body = RoleView, headers(("ETag"))))
)]
async fn read(mut call: Call) -> Result<Response, ApiError> {
    let role = call.named()?;
    Ok(tagged(http::json(&shown(&role))?, role.version))
}

/// Change a role
///
/// Whoever has it may do what it allows from now on.
#[utoipa::path(
    patch,
    path = "/api/v1/roles/{role}",
    tag = "roles",
    operation_id = "changeRole",
    params(IfMatch),
    request_body(content = ChangeBody, example = json!({ "permissions": ["events:read"] })),
    responses(
        (status = 200, description = "The role as it is now.", body = RoleView, headers(("ETag"))),
        (status = 409, description = "The administrators' role stays as it is."),
    )
)]
async fn change(app: App, id: RoleId, mut call: Call) -> Result<Response, ApiError> {
    let caller = call.caller()?;
    let expected = call.if_match()?;
    let mut fields = call.fields().await?;
    let name = not_null(&mut fields, "name", line(NAME));
    let parse = |names: Vec<String>| Permissions::parse(&names);
    let permissions = not_null(&mut fields, "permissions", parse);
    fields.finish()?;
    let role = app.accounts.patch_role(&caller, id, name, permissions, expected).await?;
    Ok(tagged(http::json(&shown(&role))?, role.version))
}

/// Delete a role
///
/// One that nobody has.
#[utoipa::path(
    delete,
    path = "/api/v1/roles/{role}",
    tag = "roles",
    operation_id = "deleteRole",
    params(IfMatch),
    responses(
        (status = 204, description = "It is deleted."),
        (status = 409, description = "Users have the role, or it is the administrators'."),
    )
)]
async fn remove(app: App, id: RoleId, call: Call) -> Result<Response, ApiError> {
    app.accounts.delete_role(&call.caller()?, id, call.if_match()?).await?;
    Ok(http::empty())
}

fn shown(role: &Versioned<Role>) -> RoleView {
    let Versioned { version, document: role } = role;
    RoleView {
        id: role.id,
        name: role.name.clone(),
        permissions: role.permissions(),
        administrator: role.administrator,
        created_at: role.created_at,
        updated_at: role.updated_at,
        version: *version,
    }
}
