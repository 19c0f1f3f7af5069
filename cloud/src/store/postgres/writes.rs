//! A plan as columns of values, sent with its commit in one round trip.

use super::group::Setting;
use super::link::Link;
use super::plan::{Named, Place, Plan};
use super::statements::Sql;
use super::trouble::Trouble;
use crate::store::Account;
use crate::store::heads::Journal;
use crate::store::packed;
use std::collections::HashMap;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Error, Row};

/// Sends a statement at once where there is anything for it to do.
pub(super) async fn ask<const N: usize>(
    link: &Link,
    sql: Sql,
    wanted: bool,
    values: [&(dyn ToSql + Sync); N],
) -> Result<Vec<Row>, Error> {
    if wanted { link.client.query(link.statement(sql as usize), &values).await } else { Ok(Vec::new()) }
}

/// Places in indexes as columns: kinds, names, places and ids.
type Columns<'a> = (Vec<&'a str>, Vec<&'a str>, Vec<&'a [u8]>, Vec<&'a str>);

pub(super) fn columns<'a>(places: impl IntoIterator<Item = (&'a Place<'a>, &'a str)>) -> Columns<'a> {
    let mut columns = Columns::default();
    for ((kind, name, place), id) in places {
        columns.0.push(kind);
        columns.1.push(name);
        columns.2.push(place);
        columns.3.push(id);
    }
    columns
}

async fn move_places(link: &Link, sql: Sql, places: &Columns<'_>) -> Result<Vec<Row>, Error> {
    let (kinds, names, places, ids) = places;
    ask(link, sql, !kinds.is_empty(), [kinds, names, places, ids]).await
}

/// Documents as columns.
#[derive(Default)]
struct Rows<'a> {
    kinds: Vec<&'a str>,
    ids: Vec<&'a str>,
    versions: Vec<i64>,
    schemas: Vec<i64>,
    indexes: Vec<Vec<u8>>,
    bodies: Vec<&'a [u8]>,
}

impl<'a> Rows<'a> {
    fn push(&mut self, (kind, id): Named<'a>, row: &super::plan::Row<'a>) {
        let mut indexes = Vec::new();
        packed::put_indexes(&mut indexes, row.indexes);
        self.kinds.push(kind);
        self.ids.push(id);
        self.versions.push(row.version.cast_signed());
        self.schemas.push(i64::from(row.schema));
        self.indexes.push(indexes);
        self.bodies.push(row.body);
    }

    async fn send(&self, link: &Link, sql: Sql) -> Result<Vec<Row>, Error> {
        let Self { kinds, ids, versions, schemas, indexes, bodies } = self;
        ask(link, sql, !kinds.is_empty(), [kinds, ids, versions, schemas, indexes, bodies]).await
    }
}

/// Journals, their entries and counters as columns.
#[derive(Default)]
struct Numbered<'a> {
    entry_accounts: Vec<i64>,
    entry_seqs: Vec<i64>,
    entries: Vec<&'a [u8]>,
    accounts: Vec<i64>,
    seqs: Vec<i64>,
    oldest: Vec<i64>,
    trimmed: Vec<i64>,
    trimmed_from: Vec<i64>,
    trimmed_to: Vec<i64>,
    counters: Vec<&'a str>,
    values: Vec<i64>,
}

/// All that a plan writes.
pub(super) struct Writes<'a> {
    leave: Columns<'a>,
    take: Columns<'a>,
    removed: (Vec<&'a str>, Vec<&'a str>),
    changed: Rows<'a>,
    created: Rows<'a>,
    numbered: Numbered<'a>,
    absolute: bool,
}

impl<'a> Writes<'a> {
    /// Lays a plan out in columns.
    pub(super) fn of(plan: &'a Plan<'a>, known: &HashMap<Account, Journal>) -> Self {
        let (leave, take) = plan.moves();
        let mut writes = Self {
            leave: columns(leave),
            take: columns(take),
            removed: Default::default(),
            changed: Rows::default(),
            created: Rows::default(),
            numbered: Numbered::default(),
            absolute: plan.absolute,
        };
        for (named, fate) in &plan.documents {
            match &fate.row {
                None if fate.existed => {
                    writes.removed.0.push(named.0);
                    writes.removed.1.push(named.1);
                }
                None => {}
                Some(row) if fate.existed => writes.changed.push(*named, row),
                Some(row) => writes.created.push(*named, row),
            }
        }
        writes.number(plan, known);
        writes
    }

    fn number(&mut self, plan: &'a Plan<'a>, known: &HashMap<Account, Journal>) {
        let numbered = &mut self.numbered;
        for ((account, seq), body) in &plan.entries {
            numbered.entry_accounts.push(account.0.cast_signed());
            numbered.entry_seqs.push(seq.cast_signed());
            numbered.entries.push(body);
        }
        for (account, journal) in &plan.journals {
            let number = account.0.cast_signed();
            numbered.accounts.push(number);
            numbered.seqs.push(journal.seq.cast_signed());
            numbered.oldest.push(journal.oldest.cast_signed());
            let before = known.get(account).copied().unwrap_or_default().oldest;
            if journal.oldest > before {
                numbered.trimmed.push(number);
                numbered.trimmed_from.push(before.cast_signed());
                numbered.trimmed_to.push(journal.oldest.cast_signed());
            }
        }
        for (name, value) in &plan.counters {
            numbered.counters.push(name);
            numbered.values.push(value.cast_signed());
        }
    }

    /// Writes and commits; the first error is told.
    pub(super) async fn send(&self, setting: &Setting<'_>) -> Result<(), Trouble> {
        let (link, n) = (setting.link, &self.numbered);
        let (create, take, add) = match self.absolute {
            true => (Sql::Replace, Sql::TakeOver, Sql::PutEntries),
            false => (Sql::Create, Sql::Take, Sql::AddEntries),
        };
        let mark = setting.mark.cast_signed();
        let (removed, journalled) = (&self.removed, !n.accounts.is_empty());
        // Each is sent before the answer to the one before it is there. After an error the server refuses the
        // others, and takes the commit for a rollback.
        let done = tokio::join!(
            biased;
            move_places(link, Sql::Leave, &self.leave),
            ask(link, Sql::Remove, !removed.0.is_empty(), [&removed.0, &removed.1]),
            self.changed.send(link, Sql::Replace),
            self.created.send(link, create),
            move_places(link, take, &self.take),
            ask(link, add, !n.entries.is_empty(), [&n.entry_accounts, &n.entry_seqs, &n.entries]),
            ask(link, Sql::DropEntries, !n.trimmed.is_empty(), [&n.trimmed, &n.trimmed_from, &n.trimmed_to]),
            ask(link, Sql::MoveHeads, journalled, [&n.accounts, &n.seqs, &n.oldest]),
            ask(link, Sql::PutCounters, !n.counters.is_empty(), [&n.counters, &n.values]),
            ask(link, Sql::Tell, journalled, [&setting.channel, &n.accounts, &n.seqs]),
            ask(link, Sql::Mark, true, [&setting.node, &mark]),
            link.client.batch_execute("COMMIT"),
        );
        let steps = [done.0, done.1, done.2, done.3, done.4, done.5, done.6, done.7, done.8, done.9, done.10];
        for step in steps {
            step?;
        }
        Ok(done.11?)
    }
}
