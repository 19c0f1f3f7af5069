//! What is kept of a user: given out, and erased so that nothing on the disk names them.

use crate::server::{EMAIL, Server, answer};
use reqwest::Method;
use serde_json::{Value, json};
use stagebox_cloud::id::UserId;
use stagebox_cloud::job::NewJob;
use stagebox_cloud::personal::{Export, ExportUser, Whose};
use stagebox_cloud::store::{Account, IndexKey, Scan};
use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

const ADDRESS: &str = "grepme-anna@example.org";
const NAME: &str = "Grepme Anna Unlikely";
const BROWSER: &str = "GrepmeBrowser/7";
const PASSWORD: &str = "correct horse battery";

/// Where below a directory texts stand, as they are or as base64 has them.
pub(crate) fn found(directory: &Path, texts: &[Vec<u8>]) -> Vec<String> {
    let mut places = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            places.extend(found(&path, texts));
        } else if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            for text in texts {
                if bytes.windows(text.len()).any(|window| window == text.as_slice()) {
                    places.push(format!("{}: {}", path.display(), String::from_utf8_lossy(text)));
                }
            }
        }
    }
    places
}

fn names() -> Vec<Vec<u8>> {
    [ADDRESS, NAME, BROWSER, "198.51.100.77"].iter().map(|text| text.as_bytes().to_vec()).collect()
}

async fn until_done(server: &Server, job: &Value) -> Value {
    let path = format!("/api/v1/jobs/{}", job["id"].as_str().unwrap());
    for _ in 0..1500 {
        let job = server.get(&path).await.body;
        match job["state"].as_str() {
            Some("done") => return job,
            Some("failed" | "cancelled") => panic!("{job}"),
            _ => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
    panic!("the job does not end: {}", server.get(&path).await.text);
}

/// A user whose address and name are everywhere that they can get to.
async fn everywhere(server: &Server) -> String {
    let roles = server.get("/api/v1/roles").await;
    let role =
        roles.body["data"].as_array().unwrap().iter().find(|role| role["name"] == "Administrator").unwrap();
    let new =
        json!({ "email": "first@example.org", "name": "First", "role": role["id"], "password": PASSWORD });
    let made = server.post("/api/v1/users", new).await;
    let id = made.body["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/users/{id}");
    let renamed = server.patch(&path, json!({ "email": ADDRESS, "name": NAME })).await;
    assert_eq!(renamed.status, 200, "{renamed:?}");
    let away = |request: reqwest::RequestBuilder| {
        request
            .header("x-forwarded-for", "198.51.100.77")
            .header("x-forwarded-proto", "https")
            .header("user-agent", BROWSER)
    };
    let body = json!({ "email": ADDRESS, "password": PASSWORD });
    let entered = answer(away(server.anonymous(Method::POST, "/api/v1/session").json(&body))).await;
    assert_eq!(entered.status, 200, "{entered:?}");
    let login = crate::server::Login::of(&entered);
    let ask = |method, path: &str| away(login.request(server, method, path));
    let event = answer(ask(Method::POST, "/api/v1/events").json(&json!({ "title": "Made by her" }))).await;
    assert_eq!(event.status, 201, "{event:?}");
    let token = json!({ "name": format!("{NAME}'s laptop") });
    assert_eq!(answer(ask(Method::POST, "/api/v1/tokens").json(&token)).await.status, 201);
    assert_eq!(
        answer(ask(Method::POST, "/api/v1/second-factor").json(&json!({ "password": PASSWORD })))
            .await
            .status,
        201
    );
    for _ in 0..2 {
        let wrong = json!({ "email": ADDRESS, "password": "wrong" });
        let request = server.anonymous(Method::POST, "/api/v1/session").json(&wrong);
        assert_eq!(answer(away(request)).await.status, 401);
    }
    let basic = server.anonymous(Method::GET, "/api/v1/events").basic_auth(ADDRESS, Some(PASSWORD));
    assert_eq!(answer(away(basic)).await.status, 200);
    // Until all of it is noted.
    for _ in 0..500 {
        let log = server.get(&format!("/api/v1/log?kind=login&user={id}")).await;
        if log.body["data"].as_array().unwrap().len() == 3 {
            return id;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the logins are not noted");
}

async fn behind_a_proxy() -> Server {
    Server::start_with(|config| config.http.trusted_proxies = vec!["127.0.0.0/8".to_owned()]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_has_all_that_is_kept_and_is_for_its_user_and_administrators() {
    let server = behind_a_proxy().await;
    let id = everywhere(&server).await;
    let path = format!("/api/v1/users/{id}/export");
    answer(server.request(Method::GET, &path)).await.assert_problem(404);
    let asked = answer(server.request(Method::POST, &path)).await;
    assert_eq!(asked.status, 202, "{asked:?}");
    let job = until_done(&server, &asked.body).await;
    assert_eq!((&job["kind"], &job["subject"]), (&json!("export-user"), &json!(id)));
    let archive = server.request(Method::GET, &path).send().await.unwrap();
    assert_eq!(archive.headers()["content-type"], "application/zip");
    let bytes = archive.bytes().await.unwrap();
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
    let mut read = |name: &str| {
        let mut text = String::new();
        zip.by_name(name).unwrap().read_to_string(&mut text).unwrap();
        text
    };
    assert!(read("README.txt").contains("profile.json"));
    let profile: Value = serde_json::from_str(&read("profile.json")).unwrap();
    assert_eq!((&profile["email"], &profile["name"]), (&json!(ADDRESS), &json!(NAME)));
    assert_eq!(profile["role"]["name"], "Administrator");
    assert!(read("sessions.json").contains(BROWSER) && read("tokens.json").contains("laptop"));
    let logins: Vec<Value> = serde_json::from_str(&read("logins.json")).unwrap();
    assert_eq!(logins.iter().filter(|login| login["address"] == "198.51.100.77").count(), 3, "{logins:?}");
    assert!(read("created.json").contains("Made by her"));
    let log: Vec<Value> = serde_json::from_str(&read("log.json")).unwrap();
    assert!(log.iter().any(|entry| entry["kind"] == "user" && entry["id"] == id.as_str()), "{log:?}");
    // Others are there by id only.
    let by =
        |name: &Value| log.iter().find(|entry| entry["by"]["kind"] == "user" && entry["by"]["name"] == *name);
    assert!(by(&json!(NAME)).is_some() && by(&Value::Null).is_some(), "{log:?}");
    assert!(!read("log.json").contains(EMAIL));
    let all = ["profile.json", "sessions.json", "tokens.json", "log.json"].map(&mut read).join("");
    assert!(!all.contains("argon2") && !all.contains("token_hash"), "{all}");

    // Neither for strangers nor for those who may do less.
    answer(server.anonymous(Method::GET, &path)).await.assert_problem(401);
    let roles = server.get("/api/v1/roles").await;
    let role = roles.body["data"].as_array().unwrap().iter().find(|role| role["name"] == "Viewer").unwrap();
    let viewer = json!({ "email": "v@example.org", "role": role["id"], "password": PASSWORD });
    let viewer = server.post("/api/v1/users", viewer).await.body["id"].as_str().unwrap().to_owned();
    let login = server.login("v@example.org", PASSWORD).await;
    answer(login.request(&server, Method::GET, &path)).await.assert_problem(403);
    answer(login.request(&server, Method::POST, &path)).await.assert_problem(403);
    // One at a time is made, and kept.
    let own = format!("/api/v1/users/{viewer}/export");
    let ask = || async { answer(login.request(&server, Method::POST, &own)).await };
    let asked = futures_util::future::join_all((0..4).map(|_| ask())).await;
    let begun: Vec<_> = asked.iter().filter(|asked| asked.status == 202).collect();
    assert!(
        !begun.is_empty() && asked.iter().all(|asked| [202, 409].contains(&asked.status.as_u16())),
        "{asked:?}"
    );
    for begun in begun {
        until_done(&server, &begun.body).await;
    }
    let first = answer(login.request(&server, Method::GET, &own)).await;
    let again = ask().await;
    assert_eq!(again.status, 202, "{again:?}");
    until_done(&server, &again.body).await;
    let second = answer(login.request(&server, Method::GET, &own)).await;
    assert_ne!(first.header("etag"), second.header("etag"));
    let user: UserId = viewer.parse().unwrap();
    let app = &server.running.app;
    let kept = Scan::of("user").within(IndexKey::new().text(user));
    assert_eq!(app.store.scan::<Export>(kept).await.unwrap().items.len(), 1);
    let later = NewJob::of::<ExportUser>("Later", &Whose { account: Account::FIRST, user }).unwrap();
    app.jobs.enqueue(later.about(user).delay(Duration::from_secs(600))).await.unwrap();
    ask().await.assert_problem(409);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_is_erased_is_nowhere_any_more() {
    let server = behind_a_proxy().await;
    let id = everywhere(&server).await;
    let data = server.running.app.config.data_dir.clone();
    // The export is one more place, and so are the jobs.
    let asked = answer(server.request(Method::POST, &format!("/api/v1/users/{id}/export"))).await;
    until_done(&server, &asked.body).await;
    assert!(!found(&data, &names()).is_empty(), "they are on the disk before");

    let admin = server.get("/api/v1/users").await.body;
    let admin = admin["data"].as_array().unwrap().iter().find(|user| user["email"] == EMAIL).unwrap();
    let asked = answer(server.request(Method::POST, &format!("/api/v1/users/{id}/erase"))).await;
    assert_eq!(asked.status, 202, "{asked:?}");
    until_done(&server, &asked.body).await;
    let last = format!("/api/v1/users/{}/erase", admin["id"].as_str().unwrap());
    answer(server.request(Method::POST, &last)).await.assert_problem(409);

    // What they made stays; what is told names nobody.
    let events = server.get("/api/v1/events").await;
    assert!(events.text.contains("Made by her"));
    for path in ["log?limit=200", "users", "jobs", "events", "tokens", "items", "hook", "sessions", "roles"] {
        let told = server.get(&format!("/api/v1/{path}")).await.text;
        for name in [ADDRESS, NAME, BROWSER, "198.51.100.77"] {
            assert!(!told.contains(name), "{path} has {name}: {told}");
        }
    }
    answer(server.request(Method::GET, &format!("/api/v1/users/{id}/export"))).await.assert_problem(404);
    let directory = server.stop().await;
    assert_eq!(found(&directory.path().join("data"), &names()), Vec::<String>::new());
}
