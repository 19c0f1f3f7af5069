#![allow(clippy::disallowed_methods, reason = "tests wait for real connections")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::BytesMut;
use stagebox_media::rtmp::{ServerConfig, ServerSession};
use stagebox_protocol::preflight::PreflightVerdict::{self, Fail, Pass};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::super::server::look;
use crate::push::tests::self_signed;
use crate::trust::{Fingerprint, Trust};

/// A server of our own; `published` counts whoever wants to publish.
async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, published: &AtomicUsize) {
    let mut session = ServerSession::new(ServerConfig::default());
    let mut input = BytesMut::new();
    while let Ok(event) = session.next(&mut input) {
        if event.is_some() {
            published.fetch_add(1, Ordering::SeqCst);
        }
        if stream.write_all_buf(session.output()).await.is_err() {
            return;
        }
        if event.is_none() && !matches!(stream.read_buf(&mut input).await, Ok(1..)) {
            return;
        }
    }
}

/// The port of a server, with TLS or without, and how many wanted to publish.
async fn server(tls: Option<TlsAcceptor>) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let published = Arc::new(AtomicUsize::new(0));
    let counts = Arc::clone(&published);
    tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            match &tls {
                None => serve(tcp, &counts).await,
                Some(tls) => {
                    if let Ok(stream) = tls.accept(tcp).await {
                        serve(stream, &counts).await;
                    }
                }
            }
        }
    });
    (port, published)
}

async fn is(url: &str, trust: &Trust, verdict: PreflightVerdict, words: &[&str]) {
    let finding = look(url, trust).await;
    assert_eq!(finding.verdict, verdict, "{url}: {finding:?}");
    assert!(words.iter().all(|word| finding.said.contains(word)), "{url}: {finding:?}");
    assert_eq!(finding.fix.is_some(), verdict != Pass, "{finding:?}");
}

#[tokio::test]
async fn a_server_is_connected_to_and_nothing_is_published() {
    let (port, published) = server(None).await;
    let url = format!("rtmp://127.0.0.1:{port}/live");
    let words = [&format!("127.0.0.1:{port} takes the connection: name "), " ms, connection ", " ms, RTMP "];
    is(&url, &Trust::default(), Pass, &words).await;
    is(&url, &Trust::default(), Pass, &["takes the connection"]).await;
    assert_eq!(published.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn what_a_server_lacks_is_told() {
    let trust = Trust::default();
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = gone.local_addr().unwrap().port();
    drop(gone);
    let nobody = format!("nothing accepts connections at 127.0.0.1:{port}");
    is(&format!("rtmp://127.0.0.1:{port}/live"), &trust, Fail, &[&nobody]).await;
    is(
        "rtmp://there-is-no-such-host.invalid/live",
        &trust,
        Fail,
        &["the name there-is-no-such-host.invalid"],
    )
    .await;
    is("rtmp://host", &trust, Fail, &["names no application"]).await;
    // Some other server, which hangs up on what it does not understand.
    let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = other.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (mut tcp, _) = other.accept().await.unwrap();
            let mut heard = [0; 2048];
            let _ = tcp.read(&mut heard).await;
            let _ = tcp.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    is(&format!("rtmp://127.0.0.1:{port}/live"), &trust, Fail, &[&format!("127.0.0.1:{port}: ")]).await;
}

#[tokio::test]
async fn whom_the_box_does_not_trust_it_does_not_send_to() {
    let (acceptor, der) = self_signed();
    let (port, published) = server(Some(acceptor)).await;
    let url = format!("rtmps://127.0.0.1:{port}/live");
    is(&url, &Trust::pinned(Fingerprint::of(&der)), Pass, &["TLS ", "RTMP "]).await;
    let words = ["TLS with 127.0.0.1", "is not the one of cloud.tls_fingerprint"];
    is(&url, &Trust::pinned(Fingerprint::of(b"another")), Fail, &words).await;
    // A port without TLS.
    let (plain, _) = server(None).await;
    is(&format!("rtmps://127.0.0.1:{plain}/live"), &Trust::pinned(Fingerprint::of(&der)), Fail, &[]).await;
    assert_eq!(published.load(Ordering::SeqCst), 0);
}
