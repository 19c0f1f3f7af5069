//! Works the queue off: each letter is sent once, or tried again for an hour.
#![allow(clippy::disallowed_methods, reason = "a driver: it looks for letters that other processes post")]

use super::MailError;
use super::send::Sender;
use crate::account::Letter;
use crate::app::App;
use crate::id::random_bytes;
use crate::store::{Backoff, Lease, Queue, QueueError, Settle, StoreError};
use std::sync::Arc;
use std::time::Duration;

/// Letters that are sent at a time.
const AT_ONCE: usize = 4;
/// How long a letter is left to a process that does not say any more that it sends it.
const LEASE: Duration = Duration::from_secs(180);
/// How often the queue is looked at when nothing is heard of it.
const POLL: Duration = Duration::from_secs(1);
/// The waits between tries: together about an hour, for servers that turn strangers away at first.
const BACKOFF: Backoff = Backoff { first: Duration::from_secs(4), most: Duration::from_secs(900) };
/// How often a letter is tried.
const TRIES: u32 = 11;
/// How often it is leased: also whoever ends in the midst of it is not followed for ever.
pub(super) const LEASES: u32 = TRIES + 9;
/// Raised while the last mail could not be sent.
const NOT_SENT: &str = "mail-not-sent";

/// Begins to send, if mail is sent at all; until the server stops.
pub(crate) fn start(app: &App) -> Result<(), crate::job::JobError> {
    let Some(queue) = app.outbox.queue().cloned() else { return Ok(()) };
    let node = app.jobs.node()?;
    let (holder, alone) = (node.name.to_string(), node.is_alone());
    let app = app.clone();
    app.cluster.clone().spawn(async move {
        let mut taken_back = !alone;
        let sending = Arc::new(Sending {
            sender: Sender::new(&app.config.mail),
            app: app.clone(),
            queue: queue.clone(),
        });
        while !app.shutdown.is_cancelled() {
            if !taken_back {
                taken_back = queue.take_back(&holder).await.is_ok();
            }
            let random = u64::from_le_bytes(random_bytes());
            let leases = match queue.lease(&holder, AT_ONCE, LEASE, random).await {
                Ok(leases) => leases,
                Err(QueueError::Store(StoreError::Closed)) => return,
                Err(error) => {
                    tracing::warn!(%error, "mail waits");
                    Vec::new()
                }
            };
            if !leases.is_empty() {
                // On tasks of their own, so that what goes wrong with one ends nothing else.
                let sent = leases.into_iter().map(|lease| {
                    let sending = Arc::clone(&sending);
                    tokio::spawn(async move { sending.deliver(&lease).await })
                });
                for sent in futures_util::future::join_all(sent).await {
                    if let Err(error) = sent {
                        tracing::error!(%error, "a mail broke off");
                    }
                }
                continue;
            }
            tokio::select! {
                () = app.shutdown.cancelled() => {}
                () = queue.woken() => {}
                () = tokio::time::sleep(POLL) => {}
            }
        }
    });
    Ok(())
}

struct Sending {
    app: App,
    sender: Sender,
    queue: Queue,
}

impl Sending {
    async fn deliver(&self, lease: &Lease) {
        let app = &self.app;
        let result = tokio::select! {
            () = app.shutdown.cancelled() => None,
            result = send(app, &self.sender, lease) => Some(result),
        };
        let how = match result {
            None => Settle::GiveBack,
            Some(Ok(())) => Settle::Complete,
            Some(Err(error)) => after(app, lease, &error),
        };
        if let Err(error) = self.queue.settle(lease, &how, |batch, _| batch).await {
            tracing::warn!(%error, "what became of a mail could not be noted");
        }
    }
}

/// What becomes of a letter that was not sent.
fn after(app: &App, lease: &Lease, error: &MailError) -> Settle {
    let hopeless = error.is_hopeless();
    if hopeless || lease.attempts >= TRIES {
        tracing::error!(%error, attempts = lease.attempts, "a mail is not sent");
        if !hopeless {
            raise(app, error);
        }
        // Its time is over: nobody wants it later.
        return Settle::Complete;
    }
    raise(app, error);
    let random = u64::from_le_bytes(random_bytes());
    Settle::Fail { error: error.to_string(), wait: BACKOFF.wait(lease.attempts, random) }
}

fn raise(app: &App, error: &MailError) {
    let words = format!("Mail is not sent: {error}. `stagebox-cloud mail test` tries it out.");
    app.alarms.raise(NOT_SENT, words);
}

async fn send(app: &App, sender: &Sender, lease: &Lease) -> Result<(), MailError> {
    let Ok(letter) = serde_json::from_value::<Letter>(lease.payload.clone()) else {
        return Err(MailError::Write("it is of another version of this program".to_owned()));
    };
    let url = app.addresses.http_url(&app.config);
    let mail = match app.accounts.compose(&letter, &url).await {
        Ok(Some(mail)) => mail,
        // Nobody has the address, or they are gone meanwhile.
        Ok(None) => return Ok(()),
        Err(error) => return Err(MailError::Compose(error.to_string())),
    };
    sender.send(&mail).await?;
    app.alarms.clear(NOT_SENT);
    Ok(())
}
