//! Hears of what other processes wrote to the journals, and says that this one lives.

use super::Backoff;
use super::database::Database;
use super::link::Link;
use super::status::Status;
use super::trouble::Trouble;
use crate::store::heads::Heads;
use crate::store::{Account, StoreError};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{interval, sleep_until, timeout};
use tokio_postgres::{Error, Notification};
use tokio_util::sync::CancellationToken;

/// How often the journals are looked at, in case that a notification was missed, and this process is seen.
const LOOK: Duration = Duration::from_secs(2);
/// How long a look may take before the database counts as out of reach.
const PATIENCE: Duration = Duration::from_secs(3);

/// The listener's own state.
pub(super) struct Listener {
    pub(super) target: Arc<Database>,
    pub(super) channel: String,
    pub(super) node: String,
    pub(super) heads: Heads,
    pub(super) status: Arc<Status>,
}

/// A connection that listens, with what it hears.
pub(super) struct Ear {
    link: Link,
    notes: mpsc::UnboundedReceiver<Notification>,
}

impl Listener {
    /// Connects, listens, and only then reads how far the journals are.
    pub(super) async fn begin(&self) -> Result<Ear, String> {
        let (sender, notes) = mpsc::unbounded_channel();
        let link = Link::connect(&self.target, &[], Some(sender)).await.map_err(|no| no.reason)?;
        let words = |error: Error| Trouble::from(error).reason().to_owned();
        link.client.batch_execute(&format!("LISTEN \"{}\"", self.channel)).await.map_err(words)?;
        self.look(&link).await.map_err(|trouble| trouble.reason().to_owned())?;
        Ok(Ear { link, notes })
    }

    /// Listens until the engine is closed, beginning anew whenever the connection is lost.
    pub(super) async fn run(self, ear: Ear, closed: CancellationToken) {
        let listening = async {
            let (mut ear, mut backoff) = (Some(ear), Backoff::default());
            loop {
                let reason = match ear.take() {
                    Some(ear) => {
                        backoff = Backoff::default();
                        self.status.listener_is_back();
                        self.listen(ear).await
                    }
                    None => match self.begin().await {
                        Ok(begun) => {
                            ear = Some(begun);
                            continue;
                        }
                        Err(reason) => reason,
                    },
                };
                self.status.listener_lost(&reason);
                sleep_until(backoff.next()).await;
            }
        };
        closed.run_until_cancelled(listening).await;
    }

    /// Hears notifications until the connection fails; says why it did.
    async fn listen(&self, mut ear: Ear) -> String {
        let mut looks = interval(LOOK);
        loop {
            tokio::select! {
                note = ear.notes.recv() => match note {
                    Some(note) => self.hear(note.payload()),
                    None => return "the connection ended".to_owned(),
                },
                _ = looks.tick() => match timeout(PATIENCE, self.look(&ear.link)).await {
                    Ok(Ok(())) => {}
                    Ok(Err(trouble)) => return trouble.reason().to_owned(),
                    Err(_) => {
                        ear.link.cut();
                        return format!("no answer within {} s", PATIENCE.as_secs());
                    }
                },
            }
        }
    }

    fn hear(&self, payload: &str) {
        let numbers = payload.split_once(':').and_then(|(account, seq)| {
            // Numbers above the sign's bit come back as negative ones.
            Some((account.parse::<i64>().ok()?.cast_unsigned(), seq.parse::<i64>().ok()?.cast_unsigned()))
        });
        if let Some((account, seq)) = numbers {
            self.heads.raise(Account(account), seq);
        }
    }

    async fn look(&self, link: &Link) -> Result<(), Trouble> {
        let seen = "INSERT INTO node (id, address) VALUES ($1, host(inet_client_addr()))
            ON CONFLICT (id) DO UPDATE SET seen_at = now()";
        match link.client.execute(seen, &[&self.node]).await.map_err(Trouble::from) {
            // What others write can be heard of all the same.
            Ok(_) | Err(Trouble::Full(_)) => {}
            Err(trouble) => return Err(trouble),
        }
        for row in link.client.query("SELECT account, seq FROM journal_head", &[]).await? {
            let account = row.try_get::<_, i64>(0)?.cast_unsigned();
            self.heads.raise(Account(account), row.try_get::<_, i64>(1)?.cast_unsigned());
        }
        Ok(())
    }
}

/// A process that uses the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Drawn anew at each start.
    pub id: String,
    /// Where it connects from; none over a Unix socket.
    pub address: Option<String>,
    /// Seconds since it started.
    pub up_s: u64,
}

/// The processes that have been seen lately; forgets those that have long been silent.
pub(super) async fn nodes(link: Arc<Link>) -> Result<Vec<Node>, Error> {
    let old = "DELETE FROM node WHERE seen_at < now() - interval '7 days'";
    link.client.execute(old, &[]).await?;
    let text = "SELECT id, address, extract(epoch FROM now() - started_at)::bigint FROM node
        WHERE seen_at > now() - interval '15 seconds' ORDER BY started_at, id";
    let node = |row: &tokio_postgres::Row| {
        let up_s = row.try_get::<_, i64>(2)?.max(0).cast_unsigned();
        Ok(Node { id: row.try_get(0)?, address: row.try_get(1)?, up_s })
    };
    link.client.query(text, &[]).await?.iter().map(node).collect()
}

/// Says that this process is gone.
pub(super) async fn leave(target: &Database, node: &str) -> Result<(), StoreError> {
    let link = Link::connect(target, &[], None).await.map_err(|no| target.away(&no.reason))?;
    let gone = link.client.execute("DELETE FROM node WHERE id = $1", &[&node]).await;
    gone.map(|_| ()).map_err(|error| Trouble::from(error).to_error(target))
}
