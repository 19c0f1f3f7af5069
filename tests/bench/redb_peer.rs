//! The store's peer: redb with one thread that commits for all writers at once.

use std::path::Path;

use anyhow::{Context, Result};
use futures_util::future::BoxFuture;
use redb::{Database, TableDefinition};
use serde_json::json;
use stagebox_cloud::store::Document as _;
use tokio::sync::{mpsc, oneshot};

use super::store::{Sink, Ticket};

const TABLE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("all");
/// Writes that share a commit.
const GROUP: usize = 256;

/// Keys and values of one write.
type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

struct Job {
    pairs: Pairs,
    reply: oneshot::Sender<()>,
}

/// A redb database with its committer.
pub(crate) struct Peer(mpsc::Sender<Job>);

impl Peer {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let database = Database::create(path).context("creating a redb database")?;
        let (jobs, queue) = mpsc::channel(1024);
        std::thread::spawn(move || {
            if let Err(error) = commit(&database, queue) {
                eprintln!("redb: {error:#}");
            }
        });
        Ok(Self(jobs))
    }
}

fn commit(database: &Database, mut queue: mpsc::Receiver<Job>) -> Result<()> {
    let mut seq = 0u64;
    while let Some(first) = queue.blocking_recv() {
        let (mut next, mut replies) = (Some(first), Vec::new());
        let transaction = database.begin_write()?;
        {
            let mut table = transaction.open_table(TABLE)?;
            while let Some(job) = next {
                for (mut key, value) in job.pairs {
                    if key == b"j" {
                        seq += 1;
                        key.extend_from_slice(&1u64.to_be_bytes());
                        key.extend_from_slice(&seq.to_be_bytes());
                    }
                    table.insert(key.as_slice(), value.as_slice())?;
                }
                replies.push(job.reply);
                next = if replies.len() < GROUP { queue.try_recv().ok() } else { None };
            }
        }
        // Durable on return: redb syncs at each commit unless it is told otherwise.
        transaction.commit()?;
        for reply in replies {
            let _ = reply.send(());
        }
    }
    Ok(())
}

/// The same keys and values as the store writes.
fn pairs(ticket: &Ticket) -> Result<Pairs> {
    let (id, body) = (ticket.id(), serde_json::to_vec(ticket)?);
    let entry = json!({
        "seq": 0, "at": "2026-11-26T00:00:00.000Z", "kind": "ticket", "id": id, "change": "created",
        "version": 1, "before": null, "after": ticket,
    });
    let key = |parts: &[&[u8]]| parts.concat();
    let number = ticket.number.to_be_bytes();
    Ok(vec![
        (key(&[b"dticket\0", id.as_bytes(), b"\0"]), body),
        (
            key(&[b"iticket\0owner\0", ticket.owner.as_bytes(), b"\0", &number, id.as_bytes()]),
            id.clone().into_bytes(),
        ),
        (key(&[b"iticket\0number\0", &number, id.as_bytes()]), id.clone().into_bytes()),
        (b"j".to_vec(), serde_json::to_vec(&entry)?),
    ])
}

impl Sink for Peer {
    fn write(&self, ticket: Ticket) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let (reply, done) = oneshot::channel();
            let job = Job { pairs: pairs(&ticket)?, reply };
            self.0.send(job).await.ok().context("redb's committer ended")?;
            done.await.context("redb's committer ended")
        })
    }
}
