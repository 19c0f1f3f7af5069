//! What the box keeps in sled: events that the cloud has not got yet, and what the box means to do.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use stagebox_agent::control::{Intent, IntentStore, Record};
use stagebox_agent::durable::Durable;
use stagebox_agent::link::Outbox;
use stagebox_agent::link::state::Now;
use stagebox_protocol::{BootId, EventBody, OutboxId, Timestamp};

use super::writer::{Order, last_said, say};

/// More than are written: none makes room for another.
const MOST: u64 = 1_000_000;
/// Events in one life.
const EVENTS: u64 = 2_000;

fn folder(root: &Path) -> PathBuf {
    root.join("box/data")
}

fn now() -> Now {
    Now { mono_ms: 1, wall: Timestamp::from_unix_ms(1_000), clock_synced: true }
}

fn boot() -> Result<BootId> {
    "boot".parse().context("a boot's id")
}

fn body(seq: u64) -> EventBody {
    // Some are long, as an error with a reason is.
    let error = format!("{seq} ").repeat(if seq.is_multiple_of(13) { 600 } else { 4 });
    EventBody::RecordingFailed { error }
}

fn record(number: u64) -> Record {
    let intent = Intent { on: number.is_multiple_of(2), since_unix_ms: number.cast_signed(), origin: None };
    Record { live: intent, recording: intent, ..Record::default() }
}

fn outbox(durable: &Durable, id: &str) -> Result<Outbox> {
    let id: OutboxId = id.parse().context("an outbox's id")?;
    Outbox::open(durable, &id, MOST).context("opening the outbox")
}

/// Says `event SEQ` and `intent NUMBER` when they are kept, and `release SEQ` before events are let go.
pub(super) async fn write(order: &Order) -> Result<()> {
    let durable = Durable::open(&folder(&order.folder))?;
    let events = async {
        let mut outbox = outbox(&durable, &format!("first{}", order.run))?;
        for number in 0..EVENTS {
            let seq = outbox.range().1 + 1;
            outbox.append(&now(), &boot()?, body(seq)).await?;
            say(&format!("event {seq}"))?;
            if number == 0 {
                say(&format!("outbox {}", outbox.id()))?;
            }
            // Now and then all of them: an empty outbox goes on counting.
            let keep = [Some(7), None, Some(0)][usize::try_from(seq / 9 % 3).unwrap_or(0)];
            if let (0, Some(keep)) = (seq % 9, keep) {
                say(&format!("release {}", seq - keep))?;
                outbox.release(seq - keep)?;
            }
        }
        Ok::<_, anyhow::Error>(())
    };
    let intents = async {
        let store = IntentStore::open(&durable)?;
        let mut number = u64::try_from(store.load()?.live.since_unix_ms).unwrap_or(0);
        for _ in 0..EVENTS {
            number += 1;
            store.keep(&record(number)).await?;
            say(&format!("intent {number}"))?;
        }
        Ok(())
    };
    tokio::try_join!(events, intents)?;
    Ok(())
}

/// Every event that was kept and not let go is there, in order; the intent is the last one or a later one.
pub(super) async fn judge(root: &Path, lines: &[String]) -> Result<()> {
    let durable = Durable::open(&folder(root))?;
    let mut outbox = outbox(&durable, "second")?;
    let named = lines.iter().find_map(|line| line.strip_prefix("outbox "));
    ensure!(
        named.is_none_or(|id| outbox.id().as_str() == id),
        "the outbox is {}, not {named:?}",
        outbox.id()
    );
    let (oldest, last) = outbox.range();
    let kept = last_said(lines, "event").unwrap_or(0);
    let released = last_said(lines, "release").unwrap_or(0);
    ensure!(last >= kept, "event {kept} was kept, the outbox ends at {last}");
    ensure!(oldest <= released + 1, "event {} is not there, only {released} were let go", released + 1);
    let events = outbox.read(&now(), &boot()?, 0, MOST)?;
    let seqs: Vec<_> = events.iter().map(|event| event.seq).collect();
    ensure!(seqs == (oldest..=last).collect::<Vec<_>>(), "{oldest} to {last} are there as {seqs:?}");
    for event in &events {
        ensure!(event.body == body(event.seq), "event {} says something else", event.seq);
    }
    let intents = IntentStore::open(&durable)?;
    let found = intents.load()?;
    let number = u64::try_from(found.live.since_unix_ms).unwrap_or(0);
    let acknowledged = last_said(lines, "intent").unwrap_or(0);
    ensure!(number >= acknowledged, "intent {acknowledged} was kept, {number} is there");
    ensure!(number == 0 || found == record(number), "the intent is a mixture: {found:?}");
    outbox.append(&now(), &boot()?, body(last + 1)).await.context("keeping an event after the power cut")?;
    intents.keep(&record(number + 1)).await.context("keeping an intent after the power cut")
}
