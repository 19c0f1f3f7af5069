//! Who did what, and who logged in from where.

use crate::server::{EMAIL, Server, answer};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

async fn log(server: &Server, query: &str) -> Vec<Value> {
    let log = server.get(&format!("/api/v1/log{query}")).await;
    assert_eq!(log.status, 200, "{log:?}");
    log.body["data"].as_array().unwrap().clone()
}

/// Logins are noted beside the request.
async fn until(server: &Server, query: &str, wanted: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    for _ in 0..500 {
        let entries = log(server, query).await;
        if wanted(&entries) {
            return entries;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{:#?}", log(server, query).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_is_told_with_who_and_what_it_was_before() {
    let server = Server::start().await;
    let event = server.new_event("Rehearsal").await;
    let (id, path) =
        (event["id"].as_str().unwrap(), format!("/api/v1/events/{}", event["id"].as_str().unwrap()));
    assert_eq!(server.patch(&path, json!({ "title": "Dress rehearsal" })).await.status, 200);
    let admin = server.get("/api/v1/users").await.body["data"][0].clone();
    let entries = log(&server, &format!("?id={id}")).await;
    let changes: Vec<_> = entries.iter().map(|entry| entry["change"].as_str().unwrap()).collect();
    assert_eq!(changes, ["changed", "created"], "{entries:#?}");
    assert_eq!(entries[0]["by"], json!({ "kind": "user", "id": admin["id"], "name": EMAIL }));
    assert_eq!(
        entries[0]["fields"],
        json!([{ "field": "title", "before": "Rehearsal", "after": "Dress rehearsal" }])
    );
    assert_eq!(entries[0]["title"], "Dress rehearsal");
    // Keys are told to nobody.
    let key = event["inputs"]["main"]["key"].as_str().unwrap();
    assert!(!server.get("/api/v1/log").await.text.contains(key));

    // In parts, and narrowed down.
    for number in 0..5 {
        server.new_event(&format!("Event {number}")).await;
    }
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let part = server.get(&format!("/api/v1/log?limit=2{after}")).await;
        seen.extend(part.body["data"].as_array().unwrap().iter().map(|entry| entry["seq"].as_u64().unwrap()));
        match part.body["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert!(seen.len() > 6 && seen.is_sorted_by(|one, other| one > other), "{seen:?}");
    assert_eq!(log(&server, "?kind=event").await.len(), 7);
    assert_eq!(log(&server, "?kind=event&until=2001-01-01T00:00:00Z").await.len(), 0);
    assert_eq!(log(&server, "?kind=event&since=2001-01-01T00:00:00Z").await.len(), 7);
    let nobody = stagebox_cloud::id::UserId::random();
    assert_eq!(log(&server, &format!("?user={nobody}")).await.len(), 0);
    let wrong = server.get("/api/v1/log?user=x&since=yesterday&kind=&more=1&after=%21").await;
    assert_eq!(wrong.fields(), ["after", "kind", "more", "since", "user"], "{wrong:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn logins_are_told_good_and_bad_and_a_deleted_user_has_no_name() {
    let server = Server::start().await;
    let roles = server.get("/api/v1/roles").await;
    let role = roles.body["data"].as_array().unwrap().iter().find(|role| role["name"] == "Producer").unwrap();
    let new = json!({ "email": "bert@example.org", "name": "Bert B.", "role": role["id"], "password": "correct horse battery" });
    let bert = server.post("/api/v1/users", new).await.body["id"].as_str().unwrap().to_owned();
    let login = server.login("bert@example.org", "correct horse battery").await;
    let event = login.request(&server, Method::POST, "/api/v1/events").json(&json!({ "title": "By Bert" }));
    assert_eq!(answer(event).await.status, 201);
    for _ in 0..3 {
        let body = json!({ "email": "bert@example.org", "password": "wrong" });
        let request = server.anonymous(Method::POST, "/api/v1/session").json(&body);
        assert_eq!(answer(request.header("user-agent", "Guesser/1")).await.status, 401);
    }
    let query = format!("?kind=login&user={bert}");
    let logins =
        until(&server, &query, |all| all.len() == 2 && all.iter().any(|login| login["login"]["count"] == 3))
            .await;
    let failed = logins.iter().find(|entry| entry["login"]["good"] == false).unwrap();
    assert_eq!(failed["by"]["kind"], "server");
    let told = &failed["login"];
    assert_eq!(
        (&told["how"], &told["address"], &told["browser"]),
        (&json!("password"), &json!("127.0.0.1"), &json!("Guesser/1"))
    );
    assert_eq!(told["user"]["name"], "Bert B.");
    let good = logins.iter().find(|entry| entry["login"]["good"] == true).unwrap();
    assert_eq!(good["by"], json!({ "kind": "user", "id": bert, "name": "Bert B." }));

    // Only for whoever may see it.
    let refused = answer(login.request(&server, Method::GET, "/api/v1/log")).await;
    refused.assert_problem(403);
    assert!(refused.text.contains("log:read"), "{refused:?}");

    // A token's use is no entry.
    let before = log(&server, "?kind=token").await.len();
    let token = server.post("/api/v1/tokens", json!({ "name": "t" })).await.body["token"]
        .as_str()
        .unwrap()
        .to_owned();
    for _ in 0..3 {
        let with = server.anonymous(Method::GET, "/api/v1/events").bearer_auth(&token);
        assert_eq!(answer(with).await.status, 200);
    }
    assert_eq!(log(&server, "?kind=token").await.len(), before + 1);

    assert_eq!(answer(server.request(Method::DELETE, &format!("/api/v1/users/{bert}"))).await.status, 204);
    let by_bert = log(&server, &format!("?user={bert}&kind=event")).await;
    assert_eq!(by_bert[0]["by"], json!({ "kind": "deleted_user", "id": bert, "name": null }));
    assert_eq!(by_bert[0]["title"], "By Bert");
    let whole = server.get("/api/v1/log?limit=200").await.text;
    for gone in ["Bert B.", "bert@example.org", "Guesser/1"] {
        assert!(!whole.contains(gone), "{gone}: {whole}");
    }
}
