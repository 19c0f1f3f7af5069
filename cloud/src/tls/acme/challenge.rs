//! The proof that a name leads here: a certificate that only the authority asks for (RFC 8737).

use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::ClientHello;
use rustls::sign::CertifiedKey;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The protocol that only authorities speak.
pub(crate) const PROTOCOL: &[u8] = b"acme-tls/1";

/// The proofs that can be asked for now, by the name that TLS tells.
#[derive(Debug, Default)]
pub(crate) struct Challenges(Mutex<HashMap<String, Arc<CertifiedKey>>>);

impl Challenges {
    /// Shows a proof until [`Challenges::clear`].
    pub(super) fn show(&self, name: &str, digest: &[u8]) -> Result<(), String> {
        let made = certificate(name, digest)?;
        self.all().insert(told(name), Arc::new(made));
        Ok(())
    }

    pub(super) fn clear(&self) {
        self.all().clear();
    }

    /// What to serve to an authority: the proof, or nothing. `None` to everybody else.
    pub(crate) fn answer(&self, hello: &ClientHello<'_>) -> Option<Option<Arc<CertifiedKey>>> {
        let asked =
            hello.alpn().is_some_and(|mut names| names.next() == Some(PROTOCOL) && names.next().is_none());
        asked.then(|| self.all().get(hello.server_name()?).cloned())
    }

    fn all(&self) -> MutexGuard<'_, HashMap<String, Arc<CertifiedKey>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The name that TLS tells: an address's is that of its reverse entry (RFC 8738, 6).
fn told(name: &str) -> String {
    match name.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => {
            let [a, b, c, d] = address.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        Ok(IpAddr::V6(address)) => {
            let digits = format!("{:032x}", address.to_bits());
            let reversed: Vec<String> = digits.chars().rev().map(String::from).collect();
            format!("{}.ip6.arpa", reversed.join("."))
        }
        Err(_) => name.to_ascii_lowercase(),
    }
}

fn certificate(name: &str, digest: &[u8]) -> Result<CertifiedKey, String> {
    let failed = |error: rcgen::Error| error.to_string();
    let key = KeyPair::generate().map_err(failed)?;
    let mut parameters = CertificateParams::new(vec![name.to_owned()]).map_err(failed)?;
    parameters.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let certificate = parameters.self_signed(&key).map_err(failed)?;
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = rustls::crypto::ring::default_provider().key_provider;
    let key = provider.load_private_key(key).map_err(|error| error.to_string())?;
    // Unchecked: a check knows nothing of what makes it a proof.
    Ok(CertifiedKey::new(vec![certificate.der().clone()], key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_by_their_reverse_entries() {
        assert_eq!(told("192.0.2.7"), "7.2.0.192.in-addr.arpa");
        let v6 = told("2001:db8::1");
        assert!(v6.starts_with("1.0.0.0.") && v6.ends_with(".8.b.d.0.1.0.0.2.ip6.arpa"), "{v6}");
        assert_eq!(told("Live.example.org"), "live.example.org");
    }
}
