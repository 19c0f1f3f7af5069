//! Works one kind of job off, as many at a time as it may.
#![allow(clippy::disallowed_methods, reason = "a driver: it looks for jobs that other processes push")]

use super::attempt::Attempt;
use super::work::Registered;
use super::{Jobs, random};
use crate::store::{Lease, Queue, QueueError, StoreError};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// How often the queue is looked at when nothing is heard of it.
const POLL: Duration = Duration::from_secs(1);

/// The driver of one kind.
pub(super) struct Runner {
    pub(super) jobs: Jobs,
    pub(super) registered: Registered,
    pub(super) queue: Queue,
    /// Who leases.
    pub(super) node: Arc<str>,
    /// Whether nobody else can work under that name, so that its leases are those of an earlier run.
    pub(super) alone: bool,
}

impl Runner {
    /// Runs until the server stops and all attempts have ended.
    pub(super) async fn run(self) {
        let mut attempts = JoinSet::new();
        let mut to_take_back = self.alone;
        while !self.jobs.is_stopping() {
            if to_take_back {
                to_take_back = !self.take_back().await;
            }
            let leases = match self.lease(attempts.len()).await {
                Ok(leases) => leases,
                Err(QueueError::Store(StoreError::Closed)) => break,
                Err(error) => {
                    tracing::warn!(kind = self.registered.kind, %error, "jobs wait");
                    Vec::new()
                }
            };
            let more = !leases.is_empty();
            for lease in leases {
                self.begin(lease, &mut attempts);
            }
            let free = attempts.len() < self.registered.parallel;
            if more && free {
                continue;
            }
            tokio::select! {
                () = self.jobs.stopping() => {}
                Some(ended) = attempts.join_next() => {
                    if let Err(error) = ended {
                        tracing::error!(kind = self.registered.kind, %error, "an attempt at a job broke off");
                    }
                }
                () = self.queue.woken(), if free => {}
                () = tokio::time::sleep(POLL), if free => {}
            }
        }
        while attempts.join_next().await.is_some() {}
    }

    /// Frees what an earlier run of this server left; whether that is done.
    async fn take_back(&self) -> bool {
        match self.queue.take_back(&self.node).await {
            Ok(0) => true,
            Ok(count) => {
                tracing::info!(kind = self.registered.kind, count, "jobs of the last run are taken up again");
                true
            }
            Err(error) => {
                tracing::warn!(kind = self.registered.kind, %error, "jobs of the last run wait for their leases to end");
                false
            }
        }
    }

    async fn lease(&self, busy: usize) -> Result<Vec<Lease>, QueueError> {
        let free = self.registered.parallel.saturating_sub(busy);
        self.queue.lease(&self.node, free, self.jobs.config().lease(), random()).await
    }

    fn begin(&self, lease: Lease, attempts: &mut JoinSet<()>) {
        let Ok(id) = lease.id.parse() else {
            tracing::error!(kind = self.registered.kind, entry = lease.id, "an entry is no job's");
            return;
        };
        let (jobs, registered, queue) = (self.jobs.clone(), self.registered.clone(), self.queue.clone());
        attempts.spawn(Attempt { jobs, registered, queue, lease, id }.run());
    }
}
