//! `GET /api/v1/log`: who did what in the account, the newest first.

use super::entry::EntryView;
use super::read::{Filter, backwards};
use super::{Names, shown};
use crate::app::App;
use crate::clock::Timestamp;
use crate::http::{self, ApiError, Call, Listed, PageQuery, Response, Routes, answer};
use crate::id::UserId;
use crate::store::{Cursor, Page};
use utoipa::OpenApi;
use warp::Filter as _;

/// Longest kind or id in a filter.
const MAX_WORD: usize = 64;

/// The operations in the API's document.
#[derive(OpenApi)]
#[openapi(paths(all))]
pub struct Operations;

type LogEntryList = Listed<EntryView>;

/// What narrows the log down.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(
    dead_code,
    reason = "a schema: queries are read pair by pair, so that all mistakes are told at once"
)]
struct LogQuery {
    /// Only what this user did, and their logins.
    #[param(required = false)]
    user: UserId,
    /// Only this kind of thing, such as `event` or `login`.
    #[param(required = false, min_length = 1, max_length = 64)]
    kind: String,
    /// Only the thing with this id.
    #[param(required = false, min_length = 1, max_length = 64)]
    id: String,
    /// Not before.
    #[param(required = false)]
    since: Timestamp,
    /// Before.
    #[param(required = false)]
    until: Timestamp,
}

/// The slice's paths.
pub fn routes(app: App) -> Routes {
    warp::path!("api" / "v1" / "log")
        .and(http::call())
        .then(move |call| answer(all(app.clone(), call)))
        .boxed()
}

/// Read the log
///
/// Who did what in the account, and who logged in, the newest first. A part may be short, or empty, although `next` says
/// that there is more: a request looks at a few thousand entries and no further. Entries name users by what they are
/// called now; of one who is gone the id is left. The last 100 000 entries of an account are kept.
#[utoipa::path(
    get,
    path = "/api/v1/log",
    tag = "log",
    operation_id = "readLog",
    params(LogQuery, PageQuery),
    responses((status = 200, description = "A part of the log.", body = LogEntryList))
)]
async fn all(app: App, call: Call) -> Result<Response, ApiError> {
    let caller = call.caller()?;
    let mut filter = Filter::default();
    let (after, limit) = http::filtered_request(&call, |key, value| match key {
        "user" => Some(value.parse().map(|user| filter.user = Some(user)).map_err(|error| error.to_string())),
        "kind" => Some(word(value).map(|kind| filter.kind = Some(kind))),
        "id" => Some(word(value).map(|id| filter.id = Some(id))),
        "since" => Some(time(value).map(|since| filter.since = Some(since))),
        "until" => Some(time(value).map(|until| filter.until = Some(until))),
        _ => None,
    })?;
    let before = match after {
        None => None,
        Some(cursor) => Some(
            cursor.seq().ok_or_else(|| ApiError::field("after", "is no cursor that this server gave out"))?,
        ),
    };
    let part = backwards(&app.store, caller.account, &filter, before, limit).await?;
    let mut names = Names::new(&app.store, caller.account);
    let mut data = Vec::new();
    for entry in &part.entries {
        data.push(shown(entry, &mut names, &app.store).await?);
    }
    http::list(&Page { items: data, next: part.next.map(Cursor::at_seq) })
}

fn word(value: &str) -> Result<String, String> {
    let is_word =
        !value.is_empty() && value.len() <= MAX_WORD && value.bytes().all(|byte| byte.is_ascii_graphic());
    if is_word { Ok(value.to_owned()) } else { Err(format!("must be a word of 1 to {MAX_WORD} characters")) }
}

fn time(value: &str) -> Result<Timestamp, String> {
    let quoted = serde_json::Value::String(value.to_owned());
    serde_json::from_value(quoted).map_err(|_| "must be a time such as 2026-03-01T12:00:00Z".to_owned())
}
