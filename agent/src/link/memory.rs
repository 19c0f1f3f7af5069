//! What the link remembers over a restart: commands and their answers, the desired state, the targets.

use super::LinkError;
use super::applying::Kept;
use super::commands::Record;
use crate::durable::{Durable, DurableError};

/// The link's trees in the agent's store.
#[derive(Debug, Clone)]
pub struct Memory {
    commands: sled::Tree,
    kept: sled::Tree,
    durable: Durable,
}

const DESIRED: &str = "desired";

impl Memory {
    /// Opens the trees.
    ///
    /// # Errors
    /// If the store fails.
    pub fn open(durable: &Durable) -> Result<Self, LinkError> {
        let failed = |source| LinkError::Store { operation: "open the link's memory", source };
        let commands = durable.tree("link.commands").map_err(failed)?;
        let kept = durable.tree("link.kept").map_err(failed)?;
        Ok(Self { commands, kept, durable: durable.clone() })
    }

    /// Reads everything back.
    ///
    /// # Errors
    /// If the store fails, or holds what this version cannot read: forgetting it could carry a command out twice.
    pub fn read(&self) -> Result<(Vec<Record>, Kept), LinkError> {
        let failed = |error: sled::Error| LinkError::Store {
            operation: "read the link's memory",
            source: error.into(),
        };
        let mut records = Vec::new();
        for entry in &self.commands {
            let (_, value) = entry.map_err(failed)?;
            let record = serde_json::from_slice(&value)
                .map_err(|error| LinkError::Kept { what: "commands", reason: error.to_string() })?;
            records.push(record);
        }
        let kept = match self.kept.get(DESIRED).map_err(failed)? {
            Some(value) => serde_json::from_slice(&value)
                .map_err(|error| LinkError::Kept { what: "desired state", reason: error.to_string() })?,
            None => Kept::default(),
        };
        Ok((records, kept))
    }

    /// Keeps what is known of a command; on disk when this returns.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn keep_command(&self, record: &Record) -> Result<(), DurableError> {
        self.commands.insert(record.order.to_be_bytes(), json(record))?;
        self.durable.sync().await
    }

    /// Forgets an old command.
    ///
    /// # Errors
    /// If the store fails.
    pub fn forget_command(&self, order: u64) -> Result<(), DurableError> {
        self.commands.remove(order.to_be_bytes())?;
        Ok(())
    }

    /// Keeps the desired state and the targets; on disk when this returns.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn keep_desired(&self, kept: &Kept) -> Result<(), DurableError> {
        self.kept.insert(DESIRED, json(kept))?;
        self.durable.sync().await
    }
}

fn json<T: serde::Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect("what the link keeps has text keys only, which JSON can always express")
}
