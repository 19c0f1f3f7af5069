//! What a process does: by default everything.

use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use utoipa::ToSchema;

/// A part of the server that can run in a process of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ProcessRole)]
pub enum Role {
    /// The HTTP interface, the administrator's pages and their feed.
    Api,
    /// RTMP, and the live events' tasks.
    Ingest,
    /// Jobs.
    Transcode,
    /// Playback and the players' pages.
    Deliver,
    /// Notifications.
    Hooks,
    /// Mosquitto, and what the boxes say.
    Broker,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Api, Self::Ingest, Self::Transcode, Self::Deliver, Self::Hooks, Self::Broker];

    /// Its name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Ingest => "ingest",
            Self::Transcode => "transcode",
            Self::Deliver => "deliver",
            Self::Hooks => "hooks",
            Self::Broker => "broker",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Says that a text names no role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no role: the roles are api, ingest, transcode, deliver, hooks and broker")]
pub struct RoleError(String);

impl FromStr for Role {
    type Err = RoleError;

    fn from_str(text: &str) -> Result<Self, RoleError> {
        let wrong = || RoleError(text.chars().take(40).collect());
        Self::ALL.into_iter().find(|role| role.name() == text).ok_or_else(wrong)
    }
}

impl<'de> Deserialize<'de> for Role {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The roles of one process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Roles(BTreeSet<Role>);

impl Default for Roles {
    fn default() -> Self {
        Self(Role::ALL.into())
    }
}

impl FromIterator<Role> for Roles {
    fn from_iter<I: IntoIterator<Item = Role>>(roles: I) -> Self {
        Self(roles.into_iter().collect())
    }
}

impl Roles {
    /// Whether the process has this role.
    pub fn has(&self, role: Role) -> bool {
        self.0.contains(&role)
    }

    /// Whether the process does everything by itself.
    pub fn is_all(&self) -> bool {
        self.0.len() == Role::ALL.len()
    }

    /// Whether it does nothing at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_and_others_are_refused_in_words() {
        for role in Role::ALL {
            assert_eq!(role.to_string().parse(), Ok(role));
        }
        let refused = "Api".parse::<Role>().unwrap_err().to_string();
        assert!(refused.contains("`Api`") && refused.contains("deliver"), "{refused}");
        let roles: Roles = serde_json::from_str(r#"["api","hooks"]"#).unwrap();
        assert!(roles.has(Role::Hooks) && !roles.has(Role::Ingest) && !roles.is_all());
        assert!(Roles::default().is_all());
    }
}
