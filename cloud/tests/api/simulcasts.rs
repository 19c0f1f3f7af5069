//! Simulcasts over the API.

use crate::server::{Server, answer};
use reqwest::Method;
use serde_json::{Value, json};

const PATH: &str = "/api/v1/simulcasts";
const KEY: &str = "abcd-efgh-ijkl-mnop";

async fn new(server: &Server, event: &Value, more: Value) -> crate::server::Answer {
    let mut body = json!({ "event_id": event["id"], "service": "youtube", "key": KEY });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    server.post(PATH, body).await
}

#[tokio::test]
async fn a_simulcast_is_made_changed_and_deleted_and_its_key_is_never_shown() {
    let server = Server::start().await;
    let event = server.new_event("Gala").await;
    let made = new(&server, &event, json!({})).await;
    assert_eq!(made.status, 201, "{made:?}");
    let path = made.header("location").to_owned();
    assert_eq!((&made.body["name"], &made.body["key"]), (&json!("YouTube"), &json!("••••••••mnop")));
    assert_eq!(made.body["url"], "rtmps://a.rtmps.youtube.com:443/live2");
    assert_eq!((&made.body["rendition"], &made.body["enabled"]), (&json!("source"), &json!(true)));
    assert_eq!(
        (&made.body["outputs"][0]["state"], made.body["outputs"].as_array().unwrap().len()),
        (&json!("off"), 1)
    );

    let change = json!({ "name": "Our channel", "backup_url": "rtmp://b.rtmp.youtube.com/live2?backup=1", "rendition": "720p", "enabled": false });
    let changed = server.patch(&path, change).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    assert_eq!((&changed.body["name"], &changed.body["rendition"]), (&json!("Our channel"), &json!("720p")));
    assert_eq!(changed.body["outputs"].as_array().unwrap().len(), 2);
    assert_eq!(
        (changed.body["key"].clone(), changed.body["version"].as_u64()),
        (made.body["key"].clone(), Some(2))
    );
    let stale =
        server.request(Method::PATCH, &path).header("if-match", "\"1\"").json(&json!({ "enabled": true }));
    answer(stale).await.assert_problem(412);
    // The key goes where it was given for: else whoever may change the address could read it.
    let other = json!({ "service": "custom", "url": "rtmp://example.org/a", "backup_url": null });
    for elsewhere in [json!({ "url": "rtmp://elsewhere.example.org/live2" }), other] {
        assert_eq!(server.patch(&path, elsewhere).await.fields(), ["key"]);
    }
    let usual = server.patch(&path, json!({ "name": "", "backup_url": null })).await;
    assert_eq!((&usual.body["name"], &usual.body["backup_url"]), (&json!("YouTube"), &Value::Null));

    for list in [PATH.to_owned(), format!("{PATH}?event_id={}", event["id"].as_str().unwrap())] {
        let list = server.get(&list).await;
        assert_eq!(list.body["data"], json!([usual.body]));
        assert!(!list.text.contains(KEY));
    }
    let other = server.new_event("Other").await;
    let none = server.get(&format!("{PATH}?event_id={}", other["id"].as_str().unwrap())).await;
    assert_eq!(none.body["data"], json!([]));
    let server = server.restart_from_disk().await;
    let file = std::fs::read(server.running.app.config.data_dir.join("store/1/db")).unwrap();
    assert!(!file.windows(KEY.len()).any(|window| window == KEY.as_bytes()), "the key is in the store");
    assert_eq!(answer(server.request(Method::DELETE, &path)).await.status, 204);
    server.get(&path).await.assert_problem(404);
}

#[tokio::test]
async fn what_cannot_be_pushed_to_is_refused_field_by_field() {
    let server = Server::start_with(|config| config.outbound.allow.clear()).await;
    let event = server.new_event("Gala").await;
    let refused = server.post(PATH, json!({})).await;
    assert_eq!(refused.fields(), ["event_id", "key", "service"]);
    for (more, field) in [
        (json!({ "service": "custom" }), "url"),
        (json!({ "service": "twitch" }), "service"),
        (json!({ "url": "https://example.org/live" }), "url"),
        (json!({ "url": "rtmp://example.org" }), "url"),
        (json!({ "url": "rtmp://user:word@example.org/live" }), "url"),
        (json!({ "url": "rtmp://127.0.0.1/live" }), "url"),
        (json!({ "url": "rtmp://[::ffff:10.0.0.1]/live" }), "url"),
        (json!({ "service": "facebook", "backup_url": "rtmp://example.org/live" }), "backup_url"),
        (json!({ "key": "a b" }), "key"),
        (json!({ "key": "" }), "key"),
        (json!({ "key": "k".repeat(501) }), "key"),
        (json!({ "rendition": "audio" }), "rendition"),
        (json!({ "rendition": "720" }), "rendition"),
        (json!({ "enabled": null }), "enabled"),
        (json!({ "event_id": "evt_00000000000000000000" }), "event_id"),
    ] {
        let refused = new(&server, &event, more.clone()).await;
        refused.assert_problem(422);
        assert_eq!(refused.fields(), [field], "{more}: {refused:?}");
    }
    for _ in 0..10 {
        assert_eq!(new(&server, &event, json!({})).await.status, 201);
    }
    new(&server, &event, json!({})).await.assert_problem(409);
}

#[tokio::test]
async fn a_copied_event_is_pushed_to_the_same_places() {
    let server = Server::start().await;
    let event = server.new_event("Gala").await;
    assert_eq!(new(&server, &event, json!({ "name": "Ours" })).await.status, 201);
    let copy =
        server.post(&format!("/api/v1/events/{}/clone", event["id"].as_str().unwrap()), json!({})).await.body;
    let list = server.get(&format!("{PATH}?event_id={}", copy["id"].as_str().unwrap())).await.body;
    assert_eq!(list["data"].as_array().unwrap().len(), 1);
    assert_eq!((&list["data"][0]["name"], &list["data"][0]["key"]), (&json!("Ours"), &json!("••••••••mnop")));
}
