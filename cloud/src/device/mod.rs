//! Boxes: their identity, what is wanted of them, what they say, and commands to them.
//!
//! `state.rs` decides for one box what goes to it and into the journal; `driver.rs` speaks MQTT for all of them.

mod desired;
mod devices;
mod document;
mod driver;
mod error;
mod exchange;
mod http;
mod session;
pub mod state;
#[cfg(test)]
mod tests;

pub use devices::{DeviceView, Devices, NewDevice, Targets};
pub use document::{BoxJournal, Cursor, DesiredRecord, Device, Presence};
pub use driver::start;
pub use error::DeviceError;
pub use http::routes;
