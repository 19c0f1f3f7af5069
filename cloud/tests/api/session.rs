//! Logging in, by session and by HTTP Basic.

use crate::server::{Answer, EMAIL, Server, answer};
use reqwest::Method;
use serde_json::json;

async fn login(server: &Server) -> (String, String, Answer) {
    let body = json!({ "email": EMAIL, "password": server.password });
    let answer = answer(server.anonymous(Method::POST, "/api/v1/session").json(&body)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let cookie = answer.header("set-cookie").split(';').next().unwrap().to_owned();
    (cookie, answer.body["csrf"].as_str().unwrap().to_owned(), answer)
}

#[tokio::test]
async fn a_session_needs_its_csrf_token_to_change_something() {
    let server = Server::start().await;
    let (cookie, csrf, first) = login(&server).await;
    let set = first.header("set-cookie");
    assert!(set.contains("HttpOnly") && set.contains("SameSite=Strict"), "{set}");
    assert_eq!(first.body["email"], EMAIL);

    let with = |method, path: &str| server.anonymous(method, path).header("cookie", &cookie);
    let again = answer(with(Method::GET, "/api/v1/session")).await;
    assert_eq!((again.status.as_u16(), again.body["csrf"].as_str()), (200, Some(csrf.as_str())));
    assert_eq!(answer(with(Method::GET, "/api/v1/events")).await.status, 200);

    let body = json!({ "title": "x" });
    let forged = answer(with(Method::POST, "/api/v1/events").json(&body)).await;
    forged.assert_problem(403);
    let wrong = with(Method::POST, "/api/v1/events").header("x-csrf-token", "0").json(&body);
    answer(wrong).await.assert_problem(403);
    let right = with(Method::POST, "/api/v1/events").header("x-csrf-token", &csrf).json(&body);
    assert_eq!(answer(right).await.status, 201);

    let out = with(Method::DELETE, "/api/v1/session").header("x-csrf-token", &csrf);
    assert_eq!(answer(out).await.status, 204);
    answer(with(Method::GET, "/api/v1/events")).await.assert_problem(401);
}

#[tokio::test]
async fn a_session_outlives_the_server_and_its_token_is_not_in_the_store() {
    let server = Server::start().await;
    let (cookie, _, _) = login(&server).await;
    let server = server.restart_from_disk().await;
    let request = server.anonymous(Method::GET, "/api/v1/events").header("cookie", &cookie);
    assert_eq!(answer(request).await.status, 200);
    let token = cookie.split('=').nth(1).unwrap();
    let files = std::fs::read(server.running.app.config.data_dir.join("store/1/db")).unwrap();
    assert!(!files.windows(token.len()).any(|window| window == token.as_bytes()));
}

#[tokio::test]
async fn nobody_gets_in_without_the_right_password() {
    let server = Server::start().await;
    for path in ["/api/v1/events", "/api/v1/items", "/api/v1/stream", "/api/v1/session", "/api/v1/hook"] {
        let answer = answer(server.anonymous(Method::GET, path)).await;
        answer.assert_problem(401);
        assert!(answer.header("www-authenticate").starts_with("Basic"), "{answer:?}");
    }
    let page = server.anonymous(Method::GET, "/api/v1/events").header("sec-fetch-mode", "cors");
    assert!(answer(page).await.header("www-authenticate").starts_with("Session"));
    // A page from another machine over plain HTTP is known by its languages.
    let page = server.anonymous(Method::GET, "/api/v1/events").header("accept-language", "de");
    assert!(answer(page).await.header("www-authenticate").starts_with("Session"));
    let wrong = server.anonymous(Method::GET, "/api/v1/events").basic_auth(EMAIL, Some("wrong"));
    answer(wrong).await.assert_problem(401);
    let bearer = server.anonymous(Method::GET, "/api/v1/events").bearer_auth("x");
    answer(bearer).await.assert_problem(401);
}

#[tokio::test]
async fn wrong_passwords_are_slowed() {
    let server = Server::start().await;
    let body = json!({ "email": EMAIL, "password": "wrong" });
    let mut statuses = Vec::new();
    for _ in 0..7 {
        let answer = answer(server.anonymous(Method::POST, "/api/v1/session").json(&body)).await;
        statuses.push(answer.status.as_u16());
        if answer.status == 429 {
            assert!(answer.header("retry-after").parse::<u64>().unwrap() >= 1);
        }
    }
    assert_eq!(statuses[..5], [401; 5]);
    assert!(statuses.contains(&429), "{statuses:?}");
}

#[tokio::test]
async fn bad_logins_are_explained() {
    let server = Server::start().await;
    let post = |body| server.anonymous(Method::POST, "/api/v1/session").json(&body);
    let all = answer(post(json!({ "email": "x", "passwort": "y" }))).await;
    all.assert_problem(422);
    assert_eq!(all.fields(), ["email", "password", "passwort"]);
    let types = answer(post(json!({ "email": 1, "password": null }))).await;
    assert_eq!(types.fields(), ["email", "password"]);
    let foreign = post(json!({ "email": EMAIL, "password": server.password }));
    answer(foreign.header("sec-fetch-site", "cross-site")).await.assert_problem(403);
    let put = answer(server.anonymous(Method::PUT, "/api/v1/session")).await;
    put.assert_problem(405);
    assert_eq!(put.header("allow"), "GET, HEAD, POST, DELETE");
}

#[tokio::test]
async fn basic_from_a_foreign_page_changes_nothing() {
    let server = Server::start().await;
    let post = server.request(Method::POST, "/api/v1/events").json(&json!({ "title": "x" }));
    answer(post.header("sec-fetch-site", "cross-site")).await.assert_problem(403);
    assert_eq!(server.get("/api/v1/events").await.body["data"], json!([]));
}

#[tokio::test]
async fn a_good_header_is_checked_once() {
    let server = Server::start().await;
    // Also where many come at once with the first one: none of them is a guess.
    let many = futures_util::future::join_all((0..20).map(|_| server.get("/api/v1/events"))).await;
    assert!(many.iter().all(|answer| answer.status == 200), "{many:?}");
    assert_eq!(server.get("/api/v1/events").await.status, 200);
    let started = std::time::Instant::now();
    for _ in 0..50 {
        assert_eq!(server.get("/api/v1/events").await.status, 200);
    }
    let per_request = started.elapsed() / 50;
    assert!(per_request < std::time::Duration::from_millis(20), "{per_request:?}: argon2 each time?");
}
