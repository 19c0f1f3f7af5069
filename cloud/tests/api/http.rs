//! What holds for every address: problems, limits, headers, health, the end.

use crate::server::{Server, answer, config};
use reqwest::Method;
use serde_json::json;
use stagebox_cloud::clock::Clock;
use stagebox_cloud::serve;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::test]
async fn bad_requests_are_explained() {
    let server = Server::start().await;
    let post = || server.request(Method::POST, "/api/v1/events");
    let json_type = ("content-type", "application/json");
    for (request, status, word) in [
        (post().header(json_type.0, json_type.1).body("{"), 400, "JSON"),
        (post().header(json_type.0, json_type.1).body("[1]"), 400, "object"),
        (post().header(json_type.0, json_type.1).body(""), 400, "JSON"),
        (post().header(json_type.0, json_type.1).body(vec![0xff; 9]), 400, "JSON"),
        (post().header("content-type", "text/plain").body("{}"), 415, "application/json"),
        (post().body("{}"), 415, "application/json"),
        (post().header(json_type.0, json_type.1).body(vec![b' '; 2 << 20]), 413, "bytes"),
        (server.request(Method::DELETE, "/api/v1/events"), 405, "GET"),
        (server.request(Method::GET, "/api/v1/nothing"), 404, "nothing"),
        (server.request(Method::GET, "/api/v2/events"), 404, "nothing"),
        (server.request(Method::GET, "/api"), 404, "nothing"),
        (server.request(Method::GET, "/api/v1/events/evt_nonsense"), 404, "evt_nonsense"),
        (server.request(Method::GET, "/api/v1/events/evt_00000000000000000000"), 404, "evt_"),
        (server.request(Method::GET, "/api/v1/events?limit=0&colour=red&after=%21"), 422, "limit"),
    ] {
        let answer = answer(request).await;
        answer.assert_problem(status);
        assert!(answer.text.contains(word), "{word}: {answer:?}");
    }
    let many = server.get("/api/v1/events?limit=0&colour=red&after=%21").await;
    assert_eq!(many.fields(), ["after", "colour", "limit"]);
}

#[tokio::test]
async fn a_body_without_a_length_is_limited_too() {
    let server = Server::start().await;
    let pieces = futures_util::stream::iter((0..64).map(|_| Ok::<_, std::io::Error>(vec![b' '; 64 * 1024])));
    let request = server
        .request(Method::POST, "/api/v1/events")
        .header("content-type", "application/json")
        .body(reqwest::Body::wrap_stream(pieces));
    // The server may have hung up before all was sent; what matters is that it did not take it.
    if let Ok(response) = request.send().await {
        assert_eq!(response.status(), 413);
    }
    assert_eq!(server.get("/api/v1/events").await.body["data"], json!([]));
}

#[tokio::test]
async fn answers_carry_security_headers() {
    let server = Server::start().await;
    let answer = server.get("/api/v1/events").await;
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert_eq!(answer.header("x-frame-options"), "DENY");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert!(answer.header("content-security-policy").contains("frame-ancestors 'none'"));
}

#[tokio::test]
async fn health_is_told() {
    let server = Server::start().await;
    for (path, word) in [("/healthz", "ok"), ("/readyz", "ready"), ("/metrics", "stagebox_ready 1")] {
        let answer = answer(server.anonymous(Method::GET, path)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(answer.text.contains(word), "{answer:?}");
    }
    answer(server.anonymous(Method::POST, "/readyz")).await.assert_problem(405);
}

#[tokio::test]
async fn http_2_is_spoken_without_an_upgrade() {
    let server = Server::start().await;
    let mut stream = TcpStream::connect(server.url.trim_start_matches("http://")).await.unwrap();
    // The connection preface and an empty SETTINGS frame (RFC 9113, 3.4).
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let mut frame = [0; 9];
    stream.read_exact(&mut frame).await.unwrap();
    assert_eq!(frame[3], 4, "the server's SETTINGS come first");
}

#[tokio::test]
async fn oversized_headers_and_garbage_do_no_harm() {
    let server = Server::start().await;
    let address = server.url.trim_start_matches("http://").to_owned();
    let mut long = b"GET /healthz HTTP/1.1\r\nhost: x\r\nx: ".to_vec();
    long.extend(std::iter::repeat_n(b'a', 100_000));
    for bytes in [&long[..], b"\x16\x03\x01\x02\0\x01", b"GET  HTTP\r\n\r\n", &[0; 5000]] {
        let mut stream = TcpStream::connect(&address).await.unwrap();
        let _ = stream.write_all(bytes).await;
        let _ = stream.shutdown().await;
        let mut rest = Vec::new();
        let _ = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut rest)).await.unwrap();
    }
    assert_eq!(answer(server.anonymous(Method::GET, "/healthz")).await.status, 200);
}

#[tokio::test]
async fn a_port_in_use_is_named_with_its_field() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let mut config = config(&data);
    config.http.listen = taken.local_addr().unwrap();
    let error = serve::start(config, Clock::system(), |_| Ok(())).await.err().unwrap().to_string();
    assert!(error.contains("http.listen") && error.contains("another program"), "{error}");
    assert!(!data.exists(), "nothing is begun when the port is taken");
}

#[tokio::test]
async fn data_in_use_is_named() {
    let server = Server::start().await;
    let config = config(&server.running.app.config.data_dir);
    let error = serve::start(config, Clock::system(), |_| Ok(())).await.err().unwrap().to_string();
    assert!(error.contains("data_dir") && error.contains("another stagebox-cloud"), "{error}");
}

#[tokio::test]
async fn the_end_lets_requests_finish_and_ends_streams() {
    let server = Server::start().await;
    let stream = server.request(Method::GET, "/api/v1/stream").send().await.unwrap();
    assert_eq!(stream.status(), 200);
    let app = server.running.app.clone();
    tokio::time::timeout(Duration::from_secs(5), server.running.stop()).await.unwrap();
    assert!(!app.is_ready());
    tokio::time::timeout(Duration::from_secs(1), stream.text()).await.unwrap().unwrap();
}
