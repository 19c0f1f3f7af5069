//! Answers of playback: types, caching, byte ranges, and that any page may read them.

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use super::path::Grant;
use crate::http::{ApiError, Content, Range, Response, Text};

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

/// A playlist, compressed for those who take that.
pub(crate) fn playlist(kind: Kind, grant: Grant, text: &Text, headers: &HeaderMap) -> Response {
    let packed = text.compressed_for(headers);
    let is_packed = packed.is_some();
    let mut response = media(kind, grant, packed.unwrap_or_else(|| text.plain()).into(), headers);
    let headers = response.headers_mut();
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if is_packed {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

/// 200 or 206 with the bytes as they are; none of them is copied.
pub(crate) fn media(kind: Kind, grant: Grant, data: Content, headers: &HeaderMap) -> Response {
    let length = data.len();
    let range = if is_media(kind) { Range::of(headers, length) } else { Range::Whole };
    let data = match range {
        Range::Whole => Some(data),
        Range::Of(first, last) => data.slice(first, last - first + 1),
        Range::Outside => None,
    };
    media_range(kind, grant, data, range, length)
}

fn is_media(kind: Kind) -> bool {
    matches!(kind, Kind::Init | Kind::Segment)
}

/// The same with the bytes of `range` only, out of `length`.
pub(super) fn media_range(
    kind: Kind,
    grant: Grant,
    data: Option<Content>,
    range: Range,
    length: u64,
) -> Response {
    let segment = is_media(kind);
    let mut response = data.map_or_else(Response::default, Content::into_response);
    match range {
        Range::Whole => {}
        Range::Of(first, last) => {
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            insert(&mut response, header::CONTENT_RANGE, format!("bytes {first}-{last}/{length}"));
        }
        Range::Outside => {
            *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
            insert(&mut response, header::CONTENT_RANGE, format!("bytes */{length}"));
        }
    }
    let headers = response.headers_mut();
    let content_type = match kind {
        Kind::LivePlaylist | Kind::FinalPlaylist => PLAYLIST,
        Kind::Init => MP4,
        Kind::Segment => SEGMENT,
    };
    headers.insert(header::CONTENT_TYPE, content_type);
    let caching = match (kind, grant) {
        (Kind::LivePlaylist, Grant::Public) => "public, max-age=1",
        (Kind::FinalPlaylist, Grant::Public) => "public, max-age=60",
        // Whoever trims an item sees at once what becomes of it.
        (Kind::LivePlaylist | Kind::FinalPlaylist, Grant::Preview) => "private, no-cache",
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
