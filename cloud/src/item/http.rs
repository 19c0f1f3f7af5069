//! `/api/v1/items`; `DELETE` of one answers 202 with the job that removes its media.

use super::ItemView;
use crate::app::App;
use crate::http::{self, ApiError, Call, Response, Routes, answer, line};
use crate::id::ItemId;
use crate::job;
use ::http::{Method, header};
use warp::Filter;

/// Longest title in characters.
const TITLE: usize = 200;

/// The slice's paths.
pub fn routes(app: App) -> Routes {
    let all_app = app.clone();
    let all = warp::path!("api" / "v1" / "items")
        .and(http::call())
        .then(move |call| answer(all(all_app.clone(), call)));
    let one = warp::path!("api" / "v1" / "items" / ItemId)
        .and(http::call())
        .then(move |id, call| answer(one(app.clone(), id, call)));
    all.or(one).unify().boxed()
}

async fn all(app: App, call: Call) -> Result<Response, ApiError> {
    match call.method {
        Method::GET | Method::HEAD => {
            let (after, limit) = http::page_request(&call)?;
            http::list(&app.items.list(Some(call.caller()?.account), after, limit).await?)
        }
        _ => Err(ApiError::method_not_allowed(&["GET", "HEAD"])),
    }
}

async fn one(app: App, id: ItemId, mut call: Call) -> Result<Response, ApiError> {
    let caller = call.caller()?;
    let missing = || ApiError::not_found(format!("there is no item {id}"));
    match call.method {
        Method::GET | Method::HEAD => shown(&app.items.get(&id).await?.ok_or_else(missing)?),
        Method::PATCH => {
            let expected = call.if_match()?;
            let mut fields = call.fields().await?;
            let title = fields.required("title", line(TITLE));
            fields.finish()?;
            let title = title.unwrap_or_default();
            let changed = app.items.set_title(&id, &title, expected, Some(caller.user)).await?;
            shown(&changed.ok_or_else(missing)?)
        }
        Method::DELETE => {
            let job = super::removal::remove(&app, &id, call.if_match()?, Some(caller.user)).await?;
            let job = job.ok_or_else(missing)?;
            http::accepted(&job::path(&job.id), &job)
        }
        _ => Err(ApiError::method_not_allowed(&["GET", "HEAD", "PATCH", "DELETE"])),
    }
}

fn shown(item: &ItemView) -> Result<Response, ApiError> {
    Ok(http::with_header(http::json(item)?, header::ETAG, &format!("\"{}\"", item.version)))
}
