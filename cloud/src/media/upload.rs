//! Puts objects into the store: small ones whole, large ones piece by piece.

use std::ops::Range;

use bytes::Bytes;
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt as _};

use super::error::MediaError;
use super::spool::{Job, Spool};

/// Up to here an object goes in one request, and so does each piece of a larger one.
pub(super) const PIECE_BYTES: u64 = 8 * 1024 * 1024;

/// What went wrong on which side.
#[derive(Debug)]
pub(super) enum UploadError {
    /// The object's bytes cannot be read.
    Source(MediaError),
    /// They are not here any more.
    Gone,
    /// The store did not take them.
    Store(object_store::Error),
}

impl From<object_store::Error> for UploadError {
    fn from(error: object_store::Error) -> Self {
        Self::Store(error)
    }
}

/// Where an object's bytes come from.
#[derive(Debug, Clone)]
pub(super) enum Source<'a> {
    Memory(Bytes),
    Spool(&'a Spool, &'a Job),
}

impl Source<'_> {
    fn length(&self) -> u64 {
        match self {
            Self::Memory(data) => data.len() as u64,
            Self::Spool(_, job) => job.bytes,
        }
    }

    async fn piece(&self, range: Range<u64>) -> Result<Bytes, UploadError> {
        match self {
            Self::Memory(data) => Ok(data.slice(range.start as usize..range.end as usize)),
            Self::Spool(spool, job) => {
                spool.read(job, range).await.map_err(UploadError::Source)?.ok_or(UploadError::Gone)
            }
        }
    }
}

/// Sends an object.
pub(super) async fn upload(
    store: &dyn ObjectStore,
    path: &Path,
    source: &Source<'_>,
) -> Result<(), UploadError> {
    let length = source.length();
    if length <= PIECE_BYTES {
        store.put(path, source.piece(0..length).await?.into()).await?;
        return Ok(());
    }
    let mut upload = store.put_multipart(path).await?;
    match pieces(&mut *upload, source).await {
        Ok(()) => Ok(()),
        Err(error) => {
            abort(upload).await;
            Err(error)
        }
    }
}

/// One piece in memory at a time: several objects are on their way beside each other.
async fn pieces(upload: &mut dyn MultipartUpload, source: &Source<'_>) -> Result<(), UploadError> {
    let length = source.length();
    let mut from = 0;
    while from < length {
        let to = length.min(from + PIECE_BYTES);
        upload.put_part(source.piece(from..to).await?.into()).await?;
        from = to;
    }
    upload.complete().await?;
    Ok(())
}

/// Pieces that are left behind cost money at most; the next attempt begins anew.
async fn abort(mut upload: Box<dyn MultipartUpload>) {
    if let Err(error) = upload.abort().await {
        tracing::debug!(%error, "cannot abort a multipart upload");
    }
}
