//! Secrets at rest: sealed with a key file that lies outside the data.

use crate::id::random_bytes;
use crate::store::{Document, Store, StoreError};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::{hkdf, hmac};
use serde::{Deserialize, Serialize};
use stagebox_durable::make_folder;
use std::io::{Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const KEY_LEN: usize = 32;

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
    /// The key file belongs to other data.
    #[error(
        "the key file {0} (`secrets_key_file`) is not the one that the data was made with: bring that one back"
    )]
    Foreign(PathBuf),
    /// The key file lies where copies of the data would take it along.
    #[error("the key file {0} (`secrets_key_file`) must lie outside of `data_dir`")]
    Inside(PathBuf),
    /// The store failed.
    #[error("cannot check the key file against the data: {0}")]
    Store(#[from] StoreError),
    /// A sealed secret was made with another key, or for something else, or is damaged.
    #[error("a stored secret does not open with the key file; was it replaced?")]
    Open,
}

/// The one key check's id.
const KEY_CHECK: &str = "key";

/// What the data knows of its key: enough to tell another one.
#[derive(Serialize, Deserialize)]
struct KeyCheck {
    fingerprint: String,
}

impl Document for KeyCheck {
    const KIND: &'static str = "secrets_key";
    const JOURNALED: bool = false;

    fn id(&self) -> String {
        KEY_CHECK.to_owned()
    }
}

/// Seals, opens and fingerprints; cloned freely.
#[derive(Clone)]
pub struct Vault(Arc<Keys>);

struct Keys {
    seal: LessSafeKey,
    fingerprint: hmac::Key,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Vault")
    }
}

impl Vault {
    /// Reads the key file, or makes one that only its owner can read if there is no data yet.
    pub fn open(path: &Path, has_data: bool) -> Result<Self, SecretError> {
        let wrong = |detail: String| SecretError::KeyFile { path: path.to_owned(), detail };
        match std::fs::File::open(path) {
            Ok(file) => {
                let mode = file.metadata().map_err(|error| wrong(error.to_string()))?.permissions().mode();
                if mode & 0o077 != 0 {
                    return Err(wrong(format!("others can read it (mode {:o}): chmod 600 it", mode & 0o777)));
                }
                let mut text = String::new();
                Read::take(&file, 1024)
                    .read_to_string(&mut text)
                    .map_err(|error| wrong(error.to_string()))?;
                if text.trim().is_empty() {
                    return Err(SecretError::Empty(path.to_owned()));
                }
                let key: [u8; KEY_LEN] = hex::decode(text.trim())
                    .ok()
                    .and_then(|key| key.try_into().ok())
                    .ok_or_else(|| wrong("it must hold 64 hexadecimal digits".to_owned()))?;
                Ok(Self::from_key(&key))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && has_data => {
                Err(SecretError::Missing(path.to_owned()))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let key = random_bytes::<KEY_LEN>();
                create(path, &key).map_err(|error| wrong(error.to_string()))?;
                Ok(Self::from_key(&key))
            }
            Err(error) => Err(wrong(error.to_string())),
        }
    }

    /// Makes sure that this is the key that the data was made with; `path` is named if not.
    pub async fn check(&self, store: &Store, path: &Path) -> Result<(), SecretError> {
        let fingerprint = hex::encode(self.fingerprint("key check", b""));
        match store.get::<KeyCheck>(KEY_CHECK).await? {
            Some(kept) if kept.document.fingerprint == fingerprint => Ok(()),
            Some(_) => Err(SecretError::Foreign(path.to_owned())),
            None => match store.create(KeyCheck { fingerprint }).await {
                // Another process has just begun with the same store, with this key or with another.
                Err(StoreError::Conflict { .. }) => Box::pin(self.check(store, path)).await,
                created => Ok(created.map(|_| ())?),
            },
        }
    }

    /// Whether the store holds what was made with some key.
    pub async fn has_data(store: &Store) -> Result<bool, SecretError> {
        Ok(store.get::<KeyCheck>(KEY_CHECK).await?.is_some())
    }

    /// Takes a key as it is.
    pub fn from_key(key: &[u8; KEY_LEN]) -> Self {
        let root = hkdf::Salt::new(hkdf::HKDF_SHA256, b"stagebox secrets 1").extract(key);
        let seal = derive(&root, b"seal");
        let seal = UnboundKey::new(&CHACHA20_POLY1305, &seal).expect("the cipher's keys have 32 bytes");
        Self(Arc::new(Keys {
            seal: LessSafeKey::new(seal),
            fingerprint: hmac::Key::new(hmac::HMAC_SHA256, &derive(&root, b"fingerprint")),
        }))
    }

    /// Seals a secret; only the same `context`, such as the field's name and owner, opens it.
    pub fn seal(&self, context: &str, secret: &[u8]) -> String {
        let nonce = random_bytes::<NONCE_LEN>();
        let mut bytes = secret.to_vec();
        self.0
            .seal
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(context), &mut bytes)
            .expect("a secret is far shorter than the cipher's limit of 256 GB");
        let mut sealed = nonce.to_vec();
        sealed.extend_from_slice(&bytes);
        STANDARD.encode(sealed)
    }

    /// Opens what [`Vault::seal`] made.
    pub fn unseal(&self, context: &str, sealed: &str) -> Result<Vec<u8>, SecretError> {
        let bytes = STANDARD.decode(sealed).map_err(|_| SecretError::Open)?;
        let (nonce, body) = bytes.split_at_checked(NONCE_LEN).ok_or(SecretError::Open)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SecretError::Open)?;
        let mut body = body.to_vec();
        let opened =
            self.0.seal.open_in_place(nonce, Aad::from(context), &mut body).map_err(|_| SecretError::Open)?;
        Ok(opened.to_vec())
    }

    /// A keyed hash by which a secret is found or compared without being kept.
    pub fn fingerprint(&self, context: &str, secret: &[u8]) -> [u8; 32] {
        let mut signer = hmac::Context::with_key(&self.0.fingerprint);
        signer.update(&(context.len() as u64).to_be_bytes());
        signer.update(context.as_bytes());
        signer.update(secret);
        let mut hash = [0; 32];
        hash.copy_from_slice(signer.sign().as_ref());
        hash
    }
}

fn derive(root: &hkdf::Prk, info: &[u8]) -> [u8; KEY_LEN] {
    let mut key = [0; KEY_LEN];
    root.expand(&[info], hkdf::HKDF_SHA256)
        .and_then(|okm| okm.fill(&mut key))
        .expect("SHA-256 gives 32 bytes at once");
    key
}

/// Makes the key file: whenever the power goes, it is there whole or not at all.
fn create(path: &Path, key: &[u8; KEY_LEN]) -> std::io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    if let Some(directory) = directory {
        make_folder(directory)?;
    }
    // A name of its own: another process may just do the same.
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.part", hex::encode(random_bytes::<4>())));
    let written = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside);
    let named = written.and_then(|mut file| {
        writeln!(file, "{}", hex::encode(key))?;
        file.sync_all()?;
        name_anew(beside.as_ref(), path)
    });
    if named.is_err() {
        let _ = std::fs::remove_file(&beside);
    }
    named?;
    std::fs::File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}

/// Gives a file a name that nothing has; what has it stays.
fn name_anew(from: &Path, to: &Path) -> std::io::Result<()> {
    match renameat2(AT_FDCWD, from, AT_FDCWD, to, RenameFlags::RENAME_NOREPLACE) {
        // A file system that cannot be asked for that.
        Err(Errno::EINVAL | Errno::ENOSYS | Errno::EOPNOTSUPP) => std::fs::rename(from, to),
        named => Ok(named?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_opens_only_where_it_belongs() {
        let vault = Vault::from_key(&[7; 32]);
        let sealed = vault.seal("a", b"secret");
        assert_ne!(sealed, vault.seal("a", b"secret"));
        assert_eq!(vault.unseal("a", &sealed).unwrap(), b"secret");
        assert!(vault.unseal("b", &sealed).is_err());
        assert!(Vault::from_key(&[8; 32]).unseal("a", &sealed).is_err());
        for damaged in ["", "AA==", "%", &sealed[4..]] {
            assert!(vault.unseal("a", damaged).is_err());
        }
    }

    #[test]
    fn the_key_file_is_made_once_and_kept_from_others() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sub/data.key");
        assert!(matches!(Vault::open(&path, true), Err(SecretError::Missing(_))));
        let print = Vault::open(&path, false).unwrap().fingerprint("x", b"y");
        assert_eq!(Vault::open(&path, true).unwrap().fingerprint("x", b"y"), print);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(
            std::fs::read_dir(path.parent().unwrap()).unwrap().count(),
            1,
            "nothing is left beside it"
        );
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(Vault::open(&path, true).unwrap_err().to_string().contains("chmod 600"));
    }

    #[test]
    fn a_key_file_that_is_no_key_is_refused_and_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("data.key");
        for (text, words) in
            [("", "bring back a copy"), ("\n", "is empty"), ("0123", "64 hexadecimal digits")]
        {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
            for has_data in [false, true] {
                let error = Vault::open(&path, has_data).unwrap_err().to_string();
                assert!(error.contains(words), "{error}");
            }
            assert_eq!(create(&path, &[1; KEY_LEN]).unwrap_err().kind(), std::io::ErrorKind::AlreadyExists);
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
