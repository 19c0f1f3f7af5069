//! Items over the API.

use crate::server::{Server, answer};
use reqwest::Method;
use serde_json::json;
use stagebox_cloud::clock::Timestamp;
use stagebox_cloud::id::{EventId, RecordingId};
use stagebox_cloud::item::NewItem;
use stagebox_cloud::store::Account;
use stagebox_cloud::store::StoreError;

fn new(recording_id: RecordingId) -> NewItem {
    NewItem {
        event_id: EventId::random(),
        account: Account::FIRST,
        recording_id,
        title: "A recording".to_owned(),
        duration_ms: 61_000,
        width: Some(640),
        height: Some(360),
    }
}

#[tokio::test]
async fn a_recording_has_one_item_however_many_are_made_of_it() {
    let server = Server::start().await;
    let recording = RecordingId::random();
    let makers: Vec<_> = (0..8)
        .map(|_| {
            let app = server.running.app.clone();
            tokio::spawn(async move {
                let item = app.items.draft(new(recording), Timestamp::default()).await.unwrap();
                app.store.create(item).await
            })
        })
        .collect();
    let mut made = 0;
    for maker in makers {
        match maker.await.unwrap() {
            Ok(_) => made += 1,
            Err(error) => assert!(matches!(error, StoreError::Taken { .. }), "{error}"),
        }
    }
    assert_eq!(made, 1);
    let list = server.get("/api/v1/items").await;
    assert_eq!(list.body["data"].as_array().unwrap().len(), 1, "{list:?}");
    let item = &list.body["data"][0];
    assert_eq!((item["title"].as_str(), item["duration_ms"].as_u64()), (Some("A recording"), Some(61_000)));
    assert_eq!(item["recording_id"], recording.to_string());
}

#[tokio::test]
async fn an_items_title_can_be_changed() {
    let server = Server::start().await;
    let app = &server.running.app;
    let item = app.items.draft(new(RecordingId::random()), Timestamp::default()).await.unwrap();
    let item = app.store.create(item).await.unwrap().document;
    let path = format!("/api/v1/items/{}", item.id);
    let changed = server.patch(&path, json!({ "title": "Better" })).await;
    assert_eq!((changed.status.as_u16(), changed.header("etag")), (200, "\"2\""), "{changed:?}");
    let stale =
        server.request(Method::PATCH, &path).header("if-match", "\"1\"").json(&json!({ "title": "x" }));
    answer(stale).await.assert_problem(412);
    server.patch(&path, json!({ "title": null })).await.assert_problem(422);
    assert_eq!(server.patch(&path, json!({})).await.status, 200);
    server.patch("/api/v1/items/itm_00000000000000000000", json!({ "title": "x" })).await.assert_problem(404);
    answer(server.request(Method::PUT, &path)).await.assert_problem(405);
    assert_eq!(server.get(&path).await.body["title"], "Better");
}
