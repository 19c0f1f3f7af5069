//! Identities in topics and payloads, checked once where they enter.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Why a text is not an identity of this kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no {kind}: it must be {rule}")]
pub struct IdError {
    kind: &'static str,
    text: String,
    rule: &'static str,
}

const LONGEST: usize = 64;

fn check(kind: &'static str, prefix: &'static str, rule: &'static str, text: &str) -> Result<(), IdError> {
    let body = text.strip_prefix(prefix).unwrap_or("");
    let good = !body.is_empty()
        && text.len() <= LONGEST
        && body
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || (prefix.is_empty() && b"-_".contains(&byte)));
    if good {
        return Ok(());
    }
    Err(IdError { kind, text: text.chars().take(LONGEST).collect(), rule })
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $prefix:literal, $rule:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        #[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(value_type = String))]
        pub struct $name(String);

        impl $name {
            /// The identity as it stands in topics and payloads.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// Makes an identity of random bytes; 16 of them make a collision impossible in practice.
            #[must_use]
            pub fn from_random(bytes: &[u8; 16]) -> Self {
                use std::fmt::Write as _;
                let mut text = String::from($prefix);
                for byte in bytes {
                    // Writing to a String cannot fail.
                    let _ = write!(text, "{byte:02x}");
                }
                Self(text)
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                check($kind, $prefix, $rule, text)?;
                Ok(Self(text.to_owned()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                check($kind, $prefix, $rule, &text)?;
                Ok(Self(text))
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }
    };
}

id!(
    /// A box: `box_` and letters or digits, so that it is one literal level of a topic.
    BoxId, "box id", "box_", "`box_` and then letters or digits, 64 characters at most"
);
id!(
    /// One run of a box's operating system or daemon: changes with each start.
    BootId, "boot id", "", "letters, digits, `-` or `_`, 64 characters at most"
);
id!(
    /// One command, however often it is delivered.
    CommandId, "command id", "", "letters, digits, `-` or `_`, 64 characters at most"
);
id!(
    /// One outbox: drawn when its store is made, so that a box whose disk was replaced counts anew from 1.
    OutboxId, "outbox id", "", "letters, digits, `-` or `_`, 64 characters at most"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_id_is_one_literal_level_of_a_topic() {
        assert!("box_01jd".parse::<BoxId>().is_ok());
        for bad in ["", "box_", "evt_1", "box_a/b", "box_+", "box_#", "box_a b", "box_ä"] {
            assert!(bad.parse::<BoxId>().is_err(), "{bad}");
        }
        assert!(format!("box_{}", "a".repeat(61)).parse::<BoxId>().is_err());
    }

    #[test]
    fn a_random_id_parses() {
        let id = BoxId::from_random(&[0xab; 16]);
        assert_eq!(id.as_str().parse::<BoxId>().as_ref(), Ok(&id));
    }
}
