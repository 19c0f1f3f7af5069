//! A walk through everything while others write: what the walk shows, and what was told meanwhile.
//!
//! An engine's walk may show one moment or each record as it is when it is read; either way
//! what the tap has told of a record is newer, and what it will tell newer still.

use super::Store;
use super::engine::Engine;
use super::error::StoreError;
use super::journal::Account;
use super::record::Record;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use tokio::sync::OwnedMutexGuard;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::mpsc::error::TryRecvError;

/// Records in an order in which they can be written one over the other.
pub(super) struct Walk {
    export: BoxStream<'static, Result<Vec<Record>, StoreError>>,
    /// None where the walk alone is the state of one moment.
    tap: Option<UnboundedReceiver<Vec<Record>>>,
    /// What was told already: what the walk shows of it is old.
    told: HashSet<(u8, String)>,
    oldest: HashMap<Account, u64>,
}

impl Walk {
    /// Begins one that follows what is written, up to its end and after it.
    pub(super) async fn begin(engine: &Arc<dyn Engine>) -> Result<Self, StoreError> {
        let tap = Some(engine.tap().await?);
        Ok(Self { export: engine.export(), tap, told: HashSet::new(), oldest: HashMap::new() })
    }

    /// Begins one that shows the store at some moment not before now.
    ///
    /// Other processes that write to the same database are no matter: nothing is told of them,
    /// but an engine that has them shows one moment anyway.
    pub(super) async fn once(engine: &Arc<dyn Engine>) -> Result<Self, StoreError> {
        if !engine.exports_a_moment() {
            return Self::begin(engine).await;
        }
        Ok(Self { export: engine.export(), tap: None, told: HashSet::new(), oldest: HashMap::new() })
    }

    /// The next records of the walk; `None` at its end, after which only [`Walk::told`] has more.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Record>>, StoreError> {
        let Some(piece) = self.export.next().await else { return Ok(None) };
        let mut piece = piece?;
        piece.retain(|record| self.is_news(record));
        Ok(Some(piece))
    }

    fn is_news(&self, record: &Record) -> bool {
        let dropped = match record {
            Record::Entry { account, seq, .. } => self.oldest.get(account).is_some_and(|oldest| seq < oldest),
            _ => false,
        };
        !dropped && !self.told.contains(&record.key())
    }

    /// What was written since this was last asked, as far as it has been told.
    ///
    /// A tap that has ended is an error: the engine does not know whether it has told everything.
    pub(super) fn told(&mut self) -> Result<Vec<Record>, StoreError> {
        let mut records = Vec::new();
        while let Some(tap) = &mut self.tap {
            match tap.try_recv() {
                Ok(more) => records.extend(more),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    let reason = "the engine lost track of what was written meanwhile: try once more";
                    return Err(StoreError::Away(reason.to_owned()));
                }
            }
        }
        for record in &records {
            match record {
                Record::Oldest { account, seq } => {
                    self.oldest.insert(*account, *seq);
                }
                record => {
                    self.told.insert(record.key());
                }
            }
        }
        Ok(records)
    }
}

/// A document as it is kept, whatever its kind.
pub(crate) struct Kept {
    pub(crate) kind: String,
    pub(crate) id: String,
    /// As JSON.
    pub(crate) body: Vec<u8>,
}

/// A walk through all documents, while which no other goes through the whole store.
pub(crate) struct Documents {
    export: BoxStream<'static, Result<Vec<Record>, StoreError>>,
    _alone: OwnedMutexGuard<()>,
}

impl Documents {
    /// The next ones; `None` at the end. Each document that is there all the time is shown.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<Kept>>, StoreError> {
        let Some(piece) = self.export.next().await else { return Ok(None) };
        let kept = piece?.into_iter().filter_map(|record| match record {
            Record::Document { kind, id, body, .. } => Some(Kept { kind, id, body }),
            _ => None,
        });
        Ok(Some(kept.collect()))
    }
}

impl Store {
    /// Begins a walk through all documents.
    pub(crate) fn walk_documents(&self) -> Result<Documents, StoreError> {
        Ok(Documents { _alone: self.seat.begin_walk()?, export: self.engine().export() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::mpsc;

    #[test]
    fn a_tap_that_ends_is_not_taken_for_one_that_is_silent() {
        let (sender, tap) = mpsc::unbounded_channel();
        let export = futures_util::stream::empty().boxed();
        let mut walk = Walk { export, tap: Some(tap), told: HashSet::new(), oldest: HashMap::new() };
        assert_eq!(walk.told().unwrap(), []);
        sender.send(vec![Record::Counter { name: "n".to_owned(), value: 1 }]).unwrap();
        assert_eq!(walk.told().unwrap().len(), 1);
        drop(sender);
        assert!(matches!(walk.told(), Err(StoreError::Away(_))));
    }
}
