//! Live events: what is to be seen, whether it is on, and the keys to push it with.

mod actions;
mod activity;
mod allowed;
mod change;
mod details;
mod document;
mod duplicate;
mod error;
mod events;
mod follow;
mod http;
mod key;
mod keys;
mod listing;
mod schedule;
pub mod state;
#[cfg(test)]
mod tests;
mod view;

pub(crate) use actions::ACTIONS;
pub use change::EventChange;
pub(crate) use details::LONGEST;
pub use details::{Details, Images, Message, Messages, Record};
pub use document::{Activity, Event, Source};
pub use error::EventError;
pub use events::{Events, ListOptions, NewEvent};
pub use http::{Operations, routes};
pub use key::StreamKey;
pub(crate) use key::masked;
pub(crate) use listing::LISTING;
pub(crate) use schedule::run as follow_schedules;
pub use state::EventStatus;
pub use view::{AdminView, EventView, InputView, Inputs, Works};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Which of an event's two stream keys a broadcast uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    /// The broadcast itself.
    Main,
    /// The one that takes over.
    Backup,
}

/// What a live event shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnAir {
    /// The broadcast itself.
    Main,
    /// The one that takes over.
    Backup,
    /// A still picture, as nothing is broadcast.
    Slate,
}

impl Input {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Main, Self::Backup];

    /// Its name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Main => "main",
            Self::Backup => "backup",
        }
    }
}

impl std::fmt::Display for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
