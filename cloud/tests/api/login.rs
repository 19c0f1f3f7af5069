//! Waits after wrong passwords, browsers that are known, and lists of sessions.

use crate::server::{Answer, EMAIL, Server, answer};
use reqwest::{Method, RequestBuilder};
use serde_json::json;
use stagebox_cloud::clock::{Clock, Timestamp};

/// A server behind a proxy, so that tests can come from everywhere.
async fn behind_a_proxy() -> Server {
    // Waits last until somebody moves the clock on.
    let clock = Clock::manual(Timestamp::from_unix_ms(1_700_000_000_000));
    Server::start_at(clock, |config| config.http.trusted_proxies = vec!["127.0.0.0/8".to_owned()]).await
}

fn from(request: RequestBuilder, place: u32) -> RequestBuilder {
    let address = format!("203.0.{}.{}", 113 + place / 250, place % 250);
    request.header("x-forwarded-for", address).header("x-forwarded-proto", "https")
}

async fn guess(server: &Server, email: &str, place: u32) -> Answer {
    let body = json!({ "email": email, "password": "a wrong one" });
    answer(from(server.anonymous(Method::POST, "/api/v1/session").json(&body), place)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_is_guessed_from_everywhere_makes_guesses_wait_and_not_its_user() {
    let server = behind_a_proxy().await;
    let known = server.login(EMAIL, &server.password).await;
    let token = server.post("/api/v1/tokens", json!({ "name": "t" })).await.body["token"].clone();
    let token = token.as_str().unwrap();
    // Each from another address: only the user has them in common.
    let mut answers = Vec::new();
    for email in [EMAIL, "nobody@example.org"] {
        let mut statuses = Vec::new();
        for place in 0..11 {
            let told = guess(&server, email, place).await;
            if told.status == 429 {
                let wait = told.header("retry-after").parse::<u64>().unwrap();
                assert!((1..=61).contains(&wait), "{told:?}");
            }
            statuses.push(told.status.as_u16());
            answers.push((told.status.as_u16(), told.text));
        }
        assert_eq!(statuses.iter().filter(|status| **status == 401).count(), 10, "{statuses:?}");
        assert_eq!(statuses[10], 429, "{statuses:?}");
    }
    // Whether somebody has the address cannot be told by the answers.
    let (one, other) = answers.split_at(11);
    assert_eq!(one, other);
    // The right password too waits, from a strange browser, by session and by Basic.
    let body = json!({ "email": EMAIL, "password": server.password });
    let strange = from(server.anonymous(Method::POST, "/api/v1/session").json(&body), 90);
    answer(strange).await.assert_problem(429);
    let basic = from(server.anonymous(Method::GET, "/api/v1/events"), 91);
    answer(basic.basic_auth(EMAIL, Some("another wrong one"))).await.assert_problem(429);
    // The user's own browser does not, nor do sessions and tokens.
    let own = from(server.anonymous(Method::POST, "/api/v1/session").json(&body), 92);
    let own = answer(own.header("cookie", &known.cookies)).await;
    assert_eq!(own.status, 200, "{own:?}");
    assert_eq!(
        answer(from(known.request(&server, Method::GET, "/api/v1/events"), 93)).await.status,
        401,
        "replaced"
    );
    let again = crate::server::Login::of(&own);
    let with_all = format!("{}; {}", known.cookies.split("; ").nth(1).unwrap(), again.cookies);
    let session = server.anonymous(Method::GET, "/api/v1/events").header("cookie", &with_all);
    assert_eq!(answer(from(session, 94)).await.status, 200);
    let program = server.anonymous(Method::GET, "/api/v1/events").bearer_auth(token);
    assert_eq!(answer(from(program, 95)).await.status, 200);
    // A known browser is counted by itself.
    let mut statuses = Vec::new();
    for place in 100..112 {
        let wrong = json!({ "email": EMAIL, "password": "a wrong one" });
        let request = server.anonymous(Method::POST, "/api/v1/session").json(&wrong);
        statuses.push(answer(from(request.header("cookie", &with_all), place)).await.status.as_u16());
    }
    assert!(statuses.contains(&429), "{statuses:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_session_cannot_try_passwords_for_ever() {
    let server = Server::start().await;
    let login = server.login(EMAIL, &server.password).await;
    let mut statuses = Vec::new();
    for _ in 0..7 {
        let body = json!({ "current": "a wrong one", "new": "correct horse battery" });
        let request = login.request(&server, Method::PUT, "/api/v1/session/password").json(&body);
        statuses.push(answer(request).await.status.as_u16());
    }
    assert_eq!(statuses[..5], [422; 5], "{statuses:?}");
    assert!(statuses.contains(&429), "{statuses:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limited_token_learns_nothing_of_where_its_user_is() {
    let server = Server::start().await;
    let me = server.get("/api/v1/users").await.body["data"][0]["id"].as_str().unwrap().to_owned();
    let export = format!("/api/v1/users/{me}/export");
    let made = async |body| {
        let made = server.post("/api/v1/tokens", body).await;
        made.body["token"].as_str().unwrap().to_owned()
    };
    let limited =
        made(json!({ "name": "l", "permissions": ["events:read", "users:write", "api:use"] })).await;
    for (method, path) in [
        (Method::GET, "/api/v1/sessions"),
        (Method::DELETE, "/api/v1/sessions"),
        (Method::DELETE, "/api/v1/sessions/ses_0"),
        (Method::GET, export.as_str()),
        (Method::POST, export.as_str()),
    ] {
        let refused = answer(server.anonymous(method, path).bearer_auth(&limited)).await;
        refused.assert_problem(403);
        assert!(refused.text.contains("this token"), "{refused:?}");
    }
    let whole = made(json!({ "name": "w" })).await;
    let sessions = server.anonymous(Method::GET, "/api/v1/sessions").bearer_auth(&whole);
    assert_eq!(answer(sessions).await.status, 200);
    let export = server.anonymous(Method::POST, &export).bearer_auth(&whole);
    assert_eq!(answer(export).await.status, 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_listed_and_ended() {
    let server = Server::start().await;
    let one = server.login(EMAIL, &server.password).await;
    let two = server.login(EMAIL, &server.password).await;
    let three = server.login(EMAIL, &server.password).await;
    let list =
        answer(one.request(&server, Method::GET, "/api/v1/sessions").header("user-agent", "Elsewhere")).await;
    let sessions = list.body["data"].as_array().unwrap();
    assert_eq!(sessions.len(), 3, "{list:?}");
    let current: Vec<_> = sessions.iter().filter(|session| session["current"] == true).collect();
    assert_eq!(current.len(), 1);
    assert_eq!(current[0]["address"], "127.0.0.1");
    let token = one.cookies.split(['=', ';']).nth(1).unwrap();
    assert!(!list.text.contains(token), "{list:?}");
    // The newest come first.
    let third = sessions[0]["id"].as_str().unwrap();
    let path = format!("/api/v1/sessions/{third}");
    assert_eq!(answer(one.request(&server, Method::DELETE, &path)).await.status, 204);
    let gone = answer(three.request(&server, Method::GET, "/api/v1/session")).await;
    assert_eq!(gone.status, 401);
    answer(one.request(&server, Method::DELETE, &path)).await.assert_problem(404);
    answer(one.request(&server, Method::DELETE, "/api/v1/sessions/ses_0")).await.assert_problem(404);
    // Another user's is as good as none.
    let roles = server.get("/api/v1/roles").await;
    let role = roles.body["data"].as_array().unwrap().iter().find(|role| role["name"] == "Viewer").unwrap();
    let user = json!({ "email": "v@example.org", "role": role["id"], "password": "correct horse battery" });
    assert_eq!(server.post("/api/v1/users", user).await.status, 201);
    let viewer = server.login("v@example.org", "correct horse battery").await;
    let second = sessions[1]["id"].as_str().unwrap();
    let path = format!("/api/v1/sessions/{second}");
    answer(viewer.request(&server, Method::DELETE, &path)).await.assert_problem(404);
    assert_eq!(answer(two.request(&server, Method::DELETE, "/api/v1/sessions")).await.status, 204);
    assert_eq!(answer(two.request(&server, Method::GET, "/api/v1/session")).await.status, 200);
    assert_eq!(answer(one.request(&server, Method::GET, "/api/v1/session")).await.status, 401);
    assert_eq!(answer(viewer.request(&server, Method::GET, "/api/v1/session")).await.status, 200);
}
