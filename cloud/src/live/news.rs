//! What happens in an event second by second, for the pages that look at it.

mod elsewhere;

pub(crate) use elsewhere::follow;

use std::sync::Arc;

use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use tokio::sync::broadcast;

use super::Live;
use crate::id::EventId;
use crate::store::Account;

/// What may wait for a page that is slow; it misses seconds beyond.
const WAITING: usize = 256;

/// Something about an event; as JSON, what another process is told of it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Told {
    /// Whose event.
    pub(crate) account: Account,
    /// The name of the server-sent event.
    pub(crate) name: &'static str,
    /// JSON.
    #[serde(serialize_with = "as_text")]
    pub(crate) data: Arc<str>,
}

fn as_text<S: Serializer>(data: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(data)
}

/// Passes it on to whoever listens; cloned freely.
#[derive(Debug, Clone)]
pub(super) struct Tellers {
    /// For this process's pages: of all events.
    pages: broadcast::Sender<Told>,
    /// For other processes: of the events that this one takes in.
    others: broadcast::Sender<Told>,
}

impl Default for Tellers {
    fn default() -> Self {
        Self { pages: broadcast::Sender::new(WAITING), others: broadcast::Sender::new(WAITING) }
    }
}

impl Tellers {
    /// Whether anybody would hear of an event that this process takes in.
    pub(super) fn is_heard(&self) -> bool {
        self.has_pages() || self.others.receiver_count() > 0
    }

    fn has_pages(&self) -> bool {
        self.pages.receiver_count() > 0
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
        let told = Told { account, name, data };
        // Nobody listening is no error.
        let _ = self.others.send(told.clone());
        let _ = self.pages.send(told);
    }

    /// Passes on to the pages what another process has told.
    fn pass_on(&self, told: Told) {
        let _ = self.pages.send(told);
    }
}

impl Live {
    /// What happens in events second by second, for a page; within seconds also in those that other processes take in.
    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Told> {
        self.0.tellers.pages.subscribe()
    }

    /// What happens in the events that this process takes in, for another one.
    pub(crate) fn subscribe_elsewhere(&self) -> broadcast::Receiver<Told> {
        self.0.tellers.others.subscribe()
    }
}
