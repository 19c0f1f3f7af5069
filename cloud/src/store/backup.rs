//! Backups: a whole store in one file, taken while it is in use and read by any engine.
//!
//! A backup is text, a JSON document a line: a head, records, and an end with the number
//! of lines and the SHA-256 of all before it. The records are a walk through the store and,
//! after it, all that was written meanwhile; put back in their order they are the store as
//! it was when the backup ended. Secrets in it are sealed; the key file is not in it.

use super::Store;
use super::engine::Engine;
use super::error::StoreError;
use super::progress::Progress;
use super::record::Record;
use super::walk::Walk;
use crate::clock::Timestamp;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::io::BufRead;
use std::sync::Arc;
use tokio::sync::mpsc;

/// The number of this form of backups.
const FORMAT: u32 = 1;
/// Longest line that is read: the longest document, as text in JSON, with its indexes.
const MAX_LINE: u64 = 1 << 30;
/// Records that are put back at a time.
const AT_ONCE: usize = 256;
/// Bytes that are passed on at a time.
const PIECE: usize = 64 * 1024;

#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Line {
    Head { stagebox_backup: u32, taken_at: Timestamp, records: u64 },
    End { end: u64, sha256: String },
    Record(Record),
}

/// Puts lines together, with the sum of all.
struct Writer {
    out: mpsc::Sender<Result<Bytes, StoreError>>,
    buffer: Vec<u8>,
    hash: Sha256,
    lines: u64,
}

impl Writer {
    async fn line(&mut self, line: &Line) -> Result<(), StoreError> {
        let wrong = |error: serde_json::Error| StoreError::Backup(format!("cannot be written: {error}"));
        let start = self.buffer.len();
        serde_json::to_writer(&mut self.buffer, line).map_err(wrong)?;
        self.buffer.push(b'\n');
        self.hash.update(&self.buffer[start..]);
        self.lines += 1;
        if self.buffer.len() >= PIECE { self.pass_on().await } else { Ok(()) }
    }

    async fn records(&mut self, records: Vec<Record>) -> Result<(), StoreError> {
        for record in records {
            self.line(&Line::Record(record)).await?;
        }
        Ok(())
    }

    async fn pass_on(&mut self) -> Result<(), StoreError> {
        let piece = Bytes::from(std::mem::take(&mut self.buffer));
        // Whoever reads has gone away.
        self.out.send(Ok(piece)).await.map_err(|_| StoreError::Cancelled)
    }
}

impl Store {
    /// Begins a backup; the pieces of its file come out of the receiver, which cancels it when dropped.
    pub fn backup(
        &self,
        progress: Progress,
    ) -> Result<mpsc::Receiver<Result<Bytes, StoreError>>, StoreError> {
        let alone = self.seat.begin_walk()?;
        let (out, pieces) = mpsc::channel(16);
        let (engine, taken_at) = (self.engine(), self.clock.now());
        tokio::spawn(async move {
            let _alone = alone;
            let mut writer = Writer { out: out.clone(), buffer: Vec::new(), hash: Sha256::new(), lines: 0 };
            if let Err(error) = write(&engine, taken_at, &mut writer, &progress).await {
                let _ = out.send(Err(error)).await;
            }
        });
        Ok(pieces)
    }

    /// Fills an empty store from a backup; returns how many records it holds.
    ///
    /// A backup that is damaged or was cut off leaves the store with a part of it, which is told.
    pub async fn restore(&self, backup: impl BufRead + Send, progress: &Progress) -> Result<u64, StoreError> {
        let _alone = self.seat.begin_walk()?;
        let engine = self.engine();
        if engine.count().await? > 0 {
            return Err(StoreError::NotEmpty { place: "the store".to_owned() });
        }
        read(&*engine, backup, progress).await
    }
}

async fn write(
    engine: &Arc<dyn Engine>,
    taken_at: Timestamp,
    writer: &mut Writer,
    progress: &Progress,
) -> Result<(), StoreError> {
    let mut walk = Walk::once(engine).await?;
    let records = engine.count().await?;
    writer.line(&Line::Head { stagebox_backup: FORMAT, taken_at, records }).await?;
    let mut done = 0;
    while let Some(piece) = walk.next().await? {
        progress.check()?;
        done += piece.len() as u64;
        writer.records(piece).await?;
        writer.records(walk.told()?).await?;
        progress.tell_part(done, records, "records");
    }
    // The walk may have seen what was not on disk yet, and so not told.
    engine.settle().await?;
    writer.records(walk.told()?).await?;
    let end = Line::End { end: writer.lines, sha256: hex::encode(writer.hash.clone().finalize()) };
    writer.line(&end).await?;
    writer.pass_on().await?;
    progress.tell(100, format!("{} records", writer.lines - 2));
    Ok(())
}

async fn read(
    engine: &dyn Engine,
    mut backup: impl BufRead + Send,
    progress: &Progress,
) -> Result<u64, StoreError> {
    let wrong = |detail: String| Err(StoreError::Backup(detail));
    let (mut hash, mut lines, mut all, mut records) = (Sha256::new(), 0u64, 0, Vec::new());
    let mut text = Vec::new();
    loop {
        progress.check()?;
        text.clear();
        let read = std::io::Read::take(&mut backup, MAX_LINE).read_until(b'\n', &mut text);
        read.map_err(|error| StoreError::Backup(format!("cannot be read: {error}")))?;
        if !text.ends_with(b"\n") {
            return wrong(format!("was cut off after line {lines}; the store holds a part of it: empty it"));
        }
        let line: Line = match serde_json::from_slice(&text) {
            Ok(line) => line,
            Err(_) if lines == 0 => return wrong("is no backup of Stagebox".to_owned()),
            Err(error) => return wrong(format!("cannot be understood in line {}: {error}", lines + 1)),
        };
        match line {
            Line::Head { stagebox_backup, records, .. } if lines == 0 => {
                if stagebox_backup != FORMAT {
                    return wrong(format!(
                        "has form {stagebox_backup}, this server reads form {FORMAT}: use the one that wrote it"
                    ));
                }
                all = records;
            }
            Line::Record(record) if lines > 0 => {
                records.push(record);
                if records.len() >= AT_ONCE {
                    engine.import(std::mem::take(&mut records)).await?;
                    progress.tell_part(lines, all, "records");
                }
            }
            Line::End { end, sha256 } if lines > 0 => {
                if end != lines || sha256 != hex::encode(hash.finalize()) {
                    return wrong("is damaged: its sum is not that of its lines; empty the store".to_owned());
                }
                engine.import(records).await?;
                let held = engine.count().await?;
                progress.tell(100, format!("{held} records"));
                return Ok(held);
            }
            _ => return wrong(format!("has something unexpected in line {}", lines + 1)),
        }
        hash.update(&text);
        lines += 1;
    }
}
