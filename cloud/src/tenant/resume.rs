//! Has an account deleted by a job, and takes up deletions whose job is not there any more.
#![allow(clippy::disallowed_methods, reason = "a driver: it comes round every hour")]

use super::deletion::Deleted;
use super::{DeleteAccount, RemovalError};
use crate::account::{AccountRecord, everyone};
use crate::app::App;
use crate::id::JobId;
use crate::job::{NewJob, Work as _};
use crate::store::Account;
use std::time::Duration;

/// How often it is looked for deletions without a job.
const EVERY: Duration = Duration::from_secs(3600);

/// The job that deletes an account; the one that is there, if it has not ended.
pub(crate) async fn enqueue(app: &App, account: &AccountRecord) -> Result<JobId, RemovalError> {
    if account.number == Account::FIRST {
        return Err(RemovalError::First);
    }
    if let Some(job) = going_on(app, account.number).await? {
        return Ok(job);
    }
    let title = format!("Delete account {} ({})", account.number, account.name);
    let job = NewJob::of::<DeleteAccount>(&title, &Deleted { account: account.number })?;
    Ok(app.jobs.enqueue(job.about(account.number)).await?.id)
}

async fn going_on(app: &App, account: Account) -> Result<Option<JobId>, RemovalError> {
    let subject = account.to_string();
    let mut after = None;
    loop {
        let page = app.jobs.of_kind(Account::FIRST, DeleteAccount::KIND, after).await?;
        let found =
            page.items.iter().find(|job| job.ended_at.is_none() && job.subject.as_deref() == Some(&subject));
        if let Some(job) = found {
            return Ok(Some(job.id));
        }
        after = page.next;
        if after.is_none() {
            return Ok(None);
        }
    }
}

/// Begins to come round.
pub(crate) fn start(app: App) {
    tokio::spawn(async move {
        loop {
            if let Err(error) = resume(&app).await {
                tracing::warn!(%error, "deletions of accounts are looked for again in an hour");
            }
            tokio::select! {
                () = app.shutdown.cancelled() => return,
                () = tokio::time::sleep(EVERY) => {}
            }
        }
    });
}

async fn resume(app: &App) -> Result<(), RemovalError> {
    for account in everyone::all(&app.store).await?.into_iter().filter(|account| account.deleting) {
        enqueue(app, &account).await?;
    }
    Ok(())
}
