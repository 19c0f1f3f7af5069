//! TLS over TCP, and what is said of a server that is not who it should be.
#![allow(clippy::disallowed_methods, reason = "tests wait for real servers")]

use std::net::SocketAddr;
use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::book::Book;
use super::own::{config, wait, wait_sending};
use crate::{
    ConnectError, Connector, Hub, OutputHandle, Patience, StreamKey, Target, Times, Tls, Transport, over_tcp,
    spawn,
};

/// A way to one address, whatever the target's, that believes one certificate or none.
struct Encrypted {
    address: SocketAddr,
    config: Arc<ClientConfig>,
}

impl Connector for Encrypted {
    async fn connect(&self, target: &Target, second_bytes: u32) -> Result<Box<dyn Transport>, ConnectError> {
        let tcp = TcpStream::connect(self.address).await?;
        let tls = Tls { host: target.host(), config: Arc::clone(&self.config) };
        Ok(over_tcp(tcp, second_bytes, Some(tls)).await?)
    }
}

/// A server for RTMPS and its certificate.
async fn server(book: Book, name: &str) -> (SocketAddr, CertificateDer<'static>) {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().self_signed(&key).unwrap();
    let certificate = certificate.der().clone();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            let (acceptor, book) = (acceptor.clone(), book.clone());
            tokio::spawn(async move { book.serve(acceptor.accept(tcp).await.ok()?).await });
        }
    });
    (address, certificate)
}

fn output(address: SocketAddr, trusted: Option<CertificateDer<'static>>) -> OutputHandle {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(trusted);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let way = Encrypted { address, config: Arc::new(tls) };
    let output = spawn(config(Times::FromZero, Patience::POLITE), way, Hub::new());
    output.set_target(Some(Target::parse("rtmps://live.example.org/app", StreamKey::new("key")).unwrap()));
    output.set_live(true);
    output
}

#[tokio::test]
async fn a_server_of_the_right_name_is_sent_to() {
    let (address, certificate) = server(Book::default(), "live.example.org").await;
    wait_sending(&output(address, Some(certificate))).await;
}

#[tokio::test]
async fn another_one_is_named() {
    let (address, certificate) = server(Book::default(), "elsewhere.example").await;
    let failed = |words: &str| Some(format!("TLS with live.example.org:443 failed: {words}"));
    let status = wait(&output(address, Some(certificate)), |status| status.error.is_some()).await;
    assert_eq!(status.error, failed("the server's certificate is for another name"));
    let status = wait(&output(address, None), |status| status.error.is_some()).await;
    assert_eq!(status.error, failed("the server's certificate comes from nobody who is trusted"));
    let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = plain.local_addr().unwrap();
    tokio::spawn(async move { Book::default().serve(plain.accept().await.unwrap().0).await });
    let status = wait(&output(address, None), |status| status.error.is_some()).await;
    assert_eq!(status.error.as_deref(), Some("the server closed the connection"));
}

#[tokio::test]
async fn a_connection_keeps_little_where_it_cannot_be_dropped() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let tcp = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap().into_std().unwrap();
    let twin = tcp.try_clone().unwrap();
    let _transport = over_tcp(TcpStream::from_std(tcp).unwrap(), 400_000, None).await.unwrap();
    let socket = SockRef::from(&twin);
    assert!(socket.tcp_nodelay().unwrap());
    assert_eq!(socket.tcp_notsent_lowat().unwrap(), 32 * 1024);
    assert_eq!(socket.send_buffer_size().unwrap(), 2 * 200_000);
    assert!(socket.tcp_user_timeout().unwrap().is_some());
}
