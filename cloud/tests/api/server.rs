//! A server in a directory of its own, and a client that is logged in.

use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::Value;
use stagebox_cloud::account::{AccountCommand, Managed};
use stagebox_cloud::clock::Clock;
use stagebox_cloud::config::{Config, Listen};
use stagebox_cloud::id::RecordingId;
use stagebox_cloud::item::NewItem;
use stagebox_cloud::job::NewJob;
use stagebox_cloud::recording::{DeleteMedia, Recording, RecordingKind, Removed};
use stagebox_cloud::serve::{self, Running};
use std::path::Path;
use std::sync::Mutex;
use tempfile::TempDir;

pub(crate) const EMAIL: &str = "admin@localhost";

/// A running server.
pub(crate) struct Server {
    pub(crate) running: Running,
    pub(crate) url: String,
    pub(crate) password: String,
    pub(crate) clock: Clock,
    directory: TempDir,
    client: Client,
}

/// A browser that is logged in.
#[derive(Debug)]
pub(crate) struct Login {
    /// All cookies, as a browser sends them.
    pub(crate) cookies: String,
    pub(crate) csrf: String,
}

impl Login {
    pub(crate) fn of(answer: &Answer) -> Self {
        let cookies = answer.headers.get_all("set-cookie").iter();
        let cookies = cookies.map(|cookie| cookie.to_str().unwrap().split(';').next().unwrap().to_owned());
        let csrf = answer.body["csrf"].as_str().unwrap_or_default().to_owned();
        Self { cookies: cookies.collect::<Vec<_>>().join("; "), csrf }
    }

    pub(crate) fn request(&self, server: &Server, method: Method, path: &str) -> RequestBuilder {
        server.anonymous(method, path).header("cookie", &self.cookies).header("x-csrf-token", &self.csrf)
    }
}

/// What came back, read as JSON where it is JSON.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
    pub(crate) text: String,
}

pub(crate) fn config(data: &Path) -> Config {
    let mut config = Config { data_dir: data.to_owned(), ..Config::default() };
    config.http.listen.set_port(0);
    config.rtmp.listen.set_port(0);
    config.mqtt.listen.set_port(0);
    config.mqtt.enabled = false;
    config.http.tls_listen = Listen::Off;
    config.rtmp.tls_listen = Listen::Off;
    config.live.transcode = false;
    config.http.drain_ms = 300;
    config.outbound.allow = vec!["127.0.0.0/8".to_owned()];
    config
}

async fn run(data: &Path, clock: Clock, adapt: impl FnOnce(&mut Config)) -> (Running, Option<String>) {
    let mut config = config(data);
    adapt(&mut config);
    let password = Mutex::new(None);
    let running = serve::start(config, clock, |first| {
        *password.lock().unwrap() = Some(first.password.clone());
        Ok(())
    })
    .await
    .unwrap();
    (running, password.into_inner().unwrap())
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(adapt: impl FnOnce(&mut Config)) -> Self {
        Self::start_at(Clock::system(), adapt).await
    }

    /// One whose clock is the test's.
    pub(crate) async fn start_at(clock: Clock, adapt: impl FnOnce(&mut Config)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (running, password) = run(&directory.path().join("data"), clock.clone(), adapt).await;
        Self::around(directory, clock, running, password.unwrap())
    }

    fn around(directory: TempDir, clock: Clock, running: Running, password: String) -> Self {
        let url = format!("http://{}", running.app.addresses.http.get().unwrap());
        let client = Client::builder().no_proxy().build().unwrap();
        Self { running, url, password, clock, directory, client }
    }

    /// Starts anew on a copy of the files as they lie, as after a power cut.
    pub(crate) async fn restart_from_disk(self) -> Self {
        let directory = tempfile::tempdir().unwrap();
        copy(self.directory.path(), directory.path());
        self.running.stop().await;
        let (running, password) = run(&directory.path().join("data"), self.clock.clone(), |_| {}).await;
        assert_eq!(password, None, "the administrator is there already");
        Self::around(directory, self.clock, running, self.password)
    }

    /// Ends the server; what is left on the disk.
    pub(crate) async fn stop(self) -> TempDir {
        self.running.stop().await;
        self.directory
    }

    /// Logs in to the pages.
    pub(crate) async fn login(&self, email: &str, password: &str) -> Login {
        let body = serde_json::json!({ "email": email, "password": password });
        let answer = answer(self.anonymous(Method::POST, "/api/v1/session").json(&body)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        Login::of(&answer)
    }

    /// A request without any login.
    pub(crate) fn anonymous(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }

    /// A request with HTTP Basic.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.anonymous(method, path).basic_auth(EMAIL, Some(&self.password))
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        answer(self.request(Method::GET, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        answer(self.request(Method::POST, path).json(&body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Answer {
        answer(self.request(Method::PATCH, path).json(&body)).await
    }

    pub(crate) async fn new_event(&self, title: &str) -> Value {
        let made = self.post("/api/v1/events", serde_json::json!({ "title": title })).await;
        assert_eq!(made.status, 201, "{made:?}");
        made.body
    }

    /// Carries out a command of `stagebox-cloud account`.
    pub(crate) async fn manage(&self, command: AccountCommand) -> Managed {
        self.running.app.accounts.manage(command).await.unwrap()
    }

    /// A recording of an event, its item, and a job of its account, as they come about by themselves.
    pub(crate) async fn recorded(&self, event: &str) -> (String, String, String) {
        let app = &self.running.app;
        let event = app.events.get(&event.parse().unwrap()).await.unwrap().unwrap();
        let (id, at) = (RecordingId::random(), app.clock.now());
        let recording = Recording {
            id,
            account: event.account,
            number: app.store.next_number("recording").await.unwrap(),
            event_id: event.id,
            kind: RecordingKind::Recording,
            shown_from: None,
            started_at: at,
            ended_at: Some(at),
            from_segment: 0,
            to_segment: Some(0),
            duration_ms: Some(0),
            name: None,
            gaps: Vec::new(),
            removed_at: None,
            removal: None,
        };
        let new = NewItem {
            account: event.account,
            event_id: event.id,
            recording_id: id,
            title: event.title.clone(),
            duration_ms: 0,
            width: None,
            height: None,
        };
        let item = app.items.draft(new, at).await.unwrap();
        let removed = Removed { event_id: event.id, recording_id: RecordingId::random() };
        let job = NewJob::of::<DeleteMedia>("Delete nothing", &removed).unwrap().of_account(event.account);
        let (batch, job) = app.jobs.add(app.store.batch().create(&recording).create(&item), job).unwrap();
        app.store.commit(batch).await.unwrap();
        (id.to_string(), item.id.to_string(), job.to_string())
    }

    pub(crate) async fn set_status(&self, event: &Value, status: &str) -> Answer {
        let path = format!("/api/v1/events/{}/status", event["id"].as_str().unwrap());
        self.post(&path, serde_json::json!({ "status": status })).await
    }
}

pub(crate) async fn answer(request: RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    let text = response.text().await.unwrap();
    let body = serde_json::from_str(&text).unwrap_or(Value::Null);
    Answer { status, headers, body, text }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value: &HeaderValue| value.to_str().unwrap())
    }

    /// The names of the fields that a problem calls wrong.
    pub(crate) fn fields(&self) -> Vec<&str> {
        let errors = self.body["errors"].as_array().map_or(&[][..], Vec::as_slice);
        let mut fields: Vec<_> = errors.iter().filter_map(|error| error["field"].as_str()).collect();
        fields.sort_unstable();
        fields
    }

    /// Asserts that this is a whole problem document with this status.
    pub(crate) fn assert_problem(&self, status: u16) {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        assert_eq!(self.body["status"], status);
        for key in ["type", "title", "detail"] {
            assert!(self.body[key].as_str().is_some_and(|text| !text.is_empty()), "{key}: {self:?}");
        }
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir_all(&target).unwrap();
            copy(&entry.path(), &target);
        } else if entry.file_type().unwrap().is_file() {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
