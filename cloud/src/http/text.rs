//! Texts that are sent many times: compressed once, for those who take that.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::{HeaderMap, header};
use std::io::Write as _;

/// A shorter text is sent as it is.
const LEAST: usize = 1024;
/// Most of what can be won, in a third of the time.
const LEVEL: u32 = 4;

/// A text, and its compressed form once somebody has asked for that; cloned freely.
#[derive(Debug, Clone)]
pub(crate) struct Text(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    plain: Bytes,
    gzip: OnceLock<Option<Bytes>>,
}

impl Text {
    pub(crate) fn new(plain: impl Into<Bytes>) -> Self {
        Self(Arc::new(Inner { plain: plain.into(), gzip: OnceLock::new() }))
    }

    /// As it is.
    pub(crate) fn plain(&self) -> Bytes {
        self.0.plain.clone()
    }

    /// Compressed (RFC 1952), if the client takes that and it is worth it.
    pub(crate) fn compressed_for(&self, headers: &HeaderMap) -> Option<Bytes> {
        if self.0.plain.len() < LEAST || !accepts(headers, "gzip") {
            return None;
        }
        self.0.gzip.get_or_init(|| gzip(&self.0.plain)).clone()
    }
}

fn gzip(plain: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(plain.len() / 6), Compression::new(LEVEL));
    // Memory takes all; if it did not, the text would be sent as it is.
    encoder.write_all(plain).ok()?;
    encoder.finish().ok().map(Bytes::from)
}

/// Whether the client takes a coding (RFC 9110, 12.5.3); one with `q=0` is refused.
pub(crate) fn accepts(headers: &HeaderMap, coding: &str) -> bool {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|one| {
        let mut parts = one.split(';').map(str::trim);
        let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(coding));
        named && !parts.any(|part| matches!(part, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::GzDecoder;
    use http::HeaderValue;
    use std::io::Read as _;

    fn accepting(value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static(value))])
    }

    #[test]
    fn codings_are_taken_by_name_and_refused_by_weight() {
        assert!(accepts(&accepting("gzip, deflate, br"), "br"));
        assert!(accepts(&accepting("GZIP;q=0.5"), "gzip"));
        assert!(!accepts(&accepting("gzip;q=0, br"), "gzip"));
        assert!(!accepts(&accepting("brotli"), "br"));
        assert!(!accepts(&HeaderMap::new(), "br"));
    }

    #[test]
    fn a_long_text_is_compressed_for_those_who_take_it() {
        let plain: String = (0..1_000).map(|msn| format!("#EXTINF:2.000000,\n{msn}.m4s\n")).collect();
        let text = Text::new(plain.clone());
        assert_eq!(text.compressed_for(&HeaderMap::new()), None);
        let packed = text.compressed_for(&accepting("gzip")).unwrap();
        assert!(packed.len() * 5 < plain.len(), "{} of {}", packed.len(), plain.len());
        let mut back = String::new();
        GzDecoder::new(&*packed).read_to_string(&mut back).unwrap();
        assert_eq!((back, text.plain()), (plain.clone(), Bytes::from(plain)));
        assert_eq!(Text::new("short").compressed_for(&accepting("gzip")), None);
    }
}
