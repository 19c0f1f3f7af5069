//! `/api/v1/hook`.

use super::document::Delivery;
use super::{HookError, HookView, gcore};
use crate::app::App;
use crate::http::{self, ApiError, Call, Response, Routes, answer};
use crate::outbound::Purpose;
use ::http::Method;
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};
use warp::Filter;

/// The operations in the API's document.
#[derive(OpenApi)]
#[openapi(paths(read, set, remove))]
pub struct Operations;

/// Where notifications go, and how they fare.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Hook)]
struct ShownHook<'a> {
    /// Where notifications go.
    #[schema(format = "uri")]
    url: &'a str,
    /// In whose shapes.
    #[schema(examples("gcore"))]
    dialect: &'a str,
    /// Goes up with each change of the URL.
    version: u64,
    /// Changes that wait to be looked at.
    behind: u64,
    /// Notifications that the receiver took.
    delivered: u64,
    /// Notifications that it did not take; they are not tried again.
    failed: u64,
    /// The last one; `null` before the first.
    #[schema(required)]
    last_delivery: Option<&'a Delivery>,
}

/// Where notifications are to go.
#[derive(ToSchema)]
#[schema(as = HookTarget)]
#[expect(dead_code, reason = "a schema: bodies are read field by field")]
struct SetBody {
    /// An `http` or `https` URL; addresses of this machine and of private networks are refused unless the server's
    /// configuration allows them (`[outbound]`).
    #[schema(format = "uri", pattern = "^[Hh][Tt][Tt][Pp][Ss]?://")]
    url: String,
}

/// The slice's paths.
pub fn routes(app: App) -> Routes {
    warp::path!("api" / "v1" / "hook")
        .and(http::call())
        .then(move |call| answer(hook(app.clone(), call)))
        .boxed()
}

impl From<HookError> for ApiError {
    fn from(error: HookError) -> Self {
        match error {
            HookError::Store(error) => error.into(),
            HookError::Secret(_) | HookError::Url(_) => Self::internal(&error),
        }
    }
}

async fn hook(app: App, call: Call) -> Result<Response, ApiError> {
    match call.method {
        Method::GET | Method::HEAD => read(app, call).await,
        Method::PUT => set(app, call).await,
        Method::DELETE => remove(app, call).await,
        _ => Err(ApiError::method_not_allowed(&["GET", "HEAD", "PUT", "DELETE"])),
    }
}

/// Read the hook
///
/// Where the account's notifications go, and how they fare.
#[utoipa::path(
    get,
    path = "/api/v1/hook",
    tag = "hook",
    operation_id = "readHook",
    responses(
        (status = 200, description = "The hook.", body = ShownHook),
        (status = 404, description = "No hook is set."),
    )
)]
async fn read(app: App, call: Call) -> Result<Response, ApiError> {
    shown(&app.hooks.get(call.caller()?.account).await?.ok_or_else(missing)?)
}

/// Set the hook
///
/// Where the account's notifications go from now on: what viewers see of an event, and what comes in for it, as
/// Gcore tells it. Each is tried once, in order.
#[utoipa::path(
    put,
    path = "/api/v1/hook",
    tag = "hook",
    operation_id = "setHook",
    request_body(content = SetBody, example = json!({ "url": "https://hooks.example.org/stagebox" })),
    responses((status = 200, description = "The hook as it is now.", body = ShownHook))
)]
async fn set(app: App, mut call: Call) -> Result<Response, ApiError> {
    let caller = call.caller()?;
    let mut fields = call.fields().await?;
    let url = fields.required("url", |text: String| {
        let target = app.outbound.target(Purpose::Http, text.trim());
        target.map(|target| target.url().clone()).map_err(|error| error.to_string())
    });
    fields.finish()?;
    let Some(url) = url else { return Err(ApiError::field("url", "is required")) };
    shown(&app.hooks.set(caller.account, &url, Some(caller.user)).await?)
}

/// Remove the hook
///
/// Nobody is notified any more.
#[utoipa::path(
    delete,
    path = "/api/v1/hook",
    tag = "hook",
    operation_id = "removeHook",
    responses(
        (status = 204, description = "It is removed."),
        (status = 404, description = "No hook is set."),
    )
)]
async fn remove(app: App, call: Call) -> Result<Response, ApiError> {
    let caller = call.caller()?;
    let was = app.hooks.remove(caller.account, Some(caller.user)).await?;
    if was { Ok(http::empty()) } else { Err(missing()) }
}

fn missing() -> ApiError {
    ApiError::not_found("no hook is set")
}

fn shown(hook: &HookView) -> Result<Response, ApiError> {
    http::json(&ShownHook {
        url: hook.url.as_str(),
        dialect: gcore::NAME,
        version: hook.version,
        behind: hook.behind,
        delivered: hook.place.delivered,
        failed: hook.place.failed,
        last_delivery: hook.place.last.as_ref(),
    })
}
