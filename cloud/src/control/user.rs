//! `stagebox-cloud user …`: what is kept of a user, on a running server or on its files.

use super::client::Running;
use super::command::{Meter, here, settle, told, until_cancelled};
use super::{Outcome, Work};
use crate::account::{AccountError, Accounts};
use crate::app;
use crate::clock::Clock;
use crate::config::Config;
use crate::personal::{self, Whose};
use crate::store::Progress;
use anyhow::{Context as _, anyhow, bail};
use futures_util::TryStreamExt as _;
use serde::{Deserialize, Serialize};
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// What can be done with what is kept of a user.
#[derive(Debug, Clone, PartialEq, Eq, clap::Subcommand)]
pub enum UserCommand {
    /// Writes all that is kept of a user to a ZIP archive of JSON files.
    Export {
        /// The user's e-mail address.
        #[arg(long)]
        email: String,
        /// The archive.
        #[arg(long)]
        to: PathBuf,
    },
    /// Takes a user away with all that names them, for good; what they made stays with their account.
    Erase {
        /// The user's e-mail address.
        #[arg(long)]
        email: String,
    },
}

/// Whom a command is about, as the socket is told.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Named {
    pub(super) email: String,
}

/// Carries out a command; Ctrl-C cancels it.
pub async fn run(config: Config, command: UserCommand) -> anyhow::Result<()> {
    until_cancelled(config, async |config, running, cancelled| match command {
        UserCommand::Export { email, to } => export(config, running, email, &to).await,
        UserCommand::Erase { email } => {
            let meter = Meter::default();
            let last = match running {
                Some(running) => {
                    let body = serde_json::to_value(Named { email })?;
                    let asked =
                        running.work("/user/erase", Some(body), |percent, words| meter.tell(percent, words));
                    tokio::select! {
                        last = asked => last?,
                        () = cancelled.cancelled() => bail!("cancelled"),
                    }
                }
                None => here(config, Work::Erase(email), &meter, cancelled).await?,
            };
            meter.end();
            told(last)
        }
    })
    .await
}

async fn export(
    mut config: Config,
    running: Option<Running>,
    email: String,
    to: &Path,
) -> anyhow::Result<()> {
    let archive = match running {
        Some(running) => {
            let pieces = running.post("/user/export", Some(serde_json::to_value(Named { email })?)).await?;
            let whole = pieces.try_fold(Vec::new(), |mut whole, piece| async move {
                whole.extend_from_slice(&piece);
                Ok(whole)
            });
            whole.await.context("the running server broke off")?
        }
        None => {
            let clock = Clock::system();
            let (store, vault) = app::open_store(&mut config, &clock).await?;
            let accounts = Accounts::new(store.clone(), vault, clock);
            let archive = async {
                let user = accounts.by_email(&email).await?;
                let whose = Whose { account: user.account, user: user.id };
                personal::export(&store, &accounts, whose).await
            };
            let archive = archive.await;
            store.close().await;
            archive?
        }
    };
    let mut name = to.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    let beside = to.with_file_name(name);
    let written = (|| {
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all(&archive)?;
        settle(&beside, to)
    })();
    written.with_context(|| format!("--to: cannot write {}", to.display()))?;
    println!("{} bytes in {}: it is personal data, keep it accordingly", archive.len(), to.display());
    Ok(())
}

/// Erases on the store that is given.
pub(super) async fn erase(email: &str, ground: &super::Ground, progress: &Progress) -> Outcome {
    let accounts = Accounts::new(ground.store.clone(), ground.vault.clone(), ground.clock.clone());
    let user = accounts.by_email(email).await.map_err(|error| match error {
        AccountError::NotFound(_) => anyhow!(
            "{error}; if an erasure broke off, the user is gone already, and `stagebox-cloud store rewrite` takes the \
             old bytes off the disk"
        ),
        error => error.into(),
    })?;
    let whose = Whose { account: user.account, user: user.id };
    let words = personal::erase(&ground.store, &accounts, None, whose, progress).await?;
    Ok((words, Vec::new()))
}
