//! One key: what is derived of it, and what it seals.

use super::SecretError;
use crate::id::random_bytes;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::{hkdf, hmac};
use serde::{Deserialize, Serialize};

pub(super) const KEY_LEN: usize = 32;
/// Digits of a key's id.
const ID: usize = 8;
/// What a sealed secret begins with; then come the key's id, a colon, and base64.
const MARK: &str = "sealed:";

/// A secret as it is kept: it names the key that it was sealed with, unless it is of a version that had one key only.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sealed(String);

impl Sealed {
    /// The id of its key, and the rest.
    pub(super) fn parts(&self) -> (Option<&str>, &str) {
        match self.0.strip_prefix(MARK).and_then(|rest| rest.split_once(':')) {
            Some((id, body)) => (Some(id), body),
            None => (None, &self.0),
        }
    }

    #[cfg(test)]
    pub(super) fn from_text(text: &str) -> Self {
        Self(text.to_owned())
    }

    #[cfg(test)]
    pub(super) fn text(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Sealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sealed(by {})", self.parts().0.unwrap_or("the first key"))
    }
}

/// A key with what is derived of it.
pub(super) struct Key {
    pub(super) bytes: [u8; KEY_LEN],
    /// What the data knows of it: enough to tell another one.
    pub(super) print: String,
    seal: LessSafeKey,
    fingerprint: hmac::Key,
}

impl Key {
    pub(super) fn new(bytes: [u8; KEY_LEN]) -> Self {
        let root = hkdf::Salt::new(hkdf::HKDF_SHA256, b"stagebox secrets 1").extract(&bytes);
        let seal = derive(&root, b"seal");
        let seal = UnboundKey::new(&CHACHA20_POLY1305, &seal).expect("the cipher's keys have 32 bytes");
        let mut key = Self {
            bytes,
            print: String::new(),
            seal: LessSafeKey::new(seal),
            fingerprint: hmac::Key::new(hmac::HMAC_SHA256, &derive(&root, b"fingerprint")),
        };
        key.print = hex::encode(key.fingerprint("key check", b""));
        key
    }

    /// The short name that people and sealed secrets call it by.
    pub(super) fn id(&self) -> &str {
        short(&self.print)
    }

    /// What the secrets that it sealed have in common wherever they lie, as JSON writes them.
    pub(super) fn mark(&self) -> String {
        format!("\"{MARK}{}:", self.id())
    }

    pub(super) fn seal(&self, context: &str, secret: &[u8]) -> Sealed {
        let nonce = random_bytes::<NONCE_LEN>();
        let mut bytes = secret.to_vec();
        self.seal
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(context), &mut bytes)
            .expect("a secret is far shorter than the cipher's limit of 256 GB");
        let mut sealed = nonce.to_vec();
        sealed.extend_from_slice(&bytes);
        Sealed(format!("{MARK}{}:{}", self.id(), STANDARD.encode(sealed)))
    }

    pub(super) fn unseal(&self, context: &str, body: &str) -> Result<Vec<u8>, SecretError> {
        let bytes = STANDARD.decode(body).map_err(|_| SecretError::Open)?;
        let (nonce, body) = bytes.split_at_checked(NONCE_LEN).ok_or(SecretError::Open)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SecretError::Open)?;
        let mut body = body.to_vec();
        let opened =
            self.seal.open_in_place(nonce, Aad::from(context), &mut body).map_err(|_| SecretError::Open)?;
        Ok(opened.to_vec())
    }

    pub(super) fn fingerprint(&self, context: &str, secret: &[u8]) -> [u8; 32] {
        let mut signer = hmac::Context::with_key(&self.fingerprint);
        signer.update(&(context.len() as u64).to_be_bytes());
        signer.update(context.as_bytes());
        signer.update(secret);
        let mut hash = [0; 32];
        hash.copy_from_slice(signer.sign().as_ref());
        hash
    }
}

/// A key's id, of what the data knows of it.
pub(super) fn short(print: &str) -> &str {
    print.get(..ID).unwrap_or(print)
}

fn derive(root: &hkdf::Prk, info: &[u8]) -> [u8; KEY_LEN] {
    let mut key = [0; KEY_LEN];
    root.expand(&[info], hkdf::HKDF_SHA256)
        .and_then(|okm| okm.fill(&mut key))
        .expect("SHA-256 gives 32 bytes at once");
    key
}
