//! Mail to users, over the server that the configuration names.
//!
//! What is to be sent is an entry of a queue, in the batch of the change that it tells of ([`Outbox::post`]): neither
//! address nor secret is in it. The mail itself is put together when it is sent, as often as it is tried.

pub mod command;
mod config;
mod driver;
mod error;
mod send;
mod text;

pub use config::{Encryption, MailConfig};
pub(crate) use driver::start;
pub use error::MailError;
pub use text::{Mail, Part};

use crate::store::{Batch, NewEntry, Queue, QueueError, Store};
use serde::Serialize;

/// The queue's name.
const QUEUE: &str = "mail";

/// What is to be sent; cloned freely.
#[derive(Clone)]
pub struct Outbox(Option<Queue>);

impl Outbox {
    /// One that sends, if the configuration names a server.
    pub fn new(config: &MailConfig, store: &Store) -> Self {
        // The name is one that a queue may have.
        Self(config.is_on().then(|| Queue::new(store.clone(), QUEUE).ok()).flatten())
    }

    /// One that sends nothing.
    pub fn none() -> Self {
        Self(None)
    }

    /// Whether anything is sent.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Adds a letter to a batch; where no mail is sent the batch stays as it is.
    ///
    /// # Errors
    /// It is too long.
    pub fn post(&self, batch: Batch, letter: &impl Serialize) -> Result<Batch, QueueError> {
        let Some(queue) = &self.0 else { return Ok(batch) };
        let payload = serde_json::to_value(letter).unwrap_or_default();
        let max_attempts = Some(driver::LEASES);
        Ok(queue.push_in(batch, NewEntry { payload, max_attempts, ..NewEntry::default() })?.0)
    }

    /// Has what was committed sent at once.
    pub fn wake(&self) {
        if let Some(queue) = &self.0 {
            queue.wake();
        }
    }

    fn queue(&self) -> Option<&Queue> {
        self.0.as_ref()
    }
}
