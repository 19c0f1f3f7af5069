//! The driver: reads the journal, keeps its place, and sends.
#![allow(clippy::disallowed_methods, reason = "a driver: it waits before it tries a failed store again")]

use super::document::{Delivery, Hook, Place, Told};
use super::gcore::{self, Notice, Observed, Seen};
use super::{HookError, Hooks};
use crate::cluster::Duty;
use crate::event::{Activity, Event, EventStatus};
use crate::outbound::Purpose;
use crate::store::{Account, Entry, StoreError, Versioned};
use http::Method;
use std::collections::HashMap;
use std::error::Error;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use url::Url;

/// How long a receiver may take.
pub(super) const TIMEOUT: Duration = Duration::from_secs(5);
/// How long to wait when the store fails.
const AGAIN: Duration = Duration::from_secs(1);
/// Entries read at a time.
const AT_ONCE: usize = 64;
/// Entries that brought nothing and may be read again after a crash.
const LAZY: u64 = 200;

/// Whether there is more to do at once.
enum Progress {
    More,
    Idle,
}

/// Reads, keeps, sends.
pub(super) struct Driver {
    hooks: Hooks,
    /// Whose notifications it sends.
    account: Account,
    /// Only one process notifies: what is kept is kept under it.
    duty: Duty,
    /// Where the journal has been read to; entries that bring nothing are not worth a write each.
    read: u64,
    /// Events as they were told, where that is not on disk yet.
    seen: HashMap<String, Seen>,
}

impl Driver {
    pub(super) fn new(hooks: Hooks, account: Account, duty: Duty) -> Self {
        Self { hooks, account, duty, read: 0, seen: HashMap::new() }
    }

    /// Runs until the server ends or another process notifies; a notification that is under way then is let finish.
    pub(super) async fn run(mut self, term: CancellationToken) {
        let mut head = self.hooks.0.store.journal_head(self.account);
        while !term.is_cancelled() {
            head.borrow_and_update();
            let wait = match self.step().await {
                Ok(Progress::More) => continue,
                Ok(Progress::Idle) => None,
                Err(HookError::Store(StoreError::Closed)) => return,
                Err(error) => {
                    // What is in memory may be ahead of the disk: begin from there.
                    self.forget();
                    tracing::warn!(%error, "notifications wait");
                    Some(AGAIN)
                }
            };
            tokio::select! {
                () = term.cancelled() => return,
                changed = head.changed(), if wait.is_none() => if changed.is_err() { return },
                () = tokio::time::sleep(wait.unwrap_or_default()), if wait.is_some() => {}
            }
        }
    }

    fn forget(&mut self) {
        self.read = 0;
        self.seen.clear();
    }

    async fn step(&mut self) -> Result<Progress, HookError> {
        let store = self.hooks.0.store.clone();
        let Some(hook) = store.get::<Hook>(self.account).await? else {
            self.forget();
            return Ok(Progress::Idle);
        };
        let place = match store.get::<Place>(self.account).await? {
            Some(place) => place,
            None => self.begin_place().await?,
        };
        if !place.document.pending.is_empty() {
            let mut new = place.document.clone();
            let notice = new.pending.remove(0);
            return self.keep_and_send(&hook, &place, new, notice).await;
        }
        self.read = self.read.max(place.document.seq);
        let page = store.journal(self.account, self.read, AT_ONCE).await?;
        if page.reset {
            tracing::warn!(
                "notifications were lost: the receiver was too slow for longer than the journal keeps"
            );
        }
        self.hooks.set_read(self.account, self.read);
        if page.entries.is_empty() {
            return Ok(Progress::Idle);
        }
        for entry in &page.entries {
            self.read = entry.seq;
            let mut notices = self.observe(entry).await?.into_iter();
            if let Some(first) = notices.next() {
                let new = Place { seq: entry.seq, pending: notices.collect(), ..place.document.clone() };
                return self.keep_and_send(&hook, &place, new, first).await;
            }
        }
        if self.read - place.document.seq >= LAZY {
            let new = Place { seq: self.read, ..place.document.clone() };
            self.keep(&place, &new).await?;
        }
        Ok(Progress::More)
    }

    /// The place of a hook that has none: what happened before is not told.
    async fn begin_place(&self) -> Result<Versioned<Place>, HookError> {
        let store = &self.hooks.0.store;
        let document = Place::at(self.account, store.journal_seq(self.account));
        let receipt = self.duty.commit(store.batch().create(&document)).await?;
        Ok(Versioned { version: receipt.versions.first().copied().unwrap_or(1), document })
    }

    /// Takes in an entry and returns what is to be told of it.
    async fn observe(&mut self, entry: &Entry) -> Result<Vec<Notice>, HookError> {
        let Some((number, observed)) = Observed::of(entry) else { return Ok(Vec::new()) };
        let mut seen = match self.seen.get(&entry.id) {
            Some(seen) => *seen,
            None => self.recall(&entry.id, observed).await?,
        };
        let notices = gcore::notices(&mut seen, number, observed);
        self.seen.insert(entry.id.clone(), seen);
        Ok(notices)
    }

    /// What the receiver was told of an event, or what the event is if nothing was told yet.
    async fn recall(&self, id: &str, observed: Observed) -> Result<Seen, HookError> {
        let store = &self.hooks.0.store;
        if let Some(told) = store.get::<Told>(id).await? {
            return Ok(told.document.seen);
        }
        Ok(match observed {
            Observed::Status { from: None, to } => Seen { status: to, receiving: false },
            Observed::Status { from: Some(from), .. } => {
                let activity = store.get::<Activity>(id).await?;
                let receiving = activity.is_some_and(|found| found.document.main || found.document.backup);
                Seen { status: from, receiving }
            }
            Observed::Receiving { from, .. } => {
                let event = store.get::<Event>(id).await?;
                let status = event.map_or(EventStatus::Ended, |event| event.document.status);
                Seen { status, receiving: from }
            }
        })
    }

    /// Writes the place and what was seen up to it, as one.
    async fn keep(&mut self, old: &Versioned<Place>, new: &Place) -> Result<Versioned<Place>, HookError> {
        let store = &self.hooks.0.store;
        let mut batch = store.batch().update(old, new);
        for (id, seen) in self.seen.drain() {
            let told = Told { id, seen };
            match store.get::<Told>(&told.id).await? {
                Some(old) if seen.is_over() => batch = batch.delete(&old),
                None if seen.is_over() => {}
                _ => batch = batch.put(&told),
            }
        }
        let receipt = self.duty.commit(batch).await?;
        let version = receipt.versions.first().copied().unwrap_or(old.version + 1);
        Ok(Versioned { version, document: new.clone() })
    }

    /// First on disk that this notice is tried, then the one try.
    async fn keep_and_send(
        &mut self,
        hook: &Versioned<Hook>,
        old: &Versioned<Place>,
        new: Place,
        notice: Notice,
    ) -> Result<Progress, HookError> {
        let kept = match self.keep(old, &new).await {
            Ok(kept) => kept,
            // The hook was set anew meanwhile: look again.
            Err(HookError::Store(StoreError::Conflict { .. })) => {
                self.forget();
                return Ok(Progress::More);
            }
            Err(error) => return Err(error),
        };
        let delivery = self.send(&self.hooks.url(hook)?, &notice).await;
        let mut after = kept.document.clone();
        if delivery.error.is_none() {
            after.delivered += 1;
        } else {
            after.failed += 1;
        }
        after.last = Some(delivery);
        match self.keep(&kept, &after).await {
            Ok(_) | Err(HookError::Store(StoreError::Conflict { .. })) => Ok(Progress::More),
            Err(error) => Err(error),
        }
    }

    async fn send(&self, url: &Url, notice: &Notice) -> Delivery {
        let clock = &self.hooks.0.clock;
        let (at, started, notification) = (clock.now(), clock.instant(), notice.body());
        // What may be called can be another than when the URL was set.
        let target = self.hooks.0.outbound.target(Purpose::Http, url.as_str());
        let request = target.and_then(|target| self.hooks.0.http.request(Method::POST, &target));
        let result = match request {
            Err(error) => Err(error.to_string()),
            Ok(request) => match request.json(&notification).send().await {
                Ok(response) => Ok(response.status()),
                Err(error) => Err(words(&error)),
            },
        };
        let duration_ms = clock.instant().saturating_duration_since(started).as_millis() as u64;
        let (status, error) = match result {
            Ok(status) if status.is_success() => (Some(status.as_u16()), None),
            Ok(status) => (Some(status.as_u16()), Some(format!("the receiver answered {status}"))),
            Err(error) => (None, Some(error)),
        };
        if let Some(error) = &error {
            tracing::warn!(host = url.host_str(), %error, "a notification was not taken");
        }
        Delivery { at, duration_ms, notification, status, error }
    }
}

/// The error without the URL, whose path may be a secret, and with what lies behind it.
fn words(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "the receiver did not answer within 5 seconds".to_owned();
    }
    let mut last: &dyn Error = error;
    while let Some(source) = last.source() {
        last = source;
    }
    if std::ptr::addr_eq(last, error) { "the request failed".to_owned() } else { last.to_string() }
}
