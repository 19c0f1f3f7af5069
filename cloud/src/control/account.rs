//! `stagebox-cloud account …`: on a running server or on its files.

use super::client::Running;
use super::command::{Meter, until_cancelled};
use super::{Line, Named};
use crate::account::{AccountCommand, AccountRecord, Accounts, Managed};
use crate::app::{self, App};
use crate::clock::Clock;
use crate::config::Config;
use crate::store::Progress;
use crate::tenant::{self, Removal, Survey};
use anyhow::{Context as _, bail};
use futures_util::TryStreamExt as _;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::io::{self, IsTerminal as _, Write as _};
use tokio_util::sync::CancellationToken;

/// What can be done with accounts.
#[derive(Debug, Clone, PartialEq, Eq, clap::Subcommand)]
pub enum AccountsCommand {
    #[command(flatten)]
    Manage(AccountCommand),
    /// Deletes an account for good, with its users, boxes, events, recordings, items and their media.
    ///
    /// It is suspended at once, and its broadcasts end. Broken off, also by a crash, the deletion goes on by itself as soon as
    /// a server runs.
    Delete {
        /// Its number, or its whole name.
        account: String,
        /// Does not ask for the account's name.
        #[arg(long)]
        yes: bool,
        /// Says what would go, and changes nothing.
        #[arg(long)]
        dry_run: bool,
    },
}

/// Carries out a command and prints what came of it.
pub async fn run(config: Config, command: AccountsCommand) -> anyhow::Result<()> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    match command {
        AccountsCommand::Manage(command) => manage(config, command).await,
        AccountsCommand::Delete { account, yes, dry_run } => delete(config, &account, yes, dry_run).await,
    }
}

async fn manage(mut config: Config, command: AccountCommand) -> anyhow::Result<()> {
    let managed: Managed = match Running::find(&config.data_dir).await? {
        Some(running) => ask(&running, "/account", serde_json::to_value(&command)?).await?,
        None => {
            let clock = Clock::system();
            let (store, vault) = app::open_store(&mut config, &clock).await?;
            let accounts = Accounts::new(store.clone(), vault, clock);
            let managed = accounts.manage(command).await;
            store.close().await;
            managed?
        }
    };
    let mut out = io::stdout().lock();
    table(&mut out, &managed)?;
    if let Some(password) = managed.password {
        writeln!(out, "the administrator's password, shown once: {password}")?;
    }
    Ok(())
}

/// Asks the running server for something short.
async fn ask<T: DeserializeOwned>(running: &Running, path: &str, body: Value) -> anyhow::Result<T> {
    let pieces = running.post(path, Some(body)).await?;
    let whole = pieces.try_fold(Vec::new(), |mut whole, piece| async move {
        whole.extend_from_slice(&piece);
        Ok(whole)
    });
    let answer = whole.await.context("the running server broke off")?;
    serde_json::from_slice(&answer).context("the running server's answer")
}

async fn delete(config: Config, account: &str, yes: bool, dry_run: bool) -> anyhow::Result<()> {
    until_cancelled(config, async |config, running, cancelled| match running {
        Some(running) => {
            let named = serde_json::to_value(Named { account: account.to_owned() })?;
            let survey: Survey = ask(&running, "/account/survey", named).await?;
            if !agreed(&survey, yes, dry_run)? {
                return Ok(());
            }
            let named = serde_json::to_value(Named { account: survey.number.to_string() })?;
            there(&running, named, cancelled).await
        }
        None => {
            let app = App::open(config, Clock::system()).await?;
            let deleted = here(&app, account, yes, dry_run, cancelled).await;
            app.store.close().await;
            deleted
        }
    })
    .await
}

/// Has the running server do it as a job, which goes on when nobody looks any more.
async fn there(running: &Running, named: Value, cancelled: CancellationToken) -> anyhow::Result<()> {
    let meter = Meter::default();
    let asked = running.work("/account/delete", Some(named), |percent, words| meter.tell(percent, words));
    let last = tokio::select! {
        last = asked => last?,
        () = cancelled.cancelled() => {
            meter.end();
            bail!("the server goes on with it: see its jobs");
        }
    };
    meter.end();
    match last {
        Line::Done { done, .. } => {
            println!("{done}");
            Ok(())
        }
        Line::Failed { error } => bail!("{error}"),
        Line::Progress { .. } => bail!("the running server broke off"),
    }
}

async fn here(
    app: &App,
    account: &str,
    yes: bool,
    dry_run: bool,
    cancelled: CancellationToken,
) -> anyhow::Result<()> {
    let survey = tenant::survey(app, account).await?;
    if !agreed(&survey, yes, dry_run)? {
        return Ok(());
    }
    let meter = Meter::default();
    let teller = meter.clone();
    let progress = Progress::new(move |percent, words| teller.tell(percent, &words), cancelled);
    let done = Removal::new(app).run(survey.number, &progress).await;
    meter.end();
    println!("{}", done.context("the deletion goes on when it is given again, or as soon as a server runs")?);
    Ok(())
}

/// Shows what would go; whether it shall.
fn agreed(survey: &Survey, yes: bool, dry_run: bool) -> anyhow::Result<bool> {
    println!("{survey}");
    if dry_run || yes {
        return Ok(!dry_run);
    }
    if !io::stdin().is_terminal() {
        bail!("nobody is there to be asked: `--yes` deletes without asking");
    }
    print!("All of it will be gone for good. Type the account's name to delete it: ");
    io::stdout().flush()?;
    let mut typed = String::new();
    io::stdin().read_line(&mut typed)?;
    if typed.trim() != survey.name {
        bail!("that is not its name: nothing was deleted");
    }
    Ok(true)
}

fn table(out: &mut impl io::Write, managed: &Managed) -> io::Result<()> {
    writeln!(
        out,
        "{:>6}  {:<9}  {:>10}  {:>11}  {:>6}  {:>10}  {:>7}  {:>9}  {:>10}  name",
        "number",
        "state",
        "used GiB",
        "storage GiB",
        "events",
        "broadcasts",
        "kbit/s",
        "days kept",
        "upload GiB"
    )?;
    for account in &managed.accounts {
        let limit = |limit: Option<u64>| limit.map_or("none".to_owned(), |limit| limit.to_string());
        let limits = &account.limits;
        let used = managed.used_bytes.get(&account.number.0);
        let used = used.map_or("?".to_owned(), |bytes| format!("{:.2}", *bytes as f64 / 1_073_741_824.0));
        writeln!(
            out,
            "{:>6}  {:<9}  {used:>10}  {:>11}  {:>6}  {:>10}  {:>7}  {:>9}  {:>10}  {}",
            account.number.0,
            state(account),
            limit(limits.storage_gib),
            limit(limits.events_at_once),
            limit(limits.broadcasts_at_once),
            limit(limits.broadcast_kbps),
            limit(limits.recording_days),
            limit(limits.upload_gib),
            account.name,
        )?;
    }
    Ok(())
}

fn state(account: &AccountRecord) -> &'static str {
    match (account.deleting, account.suspended) {
        (true, _) => "deleting",
        (false, true) => "suspended",
        (false, false) => "open",
    }
}
