//! Prefixed identifiers: what kind of thing an id names is part of the id.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// Characters after the prefix: 20 of 5 bits each, 100 random bits.
const CHARS: usize = 20;
/// Crockford's alphabet in lower case: no `i`, `l`, `o`, `u`, so that ids can be read out.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Says why a text is no id of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an id of this kind: expected `{prefix}` and 20 characters of 0-9 and a-z without i, l, o, u")]
pub struct IdError {
    prefix: &'static str,
}

fn parse(prefix: &'static str, text: &str) -> Result<u128, IdError> {
    let error = IdError { prefix };
    let rest = text.strip_prefix(prefix).ok_or_else(|| error.clone())?;
    if rest.len() != CHARS {
        return Err(error);
    }
    rest.bytes().try_fold(0u128, |value, byte| {
        let digit = ALPHABET.iter().position(|candidate| *candidate == byte).ok_or_else(|| error.clone())?;
        Ok((value << 5) | digit as u128)
    })
}

fn write(prefix: &str, value: u128, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut text = [0u8; CHARS];
    for (place, byte) in text.iter_mut().rev().enumerate() {
        *byte = ALPHABET[((value >> (5 * place)) & 31) as usize];
    }
    f.write_str(prefix)?;
    f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
}

/// An id in the API's document.
fn schema(prefix: &str) -> RefOr<Schema> {
    // The alphabet as a pattern.
    let pattern = format!("^{prefix}[0-9a-hjkmnp-tv-z]{{{CHARS}}}$");
    let example = format!("{prefix}{}", &"3f9k2m7q8t5v6w0x1y4z"[..CHARS]);
    ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern)).examples([example]).into()
}

/// Fills `bytes` from the kernel's random generator.
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the kernel's random generator is always there once the system is up");
    bytes
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u128);

        impl $name {
            /// What every id of this kind begins with.
            pub const PREFIX: &'static str = $prefix;

            /// Makes an id of random bytes that the caller drew.
            pub fn from_random(bytes: [u8; 16]) -> Self {
                Self(u128::from_be_bytes(bytes) >> 28)
            }

            /// Draws a new id.
            pub fn random() -> Self {
                Self::from_random(random_bytes())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write($prefix, self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write($prefix, self.0, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                parse($prefix, text).map(Self)
            }
        }

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                schema($prefix)
            }
        }

        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                stringify!($name).into()
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

ids! {
    /// Names a live event.
    EventId = "evt_";
    /// Names an item: something to be watched on demand.
    ItemId = "itm_";
    /// Names a capture box.
    BoxId = "box_";
    /// Names a recording: one started span of an event.
    RecordingId = "rec_";
    /// A place that an event is pushed to.
    SimulcastId = "sim_";
    /// Names a job: something long that the server does.
    JobId = "job_";
    /// Names a user.
    UserId = "usr_";
    /// Names a role.
    RoleId = "rol_";
    /// Names a personal token.
    TokenId = "tok_";
    /// Names an account where everybody may see it.
    AccountId = "acc_";
    /// Names a session of the pages.
    SessionId = "ses_";
    /// Names a login, good or not.
    LoginId = "lgn_";
    /// Names an export of a user's data.
    ExportId = "exp_";
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_id_of_another_kind_is_refused() {
        let event = EventId::random().to_string();
        assert!(event.parse::<EventId>().is_ok());
        assert!(event.parse::<ItemId>().is_err());
        for wrong in ["", "evt_", "evt_0", "evt_0000000000000000000i", "evt_000000000000000000000"] {
            assert!(wrong.parse::<EventId>().is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(bytes: [u8; 16]) {
            let id = BoxId::from_random(bytes);
            prop_assert_eq!(id.to_string().parse::<BoxId>(), Ok(id));
            prop_assert_eq!(serde_json::from_str::<BoxId>(&serde_json::to_string(&id).unwrap()).unwrap(), id);
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,40}") {
            let _ = text.parse::<EventId>();
        }
    }
}
