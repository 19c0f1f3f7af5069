//! The connections that read: a few, each shared by many readers at a time.

use super::database::Database;
use super::link::Link;
use super::reading;
use super::trouble::Trouble;
use super::{Backoff, PATIENCE};
use crate::store::StoreError;
use futures_util::future::select_all;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_postgres::Error;
use tokio_util::sync::CancellationToken;

/// Connections that read.
const READERS: usize = 4;

/// The pool.
pub(super) struct Readers {
    target: Arc<Database>,
    slots: Vec<watch::Receiver<Option<Arc<Link>>>>,
    /// Why the last connection was not made.
    reason: Arc<Mutex<String>>,
    closed: CancellationToken,
}

impl Readers {
    /// Starts the tasks that keep the connections up.
    pub(super) fn start(target: &Arc<Database>, closed: &CancellationToken) -> Self {
        let reason = Arc::new(Mutex::new("it is being connected to".to_owned()));
        let slots = (0..READERS).map(|_| {
            let (sender, slot) = watch::channel(None);
            tokio::spawn(keep_up(Arc::clone(target), sender, Arc::clone(&reason), closed.clone()));
            slot
        });
        Self { target: Arc::clone(target), slots: slots.collect(), reason, closed: closed.clone() }
    }

    /// Asks the database, again on another connection when one is lost, for a few seconds at most.
    pub(super) async fn ask<T, F>(&self, ask: impl Fn(Arc<Link>) -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let until = Instant::now() + PATIENCE;
        loop {
            let link = self.link(until).await?;
            match timeout_at(until, ask(Arc::clone(&link))).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(error)) => match Trouble::from(error) {
                    Trouble::Lost(_) => link.cut(),
                    Trouble::Raced(_) if Instant::now() < until => {}
                    trouble => return Err(trouble.to_error(&self.target)),
                },
                Err(_) => {
                    link.cut();
                    let late = format!("no answer within {} s", PATIENCE.as_secs());
                    return Err(self.target.away(&late));
                }
            }
        }
    }

    /// The connection that the fewest readers use, as soon as there is one.
    async fn link(&self, until: Instant) -> Result<Arc<Link>, StoreError> {
        let mut slots = self.slots.clone();
        loop {
            if self.closed.is_cancelled() {
                return Err(StoreError::Closed);
            }
            let links = slots.iter_mut().filter_map(|slot| slot.borrow_and_update().clone());
            let least = links.filter(|link| !link.is_closed()).min_by_key(Arc::strong_count);
            if let Some(link) = least {
                return Ok(link);
            }
            let change = select_all(slots.iter_mut().map(|slot| Box::pin(slot.changed())));
            if timeout_at(until, change).await.is_err() {
                let reason = self.reason.lock().unwrap_or_else(PoisonError::into_inner).clone();
                return Err(self.target.away(&reason));
            }
        }
    }
}

/// Makes a connection, and makes it again whenever it ends.
async fn keep_up(
    target: Arc<Database>,
    slot: watch::Sender<Option<Arc<Link>>>,
    reason: Arc<Mutex<String>>,
    closed: CancellationToken,
) {
    let mut backoff = Backoff::default();
    let tell = |words: String| *reason.lock().unwrap_or_else(PoisonError::into_inner) = words;
    let keeping = async {
        loop {
            match Link::connect(&target, &reading::TEXTS, None).await {
                Ok(link) => {
                    let link = Arc::new(link);
                    backoff = Backoff::default();
                    slot.send_replace(Some(Arc::clone(&link)));
                    link.ended().await;
                    slot.send_replace(None);
                    tell("the connection was lost".to_owned());
                }
                Err(no) => tell(no.reason),
            }
            sleep_until(backoff.next()).await;
        }
    };
    closed.run_until_cancelled(keeping).await;
}
