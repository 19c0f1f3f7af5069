//! E-mail addresses, by which users log in.

use std::borrow::Cow;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// Longest address in characters (RFC 5321, 4.5.3.1.3).
const LONGEST: usize = 254;

/// Checks an e-mail address: two parts around one `@`; spaces around it are left out.
pub(super) fn email(text: &str) -> Result<String, String> {
    let trimmed = text.trim();
    let whole = trimmed.split_once('@').is_some_and(|(name, host)| !name.is_empty() && !host.is_empty());
    let one = trimmed.matches('@').count() == 1;
    let plain = !trimmed.chars().any(|c| c.is_control() || c.is_whitespace());
    if whole && one && plain && text.chars().count() <= LONGEST {
        Ok(trimmed.to_owned())
    } else {
        Err("must be an e-mail address".to_owned())
    }
}

/// What [`email`] takes, in the API's document.
pub(super) struct Email;

impl PartialSchema for Email {
    fn schema() -> RefOr<Schema> {
        let part = r"[^\s@\x00-\x1f\x7f-\x9f]+";
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Email)))
            .max_length(Some(LONGEST))
            .pattern(Some(format!(r"^\s*{part}@{part}\s*$")))
            .examples(["crew@example.org"])
            .into()
    }
}

impl ToSchema for Email {
    fn name() -> Cow<'static, str> {
        "Email".into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_parts_around_one_at() {
        assert_eq!(email(" crew@example.org "), Ok("crew@example.org".to_owned()));
        for wrong in ["", "crew", "@x", "x@", "a@b@c", "a b@c", "a@b\u{7}", &format!("{}@x", "a".repeat(253))]
        {
            assert!(email(wrong).is_err(), "{wrong}");
        }
    }
}
