//! What the daemon holds of the media process's supervisor.

use std::sync::Arc;

use stagebox_protocol::telemetry::AudioLevel;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::{MediaSetup, MediaStatus};

/// A running supervisor.
#[derive(Debug)]
pub struct EncoderHandle {
    pub(super) status: watch::Receiver<MediaStatus>,
    pub(super) levels: watch::Receiver<Vec<AudioLevel>>,
    pub(super) bitrate: watch::Sender<Option<u32>>,
    pub(super) retry: Arc<Notify>,
    pub(super) toggle_edid: Arc<Notify>,
    pub(super) media: watch::Sender<(u64, MediaSetup)>,
    pub(super) cancel: CancellationToken,
    pub(super) task: tokio::task::JoinHandle<()>,
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

    /// Has the source see the cable pulled and plugged again, where the capture device has an EDID: it looks for the
    /// box anew, and its picture is away for some seconds.
    #[must_use]
    pub fn toggle_edid(&self) -> Arc<Notify> {
        self.toggle_edid.clone()
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
