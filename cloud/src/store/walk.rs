//! A walk through everything while others write: what the walk shows, and what was told meanwhile.
//!
//! An engine's walk may show one moment or each record as it is when it is read; either way
//! what the tap has told of a record is newer, and what it will tell newer still.

use super::engine::Engine;
use super::error::StoreError;
use super::journal::Account;
use super::record::Record;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use tokio::sync::mpsc::UnboundedReceiver;

/// Records in an order in which they can be written one over the other.
pub(super) struct Walk {
    export: BoxStream<'static, Result<Vec<Record>, StoreError>>,
    tap: UnboundedReceiver<Vec<Record>>,
    /// What was told already: what the walk shows of it is old.
    told: HashSet<(u8, String)>,
    oldest: HashMap<Account, u64>,
}

impl Walk {
    pub(super) async fn begin(engine: &Arc<dyn Engine>) -> Result<Self, StoreError> {
        let tap = engine.tap().await?;
        Ok(Self { export: engine.export(), tap, told: HashSet::new(), oldest: HashMap::new() })
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
    pub(super) fn told(&mut self) -> Vec<Record> {
        let mut records = Vec::new();
        while let Ok(more) = self.tap.try_recv() {
            records.extend(more);
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
        records
    }
}
