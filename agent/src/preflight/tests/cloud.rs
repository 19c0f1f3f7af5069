#![allow(clippy::disallowed_methods, reason = "tests wait for real connections")]

use std::time::Duration;

use stagebox_protocol::preflight::PreflightVerdict::{Fail, Pass, Skipped};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::super::judge::Stream;
use super::super::{Finding, upload};
use crate::config::{CloudConfig, Secret};
use crate::trust::Trust;

const STREAM: Stream =
    Stream { video_kbps: 800, audio_kbps: 128, overhead_percent: 5, outputs: 1, backup_beside_main: false };

/// A cloud that answers one request with this, once it has its head and body; gives what it read.
async fn cloud(status: u16, body: &'static str) -> (CloudConfig, JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/base/", listener.local_addr().unwrap());
    let served = tokio::spawn(async move {
        let (mut tcp, _) = listener.accept().await.unwrap();
        let mut heard = Vec::new();
        // A chunk without bytes ends a body (RFC 9112, 7.1).
        while !heard.ends_with(b"\r\n0\r\n\r\n") && tcp.read_buf(&mut heard).await.unwrap() > 0 {}
        let head = format!("HTTP/1.1 {status} Some\r\ncontent-length: {}\r\n\r\n", body.len());
        tcp.write_all(&[head.as_bytes(), body.as_bytes()].concat()).await.unwrap();
        heard
    });
    (config(&url), served)
}

fn config(url: &str) -> CloudConfig {
    CloudConfig {
        url: url.to_owned(),
        id: "box_1".to_owned(),
        secret: Secret::new("secret"),
        mqtt_url: "mqtt://127.0.0.1:1".to_owned(),
        ca_file: None,
        tls_fingerprint: None,
    }
}

async fn measured(cloud: &CloudConfig) -> Finding {
    upload::look(cloud, &Trust::default(), Duration::from_millis(50), STREAM).await
}

#[tokio::test]
async fn what_the_cloud_counted_is_what_the_line_carries() {
    let (config, served) = cloud(200, r#"{"bytes":250000,"ms":1000,"later":1}"#).await;
    let finding = measured(&config).await;
    assert_eq!((finding.verdict, finding.upload_kbps), (Pass, Some(2_000)), "{finding:?}");
    let heard = served.await.unwrap();
    let head = String::from_utf8_lossy(&heard[..300]).to_ascii_lowercase();
    assert!(head.starts_with("post /base/api/v1/devices/self/upload-test http/1.1\r\n"), "{head}");
    assert!(head.contains("authorization: basic ") && heard.len() > 64 * 1024, "{head}");
}

#[tokio::test]
async fn a_cloud_that_does_not_measure_says_nothing_of_the_line() {
    for (status, body, verdict, words) in [
        (404, "", Skipped, "cannot measure"),
        (429, "", Skipped, "measures no more uploads"),
        (401, "", Fail, "does not accept this box"),
        (500, "", Fail, "answered 500"),
        (200, "<html>", Skipped, "not readable"),
    ] {
        let (config, _served) = cloud(status, body).await;
        let finding = measured(&config).await;
        assert_eq!(finding.verdict, verdict, "{status}: {finding:?}");
        assert!(finding.said.contains(words), "{status}: {finding:?}");
    }
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", gone.local_addr().unwrap());
    drop(gone);
    let finding = measured(&config(&url)).await;
    assert_eq!(finding.verdict, Fail, "{finding:?}");
    assert!(finding.said.contains("cannot be reached"), "{finding:?}");
}
