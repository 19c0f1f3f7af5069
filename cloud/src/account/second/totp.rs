//! Codes of a shared secret and the time (RFC 6238, with HMAC-SHA-1, six digits and 30 seconds, as all apps know them).

use crate::clock::Timestamp;
use ring::hmac;
use subtle::ConstantTimeEq as _;

/// Bytes of a secret, as RFC 4226, 4 recommends.
pub(super) const SECRET: usize = 20;
/// Seconds of a step.
const STEP_MS: i64 = 30_000;
/// Steps before and after the present one whose codes are taken: clocks differ, and people type.
const DRIFT: u64 = 1;
const DIGITS: usize = 6;

/// The step that a time is in.
fn step(now: Timestamp) -> u64 {
    (now.unix_ms() / STEP_MS) as u64
}

/// RFC 4226, 5.3: 31 bits of the HMAC.
fn truncated(secret: &[u8], step: u64) -> u32 {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let tag = tag.as_ref();
    let offset = usize::from(tag.last().copied().unwrap_or_default() & 15);
    let mut bytes = [0; 4];
    bytes.copy_from_slice(&tag[offset..offset + 4]);
    u32::from_be_bytes(bytes) & 0x7fff_ffff
}

fn code(secret: &[u8], step: u64) -> String {
    format!("{:0DIGITS$}", truncated(secret, step) % 1_000_000)
}

/// Whether a text has the form of a code, spaces aside.
pub(super) fn digits(text: &str) -> Option<String> {
    let digits: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    (digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some(digits)
}

/// The step of a code that is right now and of a later step than the last one that was taken.
pub(super) fn accepted(secret: &[u8], given: &str, now: Timestamp, last: Option<u64>) -> Option<u64> {
    let present = step(now);
    let steps = present.saturating_sub(DRIFT)..=present + DRIFT;
    // All of them are compared, so that the time it takes tells nothing.
    let fitting = steps.filter(|step| bool::from(code(secret, *step).as_bytes().ct_eq(given.as_bytes())));
    fitting.fold(None, |_, step| Some(step)).filter(|step| last.is_none_or(|last| *step > last))
}

/// A secret as people type it (RFC 4648, 6, without padding).
pub(super) fn base32(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut text = String::new();
    for group in bytes.chunks(5) {
        let mut value = [0u8; 8];
        value[3..3 + group.len()].copy_from_slice(group);
        let bits = u64::from_be_bytes(value);
        for place in 0..(group.len() * 8).div_ceil(5) {
            text.push(char::from(LETTERS[(bits >> (35 - 5 * place) & 31) as usize]));
        }
    }
    text
}

/// What apps read from the picture.
pub(super) fn uri(secret: &[u8], issuer: &str, account: &str) -> String {
    let part = |text: &str| {
        url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
    };
    let (issuer, account) = (part(issuer), part(account));
    format!(
        "otpauth://totp/{issuer}:{account}?secret={}&issuer={issuer}&algorithm=SHA1&digits={DIGITS}&period=30",
        base32(secret)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: &[u8] = b"12345678901234567890";

    #[test]
    fn the_vectors_of_rfc_6238() {
        for (seconds, wanted) in [
            (59, 94_287_082),
            (1_111_111_109, 7_081_804),
            (1_111_111_111, 14_050_471),
            (1_234_567_890, 89_005_924),
            (2_000_000_000, 69_279_037),
            (20_000_000_000, 65_353_130),
        ] {
            let step = step(Timestamp::from_unix_ms(seconds * 1000));
            assert_eq!(truncated(SEED, step) % 100_000_000, wanted, "{seconds}");
            assert_eq!(code(SEED, step), format!("{:06}", wanted % 1_000_000));
        }
    }

    #[test]
    fn a_code_is_taken_a_step_early_or_late_and_never_twice() {
        let at = |step: u64| Timestamp::from_unix_ms(step as i64 * STEP_MS + 7_000);
        let given = code(SEED, 100);
        for now in [99, 100, 101] {
            assert_eq!(accepted(SEED, &given, at(now), None), Some(100));
        }
        for now in [97, 98, 102, 103] {
            assert_eq!(accepted(SEED, &given, at(now), None), None);
        }
        assert_eq!(accepted(SEED, &given, at(100), Some(99)), Some(100));
        assert_eq!(accepted(SEED, &given, at(100), Some(100)), None);
        assert_eq!(accepted(SEED, &given, at(101), Some(101)), None, "nor an older one after a newer one");
        assert_eq!(accepted(SEED, "", at(100), None), None);
    }

    #[test]
    fn codes_have_six_digits() {
        assert_eq!(digits(" 123 456 ").as_deref(), Some("123456"));
        for wrong in ["", "12345", "1234567", "12345a", "１２３４５６"] {
            assert_eq!(digits(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_vectors_of_rfc_4648() {
        for (text, wanted) in [
            ("f", "MY"),
            ("fo", "MZXQ"),
            ("foo", "MZXW6"),
            ("foob", "MZXW6YQ"),
            ("fooba", "MZXW6YTB"),
            ("foobar", "MZXW6YTBOI"),
        ] {
            assert_eq!(base32(text.as_bytes()), wanted);
        }
        let uri = uri(SEED, "Stagebox", "her name@x.org");
        assert!(uri.starts_with(
            "otpauth://totp/Stagebox:her%20name%40x.org?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&"
        ));
    }
}
