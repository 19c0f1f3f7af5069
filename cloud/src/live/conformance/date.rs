//! Dates of ISO 8601 as playlists have them (RFC 8216bis, 4.4.4.6).

use time::format_description::well_known::{Iso8601, Rfc3339};
use time::{OffsetDateTime, PrimitiveDateTime};

/// No date is longer than this, in bytes.
const MAX_LENGTH: usize = 48;

/// A moment, and how well it was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Date {
    /// Milliseconds since 1970; UTC where no zone is told.
    pub(super) unix_ms: i64,
    /// Time zone and milliseconds are told.
    pub(super) precise: bool,
}

/// Reads a date with its time of day.
pub(super) fn parse(text: &str) -> Option<Date> {
    if text.len() > MAX_LENGTH || !text.is_ascii() || !text.contains('T') {
        return None;
    }
    let fraction = text
        .split_once(['.', ','])
        .map_or(0, |(_, rest)| rest.bytes().take_while(u8::is_ascii_digit).count());
    let zoned = with_zone(text);
    let at = match zoned {
        Some(at) => at,
        None => PrimitiveDateTime::parse(text, &Iso8601::PARSING).ok()?.assume_utc(),
    };
    let unix_ms = i64::try_from(at.unix_timestamp_nanos().div_euclid(1_000_000)).ok()?;
    Some(Date { unix_ms, precise: zoned.is_some() && fraction >= 3 })
}

fn with_zone(text: &str) -> Option<OffsetDateTime> {
    let parse = |text: &str| OffsetDateTime::parse(text, &Iso8601::PARSING).ok();
    // Nearly all dates are of this kind, which is read much faster.
    let usual = OffsetDateTime::parse(text, &Rfc3339).ok();
    usual.or_else(|| parse(text)).or_else(|| {
        // Hours and minutes of the zone without a colon, beside a time with colons.
        let at = text.len().checked_sub(5)?;
        let (head, zone) = text.split_at_checked(at)?;
        let (hours, minutes) = zone.split_at_checked(3)?;
        let signed = hours.starts_with(['+', '-']);
        signed.then(|| parse(&format!("{head}{hours}:{minutes}"))).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        let at = |unix_ms, precise| Some(Date { unix_ms, precise });
        assert_eq!(parse("2023-11-14T22:13:20.000Z"), at(1_700_000_000_000, true));
        assert_eq!(parse("2023-11-15T06:13:20.031+08:00"), at(1_700_000_000_031, true));
        assert_eq!(parse("2023-11-15T06:13:20.031+0800"), at(1_700_000_000_031, true));
        assert_eq!(parse("2023-11-14T22:13:20Z"), at(1_700_000_000_000, false));
        assert_eq!(parse("2023-11-14T22:13:20.000"), at(1_700_000_000_000, false));
        for wrong in [
            "",
            "2023-11-14",
            "22:13:20Z",
            "2023-13-14T22:13:20Z",
            "yesterday",
            "2023-11-14 22:13:20Z",
            "T",
            "+0800T",
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
