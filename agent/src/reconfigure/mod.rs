//! The configuration changes while the box runs.
//!
//! `state.rs` decides what is done about a configuration that is wanted: refused in words, waiting until nobody is
//! disturbed, tried, or held. `driver.rs` checks, keeps and carries out. The box never goes without a picture for it: what
//! the media process cannot work with is taken back, and only what it works with is kept for the next start.

mod driver;
#[cfg(test)]
mod driver_tests;
pub mod state;
#[cfg(test)]
mod tests;
mod trial;
mod words;

pub use driver::{Parts, Reconfigure, StartMedia, spawn};

use crate::config::Change;

/// A configuration that is wanted, as it comes.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// The `config_version` of `desired`.
    pub version: u64,
    /// What is to differ from the file.
    pub change: Change,
    /// Whether it is to hold at once, whoever watches.
    pub now: bool,
}
