//! One transaction for a group of requests: what is there is locked and read, then all is written at once.

use super::link::Link;
use super::plan::{Held, HeldDocument, Place, Plan};
use super::statements::Sql;
use super::trouble::Trouble;
use super::writes::{Writes, ask, columns};
use crate::store::engine::{RawOp, Receipt};
use crate::store::heads::Journal;
use crate::store::packed::Cut;
use crate::store::{Account, Record, StoreError, keys};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use tokio_postgres::{Error, Row};

/// What the committer is asked for.
#[derive(Debug)]
pub(super) enum Request {
    /// Carries out a batch.
    Commit(Vec<RawOp>),
    /// Draws a number.
    Draw(&'static str),
    /// Writes records as they are; in a group of its own.
    Import(Vec<Record>),
}

/// What came of a request: each kind reads its own part.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub(super) receipt: Receipt,
    pub(super) number: u64,
}

/// What came of a group; true only once its commit is certain.
#[derive(Debug)]
pub(super) struct Outcome {
    /// For each request, in order.
    pub(super) results: Vec<Result<Done, StoreError>>,
    /// The journals that grew.
    pub(super) journals: HashMap<Account, Journal>,
    /// What a tap is told.
    pub(super) records: Vec<Record>,
}

/// What a group needs besides its requests.
pub(super) struct Setting<'a> {
    pub(super) link: &'a Link,
    pub(super) channel: &'a str,
    pub(super) node: &'a str,
    /// The number of this group.
    pub(super) mark: u64,
    pub(super) keep: u64,
    pub(super) tell: bool,
}

/// Runs a group. Once its commit may have been sent, `sent` has what comes of it if it succeeds.
pub(super) async fn run(
    setting: &Setting<'_>,
    requests: &[&Request],
    sent: &mut Option<Outcome>,
) -> Result<(), Trouble> {
    let (held, numbers) = read(setting, requests).await?;
    let mut plan = Plan::new(&held, setting.tell);
    let mut results = Vec::with_capacity(requests.len());
    let mut drawn: BTreeMap<&str, u64> = BTreeMap::new();
    for request in requests {
        results.push(match request {
            Request::Commit(ops) => plan.commit(ops).map(|receipt| Done { receipt, number: 0 }),
            Request::Draw(counter) => {
                let number = drawn.entry(counter).or_insert_with(|| numbers.first(counter));
                let done = Done { number: *number, ..Done::default() };
                plan.drawn(counter, *number);
                *number += 1;
                Ok(done)
            }
            Request::Import(records) => {
                records.iter().try_for_each(|record| plan.import(record)).map(|()| Done::default())
            }
        });
    }
    plan.trim(setting.keep);
    let empty = plan.is_empty() && drawn.is_empty();
    let journals = plan.journals.iter().map(|(account, journal)| (*account, *journal)).collect();
    if empty {
        setting.link.client.batch_execute("ROLLBACK").await?;
        *sent = Some(Outcome { results, journals, records: Vec::new() });
        return Ok(());
    }
    let records = plan.take_records();
    *sent = Some(Outcome { results, journals, records });
    Writes::of(&plan, &held.journals).send(setting).await.inspect_err(|trouble| {
        // The server says itself that it did nothing; only of a lost connection it is not known.
        if !matches!(trouble, Trouble::Lost(_)) {
            *sent = None;
        }
    })
}

/// The numbers that were drawn for the group.
#[derive(Default)]
struct Numbers(HashMap<String, (u64, u64)>);

impl Numbers {
    /// The first of those that were drawn from a counter.
    fn first(&self, counter: &str) -> u64 {
        self.0.get(counter).map_or(1, |(last, count)| last + 1 - count)
    }
}

/// What a group wants to see.
#[derive(Default)]
struct Wanted<'a> {
    accounts: BTreeSet<Account>,
    documents: BTreeSet<(&'a str, &'a str)>,
    places: BTreeSet<Place<'a>>,
    counters: BTreeMap<&'a str, u64>,
}

impl<'a> Wanted<'a> {
    fn of(requests: &[&'a Request]) -> Self {
        let mut wanted = Self::default();
        for request in requests {
            match request {
                Request::Commit(ops) => ops.iter().for_each(|op| wanted.op(op)),
                Request::Draw(counter) => *wanted.counters.entry(counter).or_default() += 1,
                Request::Import(records) => records.iter().for_each(|record| wanted.record(record)),
            }
        }
        wanted
    }

    fn op(&mut self, op: &'a RawOp) {
        self.documents.insert((op.kind, &op.id));
        self.accounts.extend(op.journal.as_ref().map(|change| change.account));
        let indexes = op.write.iter().flat_map(|write| &write.indexes).filter(|index| index.unique);
        self.places.extend(
            indexes.map(|index| (op.kind, index.name.as_str(), keys::place(&index.key, true, &op.id))),
        );
    }

    fn record(&mut self, record: &'a Record) {
        match record {
            Record::Document { kind, id, .. } | Record::Gone { kind, id } => {
                self.documents.insert((kind, id));
            }
            Record::Entry { account, .. } | Record::Oldest { account, .. } => {
                self.accounts.insert(*account);
            }
            Record::Counter { .. } => {}
        }
    }
}

/// Begins the transaction, locks what the group touches and reads it, in one round trip.
async fn read(setting: &Setting<'_>, requests: &[&Request]) -> Result<(Held, Numbers), Trouble> {
    let (link, wanted) = (setting.link, Wanted::of(requests));
    let accounts: Vec<i64> = wanted.accounts.iter().map(|account| account.0.cast_signed()).collect();
    let (kinds, ids): (Vec<&str>, Vec<&str>) = wanted.documents.iter().copied().unzip();
    let (place_kinds, names, places, _) = columns(wanted.places.iter().map(|place| (place, "")));
    let counters: Vec<&str> = wanted.counters.keys().copied().collect();
    let counts: Vec<i64> = wanted.counters.values().map(|count| count.cast_signed()).collect();
    let (begun, made, heads, drawn, documents, found) = tokio::join!(
        biased;
        link.client.batch_execute("BEGIN ISOLATION LEVEL READ COMMITTED"),
        ask(link, Sql::MakeHeads, !accounts.is_empty(), [&accounts]),
        ask(link, Sql::LockHeads, !accounts.is_empty(), [&accounts]),
        ask(link, Sql::Draw, !counters.is_empty(), [&counters, &counts]),
        ask(link, Sql::LockDocuments, !kinds.is_empty(), [&kinds, &ids]),
        ask(link, Sql::FindPlaces, !names.is_empty(), [&place_kinds, &names, &places]),
    );
    begun?;
    made?;
    let mut numbers = Numbers::default();
    let mut held = Held::default();
    for row in heads? {
        let journal = Journal { seq: number(&row, 1)?, oldest: number(&row, 2)? };
        held.journals.insert(Account(number(&row, 0)?), journal);
    }
    for row in drawn? {
        let (name, value) = (row.try_get::<_, String>(0)?, number(&row, 1)?);
        let count = wanted.counters.get(name.as_str()).copied().unwrap_or_default();
        numbers.0.insert(name, (value, count));
    }
    for row in documents? {
        let packed = row.try_get::<_, &[u8]>(3)?;
        held.documents.push(HeldDocument {
            kind: row.try_get(0)?,
            id: row.try_get(1)?,
            version: number(&row, 2)?,
            indexes: Cut::new(packed).indexes().map_err(|error| Trouble::Refused(error.to_string()))?,
        });
    }
    for row in found? {
        held.places.push((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?));
    }
    Ok((held, numbers))
}

fn number(row: &Row, place: usize) -> Result<u64, Error> {
    row.try_get::<_, i64>(place).map(i64::cast_unsigned)
}
