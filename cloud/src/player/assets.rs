//! The built web front, as it is embedded in the binary.

use crate::http::{Response, accepts};
use http::{HeaderMap, HeaderValue, header};
use rust_embed::{EmbeddedFile, RustEmbed};
use std::borrow::Cow;

#[derive(RustEmbed)]
#[folder = "web/dist"]
struct Dist;

/// Codings that the build leaves beside an asset, the best first.
const CODINGS: [(&str, &str); 2] = [("br", "br"), ("gzip", "gz")];

/// A page's text, or nothing if the web front was not built before the server was.
pub(crate) fn page(name: &str) -> Option<String> {
    let file = Dist::get(name)?;
    String::from_utf8(file.data.into_owned()).ok()
}

/// A file with a hash in its name: whoever has it never asks again.
pub(super) fn asset(path: &str, headers: &HeaderMap) -> Option<Response> {
    // Their compressed forms are no files of their own.
    if CODINGS.iter().any(|(_, ending)| path.rsplit('.').next() == Some(ending)) {
        return None;
    }
    let file = Dist::get(path)?;
    let kind = file.metadata.mimetype().to_owned();
    let coded = CODINGS
        .iter()
        .filter(|(coding, _)| accepts(headers, coding))
        .find_map(|(coding, ending)| Some((*coding, Dist::get(&format!("{path}.{ending}"))?)));
    let (coding, file) = match coded {
        Some((coding, file)) => (Some(coding), file),
        None => (None, file),
    };
    let mut response = Response::new(body(file).into());
    let answer = response.headers_mut();
    if let Ok(kind) = HeaderValue::from_str(&kind) {
        answer.insert(header::CONTENT_TYPE, kind);
    }
    if let Some(coding) = coding {
        answer.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
    }
    answer.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    let hashed = path.starts_with("assets/");
    let keep = if hashed { "public, max-age=31536000, immutable" } else { "public, max-age=3600" };
    answer.insert(header::CACHE_CONTROL, HeaderValue::from_static(keep));
    Some(response)
}

fn body(file: EmbeddedFile) -> bytes::Bytes {
    match file.data {
        Cow::Borrowed(data) => bytes::Bytes::from_static(data),
        Cow::Owned(data) => bytes::Bytes::from(data),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_no_asset() {
        for path in ["", "assets", "../Cargo.toml", "assets/../index.html", "/etc/passwd", "assets/x.js.br"] {
            assert!(asset(path, &HeaderMap::new()).is_none(), "{path}");
        }
    }
}
