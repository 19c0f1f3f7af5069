//! The end of a process under load, and what its log tells.

use crate::process::{Program, command};
use crate::server::EMAIL;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// One HTTP/1.1 connection that is used again until it is told not to.
struct Connection {
    stream: BufReader<TcpStream>,
    /// The server said that this was its last answer.
    last: bool,
}

impl Connection {
    async fn open(address: &str) -> Option<Self> {
        let stream = TcpStream::connect(address).await.ok()?;
        Some(Self { stream: BufReader::new(stream), last: false })
    }

    /// One request and its whole answer.
    async fn ask(&mut self) -> std::io::Result<()> {
        self.stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await?;
        let (mut length, mut line) = (0, String::new());
        loop {
            line.clear();
            if self.stream.read_line(&mut line).await? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            let text = line.trim().to_ascii_lowercase();
            if let Some(value) = text.strip_prefix("content-length: ") {
                length = value.parse().unwrap();
            }
            self.last |= text == "connection: close";
            if text.is_empty() {
                break;
            }
        }
        self.stream.read_exact(&mut vec![0; length]).await.map(|_| ())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_drops_no_request_of_a_client_that_can_go_elsewhere() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let directories = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let mut first = Program::start(&directories[0], &[]).await;
    let second = Program::start(&directories[1], &[]).await;
    let address = |program: &Program| program.url.trim_start_matches("http://").to_owned();
    let addresses = Arc::new([address(&first), address(&second)]);
    let (done, ends) = (Arc::new([AtomicU64::new(0), AtomicU64::new(0)]), Arc::new(AtomicBool::new(false)));
    let clients: Vec<_> = (0..24)
        .map(|_| {
            let (addresses, done, ends) = (Arc::clone(&addresses), Arc::clone(&done), Arc::clone(&ends));
            tokio::spawn(async move {
                while !ends.load(Ordering::Relaxed) {
                    // To the second where the first does not listen any more.
                    let (mut connection, at) = match Connection::open(&addresses[0]).await {
                        Some(connection) => (connection, 0),
                        None => (Connection::open(&addresses[1]).await.unwrap(), 1),
                    };
                    for _ in 0..20 {
                        connection
                            .ask()
                            .await
                            .unwrap_or_else(|error| panic!("a request was dropped: {error}"));
                        done[at].fetch_add(1, Ordering::Relaxed);
                        if connection.last {
                            break;
                        }
                    }
                }
            })
        })
        .collect();
    let reached = async |place: usize, count: u64| {
        while done[place].load(Ordering::Relaxed) < count {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), reached(0, 2_000)).await.expect("the first answers");
    kill(Pid::from_raw(first.child.id().unwrap() as i32), Signal::SIGTERM).unwrap();
    tokio::time::timeout(Duration::from_secs(30), reached(1, 2_000)).await.expect("the second takes over");
    let status = tokio::time::timeout(Duration::from_secs(20), first.child.wait()).await.unwrap().unwrap();
    assert!(status.success(), "{status}");
    ends.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.expect("no request was dropped");
    }
    println!("{} and {} requests", done[0].load(Ordering::Relaxed), done[1].load(Ordering::Relaxed));
}

#[tokio::test]
async fn a_stop_is_seen_at_once_and_running_requests_end() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let directory = tempfile::tempdir().unwrap();
    let mut program = Program::start(&directory, &[]).await;
    let password = program.password();
    let address = program.url.trim_start_matches("http://").to_owned();
    let client = Client::builder().no_proxy().build().unwrap();
    let stream = client.get(format!("{}/api/v1/stream", program.url)).basic_auth(EMAIL, Some(&password));
    let stream = stream.send().await.unwrap();
    let mut kept = TcpStream::connect(&address).await.unwrap();
    let half = "POST /api/v1/session HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{";
    let mut half_sent = TcpStream::connect(&address).await.unwrap();
    half_sent.write_all(half.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    kill(Pid::from_raw(program.child.id().unwrap() as i32), Signal::SIGTERM).unwrap();
    // Nobody new is taken.
    while TcpStream::connect(&address).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    kept.write_all(b"GET /readyz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut told = String::new();
    tokio::time::timeout(Duration::from_secs(10), kept.read_to_string(&mut told)).await.unwrap().unwrap();
    assert!(told.starts_with("HTTP/1.1 503 ") && told.contains("connection: close"), "{told}");
    half_sent.write_all(b"}").await.unwrap();
    let mut answered = String::new();
    tokio::time::timeout(Duration::from_secs(10), half_sent.read_to_string(&mut answered))
        .await
        .unwrap()
        .unwrap();
    assert!(answered.starts_with("HTTP/1.1 422 "), "{answered}");
    tokio::time::timeout(Duration::from_secs(10), stream.text()).await.unwrap().expect("it is told to end");
    let status = tokio::time::timeout(Duration::from_secs(20), program.child.wait()).await.unwrap().unwrap();
    assert!(status.success(), "{status}");
}

#[tokio::test]
async fn the_log_is_json_names_requests_and_tells_no_secrets() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    let mut command = command(&directory);
    command
        .env("STAGEBOX_LOG__FORMAT", "json")
        .env("STAGEBOX_LOG", "info,stagebox_cloud::access=debug")
        .env("STAGEBOX_HTTP__TRUSTED_PROXIES", "[\"127.0.0.2/32\"]")
        .stderr(Stdio::from(std::fs::File::create(&log).unwrap()));
    let mut program = Program::run(command, &directory, &[]).await;
    let password = program.password();
    let client = Client::builder().no_proxy().build().unwrap();
    let get = |path: &str| {
        client.request(Method::GET, format!("{}{path}", program.url)).header("x-request-id", "lied")
    };
    let mut ids = HashSet::new();
    for _ in 0..3 {
        let answer = get("/api/v1/events?after=secret-in-query").basic_auth(EMAIL, Some(&password)).send();
        let answer = answer.await.unwrap();
        let id = answer.headers()["x-request-id"].to_str().unwrap().to_owned();
        assert_ne!(id, "lied", "only a trusted proxy names requests");
        ids.insert(id);
    }
    let wrong = client.post(format!("{}/api/v1/session", program.url));
    let wrong = wrong.json(&json!({ "email": EMAIL, "password": "not-the-password" })).send().await.unwrap();
    let failed = wrong.headers()["x-request-id"].to_str().unwrap().to_owned();
    let proxied = Client::builder().no_proxy().local_address("127.0.0.2".parse().ok()).build().unwrap();
    let proxied = proxied.get(format!("{}/healthz", program.url)).header("x-request-id", "from-the-proxy");
    assert_eq!(proxied.send().await.unwrap().headers()["x-request-id"], "from-the-proxy");
    kill(Pid::from_raw(program.child.id().unwrap() as i32), Signal::SIGTERM).unwrap();
    program.child.wait().await.unwrap();
    let text = std::fs::read_to_string(&log).unwrap();
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    let of = |id: &str| lines.iter().filter(|line| line["span"]["id"] == id).collect::<Vec<_>>();
    for id in &ids {
        let line = of(id)[0];
        assert_eq!(
            (line["path"].as_str(), line["status"].as_u64()),
            (Some("/api/v1/events"), Some(422)),
            "{line}"
        );
        assert!(line["user"].as_str().unwrap().starts_with("usr_") && line["bytes"].as_u64().unwrap() > 10);
        assert!(line["ms"].is_number() && line["method"] == "GET" && line["level"] == "DEBUG");
    }
    assert_eq!(ids.len(), 3);
    let words: Vec<_> = of(&failed).iter().filter_map(|line| line["message"].as_str()).collect();
    assert!(words.contains(&"a login failed") && words.contains(&"answered"), "{words:?}");
    for secret in ["secret-in-query", "not-the-password", &password, "Basic "] {
        assert!(!text.contains(secret), "{secret} is in the log");
    }
}
