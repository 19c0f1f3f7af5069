//! What would go with an account: counted, and nothing changed.

use super::RemovalError;
use super::media_of::MediaOf;
use crate::account::{AccountRecord, everyone};
use crate::app::App;
use crate::store::{Account, Progress};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// What an account has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Survey {
    /// Its number.
    pub number: Account,
    /// Its name.
    pub name: String,
    /// Documents by kind.
    pub documents: BTreeMap<String, u64>,
    /// Entries of its journal.
    pub journal_entries: u64,
    /// Bytes of both, about.
    pub store_bytes: u64,
    /// Objects in the media store or on their way to it.
    pub media_objects: u64,
    /// Their bytes.
    pub media_bytes: u64,
}

/// Finds an account by its number or its whole name.
pub(crate) async fn find(app: &App, text: &str) -> Result<AccountRecord, RemovalError> {
    let all = everyone::all(&app.store).await?;
    if let Ok(number) = text.parse::<u64>()
        && let Some(found) = all.iter().find(|account| account.number.0 == number)
    {
        return Ok(found.clone());
    }
    let named: Vec<_> = all.into_iter().filter(|account| account.name == text).collect();
    match &named[..] {
        [one] => Ok(one.clone()),
        [] => Err(RemovalError::Account(format!("there is no account {text}: `account list` shows them"))),
        several => {
            let numbers: Vec<_> = several.iter().map(|account| account.number.to_string()).collect();
            let words =
                format!("several accounts are called {text}: name one by its number, {}", numbers.join(", "));
            Err(RemovalError::Account(words))
        }
    }
}

/// Counts what an account has, which is named by its number or its whole name.
///
/// # Errors
/// There is no such account, it is the first one, or something cannot be read.
pub async fn survey(app: &App, account: &str) -> Result<Survey, RemovalError> {
    let record = find(app, account).await?;
    if record.number == Account::FIRST {
        return Err(RemovalError::First);
    }
    let all = MediaOf::account(app, record.number).await?;
    let objects = all.objects(&app.media, &record).await?;
    let found = app.store.belongings(record.number, &Progress::unwatched()).await?;
    Ok(Survey {
        number: record.number,
        name: record.name,
        documents: found.documents,
        journal_entries: found.entries,
        store_bytes: found.bytes,
        media_objects: objects.len() as u64,
        media_bytes: objects.values().sum(),
    })
}

impl fmt::Display for Survey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let documents: u64 = self.documents.values().sum();
        writeln!(f, "account {} ({}) has", self.number, self.name)?;
        for (kind, count) in &self.documents {
            writeln!(f, "{count:>9}  {kind}")?;
        }
        writeln!(f, "{:>9}  journal entries", self.journal_entries)?;
        writeln!(f, "{:>9}  media objects, {}", self.media_objects, size(self.media_bytes))?;
        write!(f, "together {documents} documents ({}) and their media", size(self.store_bytes))
    }
}

/// Bytes as people read them.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["bytes", "KiB", "MiB", "GiB", "TiB"];
    let (mut value, mut unit) = (bytes as f64, 0);
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} bytes") } else { format!("{value:.1} {}", UNITS[unit]) }
}
