//! Boxes: their identity, what is wanted of them, what they say, and commands to them.
//!
//! `state.rs` decides for one box what goes to it and into the journal; `driver.rs` speaks MQTT for all of them,
//! in the process that has the broker; `away.rs` asks that one.

mod actions;
mod away;
mod change;
mod desired;
mod devices;
mod document;
mod driver;
mod error;
mod exchange;
mod http;
mod listing;
mod older;
mod session;
pub mod state;
#[cfg(test)]
mod tests;
mod together;
mod upload_test;

pub(crate) use actions::ACTIONS;
pub(crate) use away::{follow_telemetry, is_away};
pub use change::{DeviceChange, WantedConfig};
pub use devices::{DeviceView, Devices, NewDevice, Targets};
pub use document::{BoxJournal, Cursor, DesiredRecord, Device, Presence};
pub(crate) use driver::begin;
pub use error::DeviceError;
pub use http::{Operations, routes};
pub(crate) use listing::LISTING;
pub(crate) use older::complete;
pub(crate) use together::run as go_together;
