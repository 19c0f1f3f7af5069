//! `/api/v1/devices/self/upload-test`: counts what a box sends, so that it knows what its line carries.
#![allow(clippy::disallowed_methods, reason = "a driver: it reads the clock while bytes come")]

use super::http::own;
use crate::app::App;
use crate::http::{self, ApiError, Call, Response};
use crate::id::BoxId;
use crate::store::Account;
use ::http::Method;
use serde::Serialize;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use utoipa::ToSchema;

/// Bytes of one measurement at most: what a box sends, and some to spare.
const MOST_BYTES: u64 = 128 * 1024 * 1024;
/// How long one may take in all.
const LIMIT: Duration = Duration::from_secs(60);
/// How long may pass without a byte.
const STALLED: Duration = Duration::from_secs(10);
/// What a box may send in so long, and how much of that it may take, however many measurements that makes.
const BUDGET_BYTES: u64 = 1024 * 1024 * 1024;
const BUDGET_TIME: Duration = Duration::from_secs(240);
const WINDOW: Duration = Duration::from_secs(600);
/// Boxes that are measured at a time: they share the server's own line.
const AT_ONCE: usize = 16;
/// Of one account: no other waits for boxes that take their time.
const OF_AN_ACCOUNT: usize = 4;
/// When a box that found others in its way may come again, in seconds.
const AGAIN_S: u64 = 30;

/// What came of a box's upload.
#[derive(Serialize, ToSchema)]
#[schema(as = UploadCounted)]
pub(super) struct Counted {
    /// What came.
    bytes: u64,
    /// From the first byte to the last, in milliseconds.
    ms: u64,
}

/// The boxes that are measured by this process.
#[derive(Clone, Default)]
pub(super) struct Measuring(Arc<Mutex<Boxes>>);

#[derive(Default)]
struct Boxes {
    /// Just now, and whose they are.
    now: HashMap<BoxId, Account>,
    /// What each has taken lately.
    spent: HashMap<BoxId, Spent>,
}

struct Spent {
    /// Since when it is counted.
    since: Instant,
    bytes: u64,
    /// A turn counts as the longest until it has ended in order.
    time: Duration,
}

/// One box's turn, until it is dropped.
struct Turn {
    measuring: Measuring,
    id: BoxId,
    began: Instant,
}

impl Measuring {
    fn begin(&self, id: BoxId, account: Account, now: Instant) -> Result<Turn, ApiError> {
        let mut boxes = self.boxes();
        let left = |since: Instant| (since + WINDOW).saturating_duration_since(now);
        boxes.spent.retain(|_, spent| !left(spent.since).is_zero());
        let is_over = |spent: &&Spent| spent.bytes >= BUDGET_BYTES || spent.time >= BUDGET_TIME;
        if let Some(spent) = boxes.spent.get(&id).filter(is_over) {
            let words = "this box's upload has been measured often enough for now; try again later";
            return Err(ApiError::too_many(words, left(spent.since).as_secs() + 1));
        }
        if boxes.now.contains_key(&id) {
            return Err(ApiError::too_many("this box's upload is being measured already", AGAIN_S));
        }
        if boxes.now.values().filter(|whose| **whose == account).count() >= OF_AN_ACCOUNT {
            let words =
                format!("the uploads of {OF_AN_ACCOUNT} of your boxes are being measured; try again later");
            return Err(ApiError::too_many(words, AGAIN_S));
        }
        if boxes.now.len() >= AT_ONCE {
            let words = format!("the uploads of {AT_ONCE} boxes are being measured; try again later");
            return Err(ApiError::too_many(words, AGAIN_S));
        }
        boxes.now.insert(id, account);
        let spent = boxes.spent.entry(id).or_insert(Spent { since: now, bytes: 0, time: Duration::ZERO });
        spent.time += LIMIT;
        Ok(Turn { measuring: self.clone(), id, began: now })
    }

    fn boxes(&self) -> MutexGuard<'_, Boxes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn {
    fn sent(&self, bytes: u64) {
        if let Some(spent) = self.measuring.boxes().spent.get_mut(&self.id) {
            spent.bytes = spent.bytes.saturating_add(bytes);
        }
    }

    /// It has ended in order: what it did not take of its time is given back.
    fn ended(self, now: Instant) {
        if let Some(spent) = self.measuring.boxes().spent.get_mut(&self.id) {
            spent.time = spent.time.saturating_sub(LIMIT.saturating_sub(now.duration_since(self.began)));
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.measuring.boxes().now.remove(&self.id);
    }
}

pub(super) async fn measured(app: App, measuring: Measuring, call: Call) -> Result<Response, ApiError> {
    match call.method {
        Method::POST => measure(app, measuring, call).await,
        _ => Err(ApiError::method_not_allowed(&["POST"])),
    }
}

/// Measure the line of the box that asks
///
/// Counts the bytes of the body as they come and throws them away: up to 128 MiB within 60 seconds, one body at a time
/// of a box, and 1 GiB within ten minutes.
#[utoipa::path(
    post,
    path = "/api/v1/devices/self/upload-test",
    tag = "devices",
    operation_id = "measureOwnUpload",
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses(
        (status = 200, description = "What came, and how long it took.", body = Counted),
        (status = 429, description = "This box is measured already or was too often, or too many are.", headers(("Retry-After"))),
    )
)]
pub(super) async fn measure(app: App, measuring: Measuring, mut call: Call) -> Result<Response, ApiError> {
    let id = own(&app, &call).await?;
    let account = app.devices.account(&id).await?;
    let turn = match measuring.begin(id, account, Instant::now()) {
        Ok(turn) => turn,
        Err(refused) => {
            call.throw_away().await;
            return Err(refused);
        }
    };
    let counted = count(&mut call, &turn).await;
    turn.ended(Instant::now());
    http::json(&counted?)
}

async fn count(call: &mut Call, turn: &Turn) -> Result<Counted, ApiError> {
    let asked = Instant::now();
    let (mut first, mut last, mut bytes) = (None, asked, 0);
    while let Some(piece) = call.piece((last + STALLED).min(asked + LIMIT)).await? {
        bytes += piece.len() as u64;
        turn.sent(piece.len() as u64);
        if bytes > MOST_BYTES {
            return Err(ApiError::too_large(MOST_BYTES));
        }
        last = Instant::now();
        first.get_or_insert(last);
    }
    let lasted = first.map_or(Duration::ZERO, |first| last.duration_since(first));
    Ok(Counted { bytes, ms: u64::try_from(lasted.as_millis()).unwrap_or(u64::MAX) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_has_one_turn_at_a_time_and_so_many_boxes_have_one() {
        let (measuring, now) = (Measuring::default(), Instant::now());
        let boxes: Vec<BoxId> = (0..=AT_ONCE).map(|_| BoxId::random()).collect();
        let begin = |id: BoxId| {
            let place = boxes.iter().position(|other| *other == id).unwrap_or(0);
            measuring.begin(id, Account((place / OF_AN_ACCOUNT) as u64), now)
        };
        let first = begin(boxes[0]).unwrap_or_else(|_| panic!("nobody is measured"));
        let refused = |id| begin(id).err().map(|error| error.status().as_u16());
        assert_eq!(refused(boxes[0]), Some(429));
        let mut others: Vec<_> = boxes[1..AT_ONCE].iter().map(|id| begin(*id)).collect();
        assert!(others.iter().all(Result::is_ok));
        assert_eq!(refused(boxes[AT_ONCE]), Some(429));
        others.pop();
        assert_eq!(refused(boxes[AT_ONCE]), None);
        drop(first);
        assert_eq!(refused(boxes[0]), None);
    }

    #[test]
    fn a_box_has_so_many_bytes_in_ten_minutes() {
        let (measuring, start) = (Measuring::default(), Instant::now());
        let (id, other) = (BoxId::random(), BoxId::random());
        let send = |id, after: Duration, bytes| {
            let turn = measuring
                .begin(id, Account::FIRST, start + after)
                .map_err(|error| error.status().as_u16())?;
            turn.sent(bytes);
            turn.ended(start + after);
            Ok::<(), u16>(())
        };
        let second = Duration::from_secs(1);
        assert_eq!(send(id, Duration::ZERO, BUDGET_BYTES - 1), Ok(()));
        // What is begun is ended.
        assert_eq!(send(id, second, 2), Ok(()));
        assert_eq!(send(id, 2 * second, 1), Err(429));
        assert_eq!(send(id, WINDOW - second, 1), Err(429));
        assert_eq!(send(other, WINDOW - second, 1), Ok(()));
        assert_eq!(send(id, WINDOW, 1), Ok(()));
        // Who is not measured any more is not remembered.
        assert_eq!(send(other, 10 * WINDOW, 1), Ok(()));
        assert_eq!(measuring.boxes().spent.len(), 1);
    }

    #[test]
    fn the_boxes_of_one_account_leave_turns_to_others() {
        let (measuring, now) = (Measuring::default(), Instant::now());
        let begin = |account| measuring.begin(BoxId::random(), Account(account), now);
        let mut slow: Vec<_> = (0..AT_ONCE).filter_map(|_| begin(1).ok()).collect();
        assert_eq!(slow.len(), OF_AN_ACCOUNT);
        assert!(begin(2).is_ok(), "another one has its turn");
        assert_eq!(begin(1).err().map(|error| error.status().as_u16()), Some(429));
        slow.pop();
        assert!(begin(1).is_ok());
    }

    #[test]
    fn a_box_that_trickles_has_so_much_time_in_ten_minutes() {
        let (measuring, start) = (Measuring::default(), Instant::now());
        let (id, honest) = (BoxId::random(), BoxId::random());
        let begin = |id, at: Duration| {
            measuring.begin(id, Account::FIRST, start + at).map_err(|error| error.status().as_u16())
        };
        let mut at = Duration::ZERO;
        while at < BUDGET_TIME {
            let turn = begin(id, at).unwrap_or_else(|status| panic!("{status} after {at:?}"));
            turn.sent(1);
            at += LIMIT;
            turn.ended(start + at);
        }
        assert_eq!(begin(id, at).err(), Some(429));
        // One that goes away in the middle has had it all.
        let gone = BoxId::random();
        for _ in 0..BUDGET_TIME.as_secs() / LIMIT.as_secs() {
            drop(begin(gone, at));
        }
        assert_eq!(begin(gone, at).err(), Some(429));
        // A measurement as a box makes it is a sixth of that.
        for _ in 0..10 {
            let turn = begin(honest, at).unwrap_or_else(|status| panic!("{status}"));
            at += Duration::from_secs(10);
            turn.ended(start + at);
        }
        assert!(begin(id, WINDOW).is_ok());
    }
}
