//! Which of its two forms a request wants an answer in (RFC 9110, 12.5.1).

use http::{HeaderMap, header};

/// Whether the client likes a page better than JSON; whoever likes both alike gets JSON.
pub(super) fn prefers_page(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let ranges: Vec<Range<'_>> = values.flat_map(|value| value.split(',')).filter_map(Range::parse).collect();
    weight(&ranges, "text", "html") > weight(&ranges, "application", "json")
}

/// A media range with its weight in thousandths.
struct Range<'a> {
    kind: &'a str,
    subtype: &'a str,
    weight: u16,
}

impl<'a> Range<'a> {
    /// What cannot be read is not there.
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let (kind, subtype) = parts.next()?.split_once('/')?;
        let mut weight = 1000;
        for part in parts {
            let Some((name, value)) = part.split_once('=') else { continue };
            if name.trim().eq_ignore_ascii_case("q") {
                weight = thousandths(value.trim())?;
            }
        }
        Some(Self { kind: kind.trim(), subtype: subtype.trim(), weight })
    }

    /// How exactly it names a media type; `None` if it does not.
    fn names(&self, kind: &str, subtype: &str) -> Option<u8> {
        if self.kind.eq_ignore_ascii_case(kind) && self.subtype.eq_ignore_ascii_case(subtype) {
            Some(2)
        } else if self.kind.eq_ignore_ascii_case(kind) && self.subtype == "*" {
            Some(1)
        } else {
            (self.kind == "*" && self.subtype == "*").then_some(0)
        }
    }
}

/// The weight of the most exact range that names the type; 0 if none does.
fn weight(ranges: &[Range<'_>], kind: &str, subtype: &str) -> u16 {
    let named = ranges.iter().filter_map(|range| Some((range.names(kind, subtype)?, range.weight)));
    named.max().map_or(0, |(_, weight)| weight)
}

/// Reads a weight: 0 to 1 with at most three digits after the point.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
    if rest.len() > 3 || !rest.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let rest = format!("{rest:0<3}").parse::<u16>().ok()?;
    match whole {
        "0" => Some(rest),
        "1" if rest == 0 => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn page(accept: &[&'static str]) -> bool {
        let values = accept.iter().map(|value| (header::ACCEPT, HeaderValue::from_static(value)));
        let mut headers = HeaderMap::new();
        for (name, value) in values {
            headers.append(name, value);
        }
        prefers_page(&headers)
    }

    #[test]
    fn browsers_get_pages() {
        for accept in [
            "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
            "text/html",
            "TEXT/HTML; charset=utf-8",
            "text/*;q=0.3, application/json;q=0.2",
            "application/json;q=0.5, text/html ; q=0.501",
            "*/*;q=0.1, text/html;q=0.2",
            "application/json;q=0, */*",
        ] {
            assert!(page(&[accept]), "{accept}");
        }
        assert!(page(&["application/json;q=0.9", "text/html"]), "two lines are one list");
    }

    #[test]
    fn everybody_else_gets_json() {
        for accept in [
            "",
            "*/*",
            "application/json",
            "application/json, text/html",
            "text/html, */*",
            "text/html;q=0, */*;q=0.1",
            "text/html;q=0.5, application/json",
            "text/event-stream",
            "text/*;q=0.5, application/*",
            "text/html;q=nonsense",
            "text/html;q=1.5",
            "text/html;q=0.1234",
            "html",
            ";;;,,,/",
        ] {
            assert!(!page(&[accept]), "{accept}");
        }
        assert!(!page(&[]));
    }
}
