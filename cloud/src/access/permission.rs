//! What somebody may do, by name.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

macro_rules! permissions {
    ($($name:ident = $text:literal, $words:literal;)*) => {
        /// One thing that a role allows.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Permission {
            $(#[doc = $words] $name,)*
        }

        impl Permission {
            /// All of them, in the order in which pages show them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Its name in the API.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// What it allows, in a sentence.
            pub fn words(self) -> &'static str {
                match self { $(Self::$name => $words,)* }
            }
        }
    };
}

permissions! {
    EventsRead = "events:read", "See live events and their previews.";
    EventsWrite = "events:write", "Make and change live events; see and change their stream keys.";
    EventsRun = "events:run", "Start, pause and end live events.";
    RecordingsRead = "recordings:read", "See recordings.";
    ItemsRead = "items:read", "See items and watch them whatever their rules say.";
    ItemsWrite = "items:write", "Change and delete items.";
    DevicesRead = "devices:read", "See boxes and what they measure.";
    DevicesWrite = "devices:write", "Make, rename and switch off boxes.";
    DevicesControl = "devices:control", "Give boxes commands, such as GO LIVE.";
    HooksRead = "hooks:read", "See where notifications go and how they fare.";
    HooksWrite = "hooks:write", "Change where notifications go.";
    JobsRead = "jobs:read", "See what runs in the background.";
    JobsWrite = "jobs:write", "Cancel what runs in the background.";
    UsersRead = "users:read", "See users and roles.";
    UsersWrite = "users:write", "Make, change and delete users and roles.";
    LogRead = "log:read", "See the log of who did what, and who logged in from where.";
    AccountRead = "account:read", "See the account's settings, limits and use.";
    AccountWrite = "account:write", "Change the account's settings.";
    ServerRead = "server:read", "See the servers of the installation and their alarms.";
    ServerWrite = "server:write", "Have the servers look through their media.";
    AccessApi = "api:use", "Use the API by HTTP Basic or tokens.";
    ChangePassword = "password:change", "Change one's own password, also by mail, and set up a second factor.";
}

/// Says that a text names no permission.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no permission: GET /api/v1/permissions lists them")]
pub struct PermissionError(String);

impl FromStr for Permission {
    type Err = PermissionError;

    fn from_str(text: &str) -> Result<Self, PermissionError> {
        let found = Self::ALL.iter().find(|permission| permission.name() == text);
        found.copied().ok_or_else(|| PermissionError(text.chars().take(40).collect()))
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of permissions; a list of names in JSON.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Permissions(u64);

impl Permissions {
    /// Every permission there is.
    pub fn all() -> Self {
        Permission::ALL.iter().copied().collect()
    }

    /// Whether it is among them.
    pub fn has(self, permission: Permission) -> bool {
        self.0 & (1 << permission as u64) != 0
    }

    /// Those that both have.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Those that `other` has not.
    #[must_use]
    pub fn beyond(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// One by one.
    pub fn iter(self) -> impl Iterator<Item = Permission> {
        Permission::ALL.iter().copied().filter(move |permission| self.has(*permission))
    }

    /// Reads names; the error says which is wrong.
    pub fn parse(names: &[String]) -> Result<Self, String> {
        names.iter().map(|name| name.parse::<Permission>().map_err(|error| error.to_string())).collect()
    }
}

impl FromIterator<Permission> for Permissions {
    fn from_iter<I: IntoIterator<Item = Permission>>(permissions: I) -> Self {
        Self(permissions.into_iter().fold(0, |set, permission| set | 1 << permission as u64))
    }
}

impl fmt::Display for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.iter().map(Permission::name).collect();
        f.write_str(&names.join(", "))
    }
}

impl PartialSchema for Permission {
    fn schema() -> RefOr<Schema> {
        let names = Self::ALL.iter().map(|permission| permission.name());
        let words = Self::ALL.iter().map(|one| format!("- `{}`: {}\n", one.name(), one.words()));
        ObjectBuilder::new()
            .schema_type(Type::String)
            .enum_values(Some(names))
            .description(Some(format!(
                "One thing that a role or a token allows:\n\n{}",
                words.collect::<String>()
            )))
            .into()
    }
}

impl ToSchema for Permission {
    fn name() -> Cow<'static, str> {
        "Permission".into()
    }
}

impl Serialize for Permission {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl Serialize for Permissions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter().map(Permission::name))
    }
}

impl<'de> Deserialize<'de> for Permissions {
    /// A name that this program does not know, from a newer one, is left out.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let names = Vec::<String>::deserialize(deserializer)?;
        Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_lists_of_names() {
        assert!(Permission::ALL.len() < 64);
        let all = Permissions::all();
        let text = serde_json::to_string(&all).unwrap();
        assert_eq!(serde_json::from_str::<Permissions>(&text).unwrap(), all);
        let some: Permissions = [Permission::EventsRead, Permission::AccessApi].into_iter().collect();
        assert_eq!(serde_json::to_string(&some).unwrap(), r#"["events:read","api:use"]"#);
        assert!(some.has(Permission::AccessApi) && !some.has(Permission::EventsWrite));
        assert!(some.beyond(all).is_empty() && !all.beyond(some).has(Permission::AccessApi));
        let error = Permissions::parse(&["events:read".to_owned(), "events:all".to_owned()]).unwrap_err();
        assert!(error.contains("`events:all`"), "{error}");
        assert_eq!(serde_json::from_str::<Permissions>(r#"["x:y"]"#).unwrap(), Permissions::default());
    }
}
