//! Everything out of the database as records, from one moment.

use super::database::Database;
use super::link::Link;
use super::trouble::Trouble;
use crate::store::engine::RawIndex;
use crate::store::packed::Cut;
use crate::store::{Account, Record, StoreError};
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use std::sync::Arc;
use tokio_postgres::{Error, Row};

/// Records of one piece.
const PIECE: usize = 256;

/// Makes a record of a row.
type Read = fn(&Row) -> Result<Record, StoreError>;

/// What is walked through, the last first, each by a cursor of the same snapshot.
const WALKS: [(&str, Read); 3] = [
    ("SELECT name, value FROM counter", counter),
    ("SELECT account, seq, entry FROM journal", entry),
    ("SELECT kind, id, version, schema, indexes, body FROM document", document),
];

/// A connection that reads one moment of the database, whatever is written meanwhile.
pub(super) struct Snapshot {
    link: Link,
    target: Arc<Database>,
}

impl Snapshot {
    pub(super) async fn begin(target: &Arc<Database>) -> Result<Self, StoreError> {
        let link = Link::connect(target, &[], None).await.map_err(|no| target.away(&no.reason))?;
        // The walks are through whole tables: that is planned as the server thinks best.
        let begin = "SET idle_in_transaction_session_timeout TO '1h';
            RESET enable_seqscan; RESET enable_bitmapscan; RESET enable_hashjoin; RESET enable_mergejoin;
            BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        let snapshot = Self { link, target: Arc::clone(target) };
        snapshot.done(snapshot.link.client.batch_execute(begin).await)?;
        Ok(snapshot)
    }

    /// Begins to read the answer to a query, which [`Snapshot::piece`] goes on with.
    pub(super) async fn open(&self, name: &str, query: &str) -> Result<(), StoreError> {
        let text = format!("DECLARE {name} NO SCROLL CURSOR FOR {query}");
        self.done(self.link.client.batch_execute(&text).await)
    }

    /// The next rows; none at the end.
    pub(super) async fn piece(&self, name: &str) -> Result<Vec<Row>, StoreError> {
        let text = format!("FETCH FORWARD {PIECE} FROM {name}");
        self.done(self.link.client.query(&text, &[]).await)
    }

    /// The connection, for what is read beside.
    pub(super) fn link(&self) -> &Link {
        &self.link
    }

    /// An answer, with an error in words.
    pub(super) fn done<T>(&self, answer: Result<T, Error>) -> Result<T, StoreError> {
        answer.map_err(|error| Trouble::from(error).to_error(&self.target))
    }
}

/// Where an export is.
struct Walk {
    snapshot: Snapshot,
    /// The walk that is open.
    open: Option<Read>,
    /// How many walks are still to come.
    left: usize,
}

/// Reads everything, a piece at a time.
pub(super) fn export(target: &Arc<Database>) -> BoxStream<'static, Result<Vec<Record>, StoreError>> {
    let target = Arc::clone(target);
    let begun = stream::once(async move {
        let snapshot = Snapshot::begin(&target).await?;
        Ok(stream::try_unfold(Walk { snapshot, open: None, left: WALKS.len() }, |mut walk| async move {
            Ok(walk.piece().await?.map(|piece| (piece, walk)))
        }))
    });
    futures_util::TryStreamExt::try_flatten(begun).boxed()
}

impl Walk {
    async fn piece(&mut self) -> Result<Option<Vec<Record>>, StoreError> {
        loop {
            let name = format!("walk{}", self.left);
            if let Some(read) = self.open {
                let rows = self.snapshot.piece(&name).await?;
                if !rows.is_empty() {
                    return rows.iter().map(read).collect::<Result<_, _>>().map(Some);
                }
            }
            let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
            let (query, read) = WALKS[left];
            (self.left, self.open) = (left, Some(read));
            self.snapshot.open(&format!("walk{left}"), query).await?;
        }
    }
}

fn strange(error: &Error) -> StoreError {
    StoreError::Engine(super::database::cause(error))
}

pub(super) fn number(row: &Row, place: usize) -> Result<u64, StoreError> {
    row.try_get::<_, i64>(place).map(i64::cast_unsigned).map_err(|error| strange(&error))
}

pub(super) fn text(row: &Row, place: usize) -> Result<String, StoreError> {
    row.try_get(place).map_err(|error| strange(&error))
}

pub(super) fn bytes(row: &Row, place: usize) -> Result<Vec<u8>, StoreError> {
    row.try_get(place).map_err(|error| strange(&error))
}

pub(super) fn indexes(row: &Row, place: usize) -> Result<Vec<RawIndex>, StoreError> {
    Cut::new(&bytes(row, place)?).indexes()
}

fn document(row: &Row) -> Result<Record, StoreError> {
    Ok(Record::Document {
        kind: text(row, 0)?,
        id: text(row, 1)?,
        version: number(row, 2)?,
        schema: number(row, 3)? as u32,
        indexes: indexes(row, 4)?,
        body: bytes(row, 5)?,
    })
}

fn entry(row: &Row) -> Result<Record, StoreError> {
    Ok(Record::Entry { account: Account(number(row, 0)?), seq: number(row, 1)?, body: bytes(row, 2)? })
}

fn counter(row: &Row) -> Result<Record, StoreError> {
    Ok(Record::Counter { name: text(row, 0)?, value: number(row, 1)? })
}

/// How many records an export gives.
pub(super) async fn count(target: &Arc<Database>) -> Result<u64, StoreError> {
    let snapshot = Snapshot::begin(target).await?;
    let text = "SELECT (SELECT count(*) FROM document) + (SELECT count(*) FROM journal)
        + (SELECT count(*) FROM counter)";
    number(&snapshot.done(snapshot.link.client.query_one(text, &[]).await)?, 0)
}
