//! An event's status: one pure machine.
//!
//! ```text
//! waiting ⇄ preview
//!    │         │
//!    └──▶ started ◀──▶ paused
//!            │            │
//!            └──▶ ended ◀─┘
//! ```
//!
//! Only a user changes it: a broadcast that comes or goes never does.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use utoipa::ToSchema;

/// Where an event stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EventStatus {
    /// Announced: viewers see the waiting message.
    Waiting,
    /// The administrators see the broadcast, viewers the waiting message.
    Preview,
    /// Viewers see the broadcast, and it is recorded.
    Started,
    /// Viewers see the pause message.
    Paused,
    /// Over for good.
    Ended,
}

/// Says that a status cannot follow another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forbidden {
    /// Where the event stands.
    pub from: EventStatus,
    /// Where it was to go.
    pub to: EventStatus,
}

impl fmt::Display for Forbidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an event that is {} cannot become {}: ", self.from, self.to)?;
        match self.from.next() {
            [] => f.write_str("nothing follows"),
            allowed => {
                let names: Vec<_> = allowed.iter().map(|status| status.name()).collect();
                write!(f, "allowed next is {}", names.join(" or "))
            }
        }
    }
}

impl std::error::Error for Forbidden {}

impl EventStatus {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Waiting, Self::Preview, Self::Started, Self::Paused, Self::Ended];

    /// What can follow.
    pub fn next(self) -> &'static [Self] {
        match self {
            Self::Waiting => &[Self::Preview, Self::Started],
            Self::Preview => &[Self::Waiting, Self::Started],
            Self::Started => &[Self::Paused, Self::Ended],
            Self::Paused => &[Self::Started, Self::Ended],
            Self::Ended => &[],
        }
    }

    /// Goes to `to` if that is allowed.
    pub fn go(self, to: Self) -> Result<Self, Forbidden> {
        if self.next().contains(&to) { Ok(to) } else { Err(Forbidden { from: self, to }) }
    }

    /// Its name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Preview => "preview",
            Self::Started => "started",
            Self::Paused => "paused",
            Self::Ended => "ended",
        }
    }

    /// Whether a broadcast is packaged: it is shown to somebody, or may be at once.
    pub fn is_live(self) -> bool {
        matches!(self, Self::Preview | Self::Started | Self::Paused)
    }
}

impl fmt::Display for EventStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for EventStatus {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|status| status.name() == text)
            .ok_or_else(|| "must be waiting, preview, started, paused or ended".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::EventStatus::{self, Ended, Paused, Preview, Started, Waiting};

    #[test]
    fn the_whole_table() {
        let allowed = [
            (Waiting, Preview),
            (Waiting, Started),
            (Preview, Waiting),
            (Preview, Started),
            (Started, Paused),
            (Started, Ended),
            (Paused, Started),
            (Paused, Ended),
        ];
        for from in EventStatus::ALL {
            for to in EventStatus::ALL {
                assert_eq!(from.go(to).is_ok(), allowed.contains(&(from, to)), "{from} to {to}");
            }
        }
    }

    #[test]
    fn a_refusal_names_what_is_allowed() {
        let refusal = Waiting.go(Ended).unwrap_err().to_string();
        assert_eq!(
            refusal,
            "an event that is waiting cannot become ended: allowed next is preview or started"
        );
        assert!(Ended.go(Started).unwrap_err().to_string().ends_with("nothing follows"));
    }

    #[test]
    fn names_are_read_back() {
        for status in EventStatus::ALL {
            assert_eq!(status.name().parse::<EventStatus>(), Ok(status));
        }
        assert!("live".parse::<EventStatus>().is_err());
    }
}
