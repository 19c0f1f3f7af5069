//! What an account sets for itself, and what that does.

use super::server::{Answer, Server, answer};
use reqwest::Method;
use serde_json::{Value, json};
use stagebox_cloud::account::AccountCommand;

const PATH: &str = "/api/v1/account/settings";

fn one<'a>(settings: &'a Answer, name: &str) -> &'a Value {
    let data = settings.body["data"].as_array().unwrap();
    data.iter().find(|setting| setting["name"] == name).unwrap()
}

/// What an event's page is told.
async fn told(server: &Server, event: &Value) -> Value {
    let page = server.anonymous(Method::GET, &format!("/embed/events/{}", event["id"].as_str().unwrap()));
    let text = answer(page).await.text;
    let data = text.split("name=\"stagebox\" content=\"").nth(1).unwrap().split('"').next().unwrap();
    let plain = [("&quot;", "\""), ("&lt;", "<"), ("&gt;", ">"), ("&#39;", "'"), ("&amp;", "&")];
    let data = plain.iter().fold(data.to_owned(), |text, (from, to)| text.replace(from, to));
    serde_json::from_str(&data).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_say_what_they_are_and_go_back_to_their_defaults() {
    let server = Server::start().await;
    let all = server.get(PATH).await;
    assert_eq!((all.status.as_u16(), all.header("etag")), (200, "\"0\""), "{all:?}");
    for setting in all.body["data"].as_array().unwrap() {
        for key in ["name", "group", "type", "description"] {
            assert!(setting[key].as_str().is_some_and(|text| !text.is_empty()), "{key}: {setting}");
        }
        assert_eq!((&setting["value"], &setting["is_set"]), (&setting["default"], &json!(false)));
    }
    assert_eq!(one(&all, "lookback_s")["max"], 86_400);

    let wrong = json!({
        "accent_colour": "red", "time_zone": "Europe/Atlantis", "lookback_s": 1, "record": "no", "logo": "none.svg",
        "event_title": "{who}", "paused_title": "x".repeat(201), "volume": 11,
    });
    let refused = server.patch(PATH, wrong).await;
    refused.assert_problem(422);
    let mut named = vec![
        "accent_colour",
        "event_title",
        "logo",
        "lookback_s",
        "paused_title",
        "record",
        "time_zone",
        "volume",
    ];
    named.sort_unstable();
    assert_eq!(refused.fields(), named);
    assert_eq!(server.get(PATH).await.header("etag"), "\"0\"", "nothing was changed");

    let set = server.patch(PATH, json!({ "accent_colour": "#C2410C", "lookback_s": 600 })).await;
    assert_eq!((set.status.as_u16(), set.header("etag")), (200, "\"1\""), "{set:?}");
    let colour = one(&set, "accent_colour");
    assert_eq!((&colour["value"], &colour["is_set"]), (&json!("#c2410c"), &json!(true)));
    let stale = server.request(Method::PATCH, PATH).header("if-match", "\"0\"");
    answer(stale.json(&json!({ "lookback_s": 700 }))).await.assert_problem(412);
    let back = server.request(Method::PATCH, PATH).header("if-match", "\"1\"");
    let back = answer(back.json(&json!({ "accent_colour": null, "lookback_s": 700 }))).await;
    assert_eq!(
        (&one(&back, "accent_colour")["is_set"], &one(&back, "lookback_s")["value"]),
        (&json!(false), &json!(700))
    );
    assert_eq!(server.patch(PATH, json!({ "lookback_s": 700 })).await.header("etag"), "\"2\"", "nothing new");
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_do_what_they_say_and_only_for_their_account() {
    let server = Server::start().await;
    let second =
        server.manage(AccountCommand::Create { name: "B".into(), email: "b@example.org".into() }).await;
    let password = second.password.unwrap();
    let ask = |method: Method, path: &str| {
        server.anonymous(method, path).basic_auth("b@example.org", Some(&password))
    };
    let none = server.post("/api/v1/events", json!({})).await;
    assert_eq!(none.fields(), ["title"], "without a template each event needs a title: {none:?}");
    let logo =
        server.request(Method::PUT, "/api/v1/include-files/logo.svg").header("content-type", "image/svg+xml");
    assert_eq!(answer(logo.body("<svg xmlns='http://www.w3.org/2000/svg'/>")).await.status, 201);
    let set = json!({
        "event_title": "Service of {date}", "time_zone": "Asia/Tokyo", "accent_colour": "#00aa55", "logo": "logo.svg",
        "low_latency": false, "waiting_title": "Doors at <8> & \"late\"", "waiting_text": "", "replay_link": false,
    });
    assert_eq!(server.patch(PATH, set).await.status, 200);

    let event = server.post("/api/v1/events", json!({})).await.body;
    let title = event["title"].as_str().unwrap();
    let date = title.strip_prefix("Service of ").unwrap();
    assert!(date.len() == 10 && date.split('-').count() == 3, "{title}");
    let other = answer(ask(Method::POST, "/api/v1/events").json(&json!({ "title": "Other" }))).await.body;
    assert_eq!(answer(ask(Method::POST, "/api/v1/events").json(&json!({}))).await.fields(), ["title"]);

    let (mine, others) = (told(&server, &event).await, told(&server, &other).await);
    assert_eq!(mine["look"]["accent"], "#00aa55");
    assert_eq!(mine["look"]["waiting"], json!({ "title": "Doors at <8> & \"late\"", "text": "" }));
    assert_eq!(mine["look"]["low_latency"], false);
    let logo = mine["look"]["logo"].as_str().unwrap();
    assert_eq!(answer(server.anonymous(Method::GET, logo)).await.header("content-type"), "image/svg+xml");
    assert_eq!((&others["look"]["accent"], &others["look"]["logo"]), (&Value::Null, &Value::Null));
    assert_eq!(others["look"]["waiting"]["title"], "Starting soon");

    // After the end, the page leads to the recording only where the account wants that.
    for (event, leads) in [(&event, false), (&other, true)] {
        let id = event["id"].as_str().unwrap();
        server.recorded(id).await;
        for to in ["started", "ended"] {
            let path = format!("/api/v1/events/{id}/status");
            let request = if leads { ask(Method::POST, &path) } else { server.request(Method::POST, &path) };
            assert_eq!(answer(request.json(&json!({ "status": to }))).await.status, 200);
        }
        let status = answer(server.anonymous(Method::GET, &format!("/embed/events/{id}/status.json"))).await;
        assert_eq!(status.body["status"], "ended", "{status:?}");
        assert_eq!(
            status.body["items"].as_array().is_some_and(|items| !items.is_empty()),
            leads,
            "{status:?}"
        );
    }
    // A logo that is deleted is shown no more.
    let gone = server.request(Method::DELETE, "/api/v1/include-files/logo.svg");
    assert_eq!(answer(gone).await.status, 204);
    assert_eq!(told(&server, &event).await["look"]["logo"], Value::Null);
}
