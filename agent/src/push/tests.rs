#![allow(clippy::disallowed_methods, reason = "tests wait for real connections")]

use std::sync::Arc;
use std::time::Instant;

use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use stagebox_protocol::telemetry::{OutputState, OutputStatus};
use stagebox_push::{ConnectError, Connector as _, StreamKey, Target};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::trust::Fingerprint;

/// A server with a certificate that nobody signed but itself, and that certificate.
pub(crate) fn self_signed() -> (TlsAcceptor, CertificateDer<'static>) {
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(vec!["live.example".to_owned()]).unwrap().self_signed(&key).unwrap();
    let der = certificate.der().clone();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![der.clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
        .unwrap();
    (TlsAcceptor::from(Arc::new(config)), der)
}

#[tokio::test]
async fn a_box_says_in_its_own_words_whom_it_does_not_believe() {
    let (acceptor, der) = self_signed();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            let _ = acceptor.accept(tcp).await;
        }
    });
    let target = Target::parse(&format!("rtmps://127.0.0.1:{port}/live"), StreamKey::new("key")).unwrap();
    let connect = async |trust| Line::new(trust).connect(&target, 100_000).await;
    assert!(connect(Trust::pinned(Fingerprint::of(&der))).await.is_ok());
    let refused = connect(Trust::pinned(Fingerprint::of(b"another"))).await.err().unwrap();
    let ConnectError::Told(words) = refused else { panic!("{refused}") };
    let reason = "the server's certificate is not the one of cloud.tls_fingerprint";
    assert_eq!(words, format!("TLS with 127.0.0.1:{port} failed: {reason}"));
}

#[test]
fn a_report_has_everything_of_the_status() {
    let status = stagebox_push::OutputStatus {
        state: stagebox_push::OutputState::Waiting,
        since: Instant::now(),
        url: Some("rtmp://a/live".to_owned()),
        bitrate_kbps: 1,
        queued_ms: 2,
        sent_bytes: 3,
        dropped_frames: 4,
        reconnects: 5,
        error: Some("reason".to_owned()),
    };
    let expected = OutputStatus {
        role: OutputRole::Backup,
        state: OutputState::Waiting,
        url: Some("rtmp://a/live".to_owned()),
        bitrate_kbps: 1,
        queued_ms: 2,
        sent_bytes: 3,
        dropped_frames: 4,
        reconnects: 5,
        error: Some("reason".to_owned()),
    };
    assert_eq!(report(OutputRole::Backup, &status), expected);
}
