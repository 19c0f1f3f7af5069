//! Finds all that is kept of a user.

use super::archive::File;
use super::{PersonalError, Whose};
use crate::account::Accounts;
use crate::job::{Job, JobView, newest};
use crate::log::{self, Names, is_worth_telling};
use crate::store::{Change, Entry, Store, StoreError};
use serde_json::{Value, json};

/// Entries of the journal that are read at a time.
const PIECE: usize = 500;
/// Entries that are given out; the newest ones.
const MOST: usize = 20_000;

const README: &str = "What this Stagebox server keeps of one user, as JSON.\r\n\r\n\
profile.json        name, e-mail address, role and settings\r\n\
sessions.json       browsers that are logged in, with addresses\r\n\
tokens.json         tokens for programs, without the tokens themselves\r\n\
logins.json         logins and failed ones of the last 90 days, with addresses\r\n\
log.json            what the user did, and what was done to the user's login, the newest first; others by id only\r\n\
created.json        events, items and other things that the user made\r\n\
jobs.json           what the server did in the background at the user's wish\r\n\r\n\
The password and the second factor are kept as hashes or encrypted, and are not here.\r\n";

/// Gathers it as files; `tell` hears how many journal entries of how many were read, and says whether to go on.
pub(crate) async fn gather(
    store: &Store,
    accounts: &Accounts,
    whose: Whose,
    tell: &(dyn Fn(u64, u64) -> bool + Send + Sync),
) -> Result<Vec<File>, PersonalError> {
    let kept = accounts.kept_of(whose.account, whose.user).await?;
    let (told, created) = told(store, whose, tell).await?;
    let mut names = Names::of_one(store, whose.account, whose.user);
    let mut entries = Vec::new();
    for entry in told.iter().rev() {
        entries.push(json!(log::shown(entry, &mut names, store).await?));
    }
    let mut files = vec![File { name: "README.txt", text: README.to_owned() }];
    for (name, value) in [
        ("profile.json", kept.profile),
        ("sessions.json", kept.sessions),
        ("tokens.json", kept.tokens),
        ("logins.json", kept.logins),
        ("log.json", entries.into()),
        ("created.json", created.into()),
        ("jobs.json", jobs(store, whose).await?.into()),
    ] {
        let text = serde_json::to_string_pretty(&value)
            .map_err(|error| PersonalError::Archive(error.to_string()))?;
        files.push(File { name, text });
    }
    Ok(files)
}

/// The journal's entries by and about a user, and what the user made.
async fn told(
    store: &Store,
    whose: Whose,
    tell: &(dyn Fn(u64, u64) -> bool + Send + Sync),
) -> Result<(Vec<Entry>, Vec<Value>), PersonalError> {
    let (head, id) = (store.journal_seq(whose.account), whose.user.to_string());
    let (mut told, mut created, mut cursor) = (Vec::new(), Vec::new(), 0);
    loop {
        let page = store.journal(whose.account, cursor, PIECE).await?;
        let Some(last) = page.entries.last().map(|entry| entry.seq) else { return Ok((told, created)) };
        cursor = last;
        for entry in page.entries {
            let is_by = entry.actor == Some(whose.user);
            let is_about = entry.id == id || entry.after["user"] == id || entry.before["user"] == id;
            if is_by && entry.change == Change::Created && !matches!(entry.kind.as_str(), "login" | "job") {
                created.push(json!({
                    "kind": entry.kind, "id": entry.id, "at": entry.at,
                    "title": entry.after.get("title").or_else(|| entry.after.get("name")),
                }));
            }
            if (is_by || is_about) && is_worth_telling(&entry) {
                told.push(entry);
            }
        }
        let beyond = told.len().saturating_sub(MOST);
        told.drain(..beyond);
        let beyond = created.len().saturating_sub(MOST);
        created.drain(..beyond);
        if !tell(cursor, head) {
            return Err(PersonalError::Stopped);
        }
    }
}

/// What the server did at the user's wish.
async fn jobs(store: &Store, whose: Whose) -> Result<Vec<Value>, StoreError> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = store.scan::<Job>(newest(whose.account).after(after)).await?;
        let own = page.items.into_iter().filter(|job| job.document.asked_by == Some(whose.user));
        found.extend(own.map(|job| json!(JobView::from(job))));
        after = page.next;
        if after.is_none() || found.len() >= MOST {
            return Ok(found);
        }
    }
}
