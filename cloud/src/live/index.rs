//! An event's index in the store, where processes share one: whoever takes the event over reads it there.
//!
//! An entry is made *before* its bytes go to the media store, together with a renewal of the owner's lease, and
//! each has an id of its own. So an owner that was replaced can neither list nor overwrite anything, and what
//! reached the media store is always listed.

use serde::{Deserialize, Serialize};

use super::rendition::Rendition;
use super::spool::Entry;
use crate::cluster::Hold;
use crate::id::EventId;
use crate::store::{Batch, Document, Index as StoreIndex, IndexKey, Owner, Scan, Store, StoreError};

/// The index of an event's entries.
const BY_EVENT: &str = "event";
/// Entries removed in one batch.
const AT_ONCE: usize = 100;

/// One entry as the store keeps it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Listed {
    event: EventId,
    /// The fencing token of the owner that made it.
    pub(super) token: u64,
    pub(super) entry: Entry,
}

impl Document for Listed {
    const KIND: &'static str = "live_entry";
    const JOURNALED: bool = false;

    fn owner(&self) -> Owner {
        Owner::of(self.event)
    }

    fn id(&self) -> String {
        id(&self.event, &self.entry)
    }

    fn indexes(&self) -> Vec<StoreIndex> {
        vec![StoreIndex::many(BY_EVENT, IndexKey::new().text(self.event))]
    }
}

fn id(event: &EventId, entry: &Entry) -> String {
    match entry {
        Entry::Target { .. } => format!("{event}/target"),
        Entry::Init { rendition, init, .. } => format!("{event}/{rendition}/init/{init}"),
        Entry::Segment { rendition, segment } => segment_id(event, *rendition, segment.msn),
    }
}

fn segment_id(event: &EventId, rendition: Rendition, msn: u64) -> String {
    format!("{event}/{rendition}/{msn}")
}

/// Says why an entry was not listed.
#[derive(Debug, thiserror::Error)]
pub(super) enum ListError {
    #[error("another process has taken the event over")]
    Lost,
    #[error("the event's index: {0}")]
    Store(#[from] StoreError),
}

/// The shared index of one event, under this process's hold; it does nothing where the store is not shared.
#[derive(Clone)]
pub(super) struct SharedIndex {
    event: EventId,
    store: Store,
    hold: Hold,
}

impl SharedIndex {
    pub(super) fn new(event: EventId, store: Store, hold: Hold) -> Self {
        Self { event, store, hold }
    }

    /// Whether there is one.
    pub(super) fn is_kept(&self) -> bool {
        self.hold.token().is_some()
    }

    /// Lists what is about to be put; a second time does no harm.
    pub(super) async fn list(&self, entry: &Entry) -> Result<(), ListError> {
        let Some(token) = self.hold.token() else { return Ok(()) };
        let listed = Listed { event: self.event, token, entry: entry.clone() };
        match self.hold.commit(self.store.batch().create(&listed)).await {
            Ok(_) => Ok(()),
            Err(_) if self.hold.is_lost() => Err(ListError::Lost),
            Err(StoreError::Conflict { .. }) => {
                let known = self.store.get::<Listed>(listed.id()).await?;
                let own = known.is_some_and(|known| known.document.token == token);
                // A target is the same for all owners.
                if own || matches!(entry, Entry::Target { .. }) { Ok(()) } else { Err(ListError::Lost) }
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Takes a segment off that nobody needs any more.
    pub(super) async fn forget(&self, rendition: Rendition, msn: u64) -> Result<(), ListError> {
        if !self.is_kept() {
            return Ok(());
        }
        let id = segment_id(&self.event, rendition, msn);
        let Some(known) = self.store.get::<Listed>(&id).await? else { return Ok(()) };
        match self.hold.commit(self.store.batch().delete(&known)).await {
            Ok(_) => Ok(()),
            Err(_) if self.hold.is_lost() => Err(ListError::Lost),
            Err(error) => Err(error.into()),
        }
    }

    /// All entries, whoever made them; none where the store is not shared.
    pub(super) async fn read(&self) -> Result<Vec<Listed>, StoreError> {
        if self.is_kept() { all(&self.store, &self.event).await } else { Ok(Vec::new()) }
    }

    /// Whether an entry is another owner's.
    pub(super) fn is_foreign(&self, listed: &Listed) -> bool {
        Some(listed.token) != self.hold.token()
    }

    /// Removes all of it once the event's items are made.
    pub(super) async fn clear(&self) -> Result<(), StoreError> {
        if !self.is_kept() {
            return Ok(());
        }
        loop {
            let scan = Scan::of(BY_EVENT).within(IndexKey::new().text(self.event)).limit(AT_ONCE);
            let page = self.store.scan::<Listed>(scan).await?;
            if page.items.is_empty() {
                return Ok(());
            }
            let batch = page.items.iter().fold(self.store.batch(), Batch::delete);
            self.hold.commit(batch).await?;
        }
    }
}

async fn all(store: &Store, event: &EventId) -> Result<Vec<Listed>, StoreError> {
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let scan = Scan::of(BY_EVENT).within(IndexKey::new().text(event)).after(after).limit(200);
        let page = store.scan::<Listed>(scan).await?;
        found.extend(page.items.into_iter().map(|listed| listed.document));
        after = page.next;
        if after.is_none() {
            return Ok(found);
        }
    }
}

/// What the shared index lists of an event that may run in another process.
pub(crate) async fn shared_entries(store: &Store, event: &EventId) -> Result<Vec<Entry>, StoreError> {
    Ok(all(store, event).await?.into_iter().map(|listed| listed.entry).collect())
}
