//! Commands to a running server, over a socket in its data directory.
//!
//! `<data_dir>/control.sock` speaks HTTP/1.1; only the user that the server runs as, and root,
//! may connect. The command line uses it where a server runs, and opens the store itself where
//! none does. Whoever closes the connection cancels what it asked for.
//!
//! | request | body | answer |
//! |---|---|---|
//! | `POST /store/backup` | | the backup, see [`crate::store`] |
//! | `POST /store/check` | | lines |
//! | `POST /store/rewrite` | | lines |
//! | `POST /store/copy` | `{"to":"…"}` with `password_file`, `schema` and `ca_file`, or `{"to_config":"…"}` | lines |
//! | `POST /secrets/rotate` | | lines |
//! | `POST /account` | `"list"`, `{"create":{"name","email"}}`, `{"limit":{"account","storage_gib":{"to":5},…}}` (or `"lifted"`), `{"suspend":{"account"}}`, `{"resume":{"account"}}` | `{"accounts":[…],"password":…}` |
//! | `POST /account/survey` | `{"account":"…"}`, a number or a name | what would go with it |
//! | `POST /account/delete` | `{"account":"…"}` | lines; the deletion is a job and goes on without a reader |
//! | `POST /user/export` | `{"email":"…"}` | a ZIP archive |
//! | `POST /user/erase` | `{"email":"…"}` | lines |
//! | `POST /media/check` | | as `POST /api/v1/media/check` |
//!
//! *Lines* are JSON documents, one a line: `{"percent":…,"words":…}` while it goes on, at the
//! end `{"done":…}` with the outcome in words and `"faults":[{"place","detail"}]` where some
//! were found, or `{"error":…}`.

mod account;
mod client;
mod command;
mod deletion;
mod destination;
mod server;
mod user;

pub use account::{AccountsCommand, run as run_account};
pub(crate) use client::Running;
pub use command::{SecretsCommand, StoreCommand, run, run_secrets};
pub use destination::{Destination, Place};
pub use server::start;
pub use user::{UserCommand, run as run_user};

use crate::clock::Clock;
use crate::secret::{Rotation, Vault};
use crate::store::{Fault, Progress, Store};
use serde::{Deserialize, Serialize};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The socket's name in the data directory.
const SOCKET: &str = "control.sock";

fn socket(data_dir: &Path) -> PathBuf {
    data_dir.join(SOCKET)
}

/// What is told about something long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
enum Line {
    Progress {
        percent: u8,
        words: String,
    },
    Done {
        done: String,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        faults: Vec<Fault>,
    },
    Failed {
        error: String,
    },
}

/// Which account a command is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Named {
    account: String,
}

/// What can be asked for besides a backup.
#[derive(Debug, Clone)]
enum Work {
    Check,
    Rewrite,
    Copy(Destination),
    Rotate,
    /// A user, by e-mail address.
    Erase(String),
}

/// What work is done on.
struct Ground {
    store: Store,
    vault: Vault,
    clock: Clock,
    /// This process's name among others, if it has one.
    node: String,
}

/// The outcome in words and what was found wrong.
type Outcome = Result<(String, Vec<Fault>), Box<dyn Error + Send + Sync>>;

impl Work {
    /// What it is called in the log: neither addresses nor passwords.
    fn name(&self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Rewrite => "rewrite",
            Self::Copy(_) => "copy",
            Self::Rotate => "rotate",
            Self::Erase(_) => "erase",
        }
    }

    async fn run(self, ground: &Ground, progress: Progress) -> Outcome {
        let Ground { store, vault, clock, node } = ground;
        match self {
            Self::Erase(email) => user::erase(&email, ground, &progress).await,
            Self::Rotate => Ok((Rotation { vault, store, clock, node }.run(&progress).await?, Vec::new())),
            Self::Check => {
                let (found, records) = store.check(progress).await?;
                let words = match found.len() {
                    0 => format!("{records} records, and all fit together"),
                    faults => format!("{records} records, {faults} faults"),
                };
                Ok((words, found))
            }
            Self::Rewrite => {
                let (before, after) = store.rewrite(&progress).await?;
                let mib = |bytes: u64| bytes as f64 / 1_048_576.0;
                Ok((format!("{:.1} MiB before, {:.1} MiB now", mib(before), mib(after)), Vec::new()))
            }
            Self::Copy(destination) => {
                let target = destination.open().await?;
                let engine = Arc::clone(&target.engine);
                match store.move_to(target, &progress, async || Ok(())).await {
                    Ok(sum) => {
                        let next = destination.configuration();
                        Ok((format!("{} records moved; at the next start, {next}", sum.records), Vec::new()))
                    }
                    Err(error) => {
                        engine.close().await;
                        Err(error.into())
                    }
                }
            }
        }
    }
}
