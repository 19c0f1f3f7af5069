//! `/api/v1/hook`.

use super::{HookError, HookView, gcore};
use crate::app::App;
use crate::http::{self, ApiError, Call, Response, Routes, answer};
use crate::outbound::Purpose;
use ::http::Method;
use serde_json::json;
use warp::Filter;

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

async fn hook(app: App, mut call: Call) -> Result<Response, ApiError> {
    let caller = call.caller()?;
    let missing = || ApiError::not_found("no hook is set");
    match call.method {
        Method::GET | Method::HEAD => shown(&app.hooks.get(caller.account).await?.ok_or_else(missing)?),
        Method::PUT => {
            let mut fields = call.fields().await?;
            let url = fields.required("url", |text: String| {
                let target = app.outbound.target(Purpose::Http, text.trim());
                target.map(|target| target.url().clone()).map_err(|error| error.to_string())
            });
            fields.finish()?;
            let Some(url) = url else { return Err(ApiError::field("url", "is required")) };
            shown(&app.hooks.set(caller.account, &url, Some(caller.user)).await?)
        }
        Method::DELETE => {
            if app.hooks.remove(caller.account, Some(caller.user)).await? {
                Ok(http::empty())
            } else {
                Err(missing())
            }
        }
        _ => Err(ApiError::method_not_allowed(&["GET", "HEAD", "PUT", "DELETE"])),
    }
}

fn shown(hook: &HookView) -> Result<Response, ApiError> {
    http::json(&json!({
        "url": hook.url.as_str(),
        "dialect": gcore::NAME,
        "version": hook.version,
        "behind": hook.behind,
        "delivered": hook.place.delivered,
        "failed": hook.place.failed,
        "last_delivery": hook.place.last,
    }))
}
