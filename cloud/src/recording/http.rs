//! `/api/v1/recordings`.

use ::http::Method;
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};
use warp::Filter;

use super::listing::LISTING;
use super::{Pause, Recording, RecordingError, RecordingKind};
use crate::account::AccountRecord;
use crate::app::App;
use crate::clock::Timestamp;
use crate::http::{self, ApiError, Call, IfMatch, Line, Listed, Parsed, Response, Routes, answer, line};
use crate::id::{EventId, RecordingId};
use crate::item::ItemView;
use crate::store::{IndexKey, Versioned};
use crate::tenant;

/// Longest name in characters.
const NAME: usize = 200;

/// The operations in the API's document.
#[derive(OpenApi)]
#[openapi(paths(list, read, change, remove, make))]
pub struct Operations;

type RecordingList = Listed<RecordingView>;
type Name = Line<NAME>;

/// A recording: a span of an event.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Recording)]
struct RecordingView {
    /// Its id.
    id: RecordingId,
    /// Its number, for receivers that want numbers.
    number: u64,
    /// The event.
    event_id: EventId,
    /// What people call it; the title of the item that becomes of it. `null`: as the event.
    #[schema(required)]
    name: Option<String>,
    /// What of the event it is.
    kind: RecordingKind,
    /// When it began.
    started_at: Timestamp,
    /// When it ended; `null` while it goes on.
    #[schema(required)]
    ended_at: Option<Timestamp>,
    /// How long its media are, in milliseconds; known when it has ended.
    #[schema(required)]
    duration_ms: Option<u64>,
    /// The stretches of it that were not recorded, although viewers saw them.
    gaps: Vec<GapView>,
    /// What is missing in it, in words; `null` if nothing is.
    #[schema(required)]
    warning: Option<String>,
    /// When it is deleted by itself with what was made of it; `null` where the account keeps recordings.
    #[schema(required)]
    deletes_at: Option<Timestamp>,
    /// Goes up with each change.
    version: u64,
}

/// A stretch of an event that was not recorded.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RecordingGap)]
struct GapView {
    /// Since when.
    from: Timestamp,
    /// Until when; `null` while it lasts.
    #[schema(required)]
    to: Option<Timestamp>,
    /// Why.
    reason: Pause,
}

/// What is to be changed of a recording.
#[derive(ToSchema)]
#[schema(as = RecordingChange)]
#[expect(dead_code, reason = "a schema: bodies are read field by field")]
struct ChangeBody {
    /// What people call it; `null`: as the event.
    name: Option<Name>,
}

/// What the item is to be.
#[derive(ToSchema)]
#[schema(as = NewItem)]
#[expect(dead_code, reason = "a schema: bodies are read field by field")]
struct ItemBody {
    /// Its title; absent or `null`: the recording's name, or the event's title.
    title: Option<Name>,
}

/// The slice's paths.
pub fn routes(app: App) -> Routes {
    let (all_app, item_app) = (app.clone(), app.clone());
    let all = warp::path!("api" / "v1" / "recordings")
        .and(http::call())
        .then(move |call| answer(list(all_app.clone(), call)));
    let one = warp::path!("api" / "v1" / "recordings" / RecordingId)
        .and(http::call())
        .then(move |id, call| answer(one(app.clone(), id, call)));
    let item = warp::path!("api" / "v1" / "recordings" / RecordingId / "item")
        .and(http::call())
        .then(move |id, call| answer(make(item_app.clone(), id, call)));
    all.or(one).unify().or(item).unify().boxed()
}

async fn one(app: App, id: RecordingId, call: Call) -> Result<Response, ApiError> {
    match call.method {
        Method::GET | Method::HEAD => read(app, call).await,
        Method::PATCH => change(app, id, call).await,
        Method::DELETE => remove(app, id, call).await,
        _ => Err(ApiError::method_not_allowed(&["GET", "HEAD", "PATCH", "DELETE"])),
    }
}

/// List recordings
///
/// The account's recordings, the newest first.
#[utoipa::path(
    get,
    path = "/api/v1/recordings",
    tag = "recordings",
    operation_id = "listRecordings",
    responses((status = 200, description = "A part of the list.", body = RecordingList))
)]
async fn list(app: App, call: Call) -> Result<Response, ApiError> {
    let wanted = LISTING.wanted(&call)?;
    let account = call.caller()?.account;
    let page = app.live.recordings().page(wanted.scan(IndexKey::of(account))).await?;
    let account = app.store.get::<AccountRecord>(account).await?.map(|account| account.document);
    wanted.reply(page.map(|recording| shown(account.as_ref(), &recording)))
}

/// Read a recording
///
/// Which part of an event it is, and how long it is when it has ended.
#[utoipa::path(
    get,
    path = "/api/v1/recordings/{recording}",
    tag = "recordings",
    operation_id = "readRecording",
    responses((status = 200, description = "The recording.", body = RecordingView))
)]
async fn read(app: App, mut call: Call) -> Result<Response, ApiError> {
    let found = call.named::<Recording>()?;
    let account = app.store.get::<AccountRecord>(found.document.account).await?;
    http::json(&shown(account.map(|account| account.document).as_ref(), &found))
}

/// Name a recording
///
/// The item that becomes of it when the event ends has this title; one that is there already keeps its own.
#[utoipa::path(
    patch,
    path = "/api/v1/recordings/{recording}",
    tag = "recordings",
    operation_id = "changeRecording",
    params(IfMatch),
    request_body(content = ChangeBody, example = json!({ "name": "Second act" })),
    responses((status = 200, description = "The recording as it is now.", body = RecordingView))
)]
async fn change(app: App, id: RecordingId, mut call: Call) -> Result<Response, ApiError> {
    let caller = call.caller()?;
    let expected = call.if_match()?;
    let mut fields = call.fields().await?;
    let name = fields.optional("name", line(NAME));
    fields.finish()?;
    let recordings = app.live.recordings();
    let changed = match name {
        Parsed::Absent => recordings.get(&id).await?,
        name => {
            let name = name.value();
            Some(recordings.rename(&id, name.as_deref(), expected, Some(caller.user)).await?)
        }
    };
    let changed = changed.ok_or_else(|| ApiError::not_found(format!("there is no recording {id}")))?;
    let account = app.store.get::<AccountRecord>(caller.account).await?;
    http::json(&shown(account.map(|account| account.document).as_ref(), &changed))
}

/// Make an item of a recording
///
/// Of the very same segments: nothing is encoded or copied, however long it is. Where the account's `auto_convert` is
/// `off`, recordings wait for this; one that has an item already answers with it.
#[utoipa::path(
    post,
    path = "/api/v1/recordings/{recording}/item",
    tag = "recordings",
    operation_id = "makeItem",
    request_body(content = ItemBody, example = json!({ "title": "Opening night" })),
    responses(
        (status = 200, description = "The item that it has already.", body = ItemView),
        (status = 201, description = "The new item.", body = ItemView, headers(("Location"))),
        (status = 409, description = "Its event has not ended, or nothing was recorded."),
    )
)]
async fn make(app: App, id: RecordingId, mut call: Call) -> Result<Response, ApiError> {
    if call.method != Method::POST {
        return Err(ApiError::method_not_allowed(&["POST"]));
    }
    let caller = call.caller()?;
    let mut fields = call.fields().await?;
    let title = fields.optional("title", line(NAME));
    fields.finish()?;
    let title = title.value();
    let (item, is_new) = app.live.recordings().convert(&id, title.as_deref(), Some(caller.user)).await?;
    if is_new { http::created(&format!("/api/v1/items/{}", item.id), &item) } else { http::json(&item) }
}

/// Delete a recording
///
/// One that no item was made of; the media of one that has an item go with that. A job removes its media, as far as
/// nothing else needs them.
#[utoipa::path(
    delete,
    path = "/api/v1/recordings/{recording}",
    tag = "recordings",
    operation_id = "deleteRecording",
    params(IfMatch),
    responses(
        (status = 204, description = "It is gone; its media follow."),
        (status = 409, description = "It goes on, or has an item."),
    )
)]
async fn remove(app: App, id: RecordingId, mut call: Call) -> Result<Response, ApiError> {
    let expected = call.if_match()?;
    let found = call.named::<Recording>()?;
    if expected.is_some_and(|expected| expected != found.version) {
        return Err(RecordingError::ChangedMeanwhile(found.version).into());
    }
    if found.document.ended_at.is_none() {
        return Err(RecordingError::GoesOn.into());
    }
    if app.items.for_recording(&id).await?.is_some() {
        return Err(ApiError::conflict("an item was made of the recording: delete the item"));
    }
    let title = format!("Delete the media of recording {}", found.document.number);
    match super::remove(&app, &found, &title).await {
        Ok(true) => Ok(http::empty()),
        Ok(false) => Err(ApiError::conflict("the recording was changed meanwhile: read it again")),
        Err(error) => Err(ApiError::internal(&std::io::Error::other(error))),
    }
}

fn shown(account: Option<&AccountRecord>, recording: &Versioned<Recording>) -> RecordingView {
    let document = &recording.document;
    let gaps = document.gaps.iter().map(|gap| GapView { from: gap.from, to: gap.to, reason: gap.reason });
    RecordingView {
        id: document.id,
        number: document.number,
        event_id: document.event_id,
        name: document.name.clone(),
        kind: document.kind,
        started_at: document.started_at,
        ended_at: document.ended_at,
        duration_ms: document.duration_ms,
        gaps: gaps.collect(),
        warning: document.warning(),
        deletes_at: account.and_then(|account| tenant::deletes_at(account, document)),
        version: recording.version,
    }
}
