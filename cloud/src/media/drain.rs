//! Sends what waits to the store, for as long as the server runs.
#![allow(clippy::disallowed_methods, reason = "a driver: it sleeps until the deadline that the ledger gives")]

use object_store::ObjectStoreExt as _;
use tokio::task::JoinSet;
use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;

use super::Media;
use super::error::{MediaError, explain};
use super::spool::{Attempt, Job, Order};
use super::upload::{Source, UploadError, upload};
use crate::app::App;

/// Looks whether the store is there, and begins to send.
///
/// # Errors
/// What the configuration says of the store is wrong. A store that is merely away is no error:
/// an alarm tells, and media wait for it.
pub async fn start(app: &App) -> Result<(), MediaError> {
    let media = app.media.clone();
    match media.probe().await {
        Ok(()) => {}
        Err(MediaError::Away { detail, .. }) => media.is_away(&detail),
        Err(error) => return Err(error),
    }
    tokio::spawn(run(media, app.shutdown.clone()));
    Ok(())
}

pub(super) async fn run(media: Media, shutdown: CancellationToken) {
    let mut attempts = JoinSet::new();
    loop {
        // In a statement of its own, so that the ledger is not held while something is sent.
        let next = media.spool().ledger().next(media.clock().instant());
        if let Some(attempt) = next {
            attempts.spawn(perform(media.clone(), attempt));
            continue;
        }
        let deadline = media.spool().ledger().next_deadline();
        let due = async {
            match deadline {
                Some(deadline) => sleep_until(deadline.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            // What was on its way is sent once more after the next start, which does no harm.
            () = shutdown.cancelled() => return,
            () = media.work() => {}
            () = due => {}
            Some(_) = attempts.join_next() => {}
        }
    }
}

async fn perform(media: Media, attempt: Attempt) {
    match attempt {
        Attempt::Send(job) => send(&media, &job).await,
        Attempt::Probe => {
            let probed = media.probe().await;
            let now = media.clock().instant();
            match probed {
                Ok(()) => media.spool().ledger().reached(now),
                Err(MediaError::Away { detail, .. }) => media.spool().ledger().unreachable(now, detail),
                Err(error) => media.spool().ledger().unreachable(now, error.to_string()),
            }
        }
    }
    media.tell();
}

async fn send(media: &Media, job: &Job) {
    let outcome = match job.order {
        Order::Delete => match media.store().delete(&job.path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(UploadError::Store(error)),
        },
        Order::Put(_) => upload(&**media.store(), &job.path, &Source::Spool(media.spool(), job)).await,
    };
    let now = media.clock().instant();
    let mut ledger = media.spool().ledger();
    let gone = match outcome {
        Ok(()) => ledger.sent(now, job.number),
        Err(UploadError::Store(error)) => {
            tracing::debug!(path = %job.path, %error, "the media store did not take it");
            ledger.failed(now, job.number, explain(&error, "write to it").words())
        }
        Err(UploadError::Source(error)) => ledger.failed(now, job.number, error.to_string()),
        Err(UploadError::Gone) => {
            tracing::error!(path = %job.path, "its file in the media spool was removed by somebody: it is lost");
            ledger.vanished(job.number);
            None
        }
    };
    drop(ledger);
    if let Some(gone) = gone {
        media.spool().remove(&gone);
    }
}

impl Media {
    /// The store could not be reached at the start: nobody need wait for a second failure.
    fn is_away(&self, detail: &str) {
        let now = self.clock().instant();
        while self.spool().ledger().is_here() {
            self.spool().ledger().unreachable(now, detail.to_owned());
        }
        self.tell();
    }
}
