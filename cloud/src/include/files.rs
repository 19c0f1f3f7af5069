//! Files are put, replaced and deleted: the bytes first, then the document, then the old bytes.

use super::document::{BY_ACCOUNT, IncludeFile, IncludeTotal, id};
use super::kind;
use crate::access::Caller;
use crate::account::AccountRecord;
use crate::app::App;
use crate::http::ApiError;
use crate::media::Worth;
use crate::store::{Account, Batch, IndexKey, Scan, Store, StoreError, Versioned};
use crate::tenant;
use bytes::Bytes;
use http::StatusCode;
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;

/// Longest file.
pub(super) const MAX_BYTES: u64 = 1024 * 1024;
/// Files of an account.
const MAX_FILES: u64 = 200;
/// Their bytes.
const MAX_TOTAL_BYTES: u64 = 50 * 1024 * 1024;
/// How often a change is tried when other processes are quicker.
const TRIES: usize = 16;
/// One change at a time in this process: all of an account's go through the same count.
static CHANGES: Mutex<()> = Mutex::const_new(());

/// What must be there for a change to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Expected {
    Anything,
    /// Nothing of this name.
    Nothing,
    /// Some file of this name.
    Something,
    /// This one, by its SHA-256.
    This(String),
}

impl Expected {
    fn check(&self, there: Option<&IncludeFile>) -> Result<(), ApiError> {
        let fits = match (self, there) {
            (Self::Anything, _) | (Self::Nothing, None) | (Self::Something, Some(_)) => true,
            (Self::This(wanted), Some(there)) => *wanted == there.sha256,
            (Self::Nothing, Some(_)) | (Self::Something | Self::This(_), None) => false,
        };
        let words = match there {
            Some(there) => format!("the file has the ETag \"{}\" now: read it again", there.sha256),
            None => "there is no such file now".to_owned(),
        };
        if fits { Ok(()) } else { Err(ApiError::changed_meanwhile(words)) }
    }
}

/// Finds an account's file by its name.
pub(crate) async fn find(
    store: &Store,
    account: Account,
    name: &str,
) -> Result<Option<Versioned<IncludeFile>>, StoreError> {
    let Some(owner) = store.get::<AccountRecord>(account).await? else { return Ok(None) };
    store.get::<IncludeFile>(id(&owner.document.public_id, name)).await
}

/// Whether an account has a file of this name that is a picture.
pub(crate) async fn is_picture(store: &Store, account: Account, name: &str) -> Result<bool, StoreError> {
    let found = find(store, account, name).await?;
    Ok(found.is_some_and(|file| file.document.content_type.starts_with("image/")))
}

/// An account's files by name.
pub(crate) async fn all(store: &Store, account: Account) -> Result<Vec<IncludeFile>, StoreError> {
    let scan = Scan::of(BY_ACCOUNT).within(IndexKey::of(account)).limit(MAX_FILES as usize + 1);
    let found = store.scan::<IncludeFile>(scan).await?.items.into_iter();
    let mut files: Vec<_> = found.map(|found| found.document).collect();
    files.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(files)
}

/// Keeps a file; whether there was none of its name.
pub(super) async fn put(
    app: &App,
    caller: &Caller,
    name: &str,
    content_type: &'static str,
    data: Bytes,
    expected: &Expected,
) -> Result<(IncludeFile, bool), ApiError> {
    let account = app.store.get::<AccountRecord>(caller.account).await?;
    let account = account.ok_or_else(|| ApiError::not_found("the account is gone"))?.document;
    let bytes = data.len() as u64;
    let refused = |words: String| ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", words);
    account.limits.admit_upload(bytes).map_err(|error| refused(error.to_string()))?;
    check_room(app, &account, bytes).await?;
    let now = app.clock.now();
    let new = IncludeFile {
        account: account.number,
        public_id: account.public_id,
        name: name.to_owned(),
        content_type: content_type.to_owned(),
        bytes,
        sha256: hex::encode(Sha256::digest(&data)),
        created_at: now,
        updated_at: now,
    };
    let old = app.store.get::<IncludeFile>(id(&new.public_id, name)).await?;
    expected.check(old.as_ref().map(|old| &old.document))?;
    let same = |old: &IncludeFile| old.sha256 == new.sha256;
    if !old.as_ref().is_some_and(|old| same(&old.document)) {
        app.media.put(&new.object(), data, Worth::Recorded).await?;
    }
    match keep(app, caller, &new, expected).await {
        Ok((kept, replaced)) => {
            let is_new = replaced.is_none();
            if let Some(replaced) = replaced.filter(|old| !same(old)) {
                app.media.delete(&replaced.object()).await?;
            }
            Ok((kept, is_new))
        }
        Err(error) => {
            // Nobody refers to it, unless somebody has put the very same meanwhile.
            let there = app.store.get::<IncludeFile>(id(&new.public_id, name)).await?;
            if !there.is_some_and(|there| same(&there.document)) {
                app.media.delete(&new.object()).await?;
            }
            Err(error)
        }
    }
}

/// Writes the document; as it is then, and what it replaced.
async fn keep(
    app: &App,
    caller: &Caller,
    new: &IncludeFile,
    expected: &Expected,
) -> Result<(IncludeFile, Option<IncludeFile>), ApiError> {
    let _alone = CHANGES.lock().await;
    for _ in 0..TRIES {
        let old = app.store.get::<IncludeFile>(id(&new.public_id, &new.name)).await?;
        expected.check(old.as_ref().map(|old| &old.document))?;
        let before = old.as_ref().map(|old| &old.document);
        let kept =
            IncludeFile { created_at: before.map_or(new.created_at, |old| old.created_at), ..new.clone() };
        let batch = app.store.batch().by(Some(caller.user));
        let batch = match &old {
            Some(old) => batch.update(old, &kept),
            None => batch.create(&kept),
        };
        let batch = count(app, batch, new.account, before, Some(&kept)).await?;
        match app.store.commit(batch).await {
            Ok(_) => return Ok((kept, old.map(|old| old.document))),
            Err(StoreError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(StoreError::Conflict { kind: "include_file", id: new.name.clone() }.into())
}

/// Takes a file away; whether there was one.
pub(super) async fn delete(
    app: &App,
    caller: &Caller,
    name: &str,
    expected: &Expected,
) -> Result<bool, ApiError> {
    let _alone = CHANGES.lock().await;
    for _ in 0..TRIES {
        let Some(old) = find(&app.store, caller.account, name).await? else {
            expected.check(None)?;
            return Ok(false);
        };
        expected.check(Some(&old.document))?;
        let batch = app.store.batch().by(Some(caller.user)).delete(&old);
        let batch = count(app, batch, caller.account, Some(&old.document), None).await?;
        match app.store.commit(batch).await {
            Ok(_) => {
                app.media.delete(&old.document.object()).await?;
                return Ok(true);
            }
            Err(StoreError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(StoreError::Conflict { kind: "include_file", id: name.to_owned() }.into())
}

/// Adds to a batch what keeps the account within what it may have.
async fn count(
    app: &App,
    batch: Batch,
    account: Account,
    before: Option<&IncludeFile>,
    after: Option<&IncludeFile>,
) -> Result<Batch, ApiError> {
    let old = app.store.get::<IncludeTotal>(account).await?;
    let none = IncludeTotal { account, files: 0, bytes: 0 };
    let total = old.as_ref().map_or(none, |old| old.document);
    let less = before.map_or((0, 0), |before| (1, before.bytes));
    let more = after.map_or((0, 0), |after| (1, after.bytes));
    let new = IncludeTotal {
        account,
        files: total.files.saturating_sub(less.0) + more.0,
        bytes: total.bytes.saturating_sub(less.1) + more.1,
    };
    let grows = new.files > total.files || new.bytes > total.bytes;
    if grows && (new.files > MAX_FILES || new.bytes > MAX_TOTAL_BYTES) {
        let words = format!(
            "an account may have {MAX_FILES} include files with {} MiB: delete some first",
            MAX_TOTAL_BYTES >> 20
        );
        return Err(ApiError::conflict(words));
    }
    Ok(match &old {
        Some(old) => batch.update(old, &new),
        None => batch.create(&new),
    })
}

/// The account's storage holds for files too.
async fn check_room(app: &App, account: &AccountRecord, bytes: u64) -> Result<(), ApiError> {
    let Some(limit) = tenant::storage_bytes(&account.limits) else { return Ok(()) };
    let used = tenant::used(&app.store, account.number).await?.map_or(0, |used| used.media_bytes);
    if used.saturating_add(bytes) <= limit {
        return Ok(());
    }
    let words = "the account has used all of its storage: delete items or files, or have the limit raised";
    Err(ApiError::new(StatusCode::INSUFFICIENT_STORAGE, "insufficient-storage", words))
}

/// A name from a path.
pub(super) fn named(name: &str) -> Result<&str, ApiError> {
    if kind::is_name(name) {
        return Ok(name);
    }
    let words = format!(
        "must be 1 to {} of A-Z, a-z, 0-9, `.`, `_` and `-`, and not begin with a dot",
        kind::MAX_NAME
    );
    Err(ApiError::field("name", words))
}
