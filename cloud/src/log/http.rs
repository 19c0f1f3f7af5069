//! `GET /api/v1/log`: who did what in the account, the newest first.

use super::entry::EntryView;
use super::read::{self, Part};
use super::{Names, shown};
use crate::app::App;
use crate::clock::Timestamp;
use crate::http::listing::{Filter, IN_JOURNAL, Listing, Way, id};
use crate::http::{self, ApiError, Call, Listed, Response, Routes, answer};
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

/// `GET /api/v1/log`.
pub(crate) static LISTING: Listing = Listing {
    path: "/api/v1/log",
    filters: &[
        Filter {
            name: "user",
            words: "Only what this user did, and their logins.",
            one_of: &[],
            read: id::<UserId>,
        },
        Filter {
            name: "kind",
            words: "Only this kind of thing, such as `event` or `login`.",
            one_of: &[],
            read: word,
        },
        Filter { name: "id", words: "Only the thing with this id.", one_of: &[], read: word },
        Filter { name: "since", words: "Not before this time.", one_of: &[], read: time },
        Filter { name: "until", words: "Before this time.", one_of: &[], read: time },
    ],
    ways: &[Way::looked_through(&["user", "kind", "id", "since", "until"], "seq", IN_JOURNAL)],
};

/// The slice's paths.
pub fn routes(app: App) -> Routes {
    warp::path!("api" / "v1" / "log")
        .and(http::call())
        .then(move |call| answer(all(app.clone(), call)))
        .boxed()
}

/// Read the log
///
/// Who did what in the account, and who logged in. A part may be short, or empty, although `next` says
/// that there is more: a request looks at a few thousand entries and no further. Entries name users by what they are
/// called now; of one who is gone the id is left. The last 100 000 entries of an account are kept.
#[utoipa::path(
    get,
    path = "/api/v1/log",
    tag = "log",
    operation_id = "readLog",
    responses((status = 200, description = "A part of the log.", body = LogEntryList))
)]
async fn all(app: App, call: Call) -> Result<Response, ApiError> {
    let caller = call.caller()?;
    let wanted = LISTING.wanted(&call)?;
    let at = |name| wanted.value(name).and_then(|time| time.parse::<Timestamp>().ok());
    let filter = read::Filter {
        user: wanted.value("user").and_then(|user| user.parse().ok()),
        kind: wanted.value("kind").map(str::to_owned),
        id: wanted.value("id").map(str::to_owned),
        since: at("since"),
        until: at("until"),
    };
    let from = match &wanted.after {
        None => None,
        Some(cursor) => Some(
            cursor.seq().ok_or_else(|| ApiError::field("after", "is no cursor that this server gave out"))?,
        ),
    };
    let part: Part = if wanted.falling {
        read::backwards(&app.store, caller.account, &filter, from, wanted.limit).await?
    } else {
        read::forwards(&app.store, caller.account, &filter, from, wanted.limit).await?
    };
    let mut names = Names::new(&app.store, caller.account);
    let mut data = Vec::new();
    for entry in &part.entries {
        data.push(shown(entry, &mut names, &app.store).await?);
    }
    wanted.reply(Page { items: data, next: part.next.map(Cursor::at_seq) })
}

fn word(value: &str) -> Result<String, String> {
    let is_word =
        !value.is_empty() && value.len() <= MAX_WORD && value.bytes().all(|byte| byte.is_ascii_graphic());
    if is_word { Ok(value.to_owned()) } else { Err(format!("must be a word of 1 to {MAX_WORD} characters")) }
}

fn time(value: &str) -> Result<String, String> {
    value.parse::<Timestamp>().map(|_| value.to_owned())
}
