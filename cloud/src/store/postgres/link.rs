//! One connection: made, set up for this store, driven, and cut when it hangs.

use super::database::Database;
use super::trouble::{connecting, words};
use futures_util::future::{poll_fn, try_join_all};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_postgres::{AsyncMessage, Client, Connection, NoTls, Notification, Statement};
use tokio_util::sync::CancellationToken;

/// How long a connection may take to be usable.
const CONNECT: Duration = Duration::from_secs(3);
/// The oldest server that has all that is needed.
const OLDEST_SERVER: i32 = 130_000;

/// Where a listening connection's notifications go.
pub(super) type Notes = mpsc::UnboundedSender<Notification>;

/// Why there is no connection.
#[derive(Debug)]
pub(super) struct NoLink {
    /// In words for the operator, without the database's name.
    pub(super) reason: String,
    /// Whether it may be there in a moment.
    pub(super) passing: bool,
}

/// A connection.
pub(super) struct Link {
    pub(super) client: Client,
    /// The server's process for it.
    pub(super) pid: i32,
    statements: Vec<Statement>,
    cut: CancellationToken,
    ended: CancellationToken,
}

impl Link {
    /// Connects and prepares statements, which [`Link::statement`] gives by their place.
    pub(super) async fn connect(
        target: &Database,
        statements: &[&str],
        notes: Option<Notes>,
    ) -> Result<Self, NoLink> {
        let late = || NoLink { reason: format!("no answer within {} s", CONNECT.as_secs()), passing: true };
        timeout(CONNECT, Self::make(target, statements, notes)).await.unwrap_or_else(|_| Err(late()))
    }

    async fn make(target: &Database, statements: &[&str], notes: Option<Notes>) -> Result<Self, NoLink> {
        let no = |error: tokio_postgres::Error| {
            let (passing, reason) = connecting(&error);
            NoLink { reason, passing }
        };
        let (cut, ended) = (CancellationToken::new(), CancellationToken::new());
        let client = match &target.tls {
            Some(tls) => {
                let (client, connection) = target.config.connect(tls.clone()).await.map_err(no)?;
                drive(connection, notes, cut.clone(), ended.clone());
                client
            }
            None => {
                let (client, connection) = target.config.connect(NoTls).await.map_err(no)?;
                drive(connection, notes, cut.clone(), ended.clone());
                client
            }
        };
        let mut link = Self { client, pid: 0, statements: Vec::new(), cut, ended };
        let version = link.set_up(&target.schema).await.map_err(no)?;
        if version < OLDEST_SERVER {
            let reason = format!("its version is {}, and 13 is the oldest that will do", version / 10_000);
            return Err(NoLink { reason, passing: false });
        }
        let prepared = statements.iter().map(|text| link.client.prepare(text));
        link.statements = try_join_all(prepared).await.map_err(no)?;
        Ok(link)
    }

    /// Sets what the statements rely on, and returns the server's version.
    async fn set_up(&mut self, schema: &str) -> Result<i32, tokio_postgres::Error> {
        let setup = include_str!("session.sql").replace("SCHEMA_NAME", schema);
        self.client.batch_execute(&setup).await?;
        let row = self
            .client
            .query_one("SELECT pg_backend_pid(), current_setting('server_version_num')::int", &[])
            .await?;
        self.pid = row.try_get(0)?;
        row.try_get(1)
    }

    /// A statement that was prepared, by its place in what [`Link::connect`] was given.
    pub(super) fn statement(&self, place: usize) -> &Statement {
        &self.statements[place]
    }

    /// Whether it is of no more use.
    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed() || self.cut.is_cancelled()
    }

    /// Lets go of a connection that hangs; whoever waits for an answer gets an error.
    pub(super) fn cut(&self) {
        self.cut.cancel();
    }

    /// Waits until it is of no more use.
    pub(super) async fn ended(&self) {
        self.ended.cancelled().await;
    }
}

/// Moves bytes until the connection or its client ends.
fn drive<S, T>(
    mut connection: Connection<S, T>,
    notes: Option<Notes>,
    cut: CancellationToken,
    ended: CancellationToken,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    tokio::spawn(async move {
        let _ended = ended.drop_guard();
        let moving = async {
            loop {
                match poll_fn(|context| connection.poll_message(context)).await {
                    Some(Ok(AsyncMessage::Notification(note))) => {
                        let Some(Ok(())) = notes.as_ref().map(|notes| notes.send(note)) else { continue };
                    }
                    Some(Ok(AsyncMessage::Notice(notice))) => {
                        tracing::debug!(notice = words(&notice), "the database remarks");
                    }
                    Some(Ok(_)) => {}
                    Some(Err(error)) => break tracing::debug!(%error, "a connection to the database ended"),
                    None => break,
                }
            }
        };
        tokio::select! {
            () = cut.cancelled() => {}
            () = moving => {}
        }
    });
}
