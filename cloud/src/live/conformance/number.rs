//! Numbers as attribute values and tags have them (RFC 8216bis, 4.2).

/// Seconds above this are not believed: about 30 000 years.
const MAX_SECONDS: u64 = 1_000_000_000_000;

/// A decimal-integer: one to twenty digits, below 2^64.
pub(super) fn integer(text: &str) -> Option<u64> {
    let plain = (1..=20).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

/// A decimal-floating-point of seconds, in microseconds, rounded.
pub(super) fn seconds_us(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || (whole.is_empty() && fraction.is_empty()) {
        return None;
    }
    let seconds = if whole.is_empty() { 0 } else { whole.parse::<u64>().ok()? };
    let mut us = 0;
    for place in 0..6 {
        us = us * 10 + fraction.as_bytes().get(place).map_or(0, |digit| u64::from(digit - b'0'));
    }
    let up = fraction.as_bytes().get(6).is_some_and(|digit| *digit >= b'5');
    (seconds <= MAX_SECONDS).then(|| seconds * 1_000_000 + us + u64::from(up))
}

/// A signed-decimal-floating-point of seconds, in microseconds.
pub(super) fn signed_seconds_us(text: &str) -> Option<i64> {
    let (sign, size) = text.strip_prefix('-').map_or((1, text), |size| (-1, size));
    Some(sign * i64::try_from(seconds_us(size)?).ok()?)
}

/// A byte range `<n>[@<o>]`: length and offset.
pub(super) fn byte_range(text: &str) -> Option<(u64, Option<u64>)> {
    match text.split_once('@') {
        Some((length, offset)) => Some((integer(length)?, Some(integer(offset)?))),
        None => Some((integer(text)?, None)),
    }
}

/// A decimal-resolution: width and height.
pub(super) fn resolution(text: &str) -> Option<(u64, u64)> {
    let (width, height) = text.split_once('x')?;
    Some((integer(width)?, integer(height)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers() {
        assert_eq!(integer("18446744073709551615"), Some(u64::MAX));
        for wrong in ["", "-1", "+1", "1.0", " 1", "18446744073709551616", "000000000000000000001"] {
            assert_eq!(integer(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn seconds() {
        for (text, us) in [
            ("4", 4_000_000),
            ("0.5", 500_000),
            ("2.0013335", 2_001_334),
            (".25", 250_000),
            ("3.", 3_000_000),
        ] {
            assert_eq!(seconds_us(text), Some(us), "{text}");
        }
        for wrong in ["", ".", "-1", "1e3", "1.2.3", "NaN", "inf", "99999999999999999999", " 1", "1,5"] {
            assert_eq!(seconds_us(wrong), None, "{wrong}");
        }
        assert_eq!(signed_seconds_us("-1.5"), Some(-1_500_000));
        assert_eq!(signed_seconds_us("--1"), None);
    }

    #[test]
    fn ranges_and_resolutions() {
        assert_eq!(byte_range("10@5"), Some((10, Some(5))));
        assert_eq!(byte_range("10"), Some((10, None)));
        assert_eq!(byte_range("10@"), None);
        assert_eq!(resolution("1280x720"), Some((1280, 720)));
        assert_eq!(resolution("1280X720"), None);
    }
}
