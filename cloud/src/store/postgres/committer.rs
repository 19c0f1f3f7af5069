//! The one task that writes: it groups waiting batches into one transaction, and finds out what came of it.

use super::database::Database;
use super::group::{self, Done, Outcome, Request, Setting};
use super::link::Link;
use super::room;
use super::statements;
use super::status::Status;
use super::trouble::Trouble;
use super::{Backoff, PATIENCE};
use crate::store::heads::Heads;
use crate::store::{Record, StoreError};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

/// Requests that share one commit.
const GROUP: usize = 256;
/// Bytes of a group, about, before no more are taken in.
const GROUP_BYTES: usize = 8 * 1024 * 1024;
/// How long a try may take at least.
const FAIR: Duration = Duration::from_secs(3);
/// How often a group is tried again when other processes are in its way.
const RACES: u32 = 16;
/// How long records that are written over what is there may take.
const IMPORT: Duration = Duration::from_secs(120);
/// How long the fate of a lost commit is looked for after the writers' patience has ended.
const RESOLVE: Duration = Duration::from_secs(3);

/// Whom an answer goes to.
pub(super) type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// Work for the committer.
pub(super) enum Job {
    /// Writes.
    Write(Waiting),
    /// Tells what is written from now on.
    Tap(Reply<mpsc::UnboundedReceiver<Vec<Record>>>),
    /// Answers once what came before is told.
    Settle(Reply<()>),
    /// Ends the committer after what came before.
    Close,
}

/// A request with whoever waits for it.
pub(super) struct Waiting {
    pub(super) request: Request,
    pub(super) reply: Reply<Done>,
    /// When it is answered at the latest, about.
    pub(super) until: Instant,
}

impl Waiting {
    pub(super) fn new(request: Request, reply: Reply<Done>) -> Self {
        let patience = if matches!(request, Request::Import(_)) { IMPORT } else { PATIENCE };
        Self { request, reply, until: Instant::now() + patience }
    }

    fn weight(&self) -> usize {
        match &self.request {
            Request::Draw(_) => 0,
            Request::Commit(ops) => ops.iter().map(|op| op.write.as_ref().map_or(0, |w| w.body.len())).sum(),
            Request::Import(_) => GROUP_BYTES,
        }
    }
}

/// What came of trying to run a group.
enum Tried {
    Done(Outcome),
    /// The same again.
    Again,
    /// Nothing was written, and trying again does not help.
    Failed(Trouble),
    /// It may have been written or not.
    Unknown(String),
}

/// The committer's own state.
pub(super) struct Committer {
    target: Arc<Database>,
    channel: String,
    node: String,
    keep: u64,
    heads: Heads,
    status: Arc<Status>,
    queue: mpsc::Receiver<Job>,
    /// What was taken from the queue, but not into a group yet.
    next: VecDeque<Job>,
    link: Option<Link>,
    backoff: Backoff,
    /// The number of the last group.
    mark: u64,
    taps: Vec<mpsc::UnboundedSender<Vec<Record>>>,
}

impl Committer {
    pub(super) fn new(
        target: Arc<Database>,
        (channel, node): (String, String),
        keep: u64,
        heads: Heads,
        status: Arc<Status>,
        queue: mpsc::Receiver<Job>,
    ) -> Self {
        let (next, backoff, taps) = (VecDeque::new(), Backoff::default(), Vec::new());
        Self { target, channel, node, keep, heads, status, queue, next, link: None, backoff, mark: 0, taps }
    }

    /// Works until it is told to close or nobody is left.
    pub(super) async fn run(mut self) {
        while let Some(job) = self.job().await {
            match job {
                Job::Close => break,
                Job::Settle(reply) => {
                    self.try_room().await;
                    let _ = reply.send(Ok(()));
                }
                Job::Tap(reply) => {
                    let (sender, receiver) = mpsc::unbounded_channel();
                    self.taps.push(sender);
                    let _ = reply.send(Ok(receiver));
                }
                Job::Write(first) => {
                    let group = self.gather(first);
                    self.write(group).await;
                }
            }
        }
    }

    /// The next job; while there is none, the connection is kept up.
    async fn job(&mut self) -> Option<Job> {
        loop {
            if let Some(job) = self.next.pop_front() {
                return Some(job);
            }
            let retry = self.backoff.until();
            let lost = async {
                match &self.link {
                    Some(link) => link.ended().await,
                    None => sleep_until(retry).await,
                }
            };
            tokio::select! {
                biased;
                job = self.queue.recv() => return job,
                () = lost => {
                    self.link = None;
                    let _ = self.connect(Instant::now()).await;
                }
            }
        }
    }

    /// Finds out whether a full disk has room again; writers find out by themselves as well, but only for what they write.
    async fn try_room(&mut self) {
        if let Some(link) = self.link.as_ref().filter(|_| self.status.is_full())
            && timeout_at(Instant::now() + PATIENCE, room::is_there(link)).await.unwrap_or(false)
        {
            self.status.has_room();
        }
    }

    /// Takes what waits as well into the group.
    fn gather(&mut self, first: Waiting) -> Vec<Waiting> {
        let mut weight = first.weight();
        let mut group = vec![first];
        while group.len() < GROUP && weight < GROUP_BYTES {
            match self.queue.try_recv() {
                Ok(Job::Write(waiting)) if weight + waiting.weight() <= GROUP_BYTES => {
                    weight += waiting.weight();
                    group.push(waiting);
                }
                Ok(job) => {
                    self.next.push_back(job);
                    break;
                }
                Err(_) => break,
            }
        }
        group
    }

    /// Carries a group out and answers; what is refused as a whole is tried one by one.
    async fn write(&mut self, group: Vec<Waiting>) {
        let result = self.settle(&group).await;
        if !matches!(result, Err(Trouble::Refused(_) | Trouble::Full(_))) || group.len() == 1 {
            return self.answer(group, result);
        }
        for waiting in group {
            let alone = vec![waiting];
            let result = self.settle(&alone).await;
            self.answer(alone, result);
        }
    }

    /// Tells the journals' readers and the taps, and answers.
    fn answer(&mut self, group: Vec<Waiting>, result: Result<Outcome, Trouble>) {
        match result {
            Ok(outcome) => {
                for (account, journal) in &outcome.journals {
                    self.heads.raise(*account, journal.seq);
                }
                if !outcome.records.is_empty() {
                    self.taps.retain(|tap| tap.send(outcome.records.clone()).is_ok());
                }
                for (waiting, result) in group.into_iter().zip(outcome.results) {
                    let _ = waiting.reply.send(result);
                }
            }
            Err(trouble) => {
                if let Trouble::Full(reason) = &trouble {
                    self.status.filled(reason);
                }
                for waiting in group {
                    let _ = waiting.reply.send(Err(trouble.to_error(&self.target)));
                }
            }
        }
    }

    /// Tries until it is known what came of it, or the writers' patience is at its end.
    async fn settle(&mut self, group: &[Waiting]) -> Result<Outcome, Trouble> {
        let requests: Vec<&Request> = group.iter().map(|waiting| &waiting.request).collect();
        let until = group.iter().map(|waiting| waiting.until).min().unwrap_or_else(Instant::now);
        let mut races = 0;
        loop {
            self.connect(until).await?;
            // A group that had to wait for its turn still gets a fair try.
            let until = until.max(Instant::now() + FAIR);
            match self.attempt(&requests, until).await {
                Tried::Done(outcome) => return Ok(outcome),
                Tried::Again => {}
                Tried::Failed(Trouble::Raced(_)) if races < RACES && Instant::now() < until => {
                    races += 1;
                    // By the node's own number, so that two processes do not meet again and again.
                    let step = u64::from(self.node.bytes().last().unwrap_or_default() % 16) + 1;
                    sleep(Duration::from_micros(step * 100 * u64::from(races))).await;
                }
                Tried::Failed(trouble) => return Err(trouble),
                Tried::Unknown(reason) => {
                    // Whoever listens would miss it if it was written after all.
                    self.taps.clear();
                    return Err(Trouble::Lost(reason));
                }
            }
        }
    }

    /// Runs a group once on the connection that is there.
    async fn attempt(&mut self, requests: &[&Request], until: Instant) -> Tried {
        let Some(link) = &self.link else { return Tried::Again };
        self.mark += 1;
        self.taps.retain(|tap| !tap.is_closed());
        let setting = Setting {
            link,
            channel: &self.channel,
            node: &self.node,
            mark: self.mark,
            keep: self.keep,
            tell: !self.taps.is_empty(),
        };
        let mut sent = None;
        let ran = timeout_at(until, group::run(&setting, requests, &mut sent)).await;
        let trouble = match (ran, sent.is_some()) {
            (Ok(Ok(())), true) => return sent.map_or(Tried::Again, Tried::Done),
            (Ok(Ok(())), false) => return Tried::Again,
            (Ok(Err(trouble)), _) => trouble,
            (Err(_), _) => Trouble::Lost(format!("no answer within {} s", PATIENCE.as_secs())),
        };
        let reason = match trouble {
            Trouble::Lost(reason) => reason,
            trouble => {
                // Ends the transaction where the error came before the commit was sent.
                let ended = timeout_at(until, link.client.batch_execute("ROLLBACK")).await;
                if !matches!(ended, Ok(Ok(()))) {
                    self.lose("a transaction could not be ended");
                }
                return Tried::Failed(trouble);
            }
        };
        let pid = link.pid;
        self.lose(&reason);
        match sent {
            None if Instant::now() < until => Tried::Again,
            None => Tried::Failed(Trouble::Lost(reason)),
            Some(outcome) => match self.committed(pid, until + RESOLVE).await {
                Ok(true) => Tried::Done(outcome),
                Ok(false) if Instant::now() < until => Tried::Again,
                Ok(false) => Tried::Failed(Trouble::Lost(format!("{reason}; nothing was written"))),
                Err(more) => Tried::Unknown(format!(
                    "{reason}; whether the last writes were carried out is not known yet ({more})"
                )),
            },
        }
    }

    /// Whether the last group is in the database, once the process that may still be writing it has ended.
    async fn committed(&mut self, pid: i32, until: Instant) -> Result<bool, String> {
        loop {
            self.connect(until).await.map_err(|trouble| trouble.reason().to_owned())?;
            let Some(link) = &self.link else { continue };
            let asked = async {
                let ours = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                    WHERE pid = $1 AND application_name = current_setting('application_name')";
                while !link.client.query(ours, &[&pid]).await?.is_empty() {
                    sleep(Duration::from_millis(20)).await;
                }
                let mark = "SELECT committed FROM node WHERE id = $1";
                link.client
                    .query_opt(mark, &[&self.node])
                    .await?
                    .map(|row| row.try_get::<_, i64>(0))
                    .transpose()
            };
            match timeout_at(until, asked).await {
                Ok(Ok(Some(mark))) => return Ok(mark == self.mark.cast_signed()),
                Ok(Ok(None)) => return Err("it does not know this process any more".to_owned()),
                Ok(Err(error)) => match Trouble::from(error) {
                    Trouble::Lost(reason) => self.lose(&reason),
                    trouble => return Err(trouble.reason().to_owned()),
                },
                Err(_) => {
                    self.lose("no answer");
                    return Err("it does not answer".to_owned());
                }
            }
        }
    }

    /// Lets go of the connection.
    fn lose(&mut self, reason: &str) {
        if let Some(link) = self.link.take() {
            link.cut();
            self.status.writer_lost(reason);
        }
    }

    /// Makes sure that there is a connection, trying once at least and again until `until`.
    async fn connect(&mut self, until: Instant) -> Result<(), Trouble> {
        loop {
            if let Some(link) = &self.link {
                if !link.is_closed() {
                    return Ok(());
                }
                self.lose("the connection ended");
            }
            let reason = match Link::connect(&self.target, &statements::TEXTS, None).await {
                Ok(link) => match self.sign_in(&link).await {
                    Ok(()) => {
                        self.link = Some(link);
                        self.backoff = Backoff::default();
                        self.status.writer_is_back();
                        return Ok(());
                    }
                    Err(error) => match Trouble::from(error) {
                        full @ Trouble::Full(_) => return Err(full),
                        trouble => trouble.reason().to_owned(),
                    },
                },
                Err(no) => no.reason,
            };
            self.status.writer_lost(&reason);
            let retry = self.backoff.next();
            if retry >= until {
                sleep_until(until).await;
                return Err(Trouble::Lost(reason));
            }
            sleep_until(retry).await;
        }
    }

    /// Makes this process known, so that its row can tell which of its groups were committed.
    async fn sign_in(&self, link: &Link) -> Result<(), tokio_postgres::Error> {
        let text =
            "INSERT INTO node (id, address) VALUES ($1, host(inet_client_addr())) ON CONFLICT DO NOTHING";
        link.client.execute(text, &[&self.node]).await.map(|_| ())
    }
}
