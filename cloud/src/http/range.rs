//! Byte ranges of requests (RFC 9110, 14).

use http::{HeaderMap, HeaderValue, header};

/// What of a representation a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Range {
    /// Not understood or of several ranges: the whole is sent (RFC 9110, 14.2).
    Whole,
    /// The first and the last byte.
    Of(u64, u64),
    /// Nothing of what there is.
    Outside,
}

impl Range {
    /// Reads a request's headers; without a range the whole is asked for.
    pub(crate) fn of(headers: &HeaderMap, length: u64) -> Self {
        headers.get(header::RANGE).map_or(Self::Whole, |range| parse_range(range, length))
    }
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
