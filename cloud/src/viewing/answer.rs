//! Answers of playback: types, caching, byte ranges, and that any page may read them.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use super::path::Grant;
use crate::http::{ApiError, Response};

const PLAYLIST: HeaderValue = HeaderValue::from_static("application/vnd.apple.mpegurl");
const MP4: HeaderValue = HeaderValue::from_static("video/mp4");
const SEGMENT: HeaderValue = HeaderValue::from_static("video/iso.segment");

/// What kind of media an answer holds, and how long it stays true.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Changes with every part.
    LivePlaylist,
    /// Will never change.
    FinalPlaylist,
    Init,
    Segment,
}

/// 200 or 206 with the bytes as they are; none of them is copied.
pub(crate) fn media(kind: Kind, grant: Grant, data: Bytes, headers: &HeaderMap) -> Response {
    let segment = matches!(kind, Kind::Init | Kind::Segment);
    let length = data.len() as u64;
    let range = headers.get(header::RANGE).filter(|_| segment).map(|range| parse_range(range, length));
    let mut response = match range {
        None | Some(Range::Whole) => Response::new(data.into()),
        Some(Range::Of(first, last)) => {
            let mut response = Response::new(data.slice(first as usize..=last as usize).into());
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            insert(&mut response, header::CONTENT_RANGE, format!("bytes {first}-{last}/{length}"));
            response
        }
        Some(Range::Outside) => {
            let mut response = Response::default();
            *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
            insert(&mut response, header::CONTENT_RANGE, format!("bytes */{length}"));
            response
        }
    };
    let headers = response.headers_mut();
    let content_type = match kind {
        Kind::LivePlaylist | Kind::FinalPlaylist => PLAYLIST,
        Kind::Init => MP4,
        Kind::Segment => SEGMENT,
    };
    headers.insert(header::CONTENT_TYPE, content_type);
    let caching = match (kind, grant) {
        (Kind::LivePlaylist, Grant::Public) => "public, max-age=1",
        (Kind::LivePlaylist, Grant::Preview) => "private, no-cache",
        (Kind::FinalPlaylist, Grant::Public) => "public, max-age=60",
        (Kind::FinalPlaylist, Grant::Preview) => "private, max-age=60",
        (_, Grant::Public) => "public, max-age=31536000, immutable",
        (_, Grant::Preview) => "private, max-age=31536000, immutable",
    };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    if segment {
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    }
    shared(response)
}

/// Lets pages of any origin read an answer.
pub(super) fn shared(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static("Content-Length, Content-Range, Date"),
    );
    response
}

/// Refuses methods that change things; a preflight is answered here.
pub(super) fn method(method: &Method) -> Result<Option<Response>, ApiError> {
    match *method {
        Method::GET | Method::HEAD => Ok(None),
        Method::OPTIONS => {
            let mut response = Response::default();
            *response.status_mut() = StatusCode::NO_CONTENT;
            let headers = response.headers_mut();
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, HEAD"));
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("Range"));
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
            Ok(Some(shared(response)))
        }
        _ => Err(ApiError::method_not_allowed(&["GET", "HEAD", "OPTIONS"])),
    }
}

fn insert(response: &mut Response, name: header::HeaderName, value: String) {
    if let Ok(value) = HeaderValue::try_from(value) {
        response.headers_mut().insert(name, value);
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Range {
    /// Not understood or of several ranges: the whole is sent (RFC 9110, 14.2).
    Whole,
    Of(u64, u64),
    Outside,
}

fn parse_range(value: &HeaderValue, length: u64) -> Range {
    let spec = value.to_str().ok().and_then(|text| text.strip_prefix("bytes="));
    let Some((first, last)) = spec.and_then(|spec| spec.split_once('-')) else { return Range::Whole };
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let (first, last) = match (first.trim(), last.trim()) {
        ("", suffix) => match number(suffix) {
            Some(0) => return Range::Outside,
            Some(suffix) => (length.saturating_sub(suffix), u64::MAX),
            None => return Range::Whole,
        },
        (first, "") => match number(first) {
            Some(first) => (first, u64::MAX),
            None => return Range::Whole,
        },
        (first, last) => match (number(first), number(last)) {
            (Some(first), Some(last)) if first <= last => (first, last),
            _ => return Range::Whole,
        },
    };
    if first >= length { Range::Outside } else { Range::Of(first, last.min(length - 1)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        let range = |text: &'static str| parse_range(&HeaderValue::from_static(text), 10);
        assert_eq!(range("bytes=0-3"), Range::Of(0, 3));
        assert_eq!(range("bytes=5-"), Range::Of(5, 9));
        assert_eq!(range("bytes=-4"), Range::Of(6, 9));
        assert_eq!(range("bytes=-40"), Range::Of(0, 9));
        assert_eq!(range("bytes=9-400"), Range::Of(9, 9));
        assert_eq!(range("bytes=10-"), Range::Outside);
        assert_eq!(range("bytes=-0"), Range::Outside);
        for odd in ["bytes=4-2", "bytes=a-b", "bytes=0-1,3-4", "lines=0-1", "bytes=", "bytes=-"] {
            assert_eq!(range(odd), Range::Whole, "{odd}");
        }
        assert_eq!(parse_range(&HeaderValue::from_static("bytes=0-"), 0), Range::Outside);
    }
}
