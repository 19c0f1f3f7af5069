//! A certificate with its key, checked before it is used.

use crate::clock::Timestamp;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use x509_cert::Certificate;
use x509_cert::der::{Decode as _, asn1::OctetString};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// A certificate with the others of its chain, and its key.
pub struct Pair {
    /// As rustls serves it.
    pub(super) served: Arc<CertifiedKey>,
    /// The chain as PEM.
    pub(crate) certificate_pem: Vec<u8>,
    /// The key as PEM: for files that only their owner can read.
    pub(crate) key_pem: Vec<u8>,
    /// SHA-256 of the public key (SubjectPublicKeyInfo): what a box can be told to trust.
    pub(super) fingerprint: String,
    /// From when it holds.
    pub(super) begins: Timestamp,
    /// Until when it holds.
    pub(super) ends: Timestamp,
    /// The names and addresses that it is for.
    pub(super) names: BTreeSet<String>,
}

impl std::fmt::Debug for Pair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pair").field("fingerprint", &self.fingerprint).field("ends", &self.ends).finish()
    }
}

/// Which of the two is wrong, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wrong {
    Certificate(String),
    Key(String),
}

impl Pair {
    /// Reads and checks both.
    pub(super) fn parse(certificate_pem: Vec<u8>, key_pem: Vec<u8>) -> Result<Self, Wrong> {
        let certificate = |detail: String| Wrong::Certificate(detail);
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&certificate_pem)
            .collect::<Result<_, _>>()
            .map_err(|error| certificate(format!("is no readable PEM ({error})")))?;
        let Some(first) = chain.first().cloned() else {
            return Err(certificate(
                "holds no certificate: it must begin with -----BEGIN CERTIFICATE-----".into(),
            ));
        };
        let key = PrivateKeyDer::from_pem_slice(&key_pem).map_err(|_| {
            Wrong::Key("holds no private key that can be read: it must be PEM without a password".into())
        })?;
        let read =
            |error: &dyn std::fmt::Display| certificate(format!("is no certificate of a server ({error})"));
        let parsed = ParsedCertificate::try_from(&first).map_err(|error| read(&error))?;
        let fingerprint = hex::encode(Sha256::digest(parsed.subject_public_key_info()));
        let details = Certificate::from_der(&first).map_err(|error| read(&error))?;
        let provider = rustls::crypto::ring::default_provider();
        let served = CertifiedKey::from_der(chain, key, &provider).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => Wrong::Key("is not the key of the certificate".into()),
            // It may speak of the key's bytes, which are nobody's business.
            _ => Wrong::Key(
                "is of a kind that cannot be used: use ECDSA (P-256, P-384), RSA or Ed25519".into(),
            ),
        })?;
        let validity = details.tbs_certificate.validity;
        let time = |time: x509_cert::time::Time| {
            Timestamp::from_unix_ms(i64::try_from(time.to_unix_duration().as_millis()).unwrap_or(i64::MAX))
        };
        Ok(Self {
            served: Arc::new(served),
            certificate_pem,
            key_pem,
            fingerprint,
            begins: time(validity.not_before),
            ends: time(validity.not_after),
            names: names(&details),
        })
    }
}

fn names(certificate: &Certificate) -> BTreeSet<String> {
    let Ok(Some((_, SubjectAltName(names)))) = certificate.tbs_certificate.get::<SubjectAltName>() else {
        return BTreeSet::new();
    };
    names
        .iter()
        .filter_map(|name| match name {
            GeneralName::DnsName(name) => Some(name.to_string()),
            GeneralName::IpAddress(octets) => address(octets).map(|address| address.to_string()),
            _ => None,
        })
        .collect()
}

fn address(octets: &OctetString) -> Option<IpAddr> {
    let octets = octets.as_bytes();
    let v4 = <[u8; 4]>::try_from(octets).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from)).ok()
}
