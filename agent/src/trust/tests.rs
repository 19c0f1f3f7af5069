#![allow(clippy::disallowed_methods, reason = "tests wait for real connections")]

use std::time::Duration;

use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{PrivateKeyDer, ServerName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::*;

struct Server {
    key: KeyPair,
    certificate: rcgen::Certificate,
}

/// A server's certificate for another name than it is asked by, long expired.
fn server(key: KeyPair) -> Server {
    let mut parameters = CertificateParams::new(vec!["elsewhere.example".to_owned()]).unwrap();
    parameters.not_before = rcgen::date_time_ymd(2000, 1, 1);
    parameters.not_after = rcgen::date_time_ymd(2001, 1, 1);
    let certificate = parameters.self_signed(&key).unwrap();
    Server { key, certificate }
}

/// What a client says of the server, and what the server sent if it got so far.
async fn ask(trust: &Trust, shown: &Server, signed_with: &KeyPair) -> io::Result<String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = PrivateKeyDer::try_from(signed_with.serialize_der()).unwrap();
    let key = provider.key_provider.load_private_key(key).unwrap();
    let certified = rustls::sign::CertifiedKey::new(vec![shown.certificate.der().clone()], key);
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(certified)));
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let served = tokio::spawn(async move {
        let mut stream = TlsAcceptor::from(Arc::new(config)).accept(theirs).await?;
        stream.write_all(b"hello").await?;
        stream.shutdown().await
    });
    let name = ServerName::try_from("cloud.example").unwrap();
    let talk = async {
        let mut stream = TlsConnector::from(trust.client_config()?).connect(name, ours).await?;
        let mut said = String::new();
        stream.read_to_string(&mut said).await?;
        Ok(said)
    };
    let said = tokio::time::timeout(Duration::from_secs(20), talk).await.unwrap();
    let _ = served.await.unwrap();
    said
}

fn why(error: &io::Error) -> &'static str {
    error.get_ref().and_then(|inner| inner.downcast_ref()).and_then(describe).unwrap_or("something else")
}

#[tokio::test]
async fn a_pinned_server_is_known_by_certificate_and_by_key() {
    let shown = server(KeyPair::generate().unwrap());
    let public = rustls::server::ParsedCertificate::try_from(shown.certificate.der()).unwrap();
    let key = Trust::pinned(Fingerprint::of(&public.subject_public_key_info()));
    let certificate = Trust::pinned(Fingerprint::of(shown.certificate.der()));
    assert_eq!(ask(&key, &shown, &shown.key).await.unwrap(), "hello");
    assert_eq!(ask(&certificate, &shown, &shown.key).await.unwrap(), "hello");
    // Renewed with the same key it is another certificate.
    let mut renewed = server(KeyPair::from_pem(&shown.key.serialize_pem()).unwrap());
    renewed.certificate =
        CertificateParams::new(vec!["new.example".to_owned()]).unwrap().self_signed(&renewed.key).unwrap();
    assert_eq!(ask(&key, &renewed, &renewed.key).await.unwrap(), "hello");
    let error = ask(&certificate, &renewed, &renewed.key).await.unwrap_err();
    assert_eq!(why(&error), "the server's certificate is not the one of cloud.tls_fingerprint");
}

#[tokio::test]
async fn a_copy_of_the_pinned_certificate_is_worth_nothing_without_its_key() {
    let shown = server(KeyPair::generate().unwrap());
    let trust = Trust::pinned(Fingerprint::of(shown.certificate.der()));
    let error = ask(&trust, &shown, &KeyPair::generate().unwrap()).await.unwrap_err();
    assert_eq!(why(&error), "the server's certificate comes from nobody this box trusts", "{error}");
}

#[tokio::test]
async fn authorities_of_a_file_are_asked_for_name_and_time_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    let mut good = server(KeyPair::generate().unwrap());
    let parameters = CertificateParams::new(vec!["cloud.example".to_owned()]).unwrap();
    good.certificate = parameters.self_signed(&good.key).unwrap();
    std::fs::write(&path, good.certificate.pem()).unwrap();
    let trust = Trust::authorities(&path).unwrap();
    assert_eq!(ask(&trust, &good, &good.key).await.unwrap(), "hello");
    let mut stranger = server(KeyPair::generate().unwrap());
    let parameters = CertificateParams::new(vec!["cloud.example".to_owned()]).unwrap();
    stranger.certificate = parameters.self_signed(&stranger.key).unwrap();
    let error = ask(&trust, &stranger, &stranger.key).await.unwrap_err();
    assert_eq!(why(&error), "the server's certificate comes from nobody this box trusts");
    let old = server(KeyPair::generate().unwrap());
    std::fs::write(&path, old.certificate.pem()).unwrap();
    let error = ask(&Trust::authorities(&path).unwrap(), &old, &old.key).await.unwrap_err();
    assert_eq!(why(&error), "the server's certificate has expired; check the box's clock too");
}

#[test]
fn a_file_without_certificates_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    for text in ["", "-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\n"] {
        std::fs::write(&path, text).unwrap();
        let error = Trust::authorities(&path).unwrap_err().to_string();
        assert!(error.starts_with("cloud.ca_file: ") && error.contains("ca.pem"), "{error}");
    }
    assert!(Trust::authorities(Path::new("/nowhere.pem")).unwrap_err().to_string().contains("/nowhere.pem"));
}

#[test]
fn prints_are_read_as_cloud_and_openssl_write_them() {
    let print = Fingerprint::of(b"x");
    let text = print.to_string();
    assert_eq!(text.parse::<Fingerprint>().unwrap(), print);
    let digits = text.strip_prefix("sha256:").unwrap().to_uppercase();
    let pairs: Vec<_> = digits.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap()).collect();
    assert_eq!(pairs.join(":").parse::<Fingerprint>().unwrap(), print);
    for wrong in ["", "sha256:", "sha1:00", &text[..60], &format!("{text}00")] {
        let error = wrong.parse::<Fingerprint>().unwrap_err().to_string();
        assert!(error.contains("64 hexadecimal digits"), "{error}");
    }
}
