//! Simulcasts: an event's picture and sound, pushed to the servers of others while viewers see it.
//!
//! ```text
//!  event's timeline ─▶ Pushes ─▶ a hub per rendition ─▶ an output per server ─▶ outbound guard ─▶ server
//! ```
//!
//! Each output has a queue and a connection of its own: one that hangs or is refused costs neither the event nor the
//! others anything ([`stagebox_push`]).

mod change;
mod connector;
mod document;
mod http;
mod listing;
mod pushes;
mod simulcasts;
mod view;

pub use document::{Service, Simulcast};
pub use http::{Operations, routes};
pub(crate) use listing::LISTING;
pub(crate) use pushes::Pushes;
pub use simulcasts::{SimulcastError, Simulcasts};
