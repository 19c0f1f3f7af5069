//! `Idempotency-Key`: what is sent again is done once.

#[path = "../../../tests/src/house/postgres.rs"]
#[allow(unreachable_pub, dead_code, reason = "the house shows it to others")]
mod postgres;

use crate::process::{Program, command};
use crate::server::{Answer, EMAIL, Server, answer};
use postgres::Postgres;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const STEP: Duration = Duration::from_secs(30);

fn keyed(request: RequestBuilder, key: &str) -> RequestBuilder {
    request.header("idempotency-key", key)
}

/// Asks again for as long as the first request is not answered yet.
async fn until_answered(request: impl Fn() -> RequestBuilder) -> Answer {
    let deadline = tokio::time::Instant::now() + STEP;
    loop {
        let answer = answer(request()).await;
        let running = answer.status == 409 && answer.body["type"] == "/problems/idempotency-key-running";
        if !running {
            return answer;
        }
        assert_eq!(answer.header("retry-after"), "1");
        assert!(tokio::time::Instant::now() < deadline, "it is answered at last");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_post_that_is_sent_again_is_answered_again() {
    let server = Server::start().await;
    let post =
        |path: &str, body: &Value, key: &str| keyed(server.request(Method::POST, path).json(body), key);
    let body = json!({ "title": "once" });
    let first = answer(post("/api/v1/events", &body, "\"one\"")).await;
    assert_eq!((first.status.as_u16(), first.header("idempotency-replayed")), (201, ""));
    let again = answer(post("/api/v1/events", &body, "one")).await;
    assert_eq!((again.status.as_u16(), again.header("idempotency-replayed")), (201, "true"));
    assert_eq!(again.text, first.text);
    for name in ["location", "etag", "content-type"] {
        assert_eq!(again.header(name), first.header(name), "{name}");
        assert_ne!(first.header(name), "", "{name}");
    }
    assert_ne!(again.header("x-request-id"), first.header("x-request-id"));
    answer(post("/api/v1/events", &json!({ "title": "two" }), "one")).await.assert_problem(422);
    answer(post("/api/v1/tokens", &body, "one")).await.assert_problem(422);
    answer(post("/api/v1/events", &body, "\"open")).await.assert_problem(400);
    assert_eq!(server.get("/api/v1/events").await.body["data"].as_array().unwrap().len(), 1);

    // What is shown once is shown to whoever asks again, and nobody reads it on the disk.
    let token = json!({ "name": "t" });
    let first = answer(post("/api/v1/tokens", &token, "two")).await;
    let again = answer(post("/api/v1/tokens", &token, "two")).await;
    assert_eq!((again.text.as_str(), again.status.as_u16()), (first.text.as_str(), 201));
    let secret = first.body["token"].as_str().unwrap().to_owned();
    let wrong = json!({ "title": "" });
    for replayed in ["", "true"] {
        let answer = answer(post("/api/v1/events", &wrong, "three")).await;
        answer.assert_problem(422);
        assert_eq!(answer.header("idempotency-replayed"), replayed);
    }
    let server = server.restart_from_disk().await;
    let again = answer(keyed(server.request(Method::POST, "/api/v1/tokens").json(&token), "two")).await;
    assert_eq!((again.text.as_str(), again.header("idempotency-replayed")), (first.text.as_str(), "true"));
    let files = std::fs::read(server.running.app.config.data_dir.join("store/1/db")).unwrap();
    assert!(!files.windows(secret.len()).any(|window| window == secret.as_bytes()));
}

#[tokio::test]
async fn a_connection_that_is_cut_after_sending_loses_no_answer() {
    let server = Server::start().await;
    let address = server.url.trim_start_matches("http://").to_owned();
    let login = server.request(Method::GET, "/").build().unwrap();
    let login = login.headers()["authorization"].to_str().unwrap().to_owned();
    let body = "{\"title\":\"cut\"}";
    for number in 0..20 {
        let request = format!(
            "POST /api/v1/events HTTP/1.1\r\nhost: x\r\nauthorization: {login}\r\nidempotency-key: cut-{number}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut stream = TcpStream::connect(&address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        match number % 3 {
            0 => stream.set_zero_linger().unwrap(),
            1 => stream.shutdown().await.unwrap(),
            _ => {
                // In the middle of the answer.
                let mut some = [0; 20];
                let _ = stream.read(&mut some).await;
            }
        }
        drop(stream);
    }
    for number in 0..20 {
        let post = || {
            let request =
                server.request(Method::POST, "/api/v1/events").header("content-type", "application/json");
            keyed(request.body(body), &format!("cut-{number}"))
        };
        assert_eq!(until_answered(post).await.status, 201);
    }
    let made = server.get("/api/v1/events?limit=200").await.body["data"].as_array().unwrap().len();
    assert_eq!(made, 20, "each was made once");
}

#[tokio::test]
async fn kill_dash_nine_in_between_makes_nothing_twice() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let directory = tempfile::tempdir().unwrap();
    let mut program = Program::start(&directory, &[]).await;
    let password = program.password();
    let client = Client::builder().no_proxy().build().unwrap();
    let (mut lost, mut answered) = (0, 0);
    for round in 0..12u64 {
        let title = format!("round {round}");
        let post = |url: &str| {
            let request = client.post(format!("{url}/api/v1/events")).basic_auth(EMAIL, Some(&password));
            keyed(request.json(&json!({ "title": title })), &title.replace(' ', "-"))
        };
        // Known from now on, so that the request itself takes a millisecond or two.
        program.events(Method::GET, &password, None).await;
        let sent = tokio::spawn(post(&program.url).send());
        tokio::time::sleep(Duration::from_micros(round * 400)).await;
        program.child.kill().await.unwrap();
        let _ = sent.await;
        program = Program::start(&directory, &[]).await;
        let again = until_answered(|| post(&program.url)).await;
        match again.status.as_u16() {
            201 => answered += 1,
            409 => {
                assert_eq!(again.body["type"], "/problems/idempotency-answer-lost", "{again:?}");
                lost += 1;
            }
            _ => panic!("{again:?}"),
        }
        let list = program.events(Method::GET, &password, None).await;
        let made = list["data"].as_array().unwrap().iter().filter(|event| event["title"] == title.as_str());
        assert_eq!(made.count(), 1, "{title}");
    }
    println!("{answered} answered, {lost} told that they were carried out");
}

#[tokio::test]
async fn two_processes_do_it_once_between_them() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let server = Postgres::start().unwrap();
    let directories = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let key = directories[0].path().join("data.key");
    let on_postgres = |directory| {
        let mut command = command(directory);
        command
            .env("STAGEBOX_STORE__KIND", "postgres")
            .env("STAGEBOX_STORE__URL", server.url("postgres"))
            .env("STAGEBOX_SECRETS_KEY_FILE", &key)
            .stderr(std::process::Stdio::null());
        command
    };
    let first = Program::run(on_postgres(&directories[0]), &directories[0], &[]).await;
    let password = first.password();
    let second = Program::run(on_postgres(&directories[1]), &directories[1], &[]).await;
    let client = Client::builder().no_proxy().build().unwrap();
    for number in 0..15 {
        let title = format!("shared {number}");
        let post = |url: &str| {
            let request = client.post(format!("{url}/api/v1/events")).basic_auth(EMAIL, Some(&password));
            keyed(request.json(&json!({ "title": title })), &format!("shared-{number}"))
        };
        let (one, two) =
            tokio::join!(until_answered(|| post(&first.url)), until_answered(|| post(&second.url)));
        assert_eq!((one.status.as_u16(), two.status.as_u16()), (201, 201), "{one:?} {two:?}");
        assert_eq!(one.body["id"], two.body["id"]);
        let replayed =
            [&one, &two].iter().filter(|answer| answer.header("idempotency-replayed") == "true").count();
        assert_eq!(replayed, 1, "one of them did it");
    }
    let list = first.events(Method::GET, &password, None).await;
    assert_eq!(list["data"].as_array().unwrap().len(), 15);
}
