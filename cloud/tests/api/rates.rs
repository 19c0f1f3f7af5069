//! How much may be asked, and what answers say of it.

use crate::server::{Server, answer};
use reqwest::Method;
use serde_json::json;
use stagebox_cloud::http::Rate;

#[tokio::test]
async fn answers_say_how_much_may_be_asked_and_too_much_is_refused() {
    let server = Server::start_with(|config| {
        config.http.rates.user = Rate { per_s: 1, burst: 6 };
        config.http.rates.address = Rate { per_s: 1, burst: 4 };
    })
    .await;
    let first = server.get("/api/v1/events").await;
    assert_eq!(first.header("ratelimit-policy"), "\"user\";q=6;w=6, \"account\";q=5000;w=10");
    assert_eq!(first.header("ratelimit"), "\"user\";r=5;t=1, \"account\";r=4999;t=1");
    let mut refused = None;
    for _ in 0..20 {
        let answer = server.get("/api/v1/events").await;
        if answer.status != 200 {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("a burst has an end");
    refused.assert_problem(429);
    assert!(refused.header("retry-after").parse::<u64>().unwrap() >= 1);
    assert!(refused.header("ratelimit").starts_with("\"user\";r=0;t="));

    // Whoever is not known is counted by address, and others are not touched by that.
    let mut statuses = Vec::new();
    for _ in 0..8 {
        let nobody = answer(server.anonymous(Method::GET, "/api/v1/events")).await;
        assert!(nobody.header("ratelimit").starts_with("\"address\";"), "{nobody:?}");
        statuses.push(nobody.status.as_u16());
    }
    assert!(statuses.starts_with(&[401, 401, 401]) && statuses.ends_with(&[429]), "{statuses:?}");
    for path in ["/healthz", "/readyz", "/metrics"] {
        let health = answer(server.anonymous(Method::GET, path)).await;
        assert_eq!((health.status.as_u16(), health.header("ratelimit")), (200, ""), "{path}");
    }
}

#[tokio::test]
async fn nobody_meets_the_limits_by_working() {
    let server = Server::start().await;
    for number in 0..300 {
        let answer = match number % 3 {
            0 => server.post("/api/v1/events", json!({ "title": format!("{number}") })).await,
            1 => server.get("/api/v1/events").await,
            _ => server.get("/api/v1/session").await,
        };
        assert_ne!(answer.status, 429, "{number}");
    }
}
