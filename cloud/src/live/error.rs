//! What can go wrong with a broadcast.

use stagebox_media::cmaf::CmafError;

use super::index::ListError;
use crate::cluster::HoldError;
use crate::event::{EventError, Input};
use crate::id::EventId;
use crate::media::MediaError;
use crate::recording::RecordingError;
use crate::store::StoreError;

/// Says why a broadcast is refused or ended.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// There is no such event.
    #[error("there is no event {0}")]
    NotFound(EventId),
    /// The event is over; it takes no broadcast any more.
    #[error("the event has ended")]
    Ended,
    /// Another encoder publishes with the same key.
    #[error("another encoder publishes to the {0} input already")]
    Busy(Input),
    /// Another encoder took over, as this one had sent nothing for a while.
    #[error("another encoder has taken over")]
    Replaced,
    /// The stream key was replaced, and the old one works no more.
    #[error("this stream key was replaced: copy the new one from the event's page")]
    KeyReplaced,
    /// The account allows no such bit rate.
    #[error(
        "the broadcast has {kbps} kbit/s and the account allows {most_kbps}: set a lower bit rate in the encoder"
    )]
    TooFast {
        /// What it had over ten seconds.
        kbps: u64,
        /// The account's limit.
        most_kbps: u64,
    },
    /// The stream's codec cannot be packaged.
    #[error("this stream cannot be shown: {0}")]
    Codec(#[from] CmafError),
    /// The event cannot be read.
    #[error(transparent)]
    Event(#[from] EventError),
    /// The event's recordings cannot be read or written.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// The event's files cannot be read or written.
    #[error("cannot open the event's live spool: {0}")]
    Spool(#[from] std::io::Error),
    /// The event's media cannot be read or written.
    #[error(transparent)]
    Media(#[from] MediaError),
    /// What a decoder needs is neither in the event's files nor in the media store.
    #[error(
        "the event's initialisation section {0} is missing: `stagebox-cloud media check` tells what else is"
    )]
    InitMissing(u32),
    /// Another process takes the event in, or may not be asked.
    #[error(transparent)]
    Elsewhere(HoldError),
    /// Another process has taken the event over.
    #[error("another server has taken the event over: publish again")]
    TakenOver,
    /// The event's index in the store cannot be read or written.
    #[error("the event's index in the store: {0}")]
    Index(#[from] StoreError),
    /// The server is stopping.
    #[error("the server is stopping")]
    Stopping,
}

impl From<HoldError> for LiveError {
    fn from(error: HoldError) -> Self {
        match error {
            HoldError::Finished => Self::Ended,
            HoldError::Store(error) => Self::Index(error),
            elsewhere @ HoldError::Elsewhere { .. } => Self::Elsewhere(elsewhere),
        }
    }
}

impl From<ListError> for LiveError {
    fn from(error: ListError) -> Self {
        match error {
            ListError::Lost => Self::TakenOver,
            ListError::Store(error) => Self::Index(error),
        }
    }
}
