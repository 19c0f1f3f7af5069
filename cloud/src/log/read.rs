//! Reads a journal from its end backwards, or from its beginning.

use crate::clock::Timestamp;
use crate::id::UserId;
use crate::store::{Account, Change, Entry, Store, StoreError};
use std::time::Duration;

/// Entries that are read at a time.
const PIECE: u64 = 200;
/// Entries that one request looks at: a filter that nothing fits must come to an end.
const MOST: u64 = 5_000;

/// How far an entry's time may be from that of its neighbours: each process has a clock of its own, and takes the time when
/// it begins to write.
const SLACK: Duration = Duration::from_secs(600);

/// Which entries are wanted.
#[derive(Debug, Clone, Default)]
pub(super) struct Filter {
    /// Only what this user did, or tried.
    pub(super) user: Option<UserId>,
    /// Only this kind of thing.
    pub(super) kind: Option<String>,
    /// Only this thing.
    pub(super) id: Option<String>,
    /// Not before.
    pub(super) since: Option<Timestamp>,
    /// Before.
    pub(super) until: Option<Timestamp>,
}

impl Filter {
    fn fits(&self, entry: &Entry) -> bool {
        let by = |user: UserId| entry.actor == Some(user) || is_login_of(entry, user);
        self.user.is_none_or(by)
            && self.kind.as_ref().is_none_or(|kind| *kind == entry.kind)
            && self.id.as_ref().is_none_or(|id| *id == entry.id)
            && self.since.is_none_or(|since| entry.at >= since)
            && self.until.is_none_or(|until| entry.at < until)
            && is_worth_telling(entry)
    }
}

fn is_login_of(entry: &Entry, user: UserId) -> bool {
    entry.kind == "login" && entry.after["user"] == user.to_string()
}

/// Whether an entry says something that a person wants to know: how far a job is, every second, is not.
pub(crate) fn is_worth_telling(entry: &Entry) -> bool {
    match entry.change {
        // It comes with its event.
        Change::Created if entry.kind == "broadcast" => false,
        Change::Created | Change::Deleted => true,
        Change::Updated if entry.kind == "job" && entry.actor.is_none() => {
            let ended = ["done", "failed", "cancelled"].iter().any(|state| entry.after["state"] == *state);
            ended && entry.before["state"] != entry.after["state"]
        }
        Change::Updated => entry.before != entry.after,
    }
}

/// A part of the log.
pub(super) struct Part {
    pub(super) entries: Vec<Entry>,
    /// Where to go on, if there may be more.
    pub(super) next: Option<u64>,
}

/// Reads what comes before the entry `before`; it may be less than `limit` although there is more.
pub(super) async fn backwards(
    store: &Store,
    account: Account,
    filter: &Filter,
    before: Option<u64>,
    limit: usize,
) -> Result<Part, StoreError> {
    let mut before = before.unwrap_or_else(|| store.journal_seq(account) + 1);
    let mut entries = Vec::new();
    let mut looked = 0;
    while before > 1 && looked < MOST {
        let after = (before - 1).saturating_sub(PIECE);
        let page = store.journal(account, after, (before - 1 - after) as usize).await?;
        looked += before - 1 - after;
        let is_last = page.reset || page.entries.is_empty();
        for entry in page.entries.into_iter().rev().filter(|entry| entry.seq < before) {
            if filter.since.is_some_and(|since| entry.at.plus(SLACK) < since) {
                return Ok(Part { entries, next: None });
            }
            let seq = entry.seq;
            if filter.fits(&entry) {
                entries.push(entry);
                if entries.len() == limit {
                    return Ok(Part { entries, next: (seq > 1).then_some(seq) });
                }
            }
        }
        if is_last {
            return Ok(Part { entries, next: None });
        }
        before = after + 1;
    }
    Ok(Part { entries, next: (before > 1).then_some(before) })
}

/// Reads what comes after the entry `after`; it may be less than `limit` although there is more.
pub(super) async fn forwards(
    store: &Store,
    account: Account,
    filter: &Filter,
    after: Option<u64>,
    limit: usize,
) -> Result<Part, StoreError> {
    let mut after = after.unwrap_or_default();
    let mut entries = Vec::new();
    let mut looked = 0;
    while looked < MOST {
        let page = store.journal(account, after, PIECE as usize).await?;
        let Some(last) = page.entries.last().map(|entry| entry.seq) else {
            return Ok(Part { entries, next: None });
        };
        looked += page.entries.len() as u64;
        for entry in page.entries {
            if filter.until.is_some_and(|until| entry.at >= until.plus(SLACK)) {
                return Ok(Part { entries, next: None });
            }
            let seq = entry.seq;
            if filter.fits(&entry) {
                entries.push(entry);
                if entries.len() == limit {
                    return Ok(Part { entries, next: Some(seq) });
                }
            }
        }
        after = last;
    }
    Ok(Part { entries, next: Some(after) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::item::Item;
    use std::time::Duration;

    /// Writes `count` items and renames each.
    async fn fill(store: &Store, clock: &Clock, count: u64, by: UserId) {
        for number in 1..=count {
            let item: Item = serde_json::from_value(serde_json::json!({
                "id": crate::id::ItemId::random(), "account": 1, "number": number, "title": format!("T{number}"),
                "duration_ms": 0, "width": null, "height": null, "event_id": crate::id::EventId::random(),
                "recording_id": crate::id::RecordingId::random(), "created_at": clock.now(), "updated_at": clock.now(),
            }))
            .unwrap();
            let kept = store.create(item).await.unwrap();
            clock.advance(Duration::from_secs(1));
            let new = Item { title: format!("R{number}"), ..kept.document.clone() };
            store.commit(store.batch().by(Some(by)).update(&kept, &new)).await.unwrap();
        }
    }

    #[tokio::test]
    async fn it_goes_backwards_in_parts_and_filters() {
        let directory = tempfile::tempdir().unwrap();
        let clock = Clock::manual(Timestamp::from_unix_ms(0));
        let store = Store::open_sled(&directory.path().join("store"), clock.clone()).unwrap();
        let user = UserId::random();
        fill(&store, &clock, 250, user).await;
        let account = Account::FIRST;
        let mut seen = Vec::new();
        let mut before = None;
        loop {
            let part = backwards(&store, account, &Filter::default(), before, 70).await.unwrap();
            seen.extend(part.entries.iter().map(|entry| entry.seq));
            before = part.next;
            if before.is_none() {
                break;
            }
        }
        assert_eq!(seen, (1..=500).rev().collect::<Vec<_>>());
        let (mut forth, mut after) = (Vec::new(), None);
        loop {
            let part = forwards(&store, account, &Filter::default(), after, 70).await.unwrap();
            forth.extend(part.entries.iter().map(|entry| entry.seq));
            after = part.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(forth, (1..=500).collect::<Vec<_>>());
        let own = Filter { user: Some(user), ..Filter::default() };
        let part = backwards(&store, account, &own, None, 1000).await.unwrap();
        assert_eq!((part.entries.len(), part.next), (250, None));
        let within = Filter {
            since: Some(Timestamp::from_unix_ms(10_000)),
            until: Some(Timestamp::from_unix_ms(20_000)),
            ..own
        };
        let part = backwards(&store, account, &within, None, 1000).await.unwrap();
        assert_eq!((part.entries.len(), part.next), (10, None));
        let forth = forwards(&store, account, &within, None, 1000).await.unwrap();
        assert_eq!(forth.entries.iter().rev().collect::<Vec<_>>(), part.entries.iter().collect::<Vec<_>>());
        let nothing = Filter { kind: Some("hook".to_owned()), ..Filter::default() };
        assert!(backwards(&store, account, &nothing, None, 10).await.unwrap().entries.is_empty());
        let none = backwards(&store, Account(7), &Filter::default(), None, 10).await.unwrap();
        assert!(none.entries.is_empty() && none.next.is_none());
        store.close().await;
    }
}
