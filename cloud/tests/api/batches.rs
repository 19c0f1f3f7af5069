//! One thing done to many: as a job, with a result for each.

use crate::process::Program;
use crate::server::{Answer, EMAIL, Server, answer};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use std::time::Duration;

const STEP: Duration = Duration::from_secs(30);

async fn ended(server: &Server, job: &Value) -> Value {
    let path = format!("/api/v1/jobs/{}", job["id"].as_str().unwrap());
    let deadline = tokio::time::Instant::now() + STEP;
    loop {
        let job = server.get(&path).await.body;
        if !job["ended_at"].is_null() {
            return job;
        }
        assert!(tokio::time::Instant::now() < deadline, "{job}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn results(server: &Server, job: &Value, limit: usize) -> Vec<Value> {
    let path = format!("/api/v1/jobs/{}/results?limit={limit}", job["id"].as_str().unwrap());
    let (mut all, mut next) = (Vec::new(), String::new());
    loop {
        let page = server.get(&format!("{path}{next}")).await;
        assert_eq!(page.status, 200, "{page:?}");
        all.extend(page.body["data"].as_array().unwrap().clone());
        match page.body["next"].as_str() {
            Some(cursor) => next = format!("&after={cursor}"),
            None => return all,
        }
    }
}

async fn begin(server: &Server, body: Value) -> Answer {
    server.post("/api/v1/batches", body).await
}

#[tokio::test]
async fn many_items_are_deleted_and_each_says_what_came_of_it() {
    let server = Server::start().await;
    let event = server.new_event("recorded").await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(server.recorded(event["id"].as_str().unwrap()).await.1);
    }
    ids.insert(2, "itm_00000000000000000000".to_owned());
    let begun = begin(&server, json!({ "kind": "items", "action": "delete", "ids": ids })).await;
    assert_eq!(begun.status, 202, "{begun:?}");
    assert_eq!(begun.header("location"), format!("/api/v1/jobs/{}", begun.body["id"].as_str().unwrap()));
    let job = ended(&server, &begun.body).await;
    assert_eq!((job["state"].as_str(), job["kind"].as_str()), (Some("done"), Some("batch")), "{job}");
    assert!(job["words"].as_str().unwrap().starts_with("5 of 6 are done"), "{job}");
    let results = results(&server, &job, 4).await;
    let told: Vec<&str> = results.iter().map(|result| result["id"].as_str().unwrap()).collect();
    assert_eq!(told, ids, "in the order of the request");
    for (number, result) in results.iter().enumerate() {
        assert_eq!(result["done"], number != 2, "{result}");
    }
    assert_eq!(results[2]["problem"]["status"], 404);
    assert_eq!(server.get("/api/v1/items").await.body["data"], json!([]));
    let jobs = server.get("/api/v1/jobs?kind=delete-media&limit=200").await;
    assert_eq!(
        jobs.body["data"].as_array().unwrap().len(),
        10,
        "each item's media are removed by a job of its own"
    );
}

#[tokio::test]
async fn what_cannot_be_done_to_many_is_explained() {
    let server = Server::start().await;
    let event = server.new_event("one").await;
    let id = &event["id"];
    let many: Vec<String> = (0..1001).map(|number| format!("itm_{number}")).collect();
    for (body, fields) in [
        (json!({}), &["action", "ids", "kind"][..]),
        (json!({ "kind": "items", "action": "paint", "ids": ["x"] }), &["action"]),
        (json!({ "kind": "items", "action": "delete", "ids": [] }), &["ids"]),
        (json!({ "kind": "items", "action": "delete", "ids": many }), &["ids"]),
        (json!({ "kind": "items", "action": "delete", "ids": ["a", "a"] }), &["ids"]),
        (json!({ "kind": "items", "action": "delete", "ids": ["a"], "with": { "x": 1 } }), &["with.x"]),
        (json!({ "kind": "events", "action": "status", "ids": [id] }), &["with.status"]),
        (
            json!({ "kind": "events", "action": "status", "ids": [id], "with": { "status": "gone" } }),
            &["with.status"],
        ),
        (
            json!({ "kind": "devices", "action": "command", "ids": ["a"], "with": { "command": "dance" } }),
            &["with.command"],
        ),
    ] {
        let refused = begin(&server, body.clone()).await;
        refused.assert_problem(422);
        assert_eq!(refused.fields(), fields, "{body}");
    }
    assert_eq!(server.get("/api/v1/jobs").await.body["data"], json!([]));
}

#[tokio::test]
async fn a_batch_does_what_its_user_may_and_no_more() {
    let server = Server::start().await;
    let (first, second) = (server.new_event("first").await, server.new_event("second").await);
    let ids = [first["id"].clone(), second["id"].clone()];
    let body = json!({ "kind": "events", "action": "status", "ids": ids, "with": { "status": "preview" } });
    let token = server
        .post("/api/v1/tokens", json!({ "name": "reader", "permissions": ["events:read", "jobs:read"] }))
        .await;
    let reader =
        server.anonymous(Method::POST, "/api/v1/batches").bearer_auth(token.body["token"].as_str().unwrap());
    let refused = answer(reader.json(&body)).await;
    refused.assert_problem(403);
    assert!(refused.text.contains("events:run"), "{refused:?}");
    let job = ended(&server, &begin(&server, body).await.body).await;
    assert_eq!(job["words"], "All 2 are done");
    for event in [&first, &second] {
        let path = format!("/api/v1/events/{}", event["id"].as_str().unwrap());
        assert_eq!(server.get(&path).await.body["status"], "preview");
    }
    // What the single route would refuse is refused in the results.
    let body = json!({ "kind": "events", "action": "status", "ids": ids, "with": { "status": "paused" } });
    let job = ended(&server, &begin(&server, body).await.body).await;
    let results = results(&server, &job, 200).await;
    assert!(results.iter().all(|result| result["problem"]["status"] == 409), "{results:?}");
    // A failed job is tried again, and one that is done is not cancelled.
    let body = json!({ "kind": "jobs", "action": "cancel", "ids": [job["id"]] });
    let job = ended(&server, &begin(&server, body).await.body).await;
    assert_eq!(self::results(&server, &job, 200).await[0]["problem"]["status"], 409);
}

#[tokio::test]
async fn a_batch_goes_on_after_kill_dash_nine_and_does_nothing_twice() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let directory = tempfile::tempdir().unwrap();
    let mut program = Program::start(&directory, &[]).await;
    let password = program.password();
    let client = Client::builder().no_proxy().build().unwrap();
    let ask = async |url: &str, method: Method, path: &str, body: Option<Value>| {
        let request = client.request(method, format!("{url}{path}")).basic_auth(EMAIL, Some(&password));
        answer(match body {
            Some(body) => request.json(&body),
            None => request,
        })
        .await
    };
    let mut ids = Vec::new();
    for number in 0..150 {
        let made =
            program.events(Method::POST, &password, Some(json!({ "title": format!("{number}") }))).await;
        ids.push(made["id"].clone());
    }
    let body = json!({ "kind": "events", "action": "status", "ids": ids, "with": { "status": "preview" } });
    let job = ask(&program.url, Method::POST, "/api/v1/batches", Some(body)).await;
    assert_eq!(job.status, 202, "{job:?}");
    let path = format!("/api/v1/jobs/{}", job.body["id"].as_str().unwrap());
    let mut kills = 0;
    let deadline = tokio::time::Instant::now() + 4 * STEP;
    loop {
        assert!(tokio::time::Instant::now() < deadline, "it comes to its end");
        let state = ask(&program.url, Method::GET, &path, None).await.body;
        if !state["ended_at"].is_null() {
            assert_eq!(state["words"], "All 150 are done", "{state}");
            break;
        }
        if kills < 3 {
            tokio::time::sleep(Duration::from_millis(40)).await;
            program.child.kill().await.unwrap();
            program = Program::start(&directory, &[]).await;
            kills += 1;
        } else {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    // An event that is in preview cannot become it once more: a second time would be a problem.
    let all = ask(&program.url, Method::GET, &format!("{path}/results?limit=200"), None).await;
    let all = all.body["data"].as_array().unwrap().clone();
    assert_eq!(all.len(), 150);
    assert!(all.iter().all(|result| result["done"] == true), "{all:?}");
    let list = program.events(Method::GET, &password, None).await;
    for event in list["data"].as_array().unwrap() {
        assert_eq!(
            (event["status"].as_str(), event["version"].as_u64()),
            (Some("preview"), Some(2)),
            "{event}"
        );
    }
    println!("killed {kills} times");
}
