//! Recordings that an account keeps for so many days only.

use super::server::{Server, answer};
use reqwest::Method;
use serde_json::{Value, json};
use stagebox_cloud::account::{AccountCommand, WantedLimits};
use stagebox_cloud::tenant;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 3600);

fn keep(days: &str) -> AccountCommand {
    AccountCommand::Limit {
        account: 1,
        wanted: WantedLimits { recording_days: Some(days.parse().unwrap()), ..WantedLimits::default() },
    }
}

/// An event that is over, with its recording and item.
async fn over(server: &Server, title: &str) -> (Value, String, String) {
    let event = server.new_event(title).await;
    assert_eq!(server.set_status(&event, "started").await.status, 200);
    assert_eq!(server.set_status(&event, "ended").await.status, 200);
    let (recording, item, _) = server.recorded(event["id"].as_str().unwrap()).await;
    (event, recording, item)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_long_enough_says_when_it_goes_and_goes() {
    let server = Server::start().await;
    let second =
        server.manage(AccountCommand::Create { name: "B".into(), email: "b@example.org".into() }).await;
    let password = second.password.unwrap();
    let ask = |method: Method, path: &str| {
        server.anonymous(method, path).basic_auth("b@example.org", Some(&password))
    };
    let other = answer(ask(Method::POST, "/api/v1/events").json(&json!({ "title": "Other" }))).await.body;
    let (others, _, _) = server.recorded(other["id"].as_str().unwrap()).await;
    let (_, recording, item) = over(&server, "Evening").await;
    let running = server.new_event("Goes on").await;
    assert_eq!(server.set_status(&running, "started").await.status, 200);
    let (still, _, _) = server.recorded(running["id"].as_str().unwrap()).await;
    let item_path = format!("/api/v1/items/{item}");
    let recording_path = format!("/api/v1/recordings/{recording}");
    assert_eq!(server.get(&item_path).await.body["deletes_at"], Value::Null);
    let (app, now) = (&server.running.app, server.clock.now());
    assert_eq!(tenant::expire(app, now.plus(10_000 * DAY)).await.unwrap(), 0, "there is no limit");

    server.manage(keep("30")).await;
    let shown = server.get(&item_path).await.body["deletes_at"].clone();
    assert!(shown.as_str().is_some_and(|at| at > now.plus(29 * DAY).to_string().as_str()), "{shown}");
    assert!(server.get("/api/v1/items").await.body["data"][0]["deletes_at"].is_string());
    assert_eq!(server.get(&recording_path).await.body["deletes_at"], shown);
    assert_eq!(tenant::expire(app, now.plus(30 * DAY - Duration::from_secs(60))).await.unwrap(), 0);

    // A lower limit leaves what is older already another day.
    server.manage(keep("0")).await;
    assert_eq!(tenant::expire(app, now.plus(DAY - Duration::from_secs(60))).await.unwrap(), 0);
    assert_eq!(server.get(&item_path).await.status, 200);
    let later = server.clock.now().plus(DAY);
    assert_eq!(tenant::expire(app, later).await.unwrap(), 1, "the item of what is over, and nothing else");
    assert_eq!(server.get(&item_path).await.status, 404);
    assert_eq!(tenant::expire(app, later).await.unwrap(), 0);
    let jobs = server.get("/api/v1/jobs?limit=200").await;
    let jobs = jobs.body["data"].as_array().unwrap();
    assert!(jobs.iter().any(|job| job["title"] == "Delete “Evening”, kept for 0 days"), "{jobs:?}");
    let still = server.get(&format!("/api/v1/recordings/{still}")).await;
    assert_eq!(still.status, 200, "its event goes on: {still:?}");
    assert_eq!(answer(ask(Method::GET, &format!("/api/v1/recordings/{others}"))).await.status, 200);

    // Lifted, nothing more goes.
    server.manage(keep("none")).await;
    let (_, _, kept) = over(&server, "Kept").await;
    assert_eq!(tenant::expire(app, later.plus(10_000 * DAY)).await.unwrap(), 0);
    assert_eq!(server.get(&format!("/api/v1/items/{kept}")).await.body["deletes_at"], Value::Null);
}
