//! Looks for what does not fit together, in a snapshot that writers do not disturb.

use super::database::Database;
use super::statements::FIND_PLACES;
use super::transfer::{Snapshot, bytes, indexes, number, text};
use crate::store::engine::{RawIndex, Tell};
use crate::store::{Fault, StoreError, keys};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use tokio_postgres::Row;

/// Faults that are told; more are the same story.
const MAX_FAULTS: usize = 1000;

/// Each place in an index with what its document claims.
const INDEX: &str = "SELECT i.kind, i.name, i.place, i.id, d.indexes FROM document_index i
    LEFT JOIN document d ON d.kind = i.kind AND d.id = i.id";
const DOCUMENTS: &str = "SELECT kind, id, indexes, body FROM document";
const JOURNAL: &str = "SELECT account, seq, entry FROM journal ORDER BY account, seq";
const HEADS: &str = "SELECT h.account, h.seq, h.oldest, min(j.seq), max(j.seq) FROM journal_head h
    JOIN journal j ON j.account = h.account GROUP BY h.account, h.seq, h.oldest
    HAVING h.seq <> max(j.seq) OR h.oldest <> min(j.seq)";
const HEADLESS: &str = "SELECT DISTINCT j.account FROM journal j
    WHERE NOT EXISTS (SELECT FROM journal_head h WHERE h.account = j.account)";

struct Check {
    snapshot: Snapshot,
    faults: Vec<Fault>,
    seen: u64,
    tell: Tell,
    /// Whether somebody still wants to know.
    wanted: bool,
}

/// Walks through all tables once and holds each row against what it belongs to.
pub(super) async fn check(target: &Arc<Database>, tell: Tell) -> Result<Vec<Fault>, StoreError> {
    let mut check =
        Check { snapshot: Snapshot::begin(target).await?, faults: Vec::new(), seen: 0, tell, wanted: true };
    check.documents().await?;
    check.index().await?;
    check.journals().await?;
    Ok(check.faults)
}

impl Check {
    fn fault(&mut self, place: String, detail: String) {
        if self.faults.len() < MAX_FAULTS {
            self.faults.push(Fault { place, detail });
        }
    }

    /// The next rows; none at the end, or when enough has been found.
    async fn piece(&mut self, name: &str) -> Result<Vec<Row>, StoreError> {
        if self.faults.len() >= MAX_FAULTS || !self.wanted {
            return Ok(Vec::new());
        }
        let rows = self.snapshot.piece(name).await?;
        self.seen += rows.len() as u64;
        self.wanted = (self.tell)(self.seen);
        Ok(rows)
    }

    fn json(&mut self, place: impl FnOnce() -> String, body: &[u8]) {
        if let Err(error) = serde_json::from_slice::<serde::de::IgnoredAny>(body) {
            self.fault(place(), format!("is no JSON: {error}"));
        }
    }

    /// Each document is JSON and has the places that it claims.
    async fn documents(&mut self) -> Result<(), StoreError> {
        self.snapshot.open("documents", DOCUMENTS).await?;
        loop {
            let rows = self.piece("documents").await?;
            if rows.is_empty() {
                return Ok(());
            }
            let mut claims = Vec::new();
            for row in &rows {
                let (kind, id) = (text(row, 0)?, text(row, 1)?);
                self.json(|| format!("{kind} {id}"), &bytes(row, 3)?);
                match indexes(row, 2) {
                    Ok(indexes) => {
                        let claim = |index| (kind.clone(), id.clone(), index);
                        claims.extend(indexes.into_iter().map(claim));
                    }
                    Err(error) => self.fault(format!("{kind} {id}"), error.to_string()),
                }
            }
            self.claims(claims).await?;
        }
    }

    async fn claims(&mut self, claims: Vec<(String, String, RawIndex)>) -> Result<(), StoreError> {
        let place = |(_, id, index): &(String, String, RawIndex)| keys::place(&index.key, index.unique, id);
        let kinds: Vec<&str> = claims.iter().map(|claim| claim.0.as_str()).collect();
        let names: Vec<&str> = claims.iter().map(|claim| claim.2.name.as_str()).collect();
        let places: Vec<Vec<u8>> = claims.iter().map(place).collect();
        let rows = self.snapshot.link().client.query(FIND_PLACES, &[&kinds, &names, &places]).await;
        let mut owners = HashSet::new();
        for row in self.snapshot.done(rows)? {
            owners.insert((text(&row, 0)?, text(&row, 1)?, bytes(&row, 2)?, text(&row, 3)?));
        }
        for ((kind, id, index), place) in claims.into_iter().zip(places) {
            let owner = (kind, index.name, place, id);
            if !owners.contains(&owner) {
                let (kind, name, _, id) = owner;
                self.fault(format!("{kind} {id}"), format!("is missing in its index {name}"));
            }
        }
        Ok(())
    }

    /// Each place in an index is claimed by its document.
    async fn index(&mut self) -> Result<(), StoreError> {
        self.snapshot.open("places", INDEX).await?;
        loop {
            let rows = self.piece("places").await?;
            if rows.is_empty() {
                return Ok(());
            }
            for row in &rows {
                let (kind, name, place, id) = (text(row, 0)?, text(row, 1)?, bytes(row, 2)?, text(row, 3)?);
                let there = self.snapshot.done(row.try_get::<_, Option<&[u8]>>(4))?.is_some();
                let claimed = there
                    && indexes(row, 4)?.iter().any(|index| {
                        index.name == name && keys::place(&index.key, index.unique, &id) == place
                    });
                if !claimed {
                    self.fault(
                        format!("{kind} {id}"),
                        format!("the index {name} has a place that it does not claim"),
                    );
                }
            }
        }
    }

    /// Each journal is without a gap, and its head says where it begins and ends.
    async fn journals(&mut self) -> Result<(), StoreError> {
        self.snapshot.open("journal", JOURNAL).await?;
        let mut last = HashMap::new();
        loop {
            let rows = self.piece("journal").await?;
            if rows.is_empty() {
                break;
            }
            for row in &rows {
                let (account, seq) = (number(row, 0)?, number(row, 1)?);
                self.json(|| format!("journal {account}"), &bytes(row, 2)?);
                if let Some(before) = last.insert(account, seq)
                    && before + 1 != seq
                {
                    self.fault(format!("journal {account}"), format!("after entry {before} comes {seq}"));
                }
            }
        }
        let client = &self.snapshot.link().client;
        let (heads, headless) = (client.query(HEADS, &[]).await, client.query(HEADLESS, &[]).await);
        for row in self.snapshot.done(heads)? {
            let [account, seq, oldest, first, last] = [0, 1, 2, 3, 4].map(|place| number(&row, place));
            let detail = format!("its head says {}–{}, and it is {}–{}", oldest?, seq?, first?, last?);
            self.fault(format!("journal {}", account?), detail);
        }
        for row in self.snapshot.done(headless)? {
            self.fault(format!("journal {}", number(&row, 0)?), "has no head".to_owned());
        }
        Ok(())
    }
}
