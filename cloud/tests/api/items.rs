//! Items over the API.

use crate::server::{Server, answer};
use reqwest::Method;
use serde_json::json;
use stagebox_cloud::id::{EventId, RecordingId};
use stagebox_cloud::item::NewItem;

fn new(recording_id: RecordingId) -> NewItem {
    NewItem {
        event_id: EventId::random(),
        recording_id,
        title: "A recording".to_owned(),
        duration_ms: 61_000,
        width: Some(640),
        height: Some(360),
    }
}

#[tokio::test]
async fn a_recording_makes_one_item_however_often_it_is_asked_for() {
    let server = Server::start().await;
    let items = server.running.app.items.clone();
    let recording = RecordingId::random();
    let makers: Vec<_> = (0..8)
        .map(|_| {
            let items = items.clone();
            tokio::spawn(async move { items.create_from_recording(new(recording)).await.unwrap().id })
        })
        .collect();
    let mut ids = Vec::new();
    for maker in makers {
        ids.push(maker.await.unwrap());
    }
    ids.dedup();
    assert_eq!(ids.len(), 1);
    let list = server.get("/api/v1/items").await;
    assert_eq!(list.body["data"].as_array().unwrap().len(), 1, "{list:?}");
    let item = &list.body["data"][0];
    assert_eq!((item["title"].as_str(), item["duration_ms"].as_u64()), (Some("A recording"), Some(61_000)));
    assert_eq!(item["recording_id"], recording.to_string());
}

#[tokio::test]
async fn an_items_title_can_be_changed() {
    let server = Server::start().await;
    let item = server.running.app.items.create_from_recording(new(RecordingId::random())).await.unwrap();
    let path = format!("/api/v1/items/{}", item.id);
    let changed = server.patch(&path, json!({ "title": "Better" })).await;
    assert_eq!((changed.status.as_u16(), changed.header("etag")), (200, "\"2\""), "{changed:?}");
    let stale =
        server.request(Method::PATCH, &path).header("if-match", "\"1\"").json(&json!({ "title": "x" }));
    answer(stale).await.assert_problem(412);
    server.patch(&path, json!({})).await.assert_problem(422);
    server.patch("/api/v1/items/itm_00000000000000000000", json!({ "title": "x" })).await.assert_problem(404);
    answer(server.request(Method::PUT, &path)).await.assert_problem(405);
    assert_eq!(server.get(&path).await.body["title"], "Better");
}
