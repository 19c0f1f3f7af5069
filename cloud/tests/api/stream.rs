//! The administrator's server-sent events.

use crate::server::{Server, answer};
use reqwest::{Method, Response};
use serde_json::Value;
use stagebox_cloud::event::{Input, Source};
use std::time::Duration;

/// Reads events off a stream.
struct Reader {
    response: Response,
    buffer: String,
}

impl Reader {
    async fn open(server: &Server, last: Option<&str>) -> Self {
        let mut request = server.request(Method::GET, "/api/v1/stream");
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut reader = Self { response, buffer: String::new() };
        assert_eq!(reader.next().await.0, "alive");
        assert_eq!(reader.next().await.0, "alarms");
        reader
    }

    /// The next event's name, id and data.
    async fn next(&mut self) -> (String, String, Value) {
        loop {
            if let Some(end) = self.buffer.find("\n\n") {
                let block: String = self.buffer.drain(..end + 2).collect();
                let field = |name: &str| {
                    let line = block.lines().find_map(|line| line.strip_prefix(&format!("{name}:")));
                    line.unwrap_or_default().trim().to_owned()
                };
                let data = serde_json::from_str(&field("data")).unwrap();
                return (field("event"), field("id"), data);
            }
            let chunk = tokio::time::timeout(Duration::from_secs(5), self.response.chunk()).await;
            self.buffer.push_str(std::str::from_utf8(&chunk.unwrap().unwrap().unwrap()).unwrap());
        }
    }

    async fn change(&mut self) -> (String, Value) {
        loop {
            let (name, id, data) = self.next().await;
            match name.as_str() {
                "change" => return (id, data),
                "alive" | "telemetry" | "alarms" => {}
                other => panic!("{other}"),
            }
        }
    }
}

#[tokio::test]
async fn changes_come_as_they_happen_and_a_reader_takes_up_where_it_was() {
    let server = Server::start().await;
    let mut reader = Reader::open(&server, None).await;
    let event = server.new_event("x").await;
    let (_, first) = reader.change().await;
    assert_eq!((first["kind"].as_str(), first["change"].as_str()), (Some("event"), Some("created")));
    assert_eq!(first["id"], event["id"]);
    let (last, _) = reader.change().await;

    let id = event["id"].as_str().unwrap().parse().unwrap();
    server.running.app.events.set_receiving(&id, Input::Main, Some(Source::default())).await.unwrap();
    let (_, receiving) = reader.change().await;
    assert_eq!((receiving["kind"].as_str(), receiving["change"].as_str()), (Some("event"), Some("updated")));
    drop(reader);
    server.set_status(&event, "started").await;

    let mut again = Reader::open(&server, Some(&last)).await;
    assert_eq!(again.change().await.1, receiving);
    let (_, started) = again.change().await;
    assert_eq!(started["version"], 2);
    assert!(!started.to_string().contains(event["inputs"]["main"]["key"].as_str().unwrap()));
}

#[tokio::test]
async fn a_cursor_from_another_life_is_reset() {
    let server = Server::start().await;
    server.new_event("x").await;
    let mut reader = Reader::open(&server, Some("999999")).await;
    let (name, id, _) = reader.next().await;
    assert_eq!(name, "reset");
    let head = *server.running.app.store.journal_head(stagebox_cloud::store::Account::FIRST).borrow();
    assert_eq!(id, head.to_string());
    let wrong = server.request(Method::GET, "/api/v1/stream").header("last-event-id", "x");
    answer(wrong).await.assert_problem(400);
    answer(server.request(Method::POST, "/api/v1/stream")).await.assert_problem(405);
}
