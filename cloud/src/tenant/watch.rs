//! Looks after what accounts are held to: counts, warns, and tells broadcasts whether they are recorded.
#![allow(clippy::disallowed_methods, reason = "a driver: it comes round every few seconds")]

use super::level::{Level, storage_bytes};
use super::quotas::Quota;
use super::survey::size;
use super::{RemovalError, usage};
use crate::account::{AccountRecord, everyone};
use crate::app::App;
use crate::cluster::Role;
use crate::settings;
use crate::store::Account;
use std::collections::HashMap;
use std::time::Duration;

/// How often.
const EVERY: Duration = Duration::from_secs(2);
/// How often all that an account has is counted anew.
const COUNT_EVERY: Duration = Duration::from_secs(24 * 3600);

/// Begins to come round, and returns once it has done so for the first time.
pub(crate) async fn start(app: &App) {
    if let Err(error) = look(app).await {
        tracing::warn!(%error, "what accounts are held to is looked at later");
    }
    let app = app.clone();
    tokio::spawn(async move {
        while !app.shutdown.is_cancelled() {
            if let Err(error) = step(&app).await {
                tracing::warn!(%error, "what accounts are held to is looked at again in a moment");
            }
            tokio::select! {
                () = app.shutdown.cancelled() => {}
                () = tokio::time::sleep(EVERY) => {}
            }
        }
    });
}

async fn step(app: &App) -> Result<(), RemovalError> {
    usage::note(app).await?;
    look(app).await?;
    if app.config.roles.has(Role::Transcode) {
        count_who_is_due(app).await?;
    }
    Ok(())
}

/// Finds out how full each account is.
async fn look(app: &App) -> Result<(), RemovalError> {
    let (mut quotas, mut levels) = (HashMap::new(), Vec::new());
    for account in everyone::all(&app.store).await? {
        let used = match account.limits.storage_gib {
            Some(_) => usage::used(&app.store, account.number).await?,
            None => None,
        };
        let used = used.map_or(0, |used| used.media_bytes);
        let level = app.quotas.of(account.number).level.next(used, &account.limits);
        let off = !settings::of(&app.store, account.number).await?.record;
        quotas.insert(account.number, Quota { level, off });
        levels.push((account, level));
    }
    app.quotas.set(quotas);
    if app.config.roles.has(Role::Api) {
        tell(app, &levels);
    }
    Ok(())
}

async fn count_who_is_due(app: &App) -> Result<(), RemovalError> {
    let now = app.clock.now();
    for account in everyone::all(&app.store).await?.into_iter().filter(|account| !account.deleting) {
        let used = usage::used(&app.store, account.number).await?;
        if used.is_some_and(|used| used.counted_at.plus(COUNT_EVERY) > now) {
            continue;
        }
        let number = account.number;
        match usage::count(app, &account).await? {
            0 => {}
            off => tracing::info!(account = %number, off, "the bytes of an account's media are set right"),
        }
    }
    Ok(())
}

/// Raises what holds now and clears what does not.
fn tell(app: &App, accounts: &[(AccountRecord, Level)]) {
    for level in Level::WORTH_A_WORD {
        let name = alarm(level);
        let at: Vec<String> =
            accounts.iter().filter(|(_, of)| *of == level).map(|(account, _)| words(account)).collect();
        match at.is_empty() {
            true => app.alarms.clear(name),
            false => app.alarms.raise(name, format!("{} {}", at.join(" "), consequence(level))),
        }
    }
}

fn alarm(level: Level) -> &'static str {
    match level {
        Level::Free | Level::High => "account-storage-high",
        Level::NearlyFull => "account-storage-nearly-full",
        Level::Full => "account-storage-full",
    }
}

/// Without what is used, which changes all the time.
fn words(account: &AccountRecord) -> String {
    let limit = storage_bytes(&account.limits).map_or_else(String::new, size);
    let whose = if account.number == Account::FIRST { "The first account" } else { "The account" };
    format!("{whose} {} ({}) may have {limit} of media.", account.number, account.name)
}

fn consequence(level: Level) -> &'static str {
    match level {
        Level::Free | Level::High => "More than 80 % of it is used: delete items, or raise the limit.",
        Level::NearlyFull => {
            "More than 95 % of it is used: delete items, or raise the limit, before nothing more is recorded."
        }
        Level::Full => {
            "All of it is used: what is broadcast is seen live but not recorded, until items are deleted or the limit is \
             raised."
        }
    }
}
