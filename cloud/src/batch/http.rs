//! `POST /api/v1/batches`: does one thing to many.

use super::work::{Anywhere, AtBroker, BatchInput, Batches};
use super::{Action, actions};
use crate::access::Caller;
use crate::app::App;
use crate::http::{self, ApiError, Call, Response, Routes, answer};
use crate::job::{self, JobView, NewJob};
use serde_json::Value;
use std::collections::HashSet;
use utoipa::openapi::schema::{ArrayBuilder, Object, ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{OpenApi, ToSchema};
use warp::Filter;

/// Most ids of a batch.
const MOST: usize = 1_000;
/// Longest id that is taken.
const LONGEST_ID: usize = 64;

/// The operations in the API's document.
#[derive(OpenApi)]
#[openapi(paths(create))]
pub(crate) struct Operations;

/// Something to be done to many things.
#[derive(ToSchema)]
#[schema(as = NewBatch)]
#[expect(dead_code, reason = "a schema: bodies are read field by field")]
struct CreateBody {
    /// What kind of things.
    #[schema(schema_with = kinds)]
    kind: String,
    /// What to do to each.
    #[schema(schema_with = names)]
    action: String,
    /// What the action needs: `status` for `status`; `command`, and its `args`, for `command`.
    #[schema(required = false, value_type = Object)]
    with: Value,
    /// The things' ids, each once.
    #[schema(schema_with = ids)]
    ids: Vec<String>,
}

fn one_of(words: &str, mut all: Vec<String>) -> Object {
    all.sort();
    all.dedup();
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(all)).description(Some(words)).build()
}

fn kinds() -> Object {
    one_of("What kind of things.", actions().map(Action::kind).collect())
}

fn names() -> Object {
    one_of("What to do to each.", actions().map(|action| action.name.to_owned()).collect())
}

fn ids() -> RefOr<Schema> {
    let id = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[!-~]{1,64}$"));
    let words = "The things' ids, each once.";
    let ids = ArrayBuilder::new().items(id).description(Some(words));
    ids.min_items(Some(1)).max_items(Some(MOST)).unique_items(true).into()
}

/// The slice's paths.
pub(crate) fn routes(app: App) -> Routes {
    warp::path!("api" / "v1" / "batches")
        .and(http::call())
        .then(move |call| answer(create(app.clone(), call)))
        .boxed()
}

/// Do something to many things
///
/// What single operations do, for up to 1000 ids: `delete` `items` or `users`, change the `status` of `events`, `cancel` or
/// `retry` `jobs`, give `devices` a `command`. Needs the permission that the single operation needs. The answer is a
/// job: it can be followed and cancelled, and `listJobResults` says what came of each id. Like the single operations
/// without `If-Match`, it does not look at versions. After a crash it goes on, and nothing is done twice, but for a box's
/// command that was under way.
#[utoipa::path(
    post,
    path = "/api/v1/batches",
    tag = "jobs",
    operation_id = "createBatch",
    request_body(
        content = CreateBody,
        example = json!({
            "kind": "events", "action": "status", "with": { "status": "ended" }, "ids": ["evt_0123456789abcdefghjk"]
        })
    ),
    responses((status = 202, description = "The job that does it.", body = JobView, headers(("Location"))))
)]
async fn create(app: App, mut call: Call) -> Result<Response, ApiError> {
    let caller = call.caller()?;
    let mut fields = call.fields().await?;
    let kind = fields.required("kind", Ok::<String, String>);
    let action = fields.required("action", Ok::<String, String>);
    let ids = fields.required("ids", checked_ids);
    let found = match (&kind, &action) {
        (Some(kind), Some(action)) => {
            let found = actions().find(|known| known.kind() == *kind && known.name == action.as_str());
            if found.is_none() {
                fields.wrong("action", format!("cannot be done to many of this kind: {}", known()));
            }
            found
        }
        _ => None,
    };
    let mut with = fields.inner("with");
    let given = found.map(|action| (action.read)(&mut with));
    fields.absorb("with", with);
    fields.finish()?;
    let (Some(action), Some(with), Some(ids)) = (found, given, ids) else {
        return Err(ApiError::field("action", "is required"));
    };
    if let Some(permission) = action.permission() {
        caller.demand(permission)?;
    }
    let job = app.jobs.enqueue(new_job(&caller, action, with, ids)?).await?;
    http::accepted(&job::path(&job.id), &job)
}

fn new_job(caller: &Caller, action: &Action, with: Value, ids: Vec<String>) -> Result<NewJob, ApiError> {
    let title = format!("{} ({})", action.words, ids.len());
    let input = BatchInput {
        kind: action.kind(),
        action: action.name.to_owned(),
        with,
        ids,
        account: caller.account,
        user: caller.user,
        permissions: caller.permissions,
    };
    let job = if action.at_broker {
        NewJob::of::<Batches<AtBroker>>(&title, &input)
    } else {
        NewJob::of::<Batches<Anywhere>>(&title, &input)
    };
    Ok(job?.of_account(caller.account).by(Some(caller.user)))
}

fn checked_ids(ids: Vec<String>) -> Result<Vec<String>, String> {
    if ids.is_empty() || ids.len() > MOST {
        return Err(format!("must be 1 to {MOST} ids"));
    }
    let mut seen = HashSet::new();
    for id in &ids {
        if id.is_empty() || id.len() > LONGEST_ID || !id.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("must be ids, such as itm_… in a list of items".to_owned());
        }
        if !seen.insert(id) {
            return Err(format!("has {id} twice"));
        }
    }
    Ok(ids)
}

/// What can be done to many, in words.
fn known() -> String {
    let all: Vec<String> = actions().map(|action| format!("{} {}", action.kind(), action.name)).collect();
    format!("there are {}", all.join(", "))
}
