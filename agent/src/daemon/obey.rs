//! Whom the cloud commands: the control, the configuration and the log together.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use stagebox_protocol::{
    BoxStatus, Command, CommandId, LogLevel, Origin, Outcome, ReportedConfig, Timestamp,
};
use tokio::sync::{Semaphore, watch};

use crate::control::{Control, Request};
use crate::link::Obey;
use crate::logs::{Log, Packed, Pieces};
use crate::reconfigure::{Reconfigure, Wanted};

/// Who obeys the cloud.
#[derive(Clone)]
pub(super) struct Obedient {
    pub(super) control: Control,
    pub(super) reconfigure: Reconfigure,
    pub(super) logs: LogTeller,
}

/// Packs log lines and tells them, piece by piece.
#[derive(Clone)]
pub(super) struct LogTeller {
    log: Log,
    pieces: Arc<Mutex<Pieces>>,
    /// One request is packed at a time: that takes a processor for a moment.
    free: Arc<Semaphore>,
}

impl LogTeller {
    pub(super) fn new(log: Log) -> Self {
        Self { log, pieces: Arc::default(), free: Arc::new(Semaphore::new(1)) }
    }

    async fn fetch(&self, id: CommandId, minutes: u32, level: LogLevel) -> Outcome {
        let rejected = |code, error: String| Outcome::Rejected { code, error };
        let Ok(_permit) = self.free.acquire().await else {
            return rejected(503, "the box is ending".to_owned());
        };
        let log = self.log.clone();
        let packed = tokio::task::spawn_blocking(move || log.packed(minutes, level)).await;
        let Ok(packed @ Packed { lines, .. }) = packed else {
            return rejected(500, "the log lines could not be packed".to_owned());
        };
        if lines == 0 {
            return rejected(404, format!("there is no such log line of the last {minutes} minutes"));
        }
        let mut pieces = self.pieces();
        pieces.keep(id.clone(), packed);
        pieces.tell(&id, 0)
    }

    fn pieces(&self) -> MutexGuard<'_, Pieces> {
        self.pieces.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Obey for Obedient {
    async fn execute(&self, id: CommandId, command: Command, expires_at: Option<Timestamp>) -> Outcome {
        match command {
            Command::FetchLogs { minutes, level } => self.logs.fetch(id, minutes, level).await,
            Command::FetchMoreLogs { of, offset } => self.logs.pieces().tell(&of, offset),
            command => {
                let request = Request { command, origin: Origin::Cloud, id: Some(id), expires_at };
                self.control.request(request).await
            }
        }
    }

    fn status(&self) -> watch::Receiver<BoxStatus> {
        self.control.status()
    }

    fn configure(&self, wanted: Wanted) {
        self.reconfigure.want(wanted);
    }

    fn configured(&self) -> Option<watch::Receiver<ReportedConfig>> {
        Some(self.reconfigure.report())
    }
}
