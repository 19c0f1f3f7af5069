//! What the box means to do, and the commands that change it.
//!
//! An intent (live, recording) is on disk before it is carried out, so that a
//! power cut or a crash only interrupts it: the next start takes it up again.

mod driver;
pub mod state;
mod status;

#[cfg(test)]
mod tests;

pub use driver::{Control, Machinery, Observation, Request, spawn};
pub use state::{Intent, Record};
pub use status::Health;

/// Where the intents are kept, each time until they are on disk.
pub type IntentStore = crate::durable::Kept<Record>;
