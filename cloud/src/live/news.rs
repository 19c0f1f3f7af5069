//! What happens in an event second by second, for the pages that look at it.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::broadcast;

use crate::id::EventId;
use crate::store::Account;

/// What may wait for a page that is slow; it misses seconds beyond.
const WAITING: usize = 256;

/// Something about an event.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    /// Whose event.
    pub(crate) account: Account,
    /// The name of the server-sent event.
    pub(crate) name: &'static str,
    /// JSON.
    pub(crate) data: Arc<str>,
}

/// Passes it on to whoever listens; cloned freely.
#[derive(Debug, Clone)]
pub(super) struct Tellers(broadcast::Sender<Told>);

impl Default for Tellers {
    fn default() -> Self {
        Self(broadcast::Sender::new(WAITING))
    }
}

impl Tellers {
    pub(super) fn subscribe(&self) -> broadcast::Receiver<Told> {
        self.0.subscribe()
    }

    /// Whether anybody would hear it.
    pub(super) fn is_heard(&self) -> bool {
        self.0.receiver_count() > 0
    }

    /// Tells of one event: a field of this name beside its id.
    pub(super) fn tell(
        &self,
        account: Account,
        event: &EventId,
        name: &'static str,
        field: &str,
        value: &Value,
    ) {
        let data = json!({ "event_id": event, field: value }).to_string().into();
        // Nobody listening is no error.
        let _ = self.0.send(Told { account, name, data });
    }
}
