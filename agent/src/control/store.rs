//! Where the intents are kept.

use crate::durable::{Durable, DurableError};

use super::state::Record;

const TREE: &str = "control";
const KEY: &str = "record";

/// Why the intents could not be read or kept.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error(transparent)]
    Durable(#[from] DurableError),
    #[error("the kept intents are not readable: {0}")]
    Shape(#[from] serde_json::Error),
}

/// Keeps the record, each time until it is on disk; clones are the same.
#[derive(Debug, Clone)]
pub struct IntentStore {
    durable: Durable,
    tree: sled::Tree,
}

impl IntentStore {
    pub fn open(durable: &Durable) -> Result<Self, StoreError> {
        Ok(Self { tree: durable.tree(TREE)?, durable: durable.clone() })
    }

    /// What was kept last; the default if nothing was.
    pub fn load(&self) -> Result<Record, StoreError> {
        match self.tree.get(KEY).map_err(DurableError::from)? {
            Some(json) => Ok(serde_json::from_slice(&json)?),
            None => Ok(Record::default()),
        }
    }

    /// Returns when the record is on disk.
    pub async fn keep(&self, record: &Record) -> Result<(), StoreError> {
        let json = serde_json::to_vec(record)?;
        self.tree.insert(KEY, json).map_err(DurableError::from)?;
        Ok(self.durable.sync().await?)
    }
}
