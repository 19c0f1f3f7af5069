//! The job `delete-account`: takes an account away with all that it has.

use super::Removal;
use crate::app::App;
use crate::job::{JobHandle, Outcome, Work, WorkError};
use crate::store::{Account, Progress};
use serde::{Deserialize, Serialize};

/// Which account to delete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deleted {
    /// Its number.
    pub account: Account,
}

/// Deletes accounts.
pub struct DeleteAccount(Removal);

impl DeleteAccount {
    /// Takes the handles that it needs.
    pub fn new(app: &App) -> Self {
        Self(Removal::new(app))
    }
}

impl Work for DeleteAccount {
    const KIND: &'static str = "delete-account";
    /// Whatever is in its way, such as a backup that is taken just now, may last for hours.
    const MAX_ATTEMPTS: u32 = 100;
    type Input = Deleted;

    async fn run(&self, job: JobHandle, input: Deleted) -> Result<Outcome, WorkError> {
        let stopped = job.stopped();
        let tell = move |percent, words| job.progress(Some(percent), words);
        let done = self.0.run(input.account, &Progress::new(tell, stopped)).await?;
        Ok(Outcome::new(done))
    }
}
