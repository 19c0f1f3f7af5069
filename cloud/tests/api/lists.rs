//! Lists: filtered, sorted, cut, and narrowed to some fields.

use crate::server::{Answer, Server};
use serde_json::{Value, json};

async fn list(server: &Server, path: &str) -> Answer {
    let answer = server.get(path).await;
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    answer
}

fn column(answer: &Answer, field: &str) -> Vec<String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    answer.body["data"].as_array().unwrap().iter().map(|thing| text(&thing[field])).collect()
}

/// All of a list, a few at a time.
async fn walked(server: &Server, path: &str, limit: usize, field: &str) -> Vec<String> {
    let separator = if path.contains('?') { '&' } else { '?' };
    let (mut all, mut next) = (Vec::new(), String::new());
    loop {
        let page = list(server, &format!("{path}{separator}limit={limit}{next}")).await;
        all.extend(column(&page, field));
        match page.body["next"].as_str() {
            Some(cursor) => next = format!("&after={cursor}"),
            None => return all,
        }
    }
}

#[tokio::test]
async fn events_are_filtered_and_sorted() {
    let server = Server::start().await;
    let mut made = Vec::new();
    for title in ["delta", "Alpha", "charlie", "Bravo", "alpha"] {
        made.push(server.new_event(title).await);
    }
    let device = server.post("/api/v1/devices", json!({ "name": "box" })).await.body["id"].clone();
    for number in [1, 3] {
        let path = format!("/api/v1/events/{}", made[number]["id"].as_str().unwrap());
        assert_eq!(server.patch(&path, json!({ "device_id": device })).await.status, 200);
        assert_eq!(server.set_status(&made[number], "preview").await.status, 200);
    }
    for (query, titles) in [
        ("", &["alpha", "Bravo", "charlie", "Alpha", "delta"][..]),
        ("sort=created_at", &["delta", "Alpha", "charlie", "Bravo", "alpha"]),
        ("sort=title", &["Alpha", "alpha", "Bravo", "charlie", "delta"]),
        ("sort=-title", &["delta", "charlie", "Bravo", "alpha", "Alpha"]),
        ("status=preview", &["Bravo", "Alpha"]),
        ("status=preview&sort=title", &["Alpha", "Bravo"]),
        ("status=ended", &[]),
        (&format!("device_id={}", device.as_str().unwrap()), &["Bravo", "Alpha"]),
        ("sort=-updated_at", &["Bravo", "Alpha", "alpha", "charlie", "delta"]),
    ] {
        for limit in [1, 2, 200] {
            let found = walked(&server, &format!("/api/v1/events?{query}"), limit, "title").await;
            assert_eq!(found, titles, "{query} {limit}");
        }
    }
    // A title that changes changes its place, in all lists.
    let path = format!("/api/v1/events/{}", made[0]["id"].as_str().unwrap());
    server.patch(&path, json!({ "title": "aaa" })).await;
    assert_eq!(walked(&server, "/api/v1/events?sort=title", 2, "title").await[0], "aaa");
}

#[tokio::test]
async fn what_no_index_serves_is_explained_and_cursors_stay_where_they_belong() {
    let server = Server::start().await;
    for number in 0..3 {
        server.new_event(&format!("e{number}")).await;
    }
    for (query, fields) in [
        ("sort=colour", &["sort"][..]),
        ("status=ended&sort=updated_at", &["sort", "status"]),
        ("status=gone&limit=0&colour=red", &["colour", "limit", "status"]),
        ("after=x", &["after"]),
    ] {
        let refused = server.get(&format!("/api/v1/events?{query}")).await;
        refused.assert_problem(422);
        assert_eq!(refused.fields(), fields, "{query}");
    }
    let refused = server.get("/api/v1/events?sort=colour").await;
    assert!(refused.text.contains("status=…&sort=title or -title"), "{refused:?}");
    let cursor = list(&server, "/api/v1/events?limit=1").await.body["next"].as_str().unwrap().to_owned();
    for other in
        ["events?sort=title", "events?sort=created_at", "events?status=waiting", "items?", "recordings?"]
    {
        let refused = server.get(&format!("/api/v1/{other}&after={cursor}")).await;
        refused.assert_problem(422);
        assert_eq!(refused.fields(), ["after"], "{other}");
    }
}

#[tokio::test]
async fn other_lists_are_filtered_and_sorted_too() {
    let server = Server::start().await;
    let (one, other) = (server.new_event("one").await, server.new_event("other").await);
    let id = |event: &Value| event["id"].as_str().unwrap().to_owned();
    let first = server.recorded(&id(&one)).await;
    let second = server.recorded(&id(&other)).await;
    let found = walked(&server, &format!("/api/v1/items?event_id={}", id(&one)), 1, "id").await;
    assert_eq!(found, std::slice::from_ref(&first.1));
    assert_eq!(walked(&server, "/api/v1/items?sort=title", 1, "id").await, [first.1, second.1]);
    let found = walked(&server, &format!("/api/v1/recordings?event_id={}", id(&other)), 1, "id").await;
    assert_eq!(found, [second.0]);
    for name in ["Side", "main", "Back"] {
        assert_eq!(server.post("/api/v1/devices", json!({ "name": name })).await.status, 201);
    }
    assert_eq!(walked(&server, "/api/v1/devices?sort=name", 2, "name").await, ["Back", "main", "Side"]);
    assert_eq!(walked(&server, "/api/v1/devices?online=false", 2, "name").await, ["Back", "main", "Side"]);
    assert!(walked(&server, "/api/v1/devices?online=true", 2, "name").await.is_empty());
    let never = list(&server, "/api/v1/devices?limit=1").await;
    assert_eq!(never.body["data"][0]["last_seen_at"], Value::Null, "it was never there");
    let roles = walked(&server, "/api/v1/roles?sort=name", 2, "name").await;
    assert_eq!(roles, ["Administrator", "Crew", "Producer", "Viewer"]);
    let crew = list(&server, "/api/v1/roles").await.body["data"][1]["id"].as_str().unwrap().to_owned();
    for email in ["zoe@example.org", "Adam@example.org"] {
        let new = json!({ "email": email, "role": crew, "password": "a long enough one" });
        assert_eq!(server.post("/api/v1/users", new).await.status, 201);
    }
    let emails = walked(&server, "/api/v1/users?sort=email", 1, "email").await;
    assert_eq!(emails, ["Adam@example.org", "admin@localhost", "zoe@example.org"]);
    assert_eq!(
        walked(&server, "/api/v1/users?email=ADAM@example.org", 1, "email").await,
        ["Adam@example.org"]
    );
    let of_role = walked(&server, &format!("/api/v1/users?role={crew}"), 1, "email").await;
    assert_eq!(of_role, ["Adam@example.org", "zoe@example.org"]);
    for name in ["b", "a"] {
        server.post("/api/v1/tokens", json!({ "name": name })).await;
    }
    assert_eq!(walked(&server, "/api/v1/tokens?sort=name", 1, "name").await, ["a", "b"]);
    assert_eq!(walked(&server, "/api/v1/jobs?kind=delete-media&sort=created_at", 1, "kind").await.len(), 2);
    let permissions = walked(&server, "/api/v1/permissions?sort=name", 3, "name").await;
    assert!(permissions.is_sorted() && permissions.len() > 15, "{permissions:?}");
    assert_eq!(walked(&server, "/api/v1/nodes?sort=id", 1, "id").await.len(), 1);
    server.running.app.alarms.raise("b-alarm", "Something.");
    server.running.app.alarms.raise("a-alarm", "Something else.");
    assert_eq!(walked(&server, "/api/v1/alarms?sort=name", 1, "name").await, ["a-alarm", "b-alarm"]);
}

#[tokio::test]
async fn answers_show_the_fields_that_were_asked_for() {
    let server = Server::start().await;
    let event = server.new_event("narrow").await;
    let few = list(&server, "/api/v1/events?fields=id,title").await;
    assert_eq!(few.body["data"][0], json!({ "id": event["id"], "title": "narrow" }));
    let path = format!("/api/v1/events/{}?fields=title,inputs.main.url", event["id"].as_str().unwrap());
    let one = server.get(&path).await;
    assert_eq!(one.body["title"], "narrow");
    assert_eq!(one.body["inputs"], json!({ "main": { "url": event["inputs"]["main"]["url"] } }));
    assert_eq!(one.body.as_object().unwrap().len(), 2);
    for path in
        ["/api/v1/events?fields=id,colour", "/api/v1/items?fields=colour", "/api/v1/session?fields=colour"]
    {
        let refused = server.get(path).await;
        refused.assert_problem(422);
        assert_eq!(refused.fields(), ["fields"], "{path}");
        assert!(refused.text.contains("colour is not known: there are "), "{refused:?}");
    }
    assert!(server.get("/api/v1/items?fields=colour").await.text.contains("duration_ms"));
}
