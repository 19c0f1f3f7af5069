//! Moments in words.

use time::format_description::BorrowedFormatItem;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{OffsetDateTime, UtcOffset};

const WORDS: &[BorrowedFormatItem<'_>] = format_description!(
    "[weekday repr:short] [day padding:none] [month repr:long] [year], [hour]:[minute]:[second] UTC"
);

/// A moment of RFC 3339 as people say it; `None` for any other text.
pub(super) fn words(text: &str) -> Option<String> {
    if !(20..=40).contains(&text.len()) {
        return None;
    }
    let moment = OffsetDateTime::parse(text, &Rfc3339).ok()?.checked_to_offset(UtcOffset::UTC)?;
    moment.format(WORDS).ok()
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn moments_are_said_and_nothing_else() {
        assert_eq!(words("2030-05-01T12:00:00Z").as_deref(), Some("Wed 1 May 2030, 12:00:00 UTC"));
        assert_eq!(words("2030-05-01T12:00:00.123+02:00").as_deref(), Some("Wed 1 May 2030, 10:00:00 UTC"));
        for other in ["", "2030-05-01", "never, as far as one knows", "9999-12-31T23:59:59-23:59"] {
            assert_eq!(words(other), None, "{other}");
        }
    }
}
