//! Logins as the account's journal tells them: who, how, and whether it was right.
//!
//! The journal names the user by id only. From where and with which browser is in a document beside it, which goes with
//! the user, and by itself after some months. What is repeated is counted up in that document, not told again and again.

use super::Attempt;
use crate::account::{Accounts, User};
use crate::clock::Timestamp;
use crate::http::source;
use crate::id::{LoginId, UserId};
use crate::store::{Account, Batch, Document, Index, IndexKey, Owner, Scan, Store, StoreError};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, Semaphore};

/// The index of a user's logins, the oldest first.
pub(crate) const BY_USER: &str = "user";
/// The index of logins of one user that are alike, the oldest first.
const BY_LIKENESS: &str = "like";
/// The index of all logins by time.
const BY_TIME: &str = "time";
/// What fails again within this is the same.
const FAILURES_MS: i64 = 15 * 60 * 1000;
/// A program that logs in again within this is the same.
const PROGRAMS_MS: i64 = 24 * 3600 * 1000;
/// Places from which a user's password is guessed that are told apart within that time.
const PLACES: usize = 20;
/// Notes that may wait to be written.
const WAITING: usize = 64;
/// How long logins are kept.
pub(super) const KEPT: Duration = Duration::from_secs(90 * 24 * 3600);

/// How somebody showed who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// A password on the pages.
    Password,
    /// A code after the password.
    Code,
    /// HTTP Basic.
    Basic,
    /// The password once more, to change something that is guarded by it.
    Again,
}

/// A login, or one that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Login {
    /// Its id.
    pub id: LoginId,
    /// Whose.
    pub account: Account,
    /// Whose; not of this user perhaps where it failed.
    pub user: UserId,
    /// How.
    pub how: How,
    /// Whether it was right.
    pub good: bool,
    /// How often it was the same.
    pub count: u64,
    /// From where; none if from several places.
    pub address: Option<IpAddr>,
    /// What the browser or program calls itself.
    pub browser: String,
    /// The first time.
    pub first_at: Timestamp,
    /// The last time.
    pub last_at: Timestamp,
    likeness: [u8; 32],
}

impl Document for Login {
    const KIND: &'static str = "login";

    fn owner(&self) -> Owner {
        Owner::Account(self.account)
    }

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn indexes(&self) -> Vec<Index> {
        vec![
            Index::many(BY_USER, IndexKey::new().text(self.user).time(self.first_at)),
            Index::many(BY_LIKENESS, IndexKey::new().bytes(self.likeness).time(self.first_at)),
            Index::many(BY_TIME, IndexKey::new().time(self.first_at)),
        ]
    }

    /// Neither address nor browser; a count only as far as it grows tenfold.
    fn journal_view(&self) -> Value {
        json!({ "user": self.user, "how": self.how, "good": self.good, "at_least": self.at_least() })
    }
}

impl Login {
    /// The power of ten that the count has reached.
    fn at_least(&self) -> u64 {
        10u64.pow(self.count.max(1).ilog10())
    }

    /// For how long another one that is like it is the same.
    fn same_for_ms(&self) -> i64 {
        match (self.good, self.how) {
            (false, _) => FAILURES_MS,
            (true, How::Basic) => PROGRAMS_MS,
            (true, _) => 0,
        }
    }

    fn is_same(&self, now: Timestamp) -> bool {
        // Failures go on from the last one; whoever comes all the time is told once a day.
        let since = if self.good { self.first_at } else { self.last_at };
        now.unix_ms() - since.unix_ms() < self.same_for_ms()
    }
}

/// What is to be noted.
#[derive(Debug, Clone)]
pub(in crate::account) struct Noted {
    account: Account,
    user: UserId,
    how: How,
    good: bool,
    address: Option<IpAddr>,
    browser: String,
}

impl Noted {
    pub(in crate::account) fn new(user: &User, how: How, good: bool, attempt: &Attempt<'_>) -> Self {
        let (address, browser) = (attempt.address(), attempt.browser());
        Self { account: user.account, user: user.id, how, good, address, browser }
    }

    /// What others must have in common with it to be the same.
    fn likeness(&self) -> [u8; 32] {
        let source = self.address.map(|address| source(Some((address, 0).into())));
        Sha256::digest(format!("{} {source:?} {:?} {}", self.user, self.how, self.good)).into()
    }

    fn login(self, now: Timestamp) -> Login {
        Login {
            id: LoginId::random(),
            likeness: self.likeness(),
            account: self.account,
            user: self.user,
            how: self.how,
            good: self.good,
            count: 1,
            address: self.address,
            browser: self.browser,
            first_at: now,
            last_at: now,
        }
    }
}

/// Writes notes down one after the other, beside the requests that they are about.
#[derive(Clone)]
pub(in crate::account) struct Records {
    places: Arc<Semaphore>,
    turn: Arc<Mutex<()>>,
}

impl Default for Records {
    fn default() -> Self {
        Self { places: Arc::new(Semaphore::new(WAITING)), turn: Arc::default() }
    }
}

impl Accounts {
    /// Has a login noted, later: how long an answer takes does not tell whether somebody has the address.
    pub(in crate::account) fn note(&self, noted: Noted) {
        let Ok(place) = Arc::clone(&self.0.records.places).try_acquire_owned() else {
            tracing::warn!("more logins at once than can be noted");
            return;
        };
        let (store, turn) = (self.0.store.clone(), Arc::clone(&self.0.records.turn));
        tokio::spawn(async move {
            let _place = place;
            let _turn = turn.lock().await;
            if !matches!(store.get::<User>(noted.user).await, Ok(Some(_))) {
                return;
            }
            match write(&store, noted).await {
                Ok(()) | Err(StoreError::Closed) => {}
                Err(error) if error.is_want_of_room() => {}
                Err(error) => tracing::warn!(%error, "a login could not be noted"),
            }
        });
    }

    /// Forgets all logins of a user who is gone.
    pub(in crate::account) async fn forget_logins_of(&self, user: UserId) -> Result<(), StoreError> {
        // Whoever notes one just now looks for the user afterwards.
        let _turn = self.0.records.turn.lock().await;
        let store = &self.0.store;
        loop {
            let own = store.scan::<Login>(Scan::of(BY_USER).within(IndexKey::new().text(user))).await?.items;
            if own.is_empty() {
                return Ok(());
            }
            match store.commit(own.iter().fold(store.batch(), Batch::forget)).await {
                Ok(_) | Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Forgets logins that are older than they are kept.
    pub(super) async fn forget_logins(&self) -> Result<usize, StoreError> {
        let store = &self.0.store;
        let mut forgotten = 0;
        loop {
            let page = store.scan::<Login>(Scan::of(BY_TIME)).await?.items;
            let batch = store.batch();
            let now = batch.at();
            let old = page.iter().filter(|login| login.document.first_at.plus(KEPT) <= now);
            let (batch, count) =
                old.fold((batch, 0), |(batch, count), login| (batch.forget(login), count + 1));
            if count == 0 {
                return Ok(forgotten);
            }
            match store.commit(batch).await {
                Ok(_) => forgotten += count,
                // Another process forgets as well, or one of them is counted up.
                Err(StoreError::Conflict { .. }) => return Ok(forgotten),
                Err(error) => return Err(error),
            }
        }
    }
}

async fn write(store: &Store, mut noted: Noted) -> Result<(), StoreError> {
    for _ in 0..16 {
        let batch = store.batch();
        let now = batch.at();
        let alike = IndexKey::new().bytes(noted.likeness());
        let last = store.scan::<Login>(Scan::of(BY_LIKENESS).within(alike).falling().limit(1)).await?.items;
        let batch = match last.into_iter().next().filter(|last| last.document.is_same(now)) {
            Some(old) => {
                let mut new = old.document.clone();
                new.count = new.count.saturating_add(1);
                new.last_at = now;
                if new.at_least() == old.document.at_least() {
                    batch.rewrite(&old, &new)
                } else {
                    batch.update(&old, &new)
                }
            }
            None if !noted.good && noted.address.is_some() && is_crowded(store, &noted, now).await? => {
                noted.address = None;
                noted.browser.clear();
                continue;
            }
            None => {
                let by = noted.good.then_some(noted.user);
                batch.by(by).create(&noted.clone().login(now))
            }
        };
        match store.commit(batch).await {
            Err(StoreError::Conflict { .. }) => {}
            other => return other.map(|_| ()),
        }
    }
    Ok(())
}

/// Whether a user's password is being guessed from so many places that they are not told apart any more.
async fn is_crowded(store: &Store, noted: &Noted, now: Timestamp) -> Result<bool, StoreError> {
    let within = IndexKey::new().text(noted.user);
    let page = store.scan::<Login>(Scan::of(BY_USER).within(within).falling().limit(PLACES * 4)).await?;
    let recent = |login: &Login| !login.good && now.unix_ms() - login.first_at.unix_ms() < FAILURES_MS;
    Ok(page.items.iter().filter(|login| recent(&login.document)).count() >= PLACES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::store::Change;

    fn failed(user: UserId, address: [u8; 4]) -> Noted {
        let (account, address) = (Account::FIRST, Some(address.into()));
        Noted { account, user, how: How::Password, good: false, address, browser: "B".to_owned() }
    }

    #[tokio::test]
    async fn what_fails_again_and_again_is_counted_up_and_told_tenfold_only() {
        let directory = tempfile::tempdir().unwrap();
        let clock = Clock::manual(Timestamp::from_unix_ms(1_000_000));
        let store = Store::open_sled(&directory.path().join("store"), clock.clone()).unwrap();
        let user = UserId::random();
        for _ in 0..120 {
            write(&store, failed(user, [10, 0, 0, 1])).await.unwrap();
        }
        let told = store.journal(Account::FIRST, 0, 1000).await.unwrap().entries;
        let seen: Vec<_> = told.iter().map(|entry| entry.after["at_least"].as_u64().unwrap()).collect();
        assert_eq!(seen, [1, 10, 100]);
        let kept = store.scan::<Login>(Scan::of(BY_TIME)).await.unwrap().items;
        assert_eq!((kept.len(), kept[0].document.count), (1, 120));
        assert!(!serde_json::to_string(&told).unwrap().contains("10.0.0.1"));
        // From everywhere at once: the places are told apart as far as somebody would read it.
        for place in 0..200 {
            write(&store, failed(user, [10, 0, 1, place])).await.unwrap();
        }
        let kept = store.scan::<Login>(Scan::of(BY_TIME)).await.unwrap().items;
        assert_eq!(kept.len(), PLACES + 1);
        assert_eq!(kept.iter().map(|login| login.document.count).sum::<u64>(), 320);
        clock.advance(Duration::from_millis(FAILURES_MS as u64));
        write(&store, failed(user, [10, 0, 0, 1])).await.unwrap();
        let last = store.journal(Account::FIRST, 0, 1000).await.unwrap().entries.pop().unwrap();
        assert_eq!((last.change, last.actor), (Change::Created, None));
        store.close().await;
    }
}
