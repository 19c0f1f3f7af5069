//! Large files as answers: whole or by one range, a piece after the other.

use super::range::Range;
use super::reply::with_header;
use super::{Call, Response};
use bytes::Bytes;
use http::{Method, StatusCode, header};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use warp::Reply as _;

/// Bytes that are read at a time.
const PIECE_BYTES: u64 = 1024 * 1024;

/// A file that is to be saved.
pub(crate) struct Download<'a> {
    /// Its length in bytes.
    pub(crate) length: u64,
    /// Its media type.
    pub(crate) kind: &'static str,
    /// What it is to be called, if it has a name.
    pub(crate) name: Option<&'a str>,
    /// What tells it from what may stand at its address later; without it nobody goes on with a part of it.
    pub(crate) etag: Option<String>,
}

impl Download<'_> {
    /// Answers with what is asked for (RFC 9110, 14); `read` reads a piece, which is missing if it has gone meanwhile.
    pub(crate) fn answer<R, F, E>(&self, call: &Call, read: R) -> Response
    where
        R: Fn(std::ops::Range<u64>) -> F + Send + 'static,
        F: Future<Output = Result<Option<Bytes>, E>> + Send,
        E: std::error::Error + Send + Sync + 'static,
    {
        let length = self.length;
        let range = self.range(call);
        let (status, bytes) = match range {
            Range::Whole => (StatusCode::OK, 0..length),
            Range::Of(first, last) => (StatusCode::PARTIAL_CONTENT, first..last + 1),
            Range::Outside => (StatusCode::RANGE_NOT_SATISFIABLE, 0..0),
        };
        let of = match range {
            Range::Whole => None,
            Range::Of(first, last) => Some(format!("bytes {first}-{last}/{length}")),
            Range::Outside => Some(format!("bytes */{length}")),
        };
        let sent = (bytes.end - bytes.start).to_string();
        let body = if call.method == Method::HEAD { 0..0 } else { bytes };
        let mut response = warp::reply::stream(pieces(body, read)).into_response();
        *response.status_mut() = status;
        for (name, value) in [
            (header::CONTENT_TYPE, self.kind.to_owned()),
            (header::CONTENT_DISPOSITION, self.name.map_or_else(|| "attachment".to_owned(), disposition)),
            (header::ACCEPT_RANGES, "bytes".to_owned()),
            (header::CACHE_CONTROL, "no-store".to_owned()),
            (header::CONTENT_LENGTH, sent),
        ] {
            response = with_header(response, name, &value);
        }
        if let Some(etag) = &self.etag {
            response = with_header(response, header::ETAG, etag);
        }
        match of {
            Some(of) => with_header(response, header::CONTENT_RANGE, &of),
            None => response,
        }
    }

    /// A range is for GET only, and for whoever has the beginning of this very file (RFC 9110, 13.1.5 and 14.2).
    fn range(&self, call: &Call) -> Range {
        let known = call.header(header::IF_RANGE);
        let is_other = known.is_some_and(|known| self.etag.as_deref() != Some(known));
        if call.method != Method::GET || is_other {
            return Range::Whole;
        }
        Range::of(&call.headers, self.length)
    }
}

/// A name as old and new programs read it (RFC 6266, 4.3).
fn disposition(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || " .-_()".contains(c);
    let plain: String = name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
    let mut exact = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b".-_".contains(&byte) {
            exact.push(char::from(byte));
        } else {
            exact.push_str(&format!("%{byte:02X}"));
        }
    }
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{exact}")
}

/// Why an answer breaks off.
type Broken = Box<dyn std::error::Error + Send + Sync>;

/// A piece is read while the one before it is sent: no more of the file is in memory.
fn pieces<R, F, E>(range: std::ops::Range<u64>, read: R) -> ReceiverStream<Result<Bytes, Broken>>
where
    R: Fn(std::ops::Range<u64>) -> F + Send + 'static,
    F: Future<Output = Result<Option<Bytes>, E>> + Send,
    E: Into<Broken> + Send + 'static,
{
    let (sender, received) = mpsc::channel(1);
    tokio::spawn(async move {
        let mut from = range.start;
        while from < range.end {
            let to = range.end.min(from + PIECE_BYTES);
            let piece = match read(from..to).await {
                Ok(Some(piece)) => Ok(piece),
                Ok(None) => Err("a part of it has gone meanwhile".into()),
                Err(error) => Err(error.into()),
            };
            if let Err(error) = &piece {
                tracing::warn!(%error, from, "a download breaks off");
            }
            let broken = piece.is_err();
            if sender.send(piece).await.is_err() || broken {
                return;
            }
            from = to;
        }
    });
    ReceiverStream::new(received)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_to_old_and_new_programs() {
        assert_eq!(
            disposition("Opening \"night\" – ä.mp4"),
            "attachment; filename=\"Opening _night_ _ _.mp4\"; \
             filename*=UTF-8''Opening%20%22night%22%20%E2%80%93%20%C3%A4.mp4"
        );
        assert!(!disposition("a\r\nX: y\"").contains(['\r', '\n']));
    }
}
