//! `GET /api/v1/nodes`, for those who look after the servers: the processes that share the work.
//!
//! ```json
//! { "data": [{ "id": "…", "roles": ["api"], "http": "10.0.0.1:8080", "rtmp": null, "cluster": null,
//!              "started_at": "…", "seen_at": "…", "running": true, "duties": [] }], "next": null }
//! ```
//!
//! `duties` are the roles that only one process has at a time and that this one has now: `broker`, `hooks`.

use super::{Role, node};
use crate::app::App;
use crate::http::{self, ApiError, Response, Routes, answer};
use crate::store::Page;
use serde_json::{Value, json};
use warp::Filter;

/// The slice's paths.
pub fn routes(app: App) -> Routes {
    warp::path!("api" / "v1" / "nodes").and(http::call()).then(move |_call| answer(all(app.clone()))).boxed()
}

async fn all(app: App) -> Result<Response, ApiError> {
    let now = app.clock.now();
    let mut duties = Vec::new();
    for duty in [Role::Broker, Role::Hooks] {
        if let Some(holder) = app.cluster.duties().holder(duty).await? {
            duties.push((duty, holder.node));
        }
    }
    let duties_of = |node: &str| -> Vec<Role> {
        duties.iter().filter(|(_, holder)| holder == node).map(|(duty, _)| *duty).collect()
    };
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
            "duties": duties_of(&node.id),
        })
    });
    http::list(&Page::<Value> { items: nodes.collect(), next: None })
}
