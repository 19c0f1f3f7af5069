//! The pages: players for viewers, and the administrator's.

use crate::server::{Server, answer};
use reqwest::Method;
use serde_json::Value;
use std::time::Duration;

async fn get(server: &Server, path: &str) -> crate::server::Answer {
    answer(server.anonymous(Method::GET, path)).await
}

fn embed(event: &Value) -> String {
    format!("/embed/events/{}", event["id"].as_str().unwrap())
}

#[tokio::test]
async fn a_viewer_needs_no_login_and_learns_no_key() {
    let server = Server::start().await;
    let event = server.new_event("Opening night").await;
    let state = get(&server, &format!("{}/status.json", embed(&event))).await;
    assert_eq!(state.status, 200);
    assert_eq!(state.header("cache-control"), "public, max-age=1");
    assert_eq!(state.body["title"], "Opening night");
    assert_eq!(
        (state.body["status"].as_str(), state.body["receiving"].as_bool()),
        (Some("waiting"), Some(false))
    );
    let page = get(&server, &embed(&event)).await;
    for input in ["main", "backup"] {
        let key = event["inputs"][input]["key"].as_str().unwrap();
        assert!(!state.text.contains(key) && !page.text.contains(key), "{input}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_said_in_words() {
    let server = Server::start().await;
    for path in [
        "/embed/events/evt_00000000000000000000",
        "/embed/events/x",
        "/embed/items/itm_1",
        "/embed",
        "/embed/x/y/z",
    ] {
        let page = get(&server, path).await;
        assert_eq!(page.status, 404, "{path}");
        assert!(page.text.contains("Nothing to play here"), "{path}");
        assert!(page.header("content-security-policy").contains("frame-ancestors *"), "{path}");
        assert_eq!(page.header("x-frame-options"), "", "{path}");
    }
    for path in [
        "/embed/events/evt_00000000000000000000/status.json",
        "/embed/events/x/stream",
        "/favicon.ico",
        "/assets/x.js",
    ] {
        get(&server, path).await.assert_problem(404);
    }
    answer(server.anonymous(Method::POST, "/embed/events/x")).await.assert_problem(405);
    answer(server.anonymous(Method::DELETE, "/events")).await.assert_problem(405);
}

#[tokio::test]
async fn an_open_player_hears_of_each_change() {
    let server = Server::start().await;
    let event = server.new_event("x").await;
    let path = format!("{}/stream", embed(&event));
    let mut stream = server.anonymous(Method::GET, &path).send().await.unwrap();
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    let mut heard = String::new();
    for status in ["waiting", "preview", "started", "paused", "ended"] {
        if status != "waiting" {
            assert_eq!(server.set_status(&event, status).await.status, 200);
        }
        while !heard.contains(&format!("\"status\":\"{status}\"")) {
            let chunk = tokio::time::timeout(Duration::from_secs(2), stream.chunk()).await;
            heard.push_str(std::str::from_utf8(&chunk.unwrap().unwrap().unwrap()).unwrap());
        }
    }
    assert!(heard.contains("event:status") && heard.contains("event:alive"), "{heard}");
}

#[tokio::test]
async fn the_end_of_the_server_ends_the_streams() {
    let server = Server::start().await;
    let event = server.new_event("x").await;
    let path = format!("{}/stream", embed(&event));
    let mut stream = server.anonymous(Method::GET, &path).send().await.unwrap();
    stream.chunk().await.unwrap();
    server.running.app.shutdown.cancel();
    let ended = async { while let Ok(Some(_)) = stream.chunk().await {} };
    tokio::time::timeout(Duration::from_secs(3), ended).await.unwrap();
}

#[tokio::test]
async fn any_other_address_opens_the_administrators_page_or_says_how_to_build_it() {
    let server = Server::start().await;
    for path in ["/", "/events", "/events/evt_1", "/devices", "/items", "/login"] {
        let page = get(&server, path).await;
        assert!(page.header("content-type").starts_with("text/html"), "{path}");
        match page.status.as_u16() {
            200 => assert!(page.text.contains("<div id=\"app\">"), "{path}"),
            503 => assert!(page.text.contains("npm ci"), "{path}"),
            other => panic!("{path}: {other}"),
        }
    }
}
