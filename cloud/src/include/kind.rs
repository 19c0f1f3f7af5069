//! Which types of files there are.

/// Types that are taken, as they are served.
const TYPES: [&str; 12] = [
    "text/css; charset=utf-8",
    "text/javascript; charset=utf-8",
    "text/html; charset=utf-8",
    "text/plain; charset=utf-8",
    "text/vtt; charset=utf-8",
    "application/json",
    "image/svg+xml",
    "image/png",
    "image/jpeg",
    "image/webp",
    "image/gif",
    "font/woff2",
];
/// Longest name.
pub(super) const MAX_NAME: usize = 100;

/// The type under which a file is served; the error says which there are.
pub(super) fn served_as(given: &str) -> Result<&'static str, String> {
    let essence = |text: &str| text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let wanted = match essence(given).as_str() {
        // What it was called before RFC 9239.
        "application/javascript" | "application/x-javascript" => "text/javascript".to_owned(),
        other => other.to_owned(),
    };
    let found = TYPES.iter().find(|known| essence(known) == wanted);
    found.copied().ok_or_else(|| TYPES.iter().map(|known| essence(known)).collect::<Vec<_>>().join(", "))
}

/// Checks a name.
pub(super) fn is_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    !name.is_empty() && name.len() <= MAX_NAME && !name.starts_with('.') && name.bytes().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_known_by_what_they_are_called() {
        assert_eq!(served_as("text/css"), Ok("text/css; charset=utf-8"));
        assert_eq!(served_as("Image/SVG+xml; charset=utf-8"), Ok("image/svg+xml"));
        assert_eq!(served_as("application/javascript"), Ok("text/javascript; charset=utf-8"));
        for wrong in ["", "text/xml", "application/xhtml+xml", "application/octet-stream", "image/svg", "*/*"]
        {
            let refused = served_as(wrong).unwrap_err();
            assert!(refused.contains("text/css, ") && !refused.contains("octet"), "{wrong}: {refused}");
        }
    }

    #[test]
    fn names_are_plain() {
        for good in ["a", "logo.svg", "A-b_c.1", &"x".repeat(100)] {
            assert!(is_name(good), "{good}");
        }
        for wrong in ["", ".", "..", ".htaccess", "a/b", "a b", "ä", "a%2fb", "a\\b", "a\0", &"x".repeat(101)]
        {
            assert!(!is_name(wrong), "{wrong:?}");
        }
    }
}
