//! Puts another key in the place of the one that seals, while everything is in use.
//!
//! 1. A new key is made and stands in the key file beside the old one, on the disk, before anything knows it.
//! 2. The store says so, and every process that runs reads its key file again until it has it. Where a process has a file of
//!    its own, somebody copies it there meanwhile.
//! 3. The store names the new key as the one that seals. Once every process does, all that the old one sealed is sealed
//!    anew, until a walk through the whole store finds nothing more of it.
//! 4. The store says that the old key is done with, and it goes out of the key file.
//!
//! Where it stands is in the store: broken off anywhere, it goes on when it is asked for again.
#![allow(clippy::disallowed_methods, reason = "a driver: it waits for other processes")]

use super::check::{KeyCheck, Stage};
use super::holders::HOLDERS;
use super::key::{KEY_LEN, Key, short};
use super::{KnownKeys, SecretError, Vault, file};
use crate::clock::Clock;
use crate::cluster::others;
use crate::id::random_bytes;
use crate::store::{Progress, Store, StoreError, Versioned};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use std::time::Duration;

/// Between two looks at other processes.
const LOOK: Duration = Duration::from_millis(200);
/// Documents that are sealed anew at a time.
const AT_ONCE: usize = 16;
/// Walks that may find something: the first one does, the second finds nothing, unless others meddle.
const WALKS: usize = 10;

/// Changes the key, or goes on with a change that was broken off.
pub struct Rotation<'a> {
    /// The keys.
    pub vault: &'a Vault,
    /// What is sealed with them.
    pub store: &'a Store,
    /// Which processes run is a matter of time.
    pub clock: &'a Clock,
    /// This process's name among others, if it has one.
    pub node: &'a str,
}

impl Rotation<'_> {
    /// Carries it out; what was done, in words.
    ///
    /// # Errors
    /// It was cancelled, or the key file or the store failed: both keys are kept then, and it can be taken up again.
    pub async fn run(&self, progress: &Progress) -> Result<String, SecretError> {
        let path = self.vault.path();
        let _alone = self.vault.begin_rotation()?;
        let (mut sealed, mut has_begun) = (0, false);
        loop {
            let Some(check) = KeyCheck::read(self.store).await? else {
                self.vault.check(self.store).await?;
                continue;
            };
            match &check.document.stage {
                Stage::Settled if has_begun => return Ok("another process has finished it".to_owned()),
                Stage::Settled => self.announce(&check).await?,
                Stage::Announced { next } => {
                    let id = short(next).to_owned();
                    // What is known here must be on the disk too.
                    if !file::read(path)?
                        .is_some_and(|lines| lines.iter().any(|line| Key::new(line.key).print == *next))
                    {
                        return Err(self.vault.foreign(&id));
                    }
                    self.wait(
                        progress,
                        &format!("to know the key {id}: copy {} to it", path.display()),
                        |keys| keys.opens.contains(&id),
                    )
                    .await?;
                    let stage = Stage::Rewriting { old: check.document.fingerprint.clone() };
                    self.step(&check, KeyCheck { fingerprint: next.clone(), stage, retired: None }).await?;
                }
                Stage::Rewriting { old } => {
                    self.vault.adopt(&check.document).await?;
                    let id = self.vault.keys().seals;
                    self.wait(progress, &format!("to seal with the key {id}"), |keys| keys.seals == id)
                        .await?;
                    sealed += self.rewrite(progress).await?;
                    let done = KeyCheck {
                        fingerprint: check.document.fingerprint.clone(),
                        stage: Stage::Settled,
                        retired: Some(old.clone()),
                    };
                    if self.step(&check, done).await? {
                        return Ok(format!(
                            "{sealed} documents have their secrets under the key {id} now, and {} only that one: keep a \
                             copy of it elsewhere; older backups need the old one",
                            path.display()
                        ));
                    }
                }
            }
            has_begun = true;
        }
    }

    /// Has the new key in the file before anything knows of it.
    async fn announce(&self, check: &Versioned<KeyCheck>) -> Result<(), SecretError> {
        let mut next = String::new();
        file::change(self.vault.path(), |lines| {
            let known = [Some(&check.document.fingerprint), check.document.retired.as_ref()];
            // One that was made before, when nothing came of it.
            let free = |line: &&file::Line| line.is_new && !known.contains(&Some(&Key::new(line.key).print));
            let key = lines.iter().find(free).map(|line| line.key);
            next = Key::new(key.unwrap_or_else(|| {
                let key = random_bytes::<KEY_LEN>();
                lines.push(file::Line { key, is_new: true });
                key
            }))
            .print;
        })?;
        let announced = KeyCheck { stage: Stage::Announced { next }, ..check.document.clone() };
        // Where another process was quicker, it is its key.
        self.step(check, announced).await.map(|_| ())
    }

    /// Writes down that it has come further, and follows; false if another process has written something.
    async fn step(&self, from: &Versioned<KeyCheck>, to: KeyCheck) -> Result<bool, SecretError> {
        match self.store.commit(self.store.batch().update(from, &to)).await {
            Ok(_) => {
                tracing::info!(
                    key = short(&to.fingerprint),
                    stage = to.stage.name(),
                    "the key is being changed"
                );
                self.vault.adopt(&to).await?;
                Ok(true)
            }
            Err(StoreError::Conflict { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits until the keys of every other process are as wanted.
    async fn wait(
        &self,
        progress: &Progress,
        what: &str,
        is: impl Fn(&KnownKeys) -> bool,
    ) -> Result<(), SecretError> {
        loop {
            go_on(progress)?;
            let others = others(self.store, self.clock, self.node).await?;
            let Some(late) = others.iter().find(|node| !is(&node.keys)) else { return Ok(()) };
            progress.tell(0, format!("waiting for the process {} {what}", late.id));
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Seals anew until a walk through everything finds nothing of another key; how many documents it were.
    async fn rewrite(&self, progress: &Progress) -> Result<u64, SecretError> {
        let mut all = 0;
        for _ in 0..WALKS {
            let walked = self.walk(progress).await?;
            all += walked.sealed;
            match walked {
                Walked { sealed: 0, left: None } => return Ok(all),
                // Nobody took it, and nobody will.
                Walked { sealed: 0, left: Some((kind, id)) } => {
                    return Err(SecretError::Unlisted { kind, id });
                }
                _ => {}
            }
        }
        Err(SecretError::Busy)
    }

    async fn walk(&self, progress: &Progress) -> Result<Walked, SecretError> {
        let marks = self.vault.other_marks();
        let mut walk = self.store.walk_documents()?;
        let records = self.store.count().await?;
        let (mut seen, mut walked) = (0, Walked::default());
        while let Some(piece) = walk.next().await? {
            go_on(progress)?;
            seen += piece.len() as u64;
            // For a piece only: whoever changes the key, or sees that another process has, waits for it.
            let sealing = &self.vault.sealing().await?;
            let mut held = Vec::new();
            for found in piece {
                let is_old = marks.iter().any(|mark| contains(&found.body, mark.as_bytes()));
                match HOLDERS.into_iter().find(|holder| holder.kind == found.kind) {
                    Some(holder) => held.push((holder, found.id, is_old)),
                    None if is_old => walked.left = Some((found.kind, found.id)),
                    None => {}
                }
            }
            let mut done = stream::iter(held)
                .map(|(holder, id, is_old)| async move {
                    let was = (holder.reseal)(self.store, id.clone(), sealing).await?;
                    Ok::<_, SecretError>((was, (is_old && !was).then(|| (holder.kind.to_owned(), id))))
                })
                .buffer_unordered(AT_ONCE);
            while let Some((was, left)) = done.try_next().await? {
                walked.sealed += u64::from(was);
                walked.left = left.or(walked.left);
            }
            progress.tell_part(seen, records, "records");
        }
        Ok(walked)
    }
}

/// What one walk through everything brought.
#[derive(Debug, Default)]
struct Walked {
    /// Documents whose secrets were sealed anew.
    sealed: u64,
    /// One that had a secret under another key and was not sealed anew.
    left: Option<(String, String)>,
}

fn go_on(progress: &Progress) -> Result<(), SecretError> {
    progress.check().map_err(|_| SecretError::Cancelled)
}

fn contains(body: &[u8], mark: &[u8]) -> bool {
    body.windows(mark.len()).any(|window| window == mark)
}
