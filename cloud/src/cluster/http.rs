//! `GET /api/v1/nodes`, for administrators: the processes that share the work.
//!
//! ```json
//! { "data": [{ "id": "…", "roles": ["api"], "http": "10.0.0.1:8080", "rtmp": null, "cluster": null,
//!              "started_at": "…", "seen_at": "…", "running": true }], "next": null }
//! ```

use super::node;
use crate::app::App;
use crate::http::{self, ApiError, Call, Response, Routes, answer};
use crate::store::Page;
use ::http::Method;
use serde_json::{Value, json};
use warp::Filter;

/// The slice's paths.
pub fn routes(app: App) -> Routes {
    warp::path!("api" / "v1" / "nodes")
        .and(http::call())
        .then(move |call| answer(all(app.clone(), call)))
        .boxed()
}

async fn all(app: App, call: Call) -> Result<Response, ApiError> {
    app.accounts.admin(&call).await?;
    if !matches!(call.method, Method::GET | Method::HEAD) {
        return Err(ApiError::method_not_allowed(&["GET", "HEAD"]));
    }
    let now = app.clock.now();
    let nodes = node::all(&app.store).await?.into_iter().map(|node| {
        let node = node.document;
        json!({
            "id": node.id,
            "roles": node.roles,
            "http": node.http,
            "rtmp": node.rtmp,
            "cluster": node.cluster,
            "started_at": node.started_at,
            "seen_at": node.seen_at,
            "running": node.until > now,
        })
    });
    http::list(&Page::<Value> { items: nodes.collect(), next: None })
}
