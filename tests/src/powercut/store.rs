//! The cloud's store: batches of several documents, their indexes and the journal.
//!
//! Each writer has a tally and numbered pages, so that the tally says which pages there must be, of which edition,
//! and how many entries the journal has.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use stagebox_cloud::clock::Clock;
use stagebox_cloud::store::{
    Account, Document, Index, IndexKey, Owner, Progress, Scan, SledOptions, Store, Versioned,
};

use super::writer::{Order, last_said, said, say};

const WRITERS: u64 = 4;
/// Batches of a writer in one life.
const BATCHES: u64 = 400;

/// Rewrites beside the writers.
const REWRITES: u32 = 3;

/// One of a writer's documents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Page {
    writer: u64,
    number: u64,
    edition: u64,
    body: String,
}

/// How many batches of a writer there were.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Tally {
    writer: u64,
    count: u64,
}

impl Page {
    fn new(writer: u64, number: u64, edition: u64) -> Self {
        let length = match number {
            number if number % 23 == 5 => 150_000,
            number if number % 11 == 4 => 20_000,
            _ => 300,
        };
        let word = format!("{writer}/{number}/{edition} ");
        Self { writer, number, edition, body: word.repeat(length / word.len()) }
    }

    fn name(writer: u64, number: u64) -> String {
        format!("w{writer}n{number}")
    }

    /// What there must be of a page once its writer has carried out `count` batches.
    fn expected(writer: u64, number: u64, count: u64) -> Option<Self> {
        let removed = number % 7 == 1 && number + 2 < count;
        let again = (number + 1).is_multiple_of(5) && number + 1 < count;
        (number < count && !removed).then(|| Self::new(writer, number, 1 + u64::from(again)))
    }
}

/// Entries of the journal that batch `number` makes.
fn entries(number: u64) -> u64 {
    2 + u64::from(number % 7 == 3) + u64::from(number > 0 && number.is_multiple_of(5))
}

impl Document for Page {
    const KIND: &'static str = "page";

    fn owner(&self) -> Owner {
        Owner::Server
    }

    fn id(&self) -> String {
        Self::name(self.writer, self.number)
    }

    fn indexes(&self) -> Vec<Index> {
        let edition = IndexKey::new().number(self.writer).number(self.number).number(self.edition);
        vec![Index::unique("edition", edition), Index::many("writer", IndexKey::new().number(self.writer))]
    }
}

impl Document for Tally {
    const KIND: &'static str = "tally";

    fn owner(&self) -> Owner {
        Owner::Server
    }

    fn id(&self) -> String {
        format!("w{}", self.writer)
    }
}

fn folder(root: &Path) -> PathBuf {
    // Below a folder that is not there yet, as on a new machine.
    root.join("data/store")
}

/// Writers beside each other; `ack WRITER COUNT` is said when a batch was acknowledged, `number N` of a drawn number.
pub(super) async fn write(order: &Order) -> Result<()> {
    let store = Store::open_home(&folder(&order.folder), SledOptions::default(), Clock::system())?;
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let store = store.clone();
            tokio::spawn(async move { write_batches(&store, writer).await })
        })
        .collect();
    // Now and then the store is written anew under the writers' hands.
    for _ in 0..REWRITES {
        store.rewrite(&Progress::unwatched()).await.context("rewriting the store")?;
    }
    for writer in writers {
        writer.await.context("a writer ended")??;
    }
    store.close().await;
    Ok(())
}

async fn write_batches(store: &Store, writer: u64) -> Result<()> {
    let mut tally = match store.get::<Tally>(format!("w{writer}")).await? {
        Some(tally) => tally,
        None => store.create(Tally { writer, count: 0 }).await?,
    };
    for _ in 0..BATCHES {
        let number = tally.document.count;
        let next = Tally { writer, count: number + 1 };
        let mut batch = store.batch().create(&Page::new(writer, number, 1)).update(&tally, &next);
        if number % 7 == 3 {
            batch = batch.delete(&page(store, writer, number - 2).await?);
        }
        if number > 0 && number.is_multiple_of(5) {
            batch = batch.update(&page(store, writer, number - 1).await?, &Page::new(writer, number - 1, 2));
        }
        store.commit(batch).await?;
        say(&format!("ack {writer} {}", number + 1))?;
        tally = Versioned { version: tally.version + 1, document: next };
        if writer == 0 {
            say(&format!("number {}", store.next_number("page").await?))?;
        }
    }
    Ok(())
}

async fn page(store: &Store, writer: u64, number: u64) -> Result<Versioned<Page>> {
    let page = store.get::<Page>(Page::name(writer, number)).await?;
    page.with_context(|| format!("page {writer}/{number} is not there"))
}

/// Everything acknowledged is there, no batch is there in part, and the store takes new ones.
pub(super) async fn judge(root: &Path, lines: &[String]) -> Result<()> {
    let store = Store::open_home(&folder(root), SledOptions::default(), Clock::system())
        .context("opening the store")?;
    let mut journalled = 0;
    for writer in 0..WRITERS {
        let acknowledged = said(lines, "ack")
            .filter(|ack| ack.first() == Some(&writer))
            .filter_map(|ack| ack.get(1).copied())
            .max()
            .unwrap_or(0);
        let tally = store.get::<Tally>(format!("w{writer}")).await?;
        let count = tally.as_ref().map_or(0, |tally| tally.document.count);
        ensure!(
            count >= acknowledged,
            "writer {writer} was told of {acknowledged} batches, {count} are there"
        );
        pages(&store, writer, count)
            .await
            .with_context(|| format!("writer {writer} with {count} batches"))?;
        journalled += u64::from(tally.is_some()) + (0..count).map(entries).sum::<u64>();
    }
    journal(&store, journalled).await?;
    let drawn = last_said(lines, "number").unwrap_or(0);
    let next = store.next_number("page").await?;
    ensure!(next > drawn, "number {next} was given out again, {drawn} was told already");
    store.create(Page::new(WRITERS, 0, 1)).await.context("writing after the power cut")?;
    // Whatever belongs together is there together, and nothing lies in blobs/, which sled never syncs.
    let (faults, _) = store.check(Progress::unwatched()).await.context("checking the store")?;
    ensure!(faults.is_empty(), "{faults:?}");
    store.close().await;
    Ok(())
}

/// Each page as the tally wants it, by its id and by its index, and no other.
async fn pages(store: &Store, writer: u64, count: u64) -> Result<()> {
    let mut there = 0;
    for number in 0..count + 2 {
        let expected = Page::expected(writer, number, count);
        let found = store.get::<Page>(Page::name(writer, number)).await?.map(|found| found.document);
        if found != expected {
            let say = |page: &Option<Page>| page.as_ref().map(|page| page.edition);
            bail!("page {number}: edition {:?}, not {:?}", say(&found), say(&expected));
        }
        for edition in 1..=2 {
            let key = IndexKey::new().number(writer).number(number).number(edition);
            let found = store.find::<Page>("edition", key).await?;
            let wanted = expected.as_ref().filter(|page| page.edition == edition);
            ensure!(
                found.as_ref().map(|found| &found.document) == wanted,
                "the index of page {number}, edition {edition}"
            );
        }
        there += u64::from(expected.is_some());
    }
    let mut listed = 0;
    let mut cursor = None;
    loop {
        let scan = Scan::of("writer").within(IndexKey::new().number(writer)).after(cursor).limit(500);
        let page = store.scan::<Page>(scan).await?;
        listed += page.items.len() as u64;
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    ensure!(listed == there, "the index of writers lists {listed} pages, {there} are there");
    Ok(())
}

/// As many entries as the batches made, without a gap.
async fn journal(store: &Store, expected: u64) -> Result<()> {
    let mut last = 0;
    loop {
        let page = store.journal(Account::FIRST, last, 1000).await?;
        ensure!(!page.reset, "the journal wants to be read anew after {last}");
        for entry in &page.entries {
            ensure!(entry.seq == last + 1, "entry {} comes after {last}", entry.seq);
            last = entry.seq;
        }
        if page.entries.is_empty() {
            break;
        }
    }
    ensure!(last == expected, "the journal has {last} entries, the batches made {expected}");
    Ok(())
}
