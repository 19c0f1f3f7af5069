//! `/api/v1/roles` and `/api/v1/permissions`.
//!
//! ```json
//! { "id": "rol_…", "name": "Crew", "permissions": ["events:read"], "administrator": false,
//!   "created_at": "…", "updated_at": "…", "version": 1 }
//! ```

use super::Role;
use super::users_http::{not_null, tagged};
use crate::access::{Permission, Permissions};
use crate::app::App;
use crate::http::{self, ApiError, Call, Response, Routes, answer, line};
use crate::id::RoleId;
use crate::store::Versioned;
use ::http::Method;
use serde_json::{Value, json};
use warp::Filter;

/// Longest name in characters.
const NAME: usize = 60;

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
    warp::path!("api" / "v1" / "permissions")
        .and(http::call())
        .then(|call| answer(async move { permissions(&call) }))
        .boxed()
}

fn permissions(call: &Call) -> Result<Response, ApiError> {
    let caller = call.caller()?;
    let all = Permission::ALL.iter().map(|permission| {
        let has = caller.permissions.has(*permission);
        json!({ "name": permission.name(), "description": permission.words(), "granted": has })
    });
    http::json(&json!({ "data": all.collect::<Vec<_>>(), "next": null }))
}

async fn all(app: App, mut call: Call) -> Result<Response, ApiError> {
    let caller = call.caller()?;
    if call.method != Method::POST {
        let (after, limit) = http::page_request(&call)?;
        let page = app.accounts.roles(caller.account, after, limit).await?;
        return http::list(&page.map(|role| shown(&role)));
    }
    let mut fields = call.fields().await?;
    let name = fields.required("name", line(NAME));
    let permissions = fields.required("permissions", |names: Vec<String>| Permissions::parse(&names));
    fields.finish()?;
    let (name, permissions) = (name.unwrap_or_default(), permissions.unwrap_or_default());
    let role = app.accounts.create_role(&caller, &name, permissions).await?;
    let path = format!("/api/v1/roles/{}", role.document.id);
    Ok(tagged(http::created(&path, &shown(&role))?, role.version))
}

async fn one(app: App, id: RoleId, mut call: Call) -> Result<Response, ApiError> {
    let caller = call.caller()?;
    let role = match call.method {
        Method::PATCH => {
            let expected = call.if_match()?;
            let mut fields = call.fields().await?;
            let name = not_null(&mut fields, "name", line(NAME));
            let parse = |names: Vec<String>| Permissions::parse(&names);
            let permissions = not_null(&mut fields, "permissions", parse);
            fields.finish()?;
            app.accounts.patch_role(&caller, id, name, permissions, expected).await?
        }
        Method::DELETE => {
            app.accounts.delete_role(&caller, id, call.if_match()?).await?;
            return Ok(http::empty());
        }
        _ => app.accounts.role_of(caller.account, id).await?,
    };
    Ok(tagged(http::json(&shown(&role))?, role.version))
}

fn shown(role: &Versioned<Role>) -> Value {
    let Versioned { version, document: role } = role;
    json!({
        "id": role.id, "name": role.name, "permissions": role.permissions(),
        "administrator": role.administrator, "created_at": role.created_at, "updated_at": role.updated_at,
        "version": version,
    })
}
