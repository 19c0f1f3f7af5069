//! Secrets at rest: sealed with a key file that lies outside the data.
//!
//! One key seals; while it is being changed ([`rotate`]) the key file has two, and both open. A sealed secret names its key.

mod check;
mod file;
mod holders;
mod key;
mod rotate;
#[cfg(test)]
mod tests;

pub use holders::HoldsSecrets;
pub use key::Sealed;
pub use rotate::Rotation;

use crate::id::random_bytes;
use crate::store::StoreError;
use key::{KEY_LEN, Key, short};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::{Mutex, MutexGuard, RwLock as Gate, RwLockReadGuard};

/// Says why secrets cannot be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The key file cannot be read or made.
    #[error("cannot use the key file {path} (`secrets_key_file`): {detail}")]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// Why.
        detail: String,
    },
    /// There is data, but no key file.
    #[error(
        "the key file {0} (`secrets_key_file`) is missing, but there is data that was made with it: bring it back"
    )]
    Missing(PathBuf),
    /// There is nothing in the key file.
    #[error(
        "the key file {0} (`secrets_key_file`) is empty, as an earlier version may leave it in a power cut: bring back \
         a copy of it, or remove it if there is no data yet"
    )]
    Empty(PathBuf),
    /// The key file belongs to other data, or to the same at another time.
    #[error(
        "the key file {path} (`secrets_key_file`) is not the one that the data was made with: it has {has}, and the data \
         needs the key {wanted}. Bring that file back: for a backup the one of its time, on several machines a copy of the \
         newest, since `secrets rotate` makes another key"
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// The key that is needed, by its id.
        wanted: String,
        /// What it has, by their ids.
        has: String,
    },
    /// The key file lies where copies of the data would take it along.
    #[error("the key file {0} (`secrets_key_file`) must lie outside of `data_dir`")]
    Inside(PathBuf),
    /// The store failed.
    #[error("the secrets cannot be read or written: {0}")]
    Store(#[from] StoreError),
    /// A sealed secret is damaged, or was sealed for something else.
    #[error("a stored secret does not open with the key file; was it replaced?")]
    Open,
    /// The key is being changed.
    #[error("the key is being changed already: wait until that is done")]
    Busy,
    /// Somebody asked that the change be given up.
    #[error("cancelled; the key file keeps both keys, and `secrets rotate` goes on from here")]
    Cancelled,
    /// Something holds a secret that nobody knows how to seal anew.
    #[error("the {kind} {id} holds a secret under the old key that is not sealed anew: both keys are kept")]
    Unlisted {
        /// The kind of document.
        kind: String,
        /// Its id.
        id: String,
    },
}

/// Seals, opens and fingerprints; cloned freely.
#[derive(Clone)]
pub struct Vault(Arc<Inner>);

struct Inner {
    path: PathBuf,
    ring: RwLock<Ring>,
    /// Whoever writes sealed secrets is inside until they are on disk; a change of the sealing key waits for them.
    gate: Gate<()>,
    rotating: Mutex<()>,
}

#[derive(Clone)]
struct Ring {
    sealing: Arc<Key>,
    /// Only open.
    others: Vec<Arc<Key>>,
    /// The key that ought to seal is not here.
    lacks: Option<String>,
}

impl Ring {
    fn all(&self) -> impl Iterator<Item = &Arc<Key>> {
        std::iter::once(&self.sealing).chain(&self.others)
    }
}

/// The keys that a process has, by their ids.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct KnownKeys {
    /// The one that seals.
    pub(crate) seals: String,
    /// All.
    pub(crate) opens: Vec<String>,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Vault")
    }
}

impl Vault {
    /// Reads the key file, or makes one that only its owner can read if there is no data yet.
    pub fn open(path: &Path, has_data: bool) -> Result<Self, SecretError> {
        match file::read(path)? {
            Some(lines) => Ok(Self::with(path, lines.iter().map(|line| &line.key))),
            None if has_data => Err(SecretError::Missing(path.to_owned())),
            None => {
                let key = random_bytes::<KEY_LEN>();
                file::create(path, &key).map_err(|error| SecretError::KeyFile {
                    path: path.to_owned(),
                    detail: error.to_string(),
                })?;
                Ok(Self::with(path, [&key]))
            }
        }
    }

    /// Takes a key as it is, from no file.
    pub fn from_key(key: &[u8; KEY_LEN]) -> Self {
        Self::with(Path::new("(none)"), [key])
    }

    /// The first of the keys seals until the data says otherwise.
    fn with<'a>(path: &Path, keys: impl IntoIterator<Item = &'a [u8; KEY_LEN]>) -> Self {
        let mut keys = keys.into_iter().map(|key| Arc::new(Key::new(*key)));
        let sealing = keys.next().expect("a key file that was read has a key");
        let ring = Ring { sealing, others: keys.collect(), lacks: None };
        Self(Arc::new(Inner {
            path: path.to_owned(),
            ring: RwLock::new(ring),
            gate: Gate::default(),
            rotating: Mutex::default(),
        }))
    }

    fn path(&self) -> &Path {
        &self.0.path
    }

    fn ring(&self) -> Ring {
        self.0.ring.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn sealing_print(&self) -> String {
        self.ring().sealing.print.clone()
    }

    /// The keys that are known here.
    pub(crate) fn keys(&self) -> KnownKeys {
        let ring = self.ring();
        let opens = ring.all().map(|key| key.id().to_owned()).collect();
        KnownKeys { seals: ring.sealing.id().to_owned(), opens }
    }

    /// Finds the key that `is` it; the key file is read again if it is not known yet.
    fn find(&self, is: impl Fn(&Key) -> bool) -> Option<Arc<Key>> {
        let known = || self.ring().all().find(|key| is(key)).cloned();
        known().or_else(|| {
            // Another process may have put it there; a file that cannot be read leaves it unknown.
            let read = file::read(&self.0.path).ok().flatten()?;
            let mut ring = self.0.ring.write().unwrap_or_else(PoisonError::into_inner);
            for line in read {
                if !ring.all().any(|key| key.bytes == line.key) {
                    ring.others.push(Arc::new(Key::new(line.key)));
                }
            }
            drop(ring);
            known()
        })
    }

    fn foreign(&self, wanted: &str) -> SecretError {
        let has = match &self.keys().opens[..] {
            [one] => format!("the key {one}"),
            more => format!("the keys {}", more.join(", ")),
        };
        SecretError::Foreign { path: self.0.path.clone(), wanted: wanted.to_owned(), has }
    }

    /// The key that the data knows so.
    fn need(&self, print: &str) -> Result<Arc<Key>, SecretError> {
        self.find(|key| key.print == print).ok_or_else(|| self.foreign(short(print)))
    }

    /// Begins to seal: held until what was sealed is on disk.
    ///
    /// # Errors
    /// The key that seals now is not in this process's key file.
    pub async fn sealing(&self) -> Result<Sealing<'_>, SecretError> {
        let gate = self.0.gate.read().await;
        let ring = self.ring();
        match &ring.lacks {
            Some(lacks) => Err(self.foreign(short(lacks))),
            None => Ok(Sealing { vault: self, key: ring.sealing, _gate: gate }),
        }
    }

    /// Opens what was sealed for the same `context`.
    ///
    /// # Errors
    /// Its key is not in the key file, or it was sealed for something else, or is damaged.
    pub fn unseal(&self, context: &str, sealed: &Sealed) -> Result<Vec<u8>, SecretError> {
        match sealed.parts() {
            (Some(id), body) => {
                let key = self.find(|key| key.id() == id).ok_or_else(|| self.foreign(id))?;
                key.unseal(context, body)
            }
            (None, body) => {
                let opened = self.ring().all().find_map(|key| key.unseal(context, body).ok());
                opened.ok_or(SecretError::Open)
            }
        }
    }

    /// A keyed hash by which a secret is compared without being kept.
    pub fn fingerprint(&self, context: &str, secret: &[u8]) -> [u8; 32] {
        self.ring().sealing.fingerprint(context, secret)
    }

    /// The hashes that a secret can have been kept by, the likeliest first: more than one while the key is changed.
    pub fn fingerprints(&self, context: &str, secret: &[u8]) -> Vec<[u8; 32]> {
        self.ring().all().map(|key| key.fingerprint(context, secret)).collect()
    }

    /// What secrets under keys other than the sealing one have in common.
    fn other_marks(&self) -> Vec<String> {
        self.ring().others.iter().map(|key| key.mark()).collect()
    }

    fn begin_rotation(&self) -> Result<MutexGuard<'_, ()>, SecretError> {
        self.0.rotating.try_lock().map_err(|_| SecretError::Busy)
    }

    /// Does as the data says: which key seals, and which is done with.
    async fn adopt(&self, check: &check::KeyCheck) -> Result<(), SecretError> {
        let wanted = &check.fingerprint;
        let needed = self.need(wanted);
        let ring = self.ring();
        if ring.sealing.print != *wanted || ring.lacks.is_some() {
            // What is being sealed with the old key is on disk after this.
            let _alone = self.0.gate.write().await;
            let mut ring = self.0.ring.write().unwrap_or_else(PoisonError::into_inner);
            match &needed {
                Ok(key) => {
                    let before = std::mem::replace(&mut ring.sealing, Arc::clone(key));
                    ring.others.retain(|other| other.print != *wanted);
                    if before.print != *wanted {
                        ring.others.push(before);
                    }
                    ring.lacks = None;
                }
                Err(_) => ring.lacks = Some(wanted.clone()),
            }
        }
        needed?;
        if let check::Stage::Rewriting { old } = &check.stage {
            self.need(old)?;
        }
        if let Some(retired) = &check.retired {
            self.retire(retired);
        }
        Ok(())
    }

    /// Forgets a key that nothing is sealed with any more, here and in the key file.
    fn retire(&self, print: &str) {
        if !self.ring().others.iter().any(|key| key.print == print) {
            return;
        }
        let gone = file::change(&self.0.path, |lines| {
            lines.retain(|line| Key::new(line.key).print != print);
            lines.iter_mut().for_each(|line| line.is_new = false);
        });
        if let Err(error) = gone {
            tracing::warn!(%error, key = short(print), "the old key stays in the key file");
        }
        let mut ring = self.0.ring.write().unwrap_or_else(PoisonError::into_inner);
        ring.others.retain(|key| key.print != print);
    }
}

/// Seals with the present key, which stays that until this is dropped.
pub struct Sealing<'a> {
    vault: &'a Vault,
    key: Arc<Key>,
    _gate: RwLockReadGuard<'a, ()>,
}

impl Sealing<'_> {
    /// Seals a secret of a kind of documents; only the same `context`, such as the field's name and owner, opens it.
    pub fn seal<D: HoldsSecrets>(&self, context: &str, secret: &[u8]) -> Sealed {
        const { assert!(holders::is_listed(D::KIND), "a kind that holds secrets must stand in secret/holders.rs") };
        self.key.seal(context, secret)
    }

    /// Opens a secret that is not under the present key; none if it is.
    ///
    /// # Errors
    /// As [`Vault::unseal`].
    pub fn open_old(&self, context: &str, sealed: &Sealed) -> Result<Option<Vec<u8>>, SecretError> {
        if sealed.parts().0 == Some(self.key.id()) {
            return Ok(None);
        }
        self.vault.unseal(context, sealed).map(Some)
    }

    /// As [`Vault::fingerprint`].
    pub fn fingerprint(&self, context: &str, secret: &[u8]) -> [u8; 32] {
        self.key.fingerprint(context, secret)
    }
}
