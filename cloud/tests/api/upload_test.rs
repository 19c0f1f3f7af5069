//! A box's line is measured: what it sends is counted, within limits.
#![allow(clippy::disallowed_methods, reason = "a test: it waits for the server")]

use crate::server::{Answer, Server, answer};
use bytes::Bytes;
use futures_util::stream;
use reqwest::{Body, Method, RequestBuilder};
use serde_json::{Value, json};
use std::io;
use std::time::Duration;
use tokio::sync::mpsc;

const PATH: &str = "/api/v1/devices/self/upload-test";

struct Measured {
    server: Server,
    id: String,
    secret: String,
}

impl Measured {
    async fn start() -> Self {
        let server = Server::start().await;
        let device = server.post("/api/v1/devices", json!({ "name": "Box" })).await.body;
        let text = |field: &str| device[field].as_str().unwrap().to_owned();
        Self { id: text("id"), secret: text("secret"), server }
    }

    fn request(&self) -> RequestBuilder {
        self.server.anonymous(Method::POST, PATH).basic_auth(&self.id, Some(&self.secret))
    }

    async fn send(&self, bytes: usize) -> Answer {
        answer(self.request().body(vec![7; bytes])).await
    }
}

/// A body without a length.
fn pieces(count: usize, bytes: usize) -> Body {
    let piece = Bytes::from(vec![7; bytes]);
    Body::wrap_stream(stream::iter((0..count).map(move |_| Ok::<_, io::Error>(piece.clone()))))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_box_sends_is_counted() {
    let box_ = Measured::start().await;
    // More than any other body may have.
    let answered = answer(box_.request().body(pieces(100, 100_000))).await;
    assert_eq!(answered.status, 200, "{answered:?}");
    assert_eq!(answered.body["bytes"], 10_000_000);
    assert!(answered.body["ms"].as_u64().is_some_and(|ms| ms < 60_000), "{answered:?}");
    assert_eq!(box_.send(5).await.body["bytes"], 5);
    assert_eq!(box_.send(0).await.body, json!({ "bytes": 0, "ms": 0 }));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_boxes_are_measured() {
    let box_ = Measured::start().await;
    let server = &box_.server;
    for request in [
        server.anonymous(Method::POST, PATH),
        server.request(Method::POST, PATH),
        server.anonymous(Method::POST, PATH).basic_auth(&box_.id, Some("guessed")),
    ] {
        answer(request.body("x")).await.assert_problem(401);
    }
    answer(server.anonymous(Method::GET, PATH).basic_auth(&box_.id, Some(&box_.secret)))
        .await
        .assert_problem(405);
    let off = server.request(Method::PATCH, &format!("/api/v1/devices/{}", box_.id));
    assert_eq!(answer(off.json(&json!({ "enabled": false }))).await.status, 200);
    box_.send(5).await.assert_problem(401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_box_is_measured_once_at_a_time() {
    let box_ = Measured::start().await;
    let (more, waiting) = mpsc::unbounded_channel::<Bytes>();
    let body = stream::unfold(waiting, async |mut waiting: mpsc::UnboundedReceiver<Bytes>| {
        waiting.recv().await.map(|piece| (Ok::<_, io::Error>(piece), waiting))
    });
    let first = tokio::spawn(answer(box_.request().body(Body::wrap_stream(body))));
    more.send(Bytes::from_static(b"begun")).unwrap();
    // From when on the first one is under way nobody knows; then the second is told.
    let refused = async {
        loop {
            let second = box_.send(5).await;
            if second.status != 200 {
                return second;
            }
        }
    };
    let refused = tokio::time::timeout(Duration::from_secs(30), refused).await.unwrap();
    refused.assert_problem(429);
    assert!(!refused.header("retry-after").is_empty());
    drop(more);
    let first: Value = first.await.unwrap().body;
    assert_eq!(first["bytes"], 5);
    assert_eq!(box_.send(7).await.body["bytes"], 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_measurement_has_an_end() {
    let box_ = Measured::start().await;
    // The server may have hung up before all was sent; what matters is that it did not take it.
    if let Ok(response) = box_.request().body(pieces(200, 1 << 20)).send().await {
        assert_eq!(response.status(), 413);
    }
    // And that the next one has its turn.
    assert_eq!(box_.send(7).await.body["bytes"], 7);
}
