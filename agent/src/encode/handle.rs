//! What the daemon holds of the media process's supervisor.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use stagebox_protocol::telemetry::AudioLevel;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::fallback::Fallback;
use super::{MediaSetup, MediaStatus};
use crate::capture::Mend;

/// A running supervisor.
#[derive(Debug)]
pub struct EncoderHandle {
    pub(super) status: watch::Receiver<MediaStatus>,
    pub(super) levels: watch::Receiver<Vec<AudioLevel>>,
    pub(super) bitrate: watch::Sender<Option<u32>>,
    pub(super) retry: Arc<Notify>,
    pub(super) care: Care,
    pub(super) media: watch::Sender<(u64, MediaSetup)>,
    pub(super) cancel: CancellationToken,
    pub(super) task: tokio::task::JoinHandle<()>,
}

/// What can be done about a trouble of capture or encoding that stays; clones are the same.
#[derive(Debug, Clone)]
pub struct Care {
    pub(super) mend: watch::Sender<Option<Mend>>,
    pub(super) restart: Arc<Notify>,
    pub(super) fallback: Arc<Mutex<Fallback>>,
    pub(super) publish: watch::Sender<MediaStatus>,
}

impl Care {
    /// Opens the capture device anew, or has what is plugged in believe that it was plugged in anew; connection and
    /// file notice nothing.
    pub fn mend(&self, how: Mend) {
        self.mend.send_replace(Some(how));
    }

    /// Whether the encoder that was used last can give way to another one.
    #[must_use]
    pub fn can_give_way(&self) -> bool {
        self.fallback().can_give_way()
    }

    /// Passes over the encoder that was used last, for `reason`, if another one can stand in for it.
    pub fn give_way(&self, reason: &str) {
        let (gives_way, degraded) = {
            let mut fallback = self.fallback();
            (fallback.give_way(reason), fallback.degraded())
        };
        if gives_way {
            self.publish.send_modify(|status| status.degraded = degraded);
            self.restart.notify_waiters();
        }
    }

    fn fallback(&self) -> MutexGuard<'_, Fallback> {
        self.fallback.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl EncoderHandle {
    #[must_use]
    pub fn status(&self) -> watch::Receiver<MediaStatus> {
        self.status.clone()
    }

    /// One entry a channel, 20 times a second: apart from the status, so that nobody else wakes for it.
    #[must_use]
    pub fn levels(&self) -> watch::Receiver<Vec<AudioLevel>> {
        self.levels.clone()
    }

    /// What the picture is to take, in kbit/s; each child that comes is told.
    #[must_use]
    pub fn bitrate(&self) -> watch::Sender<Option<u32>> {
        self.bitrate.clone()
    }

    /// Has the encoders that failed while they ran prove themselves, beside the one that encodes; the best that does
    /// takes over.
    #[must_use]
    pub fn retry(&self) -> Arc<Notify> {
        self.retry.clone()
    }

    /// What can be done about a trouble that stays.
    #[must_use]
    pub fn care(&self) -> Care {
        self.care.clone()
    }

    /// Gives another setup, with its number: the child is started anew with it.
    #[must_use]
    pub fn setup(&self) -> watch::Sender<(u64, MediaSetup)> {
        self.media.clone()
    }

    /// Ends the child; returns when it is gone.
    pub async fn stop(self) {
        self.cancel.cancel();
        // A supervisor that panicked has taken its child with it.
        let _ = self.task.await;
    }
}
