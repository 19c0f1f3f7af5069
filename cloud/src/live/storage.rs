//! Puts on disk what the packager makes, in order, without ever holding it up for long.

use std::sync::Arc;

use bytes::Bytes;
use object_store::{ObjectStore, ObjectStoreExt as _};
use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_blocking;

use super::rendition::Rendition;
use super::segment::{Description, Segment};
use super::spool::{Entry, Spool};
use crate::id::EventId;
use crate::media;

/// Orders that may wait: some seconds of all renditions' parts.
const MAX_WAITING: usize = 256;
/// Orders carried out together.
const BATCH: usize = 32;

/// What is to be kept.
#[derive(Debug)]
pub(super) enum Keep {
    Target {
        target_duration_s: u64,
    },
    Init {
        rendition: Rendition,
        init: u32,
        data: Bytes,
        description: Description,
    },
    Part {
        rendition: Rendition,
        segment: Segment,
        data: Bytes,
    },
    /// `data` is absent for a gap.
    Segment {
        rendition: Rendition,
        segment: Segment,
        data: Option<Bytes>,
    },
    /// Neither viewers nor a recording need it any more.
    Forget {
        rendition: Rendition,
        msn: u64,
    },
    /// Answered when everything before it is on disk.
    Barrier(oneshot::Sender<()>),
}

#[derive(Debug, thiserror::Error)]
enum StorageError {
    #[error("the spool: {0}")]
    Spool(#[from] std::io::Error),
    #[error("the media store: {0}")]
    Media(#[from] object_store::Error),
    #[error("a writing task failed")]
    Task,
}

/// Starts the event's storage task, which ends when the sender is dropped.
pub(super) fn start(event: EventId, spool: Spool, media: Arc<dyn ObjectStore>) -> mpsc::Sender<Keep> {
    let (sender, receiver) = mpsc::channel(MAX_WAITING);
    let storage = Storage { event, media, spool: Some(spool) };
    tokio::spawn(storage.run(receiver));
    sender
}

struct Storage {
    event: EventId,
    media: Arc<dyn ObjectStore>,
    /// Away while a blocking task writes to it.
    spool: Option<Spool>,
}

impl Storage {
    async fn run(mut self, mut orders: mpsc::Receiver<Keep>) {
        let mut batch = Vec::with_capacity(BATCH);
        while orders.recv_many(&mut batch, BATCH).await > 0 {
            let mut parts = Vec::new();
            for order in batch.drain(..) {
                if let Keep::Part { rendition, segment, data } = order {
                    parts.push((rendition, segment, data));
                    continue;
                }
                let written = self.parts(std::mem::take(&mut parts)).await;
                self.report(written);
                let written = self.order(order).await;
                self.report(written);
            }
            let written = self.parts(parts).await;
            self.report(written);
        }
    }

    fn report(&self, written: Result<(), StorageError>) {
        if let Err(error) = written {
            // Viewers go on from memory; the recording will lack what could not be written.
            tracing::error!(event = %self.event, %error, "cannot keep live media");
        }
    }

    async fn parts(&mut self, parts: Vec<(Rendition, Segment, Bytes)>) -> Result<(), StorageError> {
        if parts.is_empty() {
            return Ok(());
        }
        self.spool(move |spool| {
            parts.iter().try_for_each(|(rendition, segment, data)| spool.append(*rendition, segment, data))
        })
        .await
    }

    async fn order(&mut self, order: Keep) -> Result<(), StorageError> {
        let entry = match order {
            Keep::Part { .. } => return Ok(()),
            Keep::Barrier(done) => {
                // Whoever asked may have given up.
                let _ = done.send(());
                return Ok(());
            }
            Keep::Forget { rendition, msn } => {
                self.media.delete(&media::segment_path(&self.event, rendition, msn)).await?;
                return Ok(());
            }
            Keep::Target { target_duration_s } => Entry::Target { target_duration_s },
            Keep::Init { rendition, init, data, description } => {
                self.media.put(&media::init_path(&self.event, rendition, init), data.into()).await?;
                Entry::Init { rendition, init, description }
            }
            Keep::Segment { rendition, segment, data } => {
                if let Some(data) = data {
                    self.media
                        .put(&media::segment_path(&self.event, rendition, segment.msn), data.into())
                        .await?;
                }
                Entry::Segment { rendition, segment }
            }
        };
        self.spool(move |spool| spool.record(&[entry])).await
    }

    async fn spool(
        &mut self,
        write: impl FnOnce(&mut Spool) -> std::io::Result<()> + Send + 'static,
    ) -> Result<(), StorageError> {
        let mut spool = self.spool.take().ok_or(StorageError::Task)?;
        let (spool, written) = spawn_blocking(move || {
            let written = write(&mut spool);
            (spool, written)
        })
        .await
        .map_err(|_| StorageError::Task)?;
        self.spool = Some(spool);
        Ok(written?)
    }
}
