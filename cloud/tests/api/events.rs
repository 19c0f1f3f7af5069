//! Events over the API.

use crate::server::{Server, answer};
use reqwest::Method;
use serde_json::{Value, json};

fn path(event: &Value) -> String {
    format!("/api/v1/events/{}", event["id"].as_str().unwrap())
}

#[tokio::test]
async fn an_event_has_two_keys_and_an_address() {
    let server = Server::start().await;
    let made = server.post("/api/v1/events", json!({ "title": "  Opening night " })).await;
    assert_eq!(made.status, 201);
    let event = made.body.clone();
    assert_eq!(made.header("location"), path(&event));
    assert_eq!(made.header("etag"), "\"1\"");
    assert_eq!((event["title"].as_str(), event["status"].as_str()), (Some("Opening night"), Some("waiting")));
    assert_eq!((event["number"].as_u64(), event["version"].as_u64()), (Some(1), Some(1)));
    assert_eq!(event["device_id"], Value::Null);
    let (main, backup) = (&event["inputs"]["main"], &event["inputs"]["backup"]);
    assert_ne!(main["key"], backup["key"]);
    assert_eq!(main["receiving"], false);
    assert!(main["url"].as_str().unwrap().starts_with("rtmp://127.0.0.1:"), "{event}");
    assert_eq!(server.get(&path(&event)).await.body, event);
}

#[tokio::test]
async fn stream_keys_are_not_in_the_store_in_the_clear() {
    let server = Server::start().await;
    let event = server.new_event("x").await;
    let key = event["inputs"]["main"]["key"].as_str().unwrap().as_bytes().to_vec();
    let server = server.restart_from_disk().await;
    assert_eq!(server.get(&path(&event)).await.body["inputs"]["main"]["key"], event["inputs"]["main"]["key"]);
    let files = std::fs::read(server.running.app.config.data_dir.join("store/1/db")).unwrap();
    assert!(!files.windows(key.len()).any(|window| window == key));
}

#[tokio::test]
async fn bad_events_are_explained_field_by_field() {
    let server = Server::start().await;
    for (body, fields) in [
        (json!({}), vec!["title"]),
        (json!({ "title": "" }), vec!["title"]),
        (json!({ "title": 7 }), vec!["title"]),
        (json!({ "title": "a\nb" }), vec!["title"]),
        (json!({ "title": "x".repeat(201) }), vec!["title"]),
        (json!({ "title": "x", "device_id": "evt_1" }), vec!["device_id"]),
        (json!({ "titel": "x", "colour": 1, "device_id": 3 }), vec!["colour", "device_id", "titel", "title"]),
    ] {
        let answer = server.post("/api/v1/events", body).await;
        answer.assert_problem(422);
        assert_eq!(answer.fields(), fields, "{answer:?}");
    }
    assert_eq!(server.get("/api/v1/events").await.body, json!({ "data": [], "next": null }));
}

#[tokio::test]
async fn lists_come_in_pages_the_newest_first() {
    let server = Server::start().await;
    for number in 1..=5 {
        server.new_event(&format!("event {number}")).await;
    }
    let (mut numbers, mut next) = (Vec::new(), String::new());
    loop {
        let page = server.get(&format!("/api/v1/events?limit=2{next}")).await;
        assert_eq!(page.status, 200, "{page:?}");
        let data = page.body["data"].as_array().unwrap();
        numbers.extend(data.iter().map(|event| event["number"].as_u64().unwrap()));
        match page.body["next"].as_str() {
            Some(cursor) => next = format!("&after={cursor}"),
            None => break,
        }
    }
    assert_eq!(numbers, [5, 4, 3, 2, 1]);
}

#[tokio::test]
async fn a_change_names_the_version_that_it_changes() {
    let server = Server::start().await;
    let event = server.new_event("a").await;
    let patch = |version: &str, title: &str| {
        let request = server.request(Method::PATCH, &path(&event)).header("if-match", version);
        answer(request.json(&json!({ "title": title })))
    };
    let first = patch("\"1\"", "b").await;
    assert_eq!((first.status.as_u16(), first.header("etag")), (200, "\"2\""));
    patch("\"1\"", "c").await.assert_problem(412);
    patch("1", "c").await.assert_problem(400);
    assert_eq!(patch("*", "c").await.body["title"], "c");
    let same = server.patch(&path(&event), json!({ "title": "c" })).await;
    assert_eq!(same.body["version"], 3, "nothing changed, so nothing is written");
    let wrong = server.patch(&path(&event), json!({ "title": null, "status": "ended" })).await;
    assert_eq!(wrong.fields(), ["status", "title"]);
}

#[tokio::test]
async fn a_box_is_assigned_and_taken_away() {
    let server = Server::start().await;
    let event = server.new_event("a").await;
    let nobodys = server.patch(&path(&event), json!({ "device_id": "box_0123456789abcdefghjk" })).await;
    assert_eq!(nobodys.fields(), ["device_id"]);
    let device = server.post("/api/v1/devices", json!({ "name": "Hall" })).await;
    let id = device.body["id"].as_str().unwrap();
    let given = server.patch(&path(&event), json!({ "device_id": id })).await;
    assert_eq!(given.body["device_id"], id, "{given:?}");
    let found = server.running.app.events.for_device(&id.parse().unwrap()).await.unwrap();
    assert_eq!(found.unwrap().id.to_string(), event["id"].as_str().unwrap());
    let taken = server.patch(&path(&event), json!({ "device_id": null })).await;
    assert_eq!(taken.body["device_id"], Value::Null);
}

#[tokio::test]
async fn the_status_goes_only_where_it_may() {
    let server = Server::start().await;
    let table = [
        ("waiting", vec![], ["preview", "started"].as_slice()),
        ("preview", vec!["preview"], &["waiting", "started"]),
        ("started", vec!["started"], &["paused", "ended"]),
        ("paused", vec!["started", "paused"], &["started", "ended"]),
        ("ended", vec!["started", "ended"], &[]),
    ];
    for (from, way, allowed) in table {
        for to in ["waiting", "preview", "started", "paused", "ended"] {
            let event = server.new_event("x").await;
            for step in &way {
                assert_eq!(server.set_status(&event, step).await.status, 200);
            }
            let answer = server.set_status(&event, to).await;
            if allowed.contains(&to) {
                assert_eq!(answer.status, 200, "{from} to {to}: {answer:?}");
                assert_eq!(answer.body["status"], to);
            } else {
                answer.assert_problem(409);
                for name in allowed {
                    assert!(answer.text.contains(name), "{from} to {to}: {answer:?}");
                }
                assert_eq!(server.get(&path(&event)).await.body["status"], from);
            }
        }
    }
    let event = server.new_event("x").await;
    let wrong = server.set_status(&event, "live").await;
    wrong.assert_problem(422);
    assert_eq!(wrong.fields(), ["status"]);
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_power_cut() {
    let server = Server::start().await;
    let mut made = Vec::new();
    for number in 0..10 {
        let event = server.new_event(&format!("event {number}")).await;
        let started = server.set_status(&event, "started").await;
        made.push(started.body);
    }
    let server = server.restart_from_disk().await;
    for event in made {
        let mut now = server.get(&path(&event)).await.body;
        for input in ["main", "backup"] {
            now["inputs"][input]["url"] = event["inputs"][input]["url"].clone();
        }
        now["embed"] = event["embed"].clone();
        // Recordings come by themselves, the change of status does not wait for them.
        now["recordings"] = event["recordings"].clone();
        assert_eq!(now, event);
    }
    assert_eq!(server.new_event("next").await["number"], 11);
}

#[tokio::test]
async fn writers_at_the_same_time_lose_nothing() {
    let server = Server::start().await;
    let events = server.running.app.events.clone();
    let writers: Vec<_> = (0..20)
        .map(|number| {
            let events = events.clone();
            tokio::spawn(async move {
                let new = stagebox_cloud::event::NewEvent {
                    account: stagebox_cloud::store::Account::FIRST,
                    title: format!("{number}"),
                    device_id: None,
                };
                events.create(new, None).await.unwrap().number
            })
        })
        .collect();
    let mut numbers = Vec::new();
    for writer in writers {
        numbers.push(writer.await.unwrap());
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=20).collect::<Vec<_>>());
    let entries = server
        .running
        .app
        .store
        .journal(stagebox_cloud::store::Account::FIRST, 0, 1000)
        .await
        .unwrap()
        .entries;
    let seqs: Vec<_> = entries.iter().map(|entry| entry.seq).collect();
    assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>());
}
