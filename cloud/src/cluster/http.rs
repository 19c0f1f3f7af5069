//! `GET /api/v1/nodes`, for those who look after the servers: the processes that share the work.

use super::listing::LISTING;
use super::{Role, Roles, node};
use crate::app::App;
use crate::clock::Timestamp;
use crate::http::{self, ApiError, Call, Listed, Response, Routes, answer};
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};
use warp::Filter;

/// The operations in the API's document.
#[derive(OpenApi)]
#[openapi(paths(list))]
pub struct Operations;

type NodeList = Listed<NodeView>;

/// A process that shares the work.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Node)]
struct NodeView {
    /// Its name, which it keeps over restarts.
    id: String,
    /// What it does.
    #[schema(value_type = Vec<Role>)]
    roles: Roles,
    /// Where it answers over HTTP: an address and a port.
    #[schema(required)]
    http: Option<String>,
    /// Where it takes broadcasts; `null` if it does not.
    #[schema(required)]
    rtmp: Option<String>,
    /// Where it answers other processes; `null` if it is alone.
    #[schema(required)]
    cluster: Option<String>,
    /// When it started.
    started_at: Timestamp,
    /// When it last said that it runs.
    seen_at: Timestamp,
    /// Whether it counts as running.
    running: bool,
    /// The roles that only one process has at a time and that this one has now: `broker`, `hooks`.
    duties: Vec<Role>,
}

/// The slice's paths.
pub fn routes(app: App) -> Routes {
    warp::path!("api" / "v1" / "nodes")
        .and(http::call())
        .then(move |call| answer(list(app.clone(), call)))
        .boxed()
}

/// List processes
///
/// The processes that share the work, and what each does.
#[utoipa::path(
    get,
    path = "/api/v1/nodes",
    tag = "servers",
    operation_id = "listNodes",
    responses((status = 200, description = "The processes.", body = NodeList))
)]
async fn list(app: App, call: Call) -> Result<Response, ApiError> {
    let wanted = LISTING.wanted(&call)?;
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
        NodeView {
            duties: duties_of(&node.id),
            running: node.until > now,
            id: node.id,
            roles: node.roles,
            http: node.http,
            rtmp: node.rtmp,
            cluster: node.cluster,
            started_at: node.started_at,
            seen_at: node.seen_at,
        }
    });
    wanted.reply_of(nodes, "id")
}
