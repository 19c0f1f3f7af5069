//! Live events: what is to be seen, whether it is on, and the keys to push it with.

mod actions;
mod activity;
mod allowed;
mod document;
mod error;
mod events;
mod follow;
mod http;
mod key;
mod listing;
pub mod state;
#[cfg(test)]
mod tests;
mod view;

pub(crate) use actions::ACTIONS;
pub use document::{Activity, Event};
pub use error::EventError;
pub use events::{Events, ListOptions, NewEvent, PatchEvent};
pub use http::{Operations, routes};
pub use key::StreamKey;
pub(crate) use listing::LISTING;
pub use state::EventStatus;
pub use view::{AdminView, EventView, InputView, Inputs};

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
