//! Moves a store to another engine while it is in use.
#![allow(clippy::disallowed_methods, reason = "a driver: it waits for the last reads of the old engine")]

use super::engine::Engine;
use super::error::StoreError;
use super::progress::Progress;
use super::record::{Record, Sum};
use super::walk::Walk;
use super::{Document, Owner, Store};
use futures_util::StreamExt as _;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// So few records may be left to copy when writers are held up.
const NEARLY_EQUAL: u64 = 500;
/// How often what was written meanwhile is copied before writers are held up all the same.
const ROUNDS: u32 = 20;

/// How often reads that began before the change are waited for.
const LAST_READS: u32 = 200;
/// How long to wait between.
const LAST_READ_WAIT: Duration = Duration::from_millis(10);

/// Left behind in a store that was moved: nobody may take it for the current one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Moved {
    /// Where to, in words.
    to: String,
}

impl Document for Moved {
    const KIND: &'static str = "store_moved";
    const JOURNALED: bool = false;

    fn owner(&self) -> Owner {
        Owner::Server
    }

    fn id(&self) -> String {
        "moved".to_owned()
    }
}

/// Where a store goes.
pub struct Target {
    /// An engine with nothing in it.
    pub engine: Arc<dyn Engine>,
    /// What it is called in words; never a password.
    pub name: String,
    /// Whether the old store is marked, so that it is not opened again by mistake.
    pub mark: bool,
}

impl Store {
    /// Copies everything to `target` and goes on there, from a point where both are equal.
    ///
    /// Writers are held up only at the end, while both are compared. `sealed` is called then, before
    /// anything is written to the new engine, and makes the choice last: an error in it undoes all.
    pub async fn move_to(
        &self,
        target: Target,
        progress: &Progress,
        sealed: impl AsyncFnOnce() -> Result<(), StoreError>,
    ) -> Result<Sum, StoreError> {
        let _alone = self.seat.begin_walk()?;
        let source = self.seat.engine();
        let others = source.others().await?;
        if others > 0 {
            return Err(StoreError::Shared { others });
        }
        if target.engine.count().await? > 0 {
            return Err(StoreError::NotEmpty { place: target.name });
        }
        let mut walk = Walk::begin(&source).await?;
        let mut copied = copy_all(&*source, &*target.engine, &mut walk, progress).await?;
        for _ in 0..ROUNDS {
            let more = drain(&mut walk, &*target.engine).await?;
            copied += more;
            progress.check()?;
            if more < NEARLY_EQUAL {
                break;
            }
        }
        progress.tell(99, format!("{copied} records copied; comparing, writers wait"));
        let closed = self.seat.close().await;
        drain(&mut walk, &*target.engine).await?;
        let (here, there) = (sum(&*source, progress).await?, sum(&*target.engine, progress).await?);
        if here != there {
            let detail =
                format!("{} records here, {} there, and they are not the same", here.records, there.records);
            return Err(StoreError::Engine(format!("the copy in {} is not equal: {detail}", target.name)));
        }
        sealed().await?;
        if target.mark {
            let moved = Moved { to: target.name };
            source.commit(self.batch().put(&moved).into_ops()?).await?;
        }
        let old = closed.change(&target.engine, target.mark);
        drop(closed);
        drop(source);
        // Reads that began on the old engine end on it.
        for _ in 0..LAST_READS {
            if Arc::strong_count(&old) == 1 {
                break;
            }
            tokio::time::sleep(LAST_READ_WAIT).await;
        }
        old.close().await;
        Ok(there)
    }

    /// Refuses a store that was moved elsewhere.
    pub async fn refuse_if_moved(&self) -> Result<(), StoreError> {
        match self.get::<Moved>("moved").await? {
            Some(moved) => Err(StoreError::Moved { to: moved.document.to }),
            None => Ok(()),
        }
    }

    /// Compares by content with any other engine; nothing may be written meanwhile.
    pub async fn sum(&self, progress: &Progress) -> Result<Sum, StoreError> {
        sum(&*self.seat.engine(), progress).await
    }
}

/// Copies all records there are, and between the pieces what was written meanwhile.
async fn copy_all(
    source: &dyn Engine,
    target: &dyn Engine,
    walk: &mut Walk,
    progress: &Progress,
) -> Result<u64, StoreError> {
    let all = source.count().await?;
    let mut copied = 0;
    while let Some(piece) = walk.next().await? {
        progress.check()?;
        copied += piece.len() as u64;
        target.import(piece).await?;
        drain(walk, target).await?;
        progress.tell_part(copied, all, "records copied");
    }
    Ok(copied)
}

/// Copies what has been told up to now.
async fn drain(walk: &mut Walk, target: &dyn Engine) -> Result<u64, StoreError> {
    let records = walk.told()?;
    let count = records.len() as u64;
    if count > 0 {
        target.import(records).await?;
    }
    Ok(count)
}

async fn sum(engine: &dyn Engine, progress: &Progress) -> Result<Sum, StoreError> {
    let (mut sum, mut export) = (Sum::default(), engine.export());
    while let Some(piece) = export.next().await {
        progress.check()?;
        sum.add(&piece?);
    }
    Ok(sum)
}

/// The bytes that a store cannot do with less.
pub(super) async fn weight(engine: &dyn Engine) -> Result<u64, StoreError> {
    let (mut weight, mut export) = (0, engine.export());
    while let Some(piece) = export.next().await {
        weight += piece?.iter().map(Record::weight).sum::<u64>();
    }
    Ok(weight)
}
