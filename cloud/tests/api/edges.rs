//! What clients do that mean no good, or know no better: nobody else notices.

use crate::server::{EMAIL, Server, answer};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use reqwest::Method;
use serde_json::Value;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

const STEP: Duration = Duration::from_secs(20);

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

fn address(server: &Server) -> SocketAddr {
    server.url.trim_start_matches("http://").parse().unwrap()
}

/// Sends bytes and reads all that comes back.
async fn exchange(server: &Server, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address(server)).await.unwrap();
    // A server that refuses early may close while this is still sending.
    let _ = stream.write_all(bytes).await;
    let mut rest = Vec::new();
    let _ = tokio::time::timeout(STEP, stream.read_to_end(&mut rest)).await.expect("the server ends it");
    String::from_utf8_lossy(&rest).into_owned()
}

fn assert_problem(text: &str, status: u16) {
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{text:?}"));
    assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
    assert!(head.contains("application/problem+json"), "{head}");
    let body: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {text:?}"));
    assert_eq!(body["status"], status);
    assert!(body["detail"].as_str().is_some_and(|words| !words.is_empty()));
}

async fn assert_well(server: &Server) {
    let health = tokio::time::timeout(STEP, answer(server.anonymous(Method::GET, "/readyz"))).await.unwrap();
    assert_eq!(health.status, 200, "{health:?}");
}

#[tokio::test]
async fn heads_that_are_too_large_are_refused_in_words() {
    let server = Server::start().await;
    let head = |more: &str| format!("GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{more}\r\n");
    let field = |bytes: usize| format!("x-long: {}\r\n", "a".repeat(bytes));
    let many = |count: usize| (0..count).map(|number| format!("x-{number}: a\r\n")).collect::<String>();
    assert!(exchange(&server, head(&field(20_000)).as_bytes()).await.starts_with("HTTP/1.1 200 "));
    // Refused by us, and by the library before us.
    for bytes in [40_000, 100_000, 1_000_000] {
        assert_problem(&exchange(&server, head(&field(bytes)).as_bytes()).await, 431);
    }
    for count in [99, 100, 200, 2_000] {
        assert_problem(&exchange(&server, head(&many(count)).as_bytes()).await, 431);
    }
    for bytes in [9_000, 60_000, 70_000] {
        let request = format!("GET /{} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", "a".repeat(bytes));
        let answered = exchange(&server, request.as_bytes()).await;
        // Beyond what the library reads it cannot tell a long address from a long head.
        let status = if answered.starts_with("HTTP/1.1 431") { 431 } else { 414 };
        assert_problem(&answered, status);
        assert!(status == 414 || bytes > 65_000, "{bytes}: {answered}");
    }
    for garbage in ["GET  HTTP\r\n\r\n", "\0\0\0\0\r\n\r\n", "GET / HTTP/1.1\r\nhost\r\n\r\n"] {
        assert_problem(&exchange(&server, garbage.as_bytes()).await, 400);
    }
    assert_well(&server).await;
}

#[tokio::test]
async fn hundreds_of_half_sent_heads_keep_nobody_out() {
    let server = Server::start_with(|config| config.http.header_ms = 3_000).await;
    let mut held = Vec::new();
    for number in 0..600 {
        let mut stream = TcpStream::connect(address(&server)).await.unwrap();
        let half = format!("GET /healthz HTTP/1.1\r\nhost: x\r\nx-{number}: ");
        stream.write_all(&half.as_bytes()[..20 + number % 18]).await.unwrap();
        held.push(stream);
    }
    for _ in 0..50 {
        assert_well(&server).await;
    }
    for stream in &mut held {
        let _ = stream.write_all(b"x").await;
        let mut rest = Vec::new();
        let _ =
            tokio::time::timeout(STEP, stream.read_to_end(&mut rest)).await.expect("it is cut off in time");
        assert!(!rest.starts_with(b"HTTP/1.1 200"), "{rest:?}");
    }
    assert_well(&server).await;
}

#[tokio::test]
async fn an_address_has_so_many_connections_and_others_have_theirs() {
    let server = Server::start_with(|config| config.http.max_connections_per_address = 20).await;
    let from = async |last: u8| {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), 0))).unwrap();
        socket.connect(address(&server)).await.unwrap()
    };
    let ask = async |stream: &mut TcpStream| {
        let _ = stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await;
        let mut first = [0; 12];
        let read = tokio::time::timeout(STEP, stream.read_exact(&mut first)).await.unwrap();
        read.map(|_| String::from_utf8_lossy(&first).into_owned()).unwrap_or_default()
    };
    let mut held = Vec::new();
    for _ in 0..20 {
        let mut stream = from(7).await;
        assert_eq!(ask(&mut stream).await, "HTTP/1.1 200");
        held.push(stream);
    }
    let mut beyond = from(7).await;
    let mut refused = String::new();
    let _ = tokio::time::timeout(STEP, beyond.read_to_string(&mut refused)).await.unwrap();
    assert_problem(&refused, 429);
    assert_eq!(ask(&mut from(8).await).await, "HTTP/1.1 200");
    drop(held);
    let deadline = tokio::time::Instant::now() + STEP;
    while ask(&mut from(7).await).await != "HTTP/1.1 200" {
        assert!(tokio::time::Instant::now() < deadline, "places come back");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_body_that_trickles_is_cut() {
    let server = Server::start_with(|config| {
        config.http.body_wait_ms = 500;
        config.http.body_bytes_per_s = 100;
    })
    .await;
    let login = basic(EMAIL, &server.password);
    let mut stream = TcpStream::connect(address(&server)).await.unwrap();
    let head = format!(
        "POST /api/v1/events HTTP/1.1\r\nhost: x\r\nauthorization: {login}\r\n\
         content-type: application/json\r\ncontent-length: 1000\r\n\r\n{{"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let (mut reading, mut writing) = stream.into_split();
    let trickle = tokio::spawn(async move {
        while writing.write_all(b" ").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    let mut rest = String::new();
    tokio::time::timeout(STEP, reading.read_to_string(&mut rest)).await.unwrap().unwrap();
    assert_problem(&rest, 408);
    trickle.abort();
    assert_eq!(server.get("/api/v1/events").await.body["data"], serde_json::json!([]));
}

#[tokio::test]
async fn a_request_that_is_cut_anywhere_does_nothing_or_all() {
    let server = Server::start().await;
    let login = basic(EMAIL, &server.password);
    let body = "{\"title\":\"cut\"}";
    let request = format!(
        "POST /api/v1/events HTTP/1.1\r\nhost: x\r\nauthorization: {login}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    assert_eq!(server.get("/api/v1/events").await.status, 200, "the password is known from now on");
    for length in 0..request.len() {
        let mut stream = TcpStream::connect(address(&server)).await.unwrap();
        stream.write_all(&request.as_bytes()[..length]).await.unwrap();
        if length % 2 == 0 {
            // In one way or the other.
            stream.set_zero_linger().unwrap();
        }
    }
    assert_well(&server).await;
    assert_eq!(
        server.get("/api/v1/events").await.body["data"],
        serde_json::json!([]),
        "nothing is half-made"
    );
    let whole =
        exchange(&server, request.replacen("host: x", "host: x\r\nconnection: close", 1).as_bytes()).await;
    assert!(whole.starts_with("HTTP/1.1 201 "), "{whole}");
    assert_eq!(server.get("/api/v1/events").await.body["data"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_connections_are_served() {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    let (limit, _) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    // Both ends are in this process, and the server needs some files too.
    let count = ((limit.saturating_sub(500)) / 2).min(10_000) as usize;
    println!("{count} connections: the limit of open files was {soft}, and is {limit}");
    let server = Server::start_with(|config| {
        config.http.max_connections = 10_100;
        config.http.max_connections_per_address = 2_000;
        config.http.header_ms = 120_000;
    })
    .await;
    let mut held = Vec::with_capacity(count);
    for number in 0..count {
        let socket = TcpSocket::new_v4().unwrap();
        let own = Ipv4Addr::new(127, 0, 1, (number / 1_000) as u8 + 1);
        socket.bind(SocketAddr::from((own, 0))).unwrap();
        held.push(socket.connect(address(&server)).await.unwrap());
    }
    for stream in &mut held {
        stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    }
    for stream in &mut held {
        let mut first = [0; 12];
        tokio::time::timeout(STEP, stream.read_exact(&mut first)).await.unwrap().unwrap();
        assert_eq!(&first, b"HTTP/1.1 200");
    }
    assert_eq!(server.running.app.http_counters.connections() as usize, count);
    assert_well(&server).await;
}

/// A frame of HTTP/2 (RFC 9113, 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A `GET` by HPACK's static table, and a literal path and authority.
fn get(path: &str) -> Vec<u8> {
    let mut block = vec![0x82, 0x86, 0x04, path.len() as u8];
    block.extend_from_slice(path.as_bytes());
    block.extend_from_slice(&[0x01, 1, b'x']);
    block
}

fn get_healthz() -> Vec<u8> {
    get("/healthz")
}

async fn open_h2(server: &Server) -> TcpStream {
    open_h2_with(server, &[]).await
}

/// With settings (RFC 9113, 6.5.1).
async fn open_h2_with(server: &Server, settings: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address(server)).await.unwrap();
    let settings = frame(4, 0, 0, settings);
    stream.write_all(&[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(), &settings].concat()).await.unwrap();
    stream
}

/// Sends frames until the server says that it is enough (GOAWAY or the end), and tells whether it did.
async fn flood(stream: TcpStream, frames: impl Iterator<Item = Vec<u8>> + Send + 'static) -> bool {
    let (mut reading, mut writing) = stream.into_split();
    let sends = tokio::spawn(async move {
        for frame in frames {
            if writing.write_all(&frame).await.is_err() {
                return;
            }
        }
        // What was sent is to be judged, not that it ended.
        tokio::time::sleep(STEP).await;
    });
    let ended = tokio::time::timeout(STEP, async {
        let mut head = [0; 9];
        loop {
            if reading.read_exact(&mut head).await.is_err() || head[3] == 7 {
                return;
            }
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
            let mut payload = vec![0; length];
            if reading.read_exact(&mut payload).await.is_err() {
                return;
            }
        }
    });
    let ended = ended.await.is_ok();
    sends.abort();
    ended
}

#[tokio::test]
async fn http_2_is_not_abused() {
    let server = Server::start().await;
    // Requests that are taken back at once (CVE-2023-44487).
    let reset = (0..50_000u32).map(|number| {
        let stream = number * 2 + 1;
        [frame(1, 0x5, stream, &get_healthz()), frame(3, 0, stream, &8u32.to_be_bytes())].concat()
    });
    assert!(flood(open_h2(&server).await, reset).await, "rapid reset goes on");
    // A header that never ends (CVE-2024-27316).
    let begin = frame(1, 0x1, 1, &get_healthz());
    // A literal field without indexing.
    let field = [&[0x00, 3][..], b"x-a", &[100], &[b'a'; 100]].concat();
    let pieces = (0..200_000u32).map(move |_| frame(9, 0, 1, &field));
    assert!(flood(open_h2(&server).await, std::iter::once(begin).chain(pieces)).await, "a header goes on");
    // Settings and pings that all want an answer, which nobody reads.
    let pings = (0..2_000_000u32).map(|_| frame(6, 0, 0, &[0; 8]));
    let _ = tokio::time::timeout(Duration::from_secs(3), flood(open_h2(&server).await, pings)).await;
    assert_well(&server).await;
}

#[tokio::test]
async fn an_idle_connection_ends() {
    let server = Server::start_with(|config| {
        config.http.header_ms = 100_000;
        config.http.idle_ms = 300;
    })
    .await;
    let mut plain = TcpStream::connect(address(&server)).await.unwrap();
    plain.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut rest = String::new();
    tokio::time::timeout(STEP, plain.read_to_string(&mut rest)).await.unwrap().unwrap();
    assert!(rest.starts_with("HTTP/1.1 200 "), "{rest}");
    let second = flood(open_h2(&server).await, std::iter::once(frame(1, 0x5, 1, &get_healthz()))).await;
    assert!(second, "one of HTTP/2 ends too");
}

#[tokio::test]
async fn a_reader_who_takes_nothing_is_cut() {
    let server = Server::start_with(|config| {
        config.http.header_ms = 100_000;
        config.http.idle_ms = 600;
    })
    .await;
    let whole = frame(1, 0x5, 1, &get("/api/docs/swagger-ui-bundle.js"));
    for window in [0u32, 1, 1000] {
        // SETTINGS_INITIAL_WINDOW_SIZE
        let settings = [&[0, 4][..], &window.to_be_bytes()].concat();
        let mut stream = open_h2_with(&server, &settings).await;
        stream.write_all(&whole).await.unwrap();
        let mut rest = Vec::new();
        let read = tokio::time::timeout(STEP, stream.read_to_end(&mut rest)).await;
        assert!(read.is_ok(), "a window of {window} keeps the connection");
    }
    // One who reads slowly, but reads, gets all of it, far beyond what an idle one may stay.
    let mut slow = TcpStream::connect(address(&server)).await.unwrap();
    socket2::SockRef::from(&slow).set_recv_buffer_size(8 * 1024).unwrap();
    slow.write_all(b"GET /api/docs/swagger-ui-bundle.js HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    let (mut total, mut piece) = (0, vec![0; 40_000]);
    loop {
        let read = tokio::time::timeout(STEP, slow.read(&mut piece)).await.unwrap().unwrap();
        total += read;
        if read == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(total > 1_000_000, "{total} bytes came");
    assert_well(&server).await;
}

#[tokio::test]
async fn what_comes_at_once_may_not_stand_still() {
    let server = Server::start_with(|config| config.http.body_wait_ms = 500).await;
    let login = basic(EMAIL, &server.password);
    let head = |more: &str, length: usize| {
        format!(
            "POST /api/v1/{more}content-type: application/json\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
        )
    };
    // At the rate that is asked for this much would buy more than ten minutes.
    let begun = head(&format!("events HTTP/1.1\r\nhost: x\r\nauthorization: {login}\r\n"), 1_000_000);
    let answered = exchange(&server, &[begun.as_bytes(), &[b' '; 900_000]].concat()).await;
    assert_problem(&answered, 408);
    // Whoever has not said who they are has not much to say.
    let stranger = head("session HTTP/1.1\r\nhost: x\r\n", 20_000);
    assert_problem(&exchange(&server, &[stranger.as_bytes(), &[b' '; 20_000]].concat()).await, 413);
}
