//! Has kept what the packager makes, in order, without ever holding it up for long.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use object_store::path::Path;
use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_blocking;

use super::index::{ListError, SharedIndex};
use super::rendition::Rendition;
use super::scans::Scans;
use super::segment::{Complete, Description, Segment};
use super::spool::{Entry, Spool};
use super::stream::Stream;
use crate::id::EventId;
use crate::media::{self, Media, MediaError, Worth};

/// Orders that may wait: some seconds of all renditions' parts.
const MAX_WAITING: usize = 256;
/// Orders carried out together.
const BATCH: usize = 32;
/// Segments whose parts are held on to until there is room for them.
const MAX_UNKEPT: usize = 10_000;

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
    /// `complete` is absent for a gap.
    Segment {
        rendition: Rendition,
        segment: Segment,
        complete: Option<Complete>,
        worth: Worth,
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
    #[error("the event's spool: {0}")]
    Spool(#[from] std::io::Error),
    #[error(transparent)]
    Media(#[from] MediaError),
    #[error(transparent)]
    List(#[from] ListError),
    #[error("a writing task failed")]
    Task,
}

/// Starts the event's storage task, which ends when the sender is dropped.
pub(super) fn start(
    stream: Arc<Stream>,
    spool: Spool,
    media: Media,
    index: SharedIndex,
) -> mpsc::Sender<Keep> {
    let (sender, receiver) = mpsc::channel(MAX_WAITING);
    let storage = Storage {
        event: stream.event,
        scans: Scans::new(stream.event, media.clone()),
        stream,
        media,
        index,
        spool: Some(spool),
        unkept: VecDeque::new(),
        unkept_inits: VecDeque::new(),
    };
    tokio::spawn(storage.run(receiver));
    sender
}

struct Storage {
    event: EventId,
    stream: Arc<Stream>,
    media: Media,
    index: SharedIndex,
    scans: Scans,
    /// Away while a blocking task writes to it.
    spool: Option<Spool>,
    /// Recorded segments that there was no room for; their parts are still on disk.
    unkept: VecDeque<(Rendition, Segment)>,
    /// The same with initialisation sections, which the index has.
    unkept_inits: VecDeque<(Path, Bytes, Entry)>,
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
                let kept = self.keep_unkept().await;
                self.scans.flush().await;
                for (rendition, segment) in self.unkept.drain(..) {
                    tracing::error!(event = %self.event, %rendition, msn = segment.msn, "a segment is lost: there was no room for it");
                }
                // Whoever asked may have given up.
                let _ = done.send(());
                return kept;
            }
            Keep::Forget { rendition, msn } => {
                self.index.forget(rendition, msn).await?;
                return Ok(self.media.delete(&media::segment_path(&self.event, rendition, msn)).await?);
            }
            Keep::Target { target_duration_s } => {
                let entry = Entry::Target { target_duration_s };
                self.index.list(&entry).await?;
                entry
            }
            Keep::Init { rendition, init, data, description } => {
                let path = media::init_path(&self.event, rendition, init);
                let entry = Entry::Init { rendition, init, description, data: Some(data.clone()) };
                let put = self.put_init(&path, &data, &entry).await;
                if put.is_err() {
                    self.unkept_inits.push_back((path, data, entry.clone()));
                }
                self.spool(move |spool| spool.record(&[entry])).await?;
                return put;
            }
            Keep::Segment { rendition, segment, complete, worth } => {
                return self.segment(rendition, segment, complete, worth).await;
            }
        };
        self.spool(move |spool| spool.record(&[entry])).await
    }

    async fn segment(
        &mut self,
        rendition: Rendition,
        segment: Segment,
        complete: Option<Complete>,
        worth: Worth,
    ) -> Result<(), StorageError> {
        let Some(Complete { data, scan }) = complete else {
            self.index.list(&Entry::Segment { rendition, segment: segment.clone() }).await?;
            return self.record(rendition, segment).await;
        };
        match self.put_segment(rendition, &segment, data, worth).await {
            Ok(()) => {
                let msn = segment.msn;
                if let Some(scan) = scan {
                    self.scans.add(rendition, &segment, &scan).await;
                }
                self.record(rendition, segment).await?;
                // Viewers have it from the file: the kernel keeps the newest ones in memory as it is.
                if let Some(file) = self.media.file(&media::segment_path(&self.event, rendition, msn)).await {
                    self.stream.kept(rendition, msn, file);
                }
                self.keep_unkept().await
            }
            // Whoever looks back will miss it; the alarm tells.
            Err(StorageError::Media(MediaError::NoRoom(_))) if worth == Worth::LookBack => {
                self.index.forget(rendition, segment.msn).await?;
                self.spool(move |spool| spool.forget(rendition, segment.msn)).await
            }
            // Its new owner goes on without it.
            Err(StorageError::List(ListError::Lost)) => Err(ListError::Lost.into()),
            Err(error) => {
                if self.unkept.len() < MAX_UNKEPT {
                    self.unkept.push_back((rendition, segment));
                }
                Err(error)
            }
        }
    }

    /// Lists a segment and puts it, in this order: what is in the media store is always listed.
    async fn put_segment(
        &self,
        rendition: Rendition,
        segment: &Segment,
        data: Bytes,
        worth: Worth,
    ) -> Result<(), StorageError> {
        self.index.list(&Entry::Segment { rendition, segment: segment.clone() }).await?;
        let path = media::segment_path(&self.event, rendition, segment.msn);
        Ok(self.media.put(&path, data, worth).await?)
    }

    async fn put_init(&self, path: &Path, data: &Bytes, entry: &Entry) -> Result<(), StorageError> {
        self.index.list(entry).await?;
        Ok(self.media.put(path, data.clone(), Worth::Recorded).await?)
    }

    async fn record(&mut self, rendition: Rendition, segment: Segment) -> Result<(), StorageError> {
        let entry = Entry::Segment { rendition, segment };
        self.spool(move |spool| spool.record(&[entry])).await
    }

    /// Tries again what there was no room for, out of its parts.
    async fn keep_unkept(&mut self) -> Result<(), StorageError> {
        while let Some((path, data, entry)) = self.unkept_inits.front() {
            self.put_init(path, data, entry).await?;
            self.unkept_inits.pop_front();
        }
        while let Some((rendition, segment)) = self.unkept.pop_front() {
            let wanted = segment.clone();
            let Some(data) = self.spool(move |spool| spool.parts_of(rendition, &wanted)).await? else {
                tracing::error!(event = %self.event, %rendition, msn = segment.msn, "a segment is lost: its parts are not on disk");
                continue;
            };
            if let Err(error) = self.put_segment(rendition, &segment, data, Worth::Recorded).await {
                self.unkept.push_front((rendition, segment));
                return Err(error);
            }
            self.record(rendition, segment).await?;
        }
        Ok(())
    }

    async fn spool<T: Send + 'static>(
        &mut self,
        write: impl FnOnce(&mut Spool) -> std::io::Result<T> + Send + 'static,
    ) -> Result<T, StorageError> {
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
