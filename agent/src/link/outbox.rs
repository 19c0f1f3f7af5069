//! The outbox in sled: events wait here until the cloud's journal has them.

use stagebox_protocol::{BootId, BoxEvent, EventBody, OutboxId};

use super::LinkError;
use super::state::Now;
use crate::durable::{Durable, DurableError};

/// Events kept at most; beyond that the oldest make room, and an event says how many.
pub(super) const MOST_EVENTS: u64 = 10_000;

/// The store of events that the cloud has not acknowledged.
#[derive(Debug)]
pub struct Outbox {
    events: sled::Tree,
    id: OutboxId,
    oldest: u64,
    last: u64,
    most: u64,
    durable: Durable,
}

fn store(operation: &'static str) -> impl Fn(DurableError) -> LinkError {
    move |source| LinkError::Store { operation, source }
}

impl Outbox {
    /// Opens the outbox; `fresh_id` names it if it is made now.
    ///
    /// # Errors
    /// If the store fails, or holds what is no outbox.
    pub fn open(durable: &Durable, fresh_id: &OutboxId, most: u64) -> Result<Self, LinkError> {
        let failed = store("open the outbox");
        let events = durable.tree("link.outbox").map_err(&failed)?;
        let about = durable.tree("link.outbox.about").map_err(&failed)?;
        let sled = |error: sled::Error| store("open the outbox")(error.into());
        let unreadable = |reason: String| LinkError::Kept { what: "outbox", reason };
        let id = match about.get("id").map_err(sled)? {
            Some(bytes) => {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                text.parse().map_err(|error: stagebox_protocol::id::IdError| unreadable(error.to_string()))?
            }
            None => {
                about.insert("id", fresh_id.as_str()).map_err(sled)?;
                fresh_id.clone()
            }
        };
        // An outbox that was emptied by acknowledgements goes on counting.
        let counted = about.get("last").map_err(sled)?.map_or(0, |bytes| number(&bytes));
        let first = events.first().map_err(sled)?.map(|(key, _)| number(&key));
        let last = events.last().map_err(sled)?.map_or(counted, |(key, _)| number(&key).max(counted));
        Ok(Self {
            events,
            id,
            oldest: first.unwrap_or(last + 1),
            last,
            most: most.max(2),
            durable: durable.clone(),
        })
    }

    #[must_use]
    pub fn id(&self) -> &OutboxId {
        &self.id
    }

    /// The oldest event there, and the last one; `(last + 1, last)` if there is none.
    #[must_use]
    pub fn range(&self) -> (u64, u64) {
        (self.oldest, self.last)
    }

    /// Stores an event; it is on disk when this returns.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn append(&mut self, now: &Now, boot_id: &BootId, body: EventBody) -> Result<(), DurableError> {
        self.make_room(now, boot_id)?;
        self.write(now, boot_id, body)?;
        self.durable.sync().await
    }

    /// Drops the oldest tenth of a full outbox and says so in an event.
    fn make_room(&mut self, now: &Now, boot_id: &BootId) -> Result<(), DurableError> {
        if self.last + 1 - self.oldest < self.most {
            return Ok(());
        }
        let count = (self.most / 10).max(2);
        for seq in self.oldest..self.oldest + count {
            self.events.remove(seq.to_be_bytes())?;
        }
        self.oldest += count;
        self.write(now, boot_id, EventBody::EventsLost { count })
    }

    fn write(&mut self, now: &Now, boot_id: &BootId, body: EventBody) -> Result<(), DurableError> {
        let seq = self.last + 1;
        let event = self.event(seq, now, boot_id, body);
        self.events.insert(seq.to_be_bytes(), stagebox_protocol::payload::encode(&event))?;
        self.last = seq;
        Ok(())
    }

    fn event(&self, seq: u64, now: &Now, boot_id: &BootId, body: EventBody) -> BoxEvent {
        BoxEvent {
            seq,
            outbox: self.id.clone(),
            oldest: self.oldest,
            boot_id: boot_id.clone(),
            mono_ms: now.mono_ms,
            ts: now.wall,
            clock_synced: now.clock_synced,
            body,
        }
    }

    /// Reads up to `limit` events from `from` on; one that is not readable is replaced by the news of its loss.
    ///
    /// # Errors
    /// If the store fails.
    pub fn read(
        &self,
        now: &Now,
        boot_id: &BootId,
        from: u64,
        limit: u64,
    ) -> Result<Vec<BoxEvent>, DurableError> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut events = Vec::new();
        for entry in self.events.range(from.to_be_bytes()..).take(limit) {
            let (key, value) = entry?;
            let seq = number(&key);
            events.push(stagebox_protocol::payload::decode(&value).unwrap_or_else(|error| {
                tracing::error!(seq, %error, "an event in the outbox is not readable");
                self.event(seq, now, boot_id, EventBody::EventsLost { count: 1 })
            }));
        }
        Ok(events)
    }

    /// Deletes what the cloud has. Not synced: what comes back after a crash is sent, and acknowledged, again.
    ///
    /// # Errors
    /// If the store fails.
    pub fn release(&mut self, up_to: u64) -> Result<(), DurableError> {
        let up_to = up_to.min(self.last);
        if up_to < self.oldest {
            return Ok(());
        }
        // The count first: an outbox must never use a number twice.
        self.durable.tree("link.outbox.about")?.insert("last", &self.last.to_be_bytes())?;
        for seq in self.oldest..=up_to {
            self.events.remove(seq.to_be_bytes())?;
        }
        self.oldest = up_to + 1;
        Ok(())
    }
}

fn number(bytes: &[u8]) -> u64 {
    bytes.try_into().map_or(0, u64::from_be_bytes)
}
