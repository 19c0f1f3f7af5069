//! Notifications to a receiver.

use crate::server::{Answer, Server, answer};
use reqwest::Method;
use serde_json::{Value, json};
use stagebox_cloud::event::{Input, Source};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// A receiver that notes what it gets and answers as told.
struct Receiver {
    url: String,
    got: Arc<Mutex<Vec<Value>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Reads one request's body.
async fn read(stream: &mut BufReader<TcpStream>) -> std::io::Result<Value> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(serde_json::from_slice(&body).unwrap())
}

impl Receiver {
    async fn start(response: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/secret-path", listener.local_addr().unwrap());
        let got = Arc::new(Mutex::new(Vec::new()));
        let notes = Arc::clone(&got);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let notes = Arc::clone(&notes);
                tokio::spawn(async move {
                    let mut stream = BufReader::new(stream);
                    while let Ok(body) = read(&mut stream).await {
                        notes.lock().unwrap().push(body);
                        if response.is_empty() {
                            std::future::pending::<()>().await;
                        }
                        let _ = stream.write_all(response.as_bytes()).await;
                    }
                });
            }
        });
        Self { url, got, task }
    }

    fn short(&self) -> Vec<String> {
        let got = self.got.lock().unwrap();
        got.iter()
            .map(|notice| match notice["type"].as_str().unwrap() {
                "broadcast" => notice["message"]["broadcast"]["status"].as_str().unwrap().to_owned(),
                _ => format!(
                    "{}/{}",
                    notice["message"]["stream"]["live"], notice["message"]["stream"]["recording"]
                ),
            })
            .collect()
    }

    async fn wait_for(&self, count: usize) -> Vec<String> {
        for _ in 0..500 {
            if self.got.lock().unwrap().len() >= count {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.short()
    }
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

async fn put(server: &Server, url: &str) -> Answer {
    answer(server.request(Method::PUT, "/api/v1/hook").json(&json!({ "url": url }))).await
}

async fn settled(server: &Server) -> Value {
    for _ in 0..800 {
        let hook = server.get("/api/v1/hook").await.body;
        if hook["behind"] == 0 && hook["last_delivery"] != Value::Null {
            return hook;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the hook does not settle: {:?}", server.get("/api/v1/hook").await);
}

#[tokio::test]
async fn an_event_is_told_in_order_in_the_documented_shapes() {
    let server = Server::start().await;
    let receiver = Receiver::start(OK).await;
    server.new_event("before the hook").await;
    let set = put(&server, &receiver.url).await;
    assert_eq!((set.status.as_u16(), set.body["url"].as_str()), (200, Some(receiver.url.as_str())));

    let event = server.new_event("x").await;
    let id = event["id"].as_str().unwrap().parse().unwrap();
    let events = server.running.app.events.clone();
    server.set_status(&event, "preview").await;
    events.set_receiving(&id, Input::Main, Some(Source::default())).await.unwrap();
    server.set_status(&event, "started").await;
    events.set_receiving(&id, Input::Backup, Some(Source::default())).await.unwrap();
    events.set_receiving(&id, Input::Main, None).await.unwrap();
    server.set_status(&event, "paused").await;
    server.set_status(&event, "ended").await;
    events.set_receiving(&id, Input::Backup, None).await.unwrap();
    let wanted =
        ["pending", "true/false", "live", "true/true", "paused", "true/false", "finished", "false/false"];
    assert_eq!(receiver.wait_for(wanted.len()).await, wanted);
    let first = receiver.got.lock().unwrap()[0].clone();
    let number = event["number"].as_u64().unwrap();
    assert_eq!(
        first,
        json!({ "type": "broadcast", "message": { "broadcast": { "id": number, "status": "pending" } } })
    );
    let hook = settled(&server).await;
    assert_eq!((hook["delivered"].as_u64(), hook["failed"].as_u64()), (Some(8), Some(0)), "{hook}");
    assert_eq!(hook["last_delivery"]["status"], 200);
}

#[tokio::test]
async fn nothing_is_sent_twice_after_a_power_cut_and_what_was_left_is_sent() {
    let server = Server::start().await;
    let receiver = Receiver::start(OK).await;
    put(&server, &receiver.url).await;
    let event = server.new_event("x").await;
    server.set_status(&event, "started").await;
    assert_eq!(receiver.wait_for(2).await, ["pending", "live"]);
    settled(&server).await;
    let server = server.restart_from_disk().await;
    server.set_status(&event, "ended").await;
    assert_eq!(receiver.wait_for(3).await, ["pending", "live", "finished"]);
}

#[tokio::test]
async fn a_cut_while_the_receiver_thinks_sends_nothing_twice() {
    let server = Server::start().await;
    let receiver = Receiver::start("").await;
    put(&server, &receiver.url).await;
    let event = server.new_event("x").await;
    assert_eq!(receiver.wait_for(1).await, ["pending"]);
    let server = server.restart_from_disk().await;
    server.set_status(&event, "started").await;
    assert_eq!(receiver.wait_for(2).await, ["pending", "live"]);
    let hook = server.get("/api/v1/hook").await.body;
    assert_eq!(hook["delivered"], 0, "{hook}");
}

#[tokio::test]
async fn a_receiver_that_fails_is_tried_once() {
    let server = Server::start().await;
    let failing = "HTTP/1.1 500 Broken\r\ncontent-length: 0\r\n\r\n";
    let receiver = Receiver::start(failing).await;
    put(&server, &receiver.url).await;
    let event = server.new_event("x").await;
    server.set_status(&event, "started").await;
    assert_eq!(receiver.wait_for(2).await, ["pending", "live"]);
    let hook = settled(&server).await;
    assert_eq!((hook["delivered"].as_u64(), hook["failed"].as_u64()), (Some(0), Some(2)));
    assert_eq!(hook["last_delivery"]["status"], 500);
    assert!(hook["last_delivery"]["error"].as_str().unwrap().contains("500"));
    assert_eq!(receiver.short().len(), 2);
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let server = Server::start().await;
    let target = Receiver::start(OK).await;
    let redirect = format!("HTTP/1.1 307 Go\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n", target.url);
    let receiver = Receiver::start(Box::leak(redirect.into_boxed_str())).await;
    put(&server, &receiver.url).await;
    server.new_event("x").await;
    let hook = settled(&server).await;
    assert_eq!(hook["last_delivery"]["status"], 307);
    assert!(target.short().is_empty());
}

#[tokio::test]
async fn a_receiver_that_hangs_is_given_up_after_five_seconds() {
    let server = Server::start().await;
    let receiver = Receiver::start("").await;
    put(&server, &receiver.url).await;
    server.new_event("x").await;
    let hook = settled(&server).await;
    let error = hook["last_delivery"]["error"].as_str().unwrap();
    assert!(error.contains("5 seconds"), "{hook}");
    assert!(!error.contains("secret-path"));
}

#[tokio::test]
async fn a_receiver_that_is_away_is_named_in_words() {
    let server = Server::start().await;
    put(&server, "http://127.0.0.1:1/secret-path").await;
    server.new_event("x").await;
    let hook = settled(&server).await;
    let error = hook["last_delivery"]["error"].as_str().unwrap();
    assert!(error.to_lowercase().contains("refused"), "{hook}");
    assert_eq!(hook["last_delivery"]["status"], Value::Null);
}

#[tokio::test]
async fn private_addresses_are_refused_by_number_and_by_name() {
    let server = Server::start_with(|config| config.outbound.allow.clear()).await;
    for url in ["http://127.0.0.1:9/", "http://[::1]/", "http://169.254.169.254/", "ftp://example.org/", "x"]
    {
        let refused = put(&server, url).await;
        refused.assert_problem(422);
        assert_eq!(refused.fields(), ["url"]);
    }
    let receiver = Receiver::start(OK).await;
    let by_name = receiver.url.replace("127.0.0.1", "localhost");
    assert_eq!(put(&server, &by_name).await.status, 200);
    server.new_event("x").await;
    let hook = settled(&server).await;
    assert!(hook["last_delivery"]["error"].as_str().unwrap().contains("private"), "{hook}");
    assert!(receiver.short().is_empty());
}

#[tokio::test]
async fn the_hook_is_set_and_taken_away() {
    let server = Server::start().await;
    server.get("/api/v1/hook").await.assert_problem(404);
    let receiver = Receiver::start(OK).await;
    put(&server, &receiver.url).await;
    let wrong = answer(server.request(Method::PUT, "/api/v1/hook").json(&json!({ "URL": "x" }))).await;
    assert_eq!(wrong.fields(), ["URL", "url"]);
    assert_eq!(answer(server.request(Method::DELETE, "/api/v1/hook")).await.status, 204);
    answer(server.request(Method::DELETE, "/api/v1/hook")).await.assert_problem(404);
    server.new_event("untold").await;
    put(&server, &receiver.url).await;
    let event = server.new_event("told").await;
    receiver.wait_for(1).await;
    let got = receiver.got.lock().unwrap().clone();
    assert_eq!(got[0]["message"]["broadcast"]["id"], event["number"]);
    answer(server.request(Method::PATCH, "/api/v1/hook")).await.assert_problem(405);
}
