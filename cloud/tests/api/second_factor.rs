//! A second factor: set up, asked for, lost, and taken off.

use crate::server::{Answer, EMAIL, Login, Server, answer};
use reqwest::Method;
use ring::hmac;
use serde_json::json;
use stagebox_cloud::clock::{Clock, Timestamp};
use std::time::Duration;

/// An app on a telephone that has taken the picture.
struct App {
    secret: Vec<u8>,
    clock: Clock,
}

impl App {
    fn new(base32: &str, clock: &Clock) -> Self {
        let (mut bits, mut count, mut secret) = (0u64, 0, Vec::new());
        for letter in base32.bytes() {
            let value =
                b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".iter().position(|known| *known == letter).unwrap();
            bits = bits << 5 | value as u64;
            count += 5;
            if count >= 8 {
                count -= 8;
                secret.push((bits >> count) as u8);
            }
        }
        Self { secret, clock: clock.clone() }
    }

    /// The code that it shows now.
    fn code(&self) -> String {
        let step = (self.clock.now().unix_ms() / 30_000) as u64;
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &self.secret);
        let tag = hmac::sign(&key, &step.to_be_bytes());
        let at = usize::from(tag.as_ref()[19] & 15);
        let number = u32::from_be_bytes(tag.as_ref()[at..at + 4].try_into().unwrap()) & 0x7fff_ffff;
        format!("{:06}", number % 1_000_000)
    }

    /// The next code.
    fn next(&self) -> String {
        self.clock.advance(Duration::from_secs(30));
        self.code()
    }
}

struct Scene {
    server: Server,
    login: Login,
    app: App,
    recovery: Vec<String>,
}

async fn enrolled() -> Scene {
    let clock = Clock::manual(Timestamp::from_unix_ms(1_700_000_000_000));
    let server = Server::start_at(clock.clone(), |_| {}).await;
    let login = server.login(EMAIL, &server.password).await;
    let ask = |method, path: &str| login.request(&server, method, path);
    let begin =
        |password: &str| ask(Method::POST, "/api/v1/second-factor").json(&json!({ "password": password }));
    assert_eq!(answer(begin("wrong")).await.fields(), ["password"]);
    let begun = answer(begin(&server.password)).await;
    assert_eq!(begun.status, 201, "{begun:?}");
    assert!(
        begun.body["uri"].as_str().unwrap().starts_with("otpauth://totp/Stagebox:admin%40localhost?secret=")
    );
    assert!(begun.body["qr"].as_str().unwrap().starts_with("<svg "));
    let app = App::new(begun.body["secret"].as_str().unwrap(), &clock);
    assert_eq!(app.secret.len(), 20);
    // Not before the first right code.
    let confirm =
        |code: String| ask(Method::POST, "/api/v1/second-factor/confirm").json(&json!({ "code": code }));
    assert_eq!(answer(confirm("000000".to_owned())).await.fields(), ["code"]);
    assert_eq!(server.get("/api/v1/second-factor").await.body["enabled"], false);
    let confirmed = answer(confirm(app.code())).await;
    assert_eq!(confirmed.status, 200, "{confirmed:?}");
    let recovery: Vec<String> = serde_json::from_value(confirmed.body["recovery_codes"].clone()).unwrap();
    assert_eq!(recovery.len(), 10);
    answer(begin(&server.password)).await.assert_problem(409);
    let shown = answer(ask(Method::GET, "/api/v1/second-factor")).await;
    assert_eq!((&shown.body["enabled"], &shown.body["recovery_codes_left"]), (&json!(true), &json!(10)));
    Scene { server, login, app, recovery }
}

async fn first_step(server: &Server) -> String {
    let body = json!({ "email": EMAIL, "password": server.password });
    let step = answer(server.anonymous(Method::POST, "/api/v1/session").json(&body)).await;
    assert_eq!((step.status.as_u16(), step.header("set-cookie")), (202, ""), "{step:?}");
    step.body["login"].as_str().unwrap().to_owned()
}

async fn second_step(server: &Server, login: &str, code: &str) -> Answer {
    let body = json!({ "login": login, "code": code });
    answer(server.anonymous(Method::POST, "/api/v1/session/code").json(&body)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_ask_for_a_code_that_counts_once() {
    let Scene { server, app, recovery, .. } = enrolled().await;
    let step = first_step(&server).await;
    // The one that confirmed it is over.
    second_step(&server, &step, &app.code()).await.assert_problem(401);
    let code = app.next();
    let entered = second_step(&server, &step, &format!("{} {}", &code[..3], &code[3..])).await;
    assert_eq!(entered.status, 200, "{entered:?}");
    let login = Login::of(&entered);
    assert_eq!(answer(login.request(&server, Method::GET, "/api/v1/events")).await.status, 200);
    second_step(&server, &step, &code).await.assert_problem(401);
    // A recovery code instead of the app's, once.
    assert_eq!(second_step(&server, &step, &recovery[4].to_uppercase()).await.status, 200);
    second_step(&server, &step, &recovery[4]).await.assert_problem(401);
    // The first step ends by itself.
    app.clock.advance(Duration::from_secs(301));
    second_step(&server, &step, &app.code()).await.assert_problem(401);
    second_step(&server, "forged.word", &app.code()).await.assert_problem(401);
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_cannot_be_tried_for_long() {
    let Scene { server, .. } = enrolled().await;
    let step = first_step(&server).await;
    let mut statuses = Vec::new();
    for number in 0..8 {
        statuses.push(second_step(&server, &step, &format!("{number:06}")).await.status.as_u16());
    }
    assert!(statuses[..4].iter().all(|status| *status == 401) && statuses.contains(&429), "{statuses:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn basic_is_closed_then_and_tokens_are_not() {
    let Scene { server, login, app, .. } = enrolled().await;
    let refused = server.get("/api/v1/events").await;
    refused.assert_problem(403);
    assert!(refused.text.contains("/api/v1/tokens"), "{refused:?}");
    let wrong = server.anonymous(Method::GET, "/api/v1/events").basic_auth(EMAIL, Some("wrong"));
    answer(wrong).await.assert_problem(401);
    let new = login.request(&server, Method::POST, "/api/v1/tokens").json(&json!({ "name": "t" }));
    let token = answer(new).await.body["token"].as_str().unwrap().to_owned();
    let with = server.anonymous(Method::GET, "/api/v1/events").bearer_auth(&token);
    assert_eq!(answer(with).await.status, 200);
    // New recovery codes, and off again, each with password and code.
    let ask = |path: &str, code: &str| {
        let body = json!({ "password": server.password, "code": code });
        login.request(&server, Method::POST, &format!("/api/v1/second-factor/{path}")).json(&body)
    };
    assert_eq!(answer(ask("recovery-codes", "123456")).await.fields(), ["code"]);
    let renewed = answer(ask("recovery-codes", &app.next())).await;
    assert_eq!(renewed.body["recovery_codes"].as_array().unwrap().len(), 10, "{renewed:?}");
    assert_eq!(answer(ask("disable", &app.code())).await.fields(), ["code"], "the same code");
    assert_eq!(answer(ask("disable", &app.next())).await.status, 204);
    assert_eq!(server.get("/api/v1/events").await.status, 200);
    assert_eq!(server.get("/api/v1/second-factor").await.body["enabled"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_takes_it_off_and_the_journal_says_so() {
    let Scene { server, login, .. } = enrolled().await;
    let users = answer(login.request(&server, Method::GET, "/api/v1/users")).await;
    let own = users.body["data"][0].clone();
    assert_eq!(own["second_factor"], true);
    let path = format!("/api/v1/users/{}/second-factor", own["id"].as_str().unwrap());
    // Not one's own: whoever finds the session open knows neither password nor code.
    let refused = answer(login.request(&server, Method::DELETE, &path)).await;
    refused.assert_problem(409);
    assert!(refused.text.contains("POST /api/v1/second-factor/disable"), "{refused:?}");
    let password = format!("/api/v1/users/{}/password", own["id"].as_str().unwrap());
    let refused = answer(login.request(&server, Method::POST, &password)).await;
    refused.assert_problem(409);
    assert!(refused.text.contains("PUT /api/v1/session/password"), "{refused:?}");
    let other = json!({ "email": "b@example.org", "role": own["role"], "password": "correct horse battery" });
    let other = answer(login.request(&server, Method::POST, "/api/v1/users").json(&other)).await;
    assert_eq!(other.status, 201, "{other:?}");
    let by = |path: &str| {
        let request = server.anonymous(Method::DELETE, path);
        request.basic_auth("b@example.org", Some("correct horse battery"))
    };
    assert_eq!(answer(by(&path)).await.status, 204);
    answer(by(&path)).await.assert_problem(404);
    let log = answer(login.request(&server, Method::GET, "/api/v1/log?kind=second_factor")).await;
    let changes: Vec<_> =
        log.body["data"].as_array().unwrap().iter().map(|entry| entry["change"].clone()).collect();
    assert_eq!(changes, ["deleted", "changed", "created"], "{log:?}");
    assert_eq!(log.body["data"][0]["by"]["id"], other.body["id"]);
    assert_eq!(server.get("/api/v1/events").await.status, 200, "the password alone does again");
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_the_secret_nor_a_recovery_code_is_in_the_files() {
    let Scene { server, app, recovery, .. } = enrolled().await;
    let directory = server.stop().await;
    let mut texts: Vec<Vec<u8>> = recovery.iter().map(|code| code.as_bytes().to_vec()).collect();
    texts.push(app.secret.clone());
    let found = crate::personal::found(&directory.path().join("data"), &texts);
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn the_app_reads_what_the_server_writes() {
    let app = App::new("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", &Clock::manual(Timestamp::from_unix_ms(59_000)));
    assert_eq!((app.secret.as_slice(), app.code().as_str()), (&b"12345678901234567890"[..], "287082"));
}
