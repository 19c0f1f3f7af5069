//! Which servers the box believes over TLS: the system's authorities, one of a file, or one certificate by its print.

mod fingerprint;
mod pinned;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{CertificateError, ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;

pub use fingerprint::{Fingerprint, FingerprintError};
use pinned::{NotPinned, Pinned};

/// Why a configured authority cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cloud.ca_file: {path}: {problem}; give the certificate of the cloud's authority as PEM")]
pub struct TrustError {
    path: PathBuf,
    problem: String,
}

/// Whom the box believes; cloned freely.
#[derive(Clone, Default)]
pub struct Trust(Arc<Inner>);

#[derive(Default)]
struct Inner {
    whom: Whom,
    /// Made when it is first used: without TLS nobody reads the system's authorities.
    made: OnceLock<Arc<ClientConfig>>,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Whom {
    #[default]
    System,
    Authorities(Vec<CertificateDer<'static>>),
    Pinned(Fingerprint),
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.whom {
            Whom::System => f.write_str("System"),
            Whom::Authorities(all) => write!(f, "Authorities({})", all.len()),
            Whom::Pinned(fingerprint) => write!(f, "Pinned({fingerprint})"),
        }
    }
}

impl PartialEq for Trust {
    fn eq(&self, other: &Self) -> bool {
        self.0.whom == other.0.whom
    }
}

impl Eq for Trust {}

impl Trust {
    /// Whoever has a certificate that one of the file's authorities signed, or that stands in it itself.
    ///
    /// # Errors
    /// When the file cannot be read or holds no certificate.
    pub fn authorities(path: &Path) -> Result<Self, TrustError> {
        let wrong = |problem: String| TrustError { path: path.to_owned(), problem };
        let pem = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
        let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
        let all = read.map_err(|error| wrong(format!("no readable PEM ({error})")))?;
        let mut store = RootCertStore::empty();
        for authority in &all {
            store.add(authority.clone()).map_err(|error| wrong(error.to_string()))?;
        }
        if all.is_empty() {
            return Err(wrong("no certificate in it".to_owned()));
        }
        Ok(Self::new(Whom::Authorities(all)))
    }

    /// Whoever has the certificate, or the public key, with this print.
    #[must_use]
    pub fn pinned(fingerprint: Fingerprint) -> Self {
        Self::new(Whom::Pinned(fingerprint))
    }

    fn new(whom: Whom) -> Self {
        Self(Arc::new(Inner { whom, made: OnceLock::new() }))
    }

    /// For connections that are encrypted.
    ///
    /// # Errors
    /// When the system's authorities cannot be read.
    pub fn client_config(&self) -> io::Result<Arc<ClientConfig>> {
        if let Some(made) = self.0.made.get() {
            return Ok(Arc::clone(made));
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?;
        let builder = match &self.0.whom {
            Whom::System => builder.with_platform_verifier().map_err(io::Error::other)?,
            Whom::Authorities(all) => {
                let mut store = RootCertStore::empty();
                store.add_parsable_certificates(all.iter().cloned());
                builder.with_root_certificates(store)
            }
            Whom::Pinned(fingerprint) => {
                let verifier = Pinned::new(*fingerprint, provider.signature_verification_algorithms);
                builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
            }
        };
        let config = Arc::new(builder.with_no_client_auth());
        Ok(Arc::clone(self.0.made.get_or_init(|| config)))
    }
}

/// What is wrong with a server's certificate, for the person at the box; nothing if something else is wrong.
#[must_use]
pub fn describe(error: &rustls::Error) -> Option<&'static str> {
    let rustls::Error::InvalidCertificate(reason) = error else { return None };
    Some(match reason {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the server's certificate has expired; check the box's clock too"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the server's certificate is not valid yet: check the box's clock"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "the server's certificate is for another name"
        }
        // The second is what an authority of the same name, with another key, gives.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "the server's certificate comes from nobody this box trusts"
        }
        CertificateError::Revoked => "the server's certificate was revoked",
        CertificateError::Other(other) if other.0.is::<NotPinned>() => {
            "the server's certificate is not the one of cloud.tls_fingerprint"
        }
        _ => "the server's certificate cannot be verified",
    })
}
