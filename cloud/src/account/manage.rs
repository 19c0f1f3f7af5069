//! `stagebox-cloud account …`: the installation's accounts, for whoever runs the server.

use super::document::email_key;
use super::tenant::AccountRecord;
use super::{AccountError, Accounts, FirstPassword, User, everyone};
use crate::store::{Account, IndexKey};
use crate::tenant;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Longest name in characters.
const NAME: usize = 100;

/// Limits to set; what is not named stays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, clap::Args)]
pub struct WantedLimits {
    /// Media in the store, in GiB.
    #[arg(long)]
    pub storage_gib: Option<Limit>,
    /// Events that are started at a time.
    #[arg(long)]
    pub events_at_once: Option<Limit>,
    /// Broadcasts that come in at a time; an event's main and backup are two.
    #[arg(long)]
    pub broadcasts_at_once: Option<Limit>,
    /// Of one broadcast, in kbit/s.
    #[arg(long)]
    pub broadcast_kbps: Option<Limit>,
    /// Days that recordings are kept.
    #[arg(long)]
    pub recording_days: Option<Limit>,
    /// One upload, in GiB.
    #[arg(long)]
    pub upload_gib: Option<Limit>,
}

/// What can be done with accounts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, clap::Subcommand)]
#[serde(rename_all = "snake_case")]
pub enum AccountCommand {
    /// Makes an account with its first administrator, whose password is shown once.
    Create {
        /// Its name.
        #[arg(long)]
        name: String,
        /// The administrator's e-mail address.
        #[arg(long)]
        email: String,
    },
    /// Lists all accounts with their limits.
    List,
    /// Sets what an account may use; `none` lifts a limit, what is not named stays.
    Limit {
        /// Its number.
        account: u64,
        /// What is to be another.
        #[command(flatten)]
        #[serde(flatten)]
        wanted: WantedLimits,
    },
    /// Keeps everybody of an account out, and its events from taking broadcasts; nothing is lost.
    Suspend {
        /// Its number.
        account: u64,
    },
    /// Lets a suspended account in again.
    Resume {
        /// Its number.
        account: u64,
    },
}

/// A limit on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Said", into = "Said")]
pub struct Limit(Option<u64>);

/// A limit as the running server is told of it: one that is lifted is not one that is not named.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Said {
    To(u64),
    Lifted,
}

impl From<Said> for Limit {
    fn from(said: Said) -> Self {
        match said {
            Said::To(limit) => Self(Some(limit)),
            Said::Lifted => Self(None),
        }
    }
}

impl From<Limit> for Said {
    fn from(limit: Limit) -> Self {
        limit.0.map_or(Self::Lifted, Self::To)
    }
}

impl std::str::FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(Self(None)),
            _ => text
                .parse()
                .map(|limit| Self(Some(limit)))
                .map_err(|_| "must be a number or `none`".to_owned()),
        }
    }
}

/// What came of a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Managed {
    /// The accounts that it is about, as they are now.
    pub accounts: Vec<AccountRecord>,
    /// What accounts have in the media store, by their numbers; absent where it was not counted yet.
    #[serde(default)]
    pub used_bytes: BTreeMap<u64, u64>,
    /// A new administrator's password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
}

impl Accounts {
    /// Carries out a command.
    pub async fn manage(&self, command: AccountCommand) -> Result<Managed, AccountError> {
        match command {
            AccountCommand::Create { name, email } => self.create_account(&name, &email).await,
            AccountCommand::List => {
                let accounts = everyone::all(&self.0.store).await?;
                let mut used_bytes = BTreeMap::new();
                for account in &accounts {
                    if let Some(used) = tenant::used(&self.0.store, account.number).await? {
                        used_bytes.insert(account.number.0, used.media_bytes);
                    }
                }
                Ok(Managed { accounts, used_bytes, password: None })
            }
            AccountCommand::Limit { account, wanted } => {
                let set = |limit: &mut Option<u64>, wanted: Option<Limit>| {
                    *limit = wanted.map_or(*limit, |wanted| wanted.0);
                };
                let now = self.0.clock.now();
                let change = |record: &mut AccountRecord| {
                    let days = record.limits.recording_days;
                    let limits = &mut record.limits;
                    set(&mut limits.storage_gib, wanted.storage_gib);
                    set(&mut limits.events_at_once, wanted.events_at_once);
                    set(&mut limits.broadcasts_at_once, wanted.broadcasts_at_once);
                    set(&mut limits.broadcast_kbps, wanted.broadcast_kbps);
                    set(&mut limits.recording_days, wanted.recording_days);
                    set(&mut limits.upload_gib, wanted.upload_gib);
                    record.days_changed(days, now);
                };
                self.change_account(account, change).await
            }
            AccountCommand::Suspend { account } if Account(account) == Account::FIRST => {
                Err(AccountError::FirstAccount)
            }
            AccountCommand::Suspend { account } => {
                self.change_account(account, |record| record.suspended = true).await
            }
            AccountCommand::Resume { account } if self.is_deleting(account).await? => {
                Err(AccountError::Deleting)
            }
            AccountCommand::Resume { account } => {
                self.change_account(account, |record| record.suspended = false).await
            }
        }
    }

    async fn used_by(&self, account: u64) -> Result<BTreeMap<u64, u64>, AccountError> {
        let used = tenant::used(&self.0.store, Account(account)).await?;
        Ok(used.into_iter().map(|used| (account, used.media_bytes)).collect())
    }

    async fn is_deleting(&self, account: u64) -> Result<bool, AccountError> {
        let found = self.0.store.get::<AccountRecord>(account).await?;
        Ok(found.is_some_and(|account| account.document.deleting))
    }

    async fn create_account(&self, name: &str, email: &str) -> Result<Managed, AccountError> {
        let name =
            crate::http::line(NAME)(name.to_owned()).map_err(|wrong| AccountError::Wrong("--name", wrong))?;
        let email = super::email::email(email).map_err(|wrong| AccountError::Wrong("--email", wrong))?;
        // Before a number is drawn; the unique index decides.
        let key = IndexKey::new().bytes(email_key(&email));
        if self.0.store.find::<User>(super::document::BY_EMAIL, key).await?.is_some() {
            return Err(AccountError::EmailTaken(email));
        }
        let number = loop {
            let number = Account(self.0.store.next_number("account").await?);
            if self.0.store.get::<AccountRecord>(number).await?.is_none() && number != Account::FIRST {
                break number;
            }
        };
        let mut password = None;
        let tell = |first: &FirstPassword| {
            password = Some(first.password.clone());
            Ok(())
        };
        let account = self.begin(number, &name, &email, tell).await?;
        Ok(Managed { accounts: vec![account], used_bytes: BTreeMap::new(), password })
    }

    async fn change_account(
        &self,
        account: u64,
        change: impl Fn(&mut AccountRecord),
    ) -> Result<Managed, AccountError> {
        let changed = self
            .0
            .store
            .update::<AccountRecord, AccountError>(Account(account), None, |record, _, now| {
                let before = record.clone();
                change(record);
                let changed = *record != before;
                if changed {
                    record.updated_at = now;
                }
                Ok(changed)
            })
            .await?;
        let found = changed.ok_or_else(|| AccountError::NotFound(format!("account {account}")))?;
        Ok(Managed {
            accounts: vec![found.document],
            used_bytes: self.used_by(account).await?,
            password: None,
        })
    }
}
