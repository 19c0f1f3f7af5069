//! What users decide about an event besides its title, and what becomes of it.

use crate::server::{Server, answer};
use reqwest::Method;
use serde_json::{Value, json};
use stagebox_cloud::event::{Input, Source};

fn path(event: &Value) -> String {
    format!("/api/v1/events/{}", event["id"].as_str().unwrap())
}

async fn public(server: &Server, event: &Value) -> Value {
    let path = format!("/embed/events/{}/status.json", event["id"].as_str().unwrap());
    answer(server.anonymous(Method::GET, &path)).await.body
}

#[tokio::test]
async fn an_event_says_all_that_can_be_decided_about_it() {
    let server = Server::start().await;
    let event = server.new_event("Gala").await;
    for (field, usual) in [
        ("starts_at", Value::Null),
        ("automatic", json!(false)),
        ("countdown", json!(false)),
        ("service_message", json!("")),
        ("transcode", json!(true)),
        ("resolutions", Value::Null),
        ("record", json!("account")),
        ("images", json!({ "general": null, "waiting": null, "paused": null, "ended": null })),
    ] {
        assert_eq!(event[field], usual, "{field}");
    }
    assert_eq!(event["messages"]["paused"], json!({ "title": null, "text": null }));
    assert!(event["advice"].as_str().unwrap().contains("broadcast"), "{event}");
    let embed = &event["embed"];
    assert!(
        embed["url"].as_str().unwrap().ends_with(&format!("/embed/events/{}", event["id"].as_str().unwrap()))
    );
    assert!(embed["responsive"].as_str().unwrap().contains("aspect-ratio:16/9"), "{embed}");

    let wanted = json!({
        "starts_at": "2027-03-01T19:30:00+01:00", "ends_at": "2027-03-01T21:00:00Z", "automatic": true,
        "countdown": true, "messages": { "waiting": { "title": "Doors at 8" } }, "service_message": "Sound\nsoon",
        "transcode": false, "resolutions": [480, 1080, 480], "record": "dvr",
    });
    let changed = server.patch(&path(&event), wanted).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    let changed = changed.body;
    assert_eq!(changed["starts_at"], "2027-03-01T18:30:00.000Z");
    assert_eq!((&changed["resolutions"], &changed["record"]), (&json!([1080, 480]), &json!("dvr")));
    assert_eq!(changed["messages"]["waiting"], json!({ "title": "Doors at 8", "text": null }));
    assert_eq!(server.get(&path(&event)).await.body, changed);
    // Without a beginning there is nothing to count down to, and without both nothing to do by itself.
    let without = server.patch(&path(&event), json!({ "starts_at": null, "ends_at": null })).await.body;
    assert_eq!((&without["countdown"], &without["automatic"]), (&json!(false), &json!(false)));
}

#[tokio::test]
async fn what_does_not_fit_is_named_field_by_field() {
    let server = Server::start().await;
    let event = server.new_event("Gala").await;
    for (body, fields) in [
        (json!({ "starts_at": "tomorrow" }), vec!["starts_at"]),
        (json!({ "starts_at": "2027-01-01T00:00:00Z", "ends_at": "2026-01-01T00:00:00Z" }), vec!["ends_at"]),
        (json!({ "countdown": true }), vec!["countdown"]),
        (json!({ "automatic": true }), vec!["automatic"]),
        (json!({ "automatic": null, "transcode": "yes" }), vec!["automatic", "transcode"]),
        (
            json!({ "messages": { "waiting": { "title": 7 }, "before": {} } }),
            vec!["messages.before", "messages.waiting.title"],
        ),
        (json!({ "messages": { "ended": { "text": "x".repeat(301) } } }), vec!["messages.ended.text"]),
        (json!({ "images": { "general": "none.png" } }), vec!["images.general"]),
        (json!({ "service_message": "\u{7}" }), vec!["service_message"]),
        (json!({ "resolutions": [] }), vec!["resolutions"]),
        (json!({ "resolutions": [721] }), vec!["resolutions"]),
        (json!({ "record": "all" }), vec!["record"]),
    ] {
        let answer = server.patch(&path(&event), body.clone()).await;
        answer.assert_problem(422);
        assert_eq!(answer.fields(), fields, "{body}: {answer:?}");
    }
    let wrong = server.post("/api/v1/events", json!({ "title": "x", "countdown": true })).await;
    assert_eq!(wrong.fields(), ["countdown"]);
    assert_eq!(server.get("/api/v1/events").await.body["data"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn viewers_see_an_events_own_words_and_pictures() {
    let server = Server::start().await;
    let picture =
        server.request(Method::PUT, "/api/v1/include-files/soon.svg").header("content-type", "image/svg+xml");
    assert_eq!(answer(picture.body("<svg xmlns='http://www.w3.org/2000/svg'/>")).await.status, 201);
    let wanted = json!({
        "title": "Gala", "starts_at": "2099-01-01T00:00:00Z", "countdown": true, "service_message": "Hello",
        "messages": { "waiting": { "title": "Doors at 8" }, "ended": { "text": "" } }, "images": { "paused": "soon.svg" },
    });
    let event = server.post("/api/v1/events", wanted).await.body;
    let state = public(&server, &event).await;
    assert_eq!(
        (&state["starts_at"], &state["service_message"]),
        (&json!("2099-01-01T00:00:00.000Z"), &json!("Hello"))
    );
    assert!(state["now"].as_str().is_some_and(|now| now.ends_with('Z')));
    let waiting = json!({ "title": "Doors at 8", "text": "The stream begins here by itself." });
    assert_eq!(state["messages"]["waiting"], waiting);
    assert_eq!(state["messages"]["ended"], json!({ "title": "This event has ended", "text": "" }));
    assert_eq!((&state["images"]["waiting"], &state["images"]["ended"]), (&Value::Null, &Value::Null));
    let image = state["images"]["paused"].as_str().unwrap();
    assert_eq!(answer(server.anonymous(Method::GET, image)).await.header("content-type"), "image/svg+xml");

    server.set_status(&event, "started").await;
    let state = public(&server, &event).await;
    assert_eq!(state.get("starts_at"), None, "nobody counts down to what has begun");
    let general =
        server.patch(&path(&event), json!({ "images": { "general": "soon.svg", "paused": null } })).await;
    assert_eq!(general.status, 200);
    let state = public(&server, &event).await;
    assert!(["waiting", "paused", "ended"].iter().all(|status| state["images"][status] == image), "{state}");
}

#[tokio::test]
async fn keys_are_for_those_who_may_change_the_event() {
    let server = Server::start().await;
    let event = server.new_event("Gala").await;
    let key = event["inputs"]["main"]["key"].as_str().unwrap();
    let token = json!({ "name": "reader", "permissions": ["events:read"] });
    let token = server.post("/api/v1/tokens", token).await.body["token"].as_str().unwrap().to_owned();
    for list in [false, true] {
        let path = if list { "/api/v1/events".to_owned() } else { path(&event) };
        let seen = answer(server.anonymous(Method::GET, &path).bearer_auth(&token)).await;
        let event = if list { &seen.body["data"][0] } else { &seen.body };
        let masked = event["inputs"]["main"]["key"].as_str().unwrap();
        assert_eq!(masked, format!("••••••••{}", &key[key.len() - 4..]));
        assert!(!seen.text.contains(key));
    }
}

#[tokio::test]
async fn a_key_is_drawn_anew_and_the_old_one_works_for_a_while() {
    let server = Server::start().await;
    let event = server.new_event("Gala").await;
    let renew = format!("{}/inputs/main/key", path(&event));
    let renewed = server.post(&renew, json!({ "overlap_s": 60 })).await;
    assert_eq!(renewed.status, 200, "{renewed:?}");
    assert_ne!(renewed.body["inputs"]["main"]["key"], event["inputs"]["main"]["key"]);
    assert!(renewed.body["inputs"]["main"]["old_key_until"].is_string(), "{renewed:?}");
    assert_eq!(renewed.body["inputs"]["backup"], event["inputs"]["backup"]);
    assert_eq!(renewed.body["version"], 2);
    let dead = server.post(&renew, json!({ "overlap_s": 0 })).await;
    assert_eq!(dead.body["inputs"]["main"]["old_key_until"], Value::Null);
    server.post(&renew, json!({ "overlap_s": 86_401 })).await.assert_problem(422);
    server.post(&format!("{}/inputs/third/key", path(&event)), json!({})).await.assert_problem(404);
    let stale = server.request(Method::POST, &renew).header("if-match", "\"1\"").json(&json!({}));
    answer(stale).await.assert_problem(412);
}

#[tokio::test]
async fn a_copy_is_an_event_of_its_own() {
    let server = Server::start().await;
    let wanted = json!({ "title": "Gala", "record": "none", "messages": { "ended": { "title": "Bye" } } });
    let event = server.post("/api/v1/events", wanted).await.body;
    let copy = server.post(&format!("{}/clone", path(&event)), json!({})).await;
    assert_eq!(copy.status, 201, "{copy:?}");
    assert_eq!(copy.header("location"), path(&copy.body));
    assert_eq!((&copy.body["title"], &copy.body["record"]), (&json!("Gala"), &json!("none")));
    assert_eq!(copy.body["messages"], event["messages"]);
    assert_ne!((&copy.body["id"], &copy.body["inputs"]), (&event["id"], &event["inputs"]));
    let named = server.post(&format!("{}/clone", path(&event)), json!({ "title": "Second night" })).await;
    assert_eq!(named.body["title"], "Second night");
}

#[tokio::test]
async fn who_broadcasts_is_told_while_they_do() {
    let server = Server::start().await;
    let event = server.new_event("Gala").await;
    let id = event["id"].as_str().unwrap().parse().unwrap();
    assert_eq!(event["inputs"]["main"]["source"], Value::Null);
    let source =
        Source { address: "203.0.113.9:50012".into(), encoder: "OBS 30".into(), ..Source::default() };
    server.running.app.events.set_receiving(&id, Input::Main, Some(source)).await.unwrap();
    let source = server.get(&path(&event)).await.body["inputs"]["main"]["source"].clone();
    assert_eq!((&source["address"], &source["encoder"]), (&json!("203.0.113.9:50012"), &json!("OBS 30")));
    server.running.app.events.set_receiving(&id, Input::Main, None).await.unwrap();
    assert_eq!(server.get(&path(&event)).await.body["inputs"]["main"]["source"], Value::Null);
}

#[tokio::test]
async fn a_recording_is_called_what_people_call_it() {
    let server = Server::start().await;
    let event = server.new_event("Gala").await;
    let (recording, _, _) = server.recorded(event["id"].as_str().unwrap()).await;
    let path = format!("/api/v1/recordings/{recording}");
    assert_eq!(server.get(&path).await.body["name"], Value::Null);
    let named = server.patch(&path, json!({ "name": " Second act " })).await;
    assert_eq!((named.status.as_u16(), &named.body["name"]), (200, &json!("Second act")), "{named:?}");
    server.patch(&path, json!({ "name": "a\nb" })).await.assert_problem(422);
    let stale =
        server.request(Method::PATCH, &path).header("if-match", "\"1\"").json(&json!({ "name": "x" }));
    answer(stale).await.assert_problem(412);
    assert_eq!(server.patch(&path, json!({})).await.body["name"], "Second act");
    assert_eq!(server.patch(&path, json!({ "name": null })).await.body["name"], Value::Null);
}
