//! `GET /api/v1/jobs/<id>/progress`: one job's way to its end, as server-sent events.
#![allow(clippy::disallowed_methods, reason = "a driver: a heartbeat goes out after some quiet")]

use super::JobView;
use super::http::found;
use crate::access::Permission;
use crate::app::App;
use crate::http::places::{Place, Places};
use crate::http::{self, ApiError, Call, Response, Teller};
use crate::id::JobId;
use crate::store::Account;
use ::http::{HeaderMap, Method};
use std::time::Duration;
use utoipa::ToSchema;
use warp::sse::Event;

/// After this much quiet a heartbeat goes out, and the login is looked at again.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// The job is read this often at most, however much else changes.
const AT_MOST_EVERY: Duration = Duration::from_millis(200);

/// Says that there is nobody left who may follow, or nothing to read from.
struct Gone;

/// One event of the stream.
#[derive(ToSchema)]
#[schema(as = JobEvent)]
#[expect(dead_code, reason = "a schema: events are written as text")]
struct StreamEvent {
    /// What it tells.
    event: StreamEventName,
    /// The job's version, where it is about the job.
    #[schema(required = false)]
    id: String,
    /// The job as JSON, or `{}`.
    data: String,
}

/// What an event of the stream tells.
#[derive(ToSchema)]
#[schema(as = JobEventName, rename_all = "snake_case")]
#[expect(dead_code, reason = "a schema: events are written as text")]
enum StreamEventName {
    Progress,
    End,
    Alive,
}

/// Follow a job
///
/// Server-sent events: `progress` at once and at each change, with the job as `readJob` answers it; `end` when it has
/// ended, with the job (`{}` if it is forgotten), after which the stream closes; `alive` with `{}` when nothing else
/// was sent for ten seconds. There are 1 000 such streams at a time, 200 of them
/// of one account.
#[utoipa::path(
    get,
    path = "/api/v1/jobs/{job}/progress",
    tag = "jobs",
    operation_id = "followJob",
    extensions(("x-events" = json!(["progress", "end", "alive"]))),
    responses((status = 200, description = "The stream.", body = StreamEvent, content_type = "text/event-stream"))
)]
pub(super) async fn open(
    app: App,
    places: Places<Account>,
    id: JobId,
    call: Call,
) -> Result<Response, ApiError> {
    if call.method != Method::GET {
        return Err(ApiError::method_not_allowed(&["GET"]));
    }
    found(&app, &id).await?;
    let account = call.caller()?.account;
    let place = places
        .take(account)
        .ok_or_else(|| ApiError::unavailable("too many pages and programs follow jobs: close some"))?;
    let login = call.login();
    Ok(http::events(|teller| follow(app, account, id, login, place, teller)))
}

async fn follow(
    app: App,
    account: Account,
    id: JobId,
    login: HeaderMap,
    _place: Place<Account>,
    teller: Teller,
) {
    tokio::select! {
        // However it ended, the stream does with it.
        _ = drive(&app, account, &id, &login, &teller) => {}
        () = app.shutdown.cancelled() => {}
    }
}

async fn drive(
    app: &App,
    account: Account,
    id: &JobId,
    login: &HeaderMap,
    teller: &Teller,
) -> Result<(), Gone> {
    let mut head = app.store.journal_head(account);
    let mut heartbeat = tokio::time::interval(HEARTBEAT);
    heartbeat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    heartbeat.reset();
    let mut known = None;
    loop {
        head.borrow_and_update();
        match app.jobs.get(id).await {
            Ok(None) => {
                teller.tell(Event::default().event("end").data("{}")).await;
                return Ok(());
            }
            Ok(Some(job)) if job.ended_at.is_some() => {
                teller.tell(event("end", &job)).await;
                return Ok(());
            }
            Ok(Some(job)) if known != Some(job.version) => {
                known = Some(job.version);
                teller.tell(event("progress", &job)).await;
            }
            Ok(Some(_)) => {}
            Err(error) => {
                tracing::warn!(job = %id, %error, "a job's progress cannot be followed");
                return Err(Gone);
            }
        }
        tokio::select! {
            changed = head.changed() => {
                changed.map_err(|_| Gone)?;
                tokio::time::sleep(AT_MOST_EVERY).await;
            }
            _ = heartbeat.tick() => {
                let caller = app.accounts.caller(&Method::GET, login, None).await.map_err(|_| Gone)?;
                caller.demand(Permission::JobsRead).map_err(|_| Gone)?;
                teller.tell(Event::default().event("alive").data("{}")).await;
            }
        }
    }
}

fn event(name: &str, job: &JobView) -> Event {
    // A job has nothing in it that is no JSON.
    let data = serde_json::to_string(job).unwrap_or_default();
    Event::default().event(name).id(job.version.to_string()).data(data)
}
