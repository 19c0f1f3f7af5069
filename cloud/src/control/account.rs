//! `stagebox-cloud account …`: on a running server or on its files.

use super::client::Running;
use crate::account::{AccountCommand, AccountRecord, Accounts, Managed};
use crate::app;
use crate::clock::Clock;
use crate::config::Config;
use anyhow::Context as _;
use futures_util::TryStreamExt as _;
use std::io::Write as _;

/// Carries out a command and prints what came of it.
pub async fn run(mut config: Config, command: AccountCommand) -> anyhow::Result<()> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let managed = match Running::find(&config.data_dir).await? {
        Some(running) => {
            let pieces = running.post("/account", Some(serde_json::to_value(&command)?)).await?;
            let whole = pieces.try_fold(Vec::new(), |mut whole, piece| async move {
                whole.extend_from_slice(&piece);
                Ok(whole)
            });
            let answer = whole.await.context("the running server broke off")?;
            serde_json::from_slice::<Managed>(&answer).context("the running server's answer")?
        }
        None => {
            let clock = Clock::system();
            let (store, vault) = app::open_store(&mut config, &clock).await?;
            let accounts = Accounts::new(store.clone(), vault, clock);
            let managed = accounts.manage(command).await;
            store.close().await;
            managed?
        }
    };
    let mut out = std::io::stdout().lock();
    table(&mut out, &managed.accounts)?;
    if let Some(password) = managed.password {
        writeln!(out, "the administrator's password, shown once: {password}")?;
    }
    Ok(())
}

fn table(out: &mut impl std::io::Write, accounts: &[AccountRecord]) -> std::io::Result<()> {
    writeln!(
        out,
        "{:>6}  {:<9}  {:>11}  {:>6}  {:>9}  {:>10}  name",
        "number", "state", "storage GiB", "events", "days kept", "upload GiB"
    )?;
    for account in accounts {
        let state = if account.suspended { "suspended" } else { "open" };
        let limit = |limit: Option<u64>| limit.map_or("none".to_owned(), |limit| limit.to_string());
        let limits = &account.limits;
        writeln!(
            out,
            "{:>6}  {state:<9}  {:>11}  {:>6}  {:>9}  {:>10}  {}",
            account.number.0,
            limit(limits.storage_gib),
            limit(limits.events_at_once),
            limit(limits.recording_days),
            limit(limits.upload_gib),
            account.name,
        )?;
    }
    Ok(())
}
