//! A certificate of the server's own making, in `data_dir/tls`.
//!
//! It is renewed in time, with the same key: boxes that trust the key go on doing so.

use super::TlsError;
use super::pair::Pair;
use crate::clock::Timestamp;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose,
};
use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;
use time::OffsetDateTime;

/// How long a new one holds.
const HOLDS: Duration = Duration::from_secs(365 * 24 * 3600);
/// It is renewed when it ends within this time.
const RENEWED: Duration = Duration::from_secs(30 * 24 * 3600);
/// It holds from this long ago: clocks differ.
const BEFORE: Duration = Duration::from_secs(3600);

/// Where the server keeps its own certificate.
#[derive(Debug, Clone)]
pub(super) struct Own {
    directory: PathBuf,
    names: BTreeSet<String>,
}

impl Own {
    pub(super) fn new(data: &Path, names: BTreeSet<String>) -> Self {
        Self { directory: data.join("tls"), names }
    }

    fn files(&self) -> (PathBuf, PathBuf) {
        (self.directory.join("certificate.pem"), self.directory.join("key.pem"))
    }

    /// The one that is there, or a new one; what cannot be used of what is there is told and replaced.
    pub(super) fn open(&self, now: Timestamp) -> Result<Pair, TlsError> {
        let (certificate, key) = self.files();
        let key_pem = match fs::read(&key) {
            Ok(key) => Some(key),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(source) => return Err(TlsError::Read { field: "data_dir", path: key, source }),
        };
        let Some(key_pem) = key_pem else { return self.make(None, now) };
        let kept = fs::read(&certificate).ok().and_then(|pem| Pair::parse(pem, key_pem.clone()).ok());
        match kept {
            Some(pair) if pair.names == self.names && !is_due(&pair, now) => Ok(pair),
            _ => self.make(Some(&key_pem), now),
        }
    }

    /// Makes a new certificate, with the old key where there is one.
    pub(super) fn make(&self, key_pem: Option<&[u8]>, now: Timestamp) -> Result<Pair, TlsError> {
        let failed = |error: rcgen::Error| TlsError::Make(error.to_string());
        let kept = key_pem.and_then(|pem| KeyPair::from_pem(std::str::from_utf8(pem).ok()?).ok());
        let (key, is_new) = match kept {
            Some(key) => (key, false),
            None => (KeyPair::generate().map_err(failed)?, true),
        };
        let mut parameters =
            CertificateParams::new(self.names.iter().cloned().collect::<Vec<_>>()).map_err(failed)?;
        let mut subject = DistinguishedName::new();
        subject.push(DnType::CommonName, "Stagebox");
        parameters.distinguished_name = subject;
        parameters.not_before = date(Timestamp::from_unix_ms(now.unix_ms() - BEFORE.as_millis() as i64));
        parameters.not_after = date(now.plus(HOLDS));
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = parameters.self_signed(&key).map_err(failed)?;
        let (certificate_path, key_path) = self.files();
        let wrong = |path: &Path| {
            let path = path.to_owned();
            move |source| TlsError::Write { path, source }
        };
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.directory)
            .map_err(wrong(&self.directory))?;
        let (certificate, key) = (certificate.pem(), key.serialize_pem());
        // The key first: a certificate without its key would be worth nothing.
        if is_new {
            put(&key_path, key.as_bytes()).map_err(wrong(&key_path))?;
        }
        put(&certificate_path, certificate.as_bytes()).map_err(wrong(&certificate_path))?;
        Pair::parse(certificate.into_bytes(), key.into_bytes())
            .map_err(|wrong| TlsError::Make(format!("{wrong:?}")))
    }
}

/// Whether a certificate of the server's own is to be replaced.
pub(super) fn is_due(pair: &Pair, now: Timestamp) -> bool {
    pair.ends <= now.plus(RENEWED) || pair.begins > now
}

fn date(time: Timestamp) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(time.unix_ms() / 1000).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// Writes a file that only its owner can read, whole and on disk, or not at all.
pub(super) fn put(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let beside = path.with_extension("part");
    let mut file =
        fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    fs::File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}
