//! What can go wrong with media, in words for whoever can mend it.

use std::path::PathBuf;

use object_store::client::{HttpError, HttpErrorKind};

use crate::http::ApiError;

/// Says why media cannot be read or kept.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// The configuration does not fit what is there.
    #[error("`{field}` is wrong: {detail}")]
    Config {
        /// The key, with its section.
        field: &'static str,
        /// What is wrong and what would be right.
        detail: String,
    },
    /// The store cannot be reached, or fails for now.
    #[error("the media store ({place}) is away: {detail}")]
    Away {
        /// Which store.
        place: String,
        /// Why.
        detail: String,
    },
    /// The store does not do what was asked.
    #[error("the media store ({place}) cannot {doing}: {detail}")]
    Store {
        /// Which store.
        place: String,
        /// What was asked.
        doing: &'static str,
        /// Why.
        detail: String,
    },
    /// What waits for the store cannot be written or read on this machine.
    #[error("cannot {doing} {path}: {source}")]
    Spool {
        /// What was tried.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// There is no room for what should wait for the store.
    #[error("{0}")]
    NoRoom(String),
    /// A task ended before it was done.
    #[error("a task that writes media failed")]
    Task,
}

impl From<MediaError> for ApiError {
    fn from(error: MediaError) -> Self {
        match error {
            // The alarm tells the operator; a viewer is told to come back.
            MediaError::Away { .. } | MediaError::NoRoom(_) => {
                Self::unavailable("the media store is away for now; try again in a while")
            }
            _ => Self::internal(&error),
        }
    }
}

/// What an operation of the store failed for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// It may work later without anybody's doing.
    Away(String),
    /// A key of `[media]` is wrong.
    Config(&'static str, String),
    /// Something else, which waiting will not mend.
    Other(String),
}

impl Fault {
    /// The fault in words.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Away(detail) | Self::Other(detail) => detail.clone(),
            Self::Config(field, detail) => format!("`{field}` is wrong: {detail}"),
        }
    }

    /// The error of an operation that met this fault.
    pub(super) fn into_error(self, place: &str, doing: &'static str) -> MediaError {
        let place = place.to_owned();
        match self {
            Self::Away(detail) => MediaError::Away { place, detail },
            Self::Config(field, detail) => MediaError::Config { field, detail },
            Self::Other(detail) => MediaError::Store { place, doing, detail },
        }
    }
}

/// Reads an error of the store; `doing` is what was tried: "write to it", "list it".
pub(super) fn explain(error: &object_store::Error, doing: &'static str) -> Fault {
    let chain = chain(error);
    let text = chain.iter().map(ToString::to_string).collect::<Vec<_>>().join(": ");
    let http = chain.iter().find_map(|cause| cause.downcast_ref::<HttpError>());
    let code =
        text.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>")).map(|(code, _)| code);
    if let Some(http) = http {
        return away_by(http, &chain);
    }
    let fault = |field, detail: &str| Fault::Config(field, detail.to_owned());
    match code {
        Some("NoSuchBucket") => {
            fault("media.bucket", "the S3 server has no such bucket: make it, or correct the name")
        }
        Some("InvalidAccessKeyId") => {
            fault("media.access_key_id", "the S3 server knows no such key: correct it")
        }
        Some("SignatureDoesNotMatch") => fault(
            "media.secret_access_key",
            "it is not the key that belongs to `media.access_key_id`: correct it, here or in its file",
        ),
        Some("PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException") => {
            fault("media.region", "the bucket is in another region: correct it")
        }
        Some("RequestTimeTooSkewed") => {
            Fault::Away("this machine's clock and the S3 server's differ too much: set the clock".to_owned())
        }
        _ => by_kind(error, &text, doing),
    }
}

fn by_kind(error: &object_store::Error, text: &str, doing: &'static str) -> Fault {
    use object_store::Error;
    match error {
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } if is_s3(text) => {
            let detail = format!("this key may not {doing}: allow it on the S3 server, or take another key");
            Fault::Config("media.access_key_id", detail)
        }
        Error::NotFound { .. } if is_s3(text) && !text.contains("NoSuchKey") => {
            let detail = "the server there does not answer as an S3 server does".to_owned();
            Fault::Config("media.endpoint", detail)
        }
        _ if text.contains("Received redirect without LOCATION") => {
            Fault::Config("media.region", "the bucket is in another region: correct it".to_owned())
        }
        _ if text.contains("status code: 5")
            || text.contains("status code: 429")
            || text.contains("SlowDown") =>
        {
            Fault::Away(shortened(text))
        }
        _ => match io_fault(error) {
            Some(detail) => Fault::Away(detail),
            None => Fault::Other(shortened(text)),
        },
    }
}

/// Errors of requests have an HTTP status in their text; errors of local files have not.
fn is_s3(text: &str) -> bool {
    text.contains("status code")
}

/// What the machine says of a file: a full disk may have room later.
fn io_fault(error: &object_store::Error) -> Option<String> {
    let io = chain(error).into_iter().find_map(|cause| cause.downcast_ref::<std::io::Error>())?;
    Some(io.to_string())
}

fn away_by(http: &HttpError, chain: &[&(dyn std::error::Error + 'static)]) -> Fault {
    let innermost = chain.last().map(ToString::to_string).unwrap_or_default();
    Fault::Away(match http.kind() {
        HttpErrorKind::Timeout => "it does not answer in time".to_owned(),
        HttpErrorKind::Connect => format!("no connection: {innermost}"),
        _ => format!("the connection broke: {innermost}"),
    })
}

fn chain(error: &object_store::Error) -> Vec<&(dyn std::error::Error + 'static)> {
    let first: &(dyn std::error::Error + 'static) = error;
    std::iter::successors(Some(first), |cause| cause.source()).collect()
}

/// A server's page in the place of an answer is cut off.
fn shortened(text: &str) -> String {
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().take(300).collect()
}
