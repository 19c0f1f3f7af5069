//! Jobs over the API, and the deletion of items, which is one.

use crate::server::{Answer, Server, answer};
use reqwest::Method;
use serde_json::{Value, json};
use stagebox_cloud::clock::Timestamp;
use stagebox_cloud::id::{EventId, RecordingId};
use stagebox_cloud::item::NewItem;
use stagebox_cloud::job::{JobHandle, JobView, NewJob, Outcome, Work, WorkError};
use stagebox_cloud::recording::{Recording, RecordingKind, resume};
use std::path::PathBuf;
use std::time::Duration;

/// A kind that no server of these tests does.
struct Never;

impl Work for Never {
    const KIND: &'static str = "never";
    type Input = u32;

    async fn run(&self, _job: JobHandle, _input: u32) -> Result<Outcome, WorkError> {
        Err(WorkError::hopeless("it is not done here"))
    }
}

/// Asks for a deletion of something that is none.
struct Senseless;

impl Work for Senseless {
    const KIND: &'static str = "delete-media";
    type Input = Value;

    async fn run(&self, _job: JobHandle, _input: Value) -> Result<Outcome, WorkError> {
        Err(WorkError::hopeless("it is not done here"))
    }
}

async fn never(server: &Server, number: u32) -> JobView {
    let job = NewJob::of::<Never>(&format!("Job {number}"), &number).unwrap();
    server.running.app.jobs.enqueue(job).await.unwrap()
}

async fn delete(server: &Server, path: &str) -> Answer {
    answer(server.request(Method::DELETE, path)).await
}

async fn until(server: &Server, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..1500 {
        let job = server.get(path).await.body;
        if wanted(&job) {
            return job;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("still {}", server.get(path).await.text);
}

#[tokio::test]
async fn jobs_are_listed_filtered_and_paged() {
    let server = Server::start().await;
    answer(server.anonymous(Method::GET, "/api/v1/jobs")).await.assert_problem(401);
    assert_eq!(server.get("/api/v1/jobs").await.body, json!({ "data": [], "next": null }));
    for number in 0..3 {
        never(&server, number).await;
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let first = server.get("/api/v1/jobs?limit=2").await.body;
    let titles = |page: &Value| -> Vec<String> {
        page["data"].as_array().unwrap().iter().map(|job| job["title"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(titles(&first), ["Job 2", "Job 1"]);
    let rest = server.get(&format!("/api/v1/jobs?limit=2&after={}", first["next"].as_str().unwrap())).await;
    assert_eq!((titles(&rest.body), &rest.body["next"]), (vec!["Job 0".to_owned()], &Value::Null));
    for (query, count) in [
        ("state=waiting", 3),
        ("kind=never", 3),
        ("kind=never&state=waiting", 3),
        ("state=done", 0),
        ("kind=other", 0),
        ("kind=nev", 0),
    ] {
        let found = server.get(&format!("/api/v1/jobs?{query}")).await;
        assert_eq!(found.body["data"].as_array().unwrap().len(), count, "{query}");
    }
    let wrong = server.get("/api/v1/jobs?state=lost&kind=&limit=0&x=1").await;
    wrong.assert_problem(422);
    assert_eq!(wrong.fields(), ["kind", "limit", "state", "x"]);
    answer(server.request(Method::POST, "/api/v1/jobs")).await.assert_problem(405);
}

#[tokio::test]
async fn a_waiting_job_is_cancelled_once_and_outlives_a_restart() {
    let server = Server::start().await;
    let (one, other) = (never(&server, 1).await, never(&server, 2).await);
    let path = format!("/api/v1/jobs/{}", one.id);
    let shown = server.get(&path).await.body;
    assert_eq!(
        (&shown["state"], &shown["kind"], &shown["attempts"]),
        (&json!("waiting"), &json!("never"), &json!(0))
    );
    answer(server.anonymous(Method::DELETE, &path)).await.assert_problem(401);
    let cancelled = delete(&server, &path).await;
    assert_eq!(
        (cancelled.status.as_u16(), &cancelled.body["state"]),
        (200, &json!("cancelled")),
        "{cancelled:?}"
    );
    let again = delete(&server, &path).await;
    again.assert_problem(409);
    assert!(again.text.contains("it is cancelled"), "{again:?}");
    let retried = server.post(&format!("{path}/retry"), json!({})).await;
    retried.assert_problem(409);
    server.get(&format!("{path}/retry")).await.assert_problem(405);
    for missing in ["", "/retry", "/progress"] {
        let path = format!("/api/v1/jobs/job_00000000000000000000{missing}");
        let method = if missing == "/retry" { Method::POST } else { Method::GET };
        answer(server.request(method, &path)).await.assert_problem(404);
    }
    let server = server.restart_from_disk().await;
    assert_eq!(server.get(&path).await.body["state"], "cancelled");
    assert_eq!(server.get(&format!("/api/v1/jobs/{}", other.id)).await.body["state"], "waiting");
}

#[tokio::test]
async fn progress_is_told_until_the_end() {
    let server = Server::start().await;
    let job = never(&server, 1).await;
    let path = format!("/api/v1/jobs/{}", job.id);
    answer(server.anonymous(Method::GET, &format!("{path}/progress"))).await.assert_problem(401);
    let mut stream = server.request(Method::GET, &format!("{path}/progress")).send().await.unwrap();
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    let first = stream.chunk().await.unwrap().unwrap();
    let first = String::from_utf8_lossy(&first).into_owned();
    assert!(first.contains("event:progress") && first.contains("\"state\":\"waiting\""), "{first}");
    delete(&server, &path).await;
    let rest = tokio::time::timeout(Duration::from_secs(20), stream.text()).await.unwrap().unwrap();
    assert!(rest.contains("event:end") && rest.contains("\"state\":\"cancelled\""), "{rest}");
    let over = server.get(&format!("{path}/progress")).await.text;
    assert!(over.starts_with("event:end") || over.contains("event:end"), "{over}");
}

#[tokio::test]
async fn what_failed_says_why_and_can_be_tried_again() {
    let server = Server::start().await;
    let job = NewJob::of::<Senseless>("Senseless", &json!({ "recording_id": 7 })).unwrap();
    let job = server.running.app.jobs.enqueue(job).await.unwrap();
    let path = format!("/api/v1/jobs/{}", job.id);
    let failed = until(&server, &path, |job| job["state"] == "failed").await;
    assert!(failed["error"].as_str().unwrap().contains("cannot be read"), "{failed}");
    let again = server.post(&format!("{path}/retry"), json!({})).await;
    assert_eq!((again.status.as_u16(), &again.body["attempts"]), (200, &json!(0)), "{again:?}");
    let version = again.body["version"].as_u64().unwrap();
    until(&server, &path, |job| job["state"] == "failed" && job["version"].as_u64().unwrap() > version).await;
}

/// An event that is over, with media of ten segments.
struct Recorded {
    server: Server,
    event: EventId,
}

impl Recorded {
    async fn new() -> Self {
        let server = Server::start().await;
        let event = server.new_event("A concert").await;
        server.set_status(&event, "started").await;
        let recorded = Self { server, event: event["id"].as_str().unwrap().parse().unwrap() };
        for msn in 0..10 {
            recorded.put(&recorded.segment(msn), b"media");
        }
        recorded.put(&format!("live/{}/source/init-0.mp4", recorded.event), b"media");
        recorded
    }

    fn segment(&self, msn: u64) -> String {
        format!("live/{}/source/{msn}.m4s", self.event)
    }

    /// Where an object of the media store lies.
    fn file(&self, path: &str) -> PathBuf {
        self.server.running.app.config.data_dir.join("media").join(path)
    }

    fn put(&self, path: &str, data: &[u8]) {
        let file = self.file(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, data).unwrap();
    }

    fn is_there(&self, path: &str) -> bool {
        self.file(path).exists()
    }

    async fn end(&self) {
        let path = format!("/api/v1/events/{}/status", self.event);
        let ended = self.server.post(&path, json!({ "status": "ended" })).await;
        assert_eq!(ended.status, 200, "{ended:?}");
    }

    /// A recording of some segments, and its item's path.
    async fn item(&self, number: u64, from_segment: u64, to_segment: u64) -> (RecordingId, String) {
        let app = &self.server.running.app;
        let recording = Recording {
            account: stagebox_cloud::store::Account::FIRST,
            id: RecordingId::random(),
            number,
            event_id: self.event,
            kind: RecordingKind::Recording,
            shown_from: None,
            started_at: Timestamp::default(),
            ended_at: Some(Timestamp::default()),
            from_segment,
            to_segment: Some(to_segment),
            duration_ms: Some(1),
            name: None,
            gaps: Vec::new(),
            removed_at: None,
            removal: None,
        };
        let recording_id = recording.id;
        app.store.create(recording).await.unwrap();
        app.events.add_recording(&self.event, recording_id).await.unwrap();
        let list = json!({ "event_id": self.event, "target_duration_s": 2, "tracks": [] });
        let path = format!("recordings/{recording_id}.json");
        self.put(&path, list.to_string().as_bytes());
        let new = NewItem {
            account: stagebox_cloud::store::Account::FIRST,
            event_id: self.event,
            recording_id,
            title: format!("Part {number}"),
            duration_ms: 1,
            width: None,
            height: None,
        };
        let item = app.items.draft(new, Timestamp::default()).await.unwrap();
        let item = app.store.create(item).await.unwrap().document;
        (recording_id, format!("/api/v1/items/{}", item.id))
    }

    async fn there(&self) -> Vec<u64> {
        let mut there = Vec::new();
        for msn in 0..10 {
            if self.is_there(&self.segment(msn)) {
                there.push(msn);
            }
        }
        there
    }
}

#[tokio::test]
async fn a_deleted_item_takes_along_what_no_other_recording_needs() {
    let recorded = Recorded::new().await;
    let server = &recorded.server;
    recorded.end().await;
    let (first, first_path) = recorded.item(1, 0, 5).await;
    let (second, second_path) = recorded.item(2, 4, 8).await;

    let stale = server.request(Method::DELETE, &first_path).header("if-match", "\"7\"");
    answer(stale).await.assert_problem(412);
    answer(server.anonymous(Method::DELETE, &first_path)).await.assert_problem(401);
    let deleted = delete(server, &first_path).await;
    assert_eq!(
        (deleted.status.as_u16(), &deleted.body["kind"]),
        (202, &json!("delete-media")),
        "{deleted:?}"
    );
    assert_eq!(deleted.body["title"], "Delete the media of “Part 1”");
    server.get(&first_path).await.assert_problem(404);
    delete(server, &first_path).await.assert_problem(404);
    let job = until(server, deleted.header("location"), |job| job["state"] == "done").await;
    assert_eq!(job["words"], "5 files removed; 6 are kept for other recordings of the event", "{job}");
    assert_eq!(recorded.there().await, [4, 5, 6, 7, 8, 9]);
    assert!(!recorded.is_there(&format!("recordings/{first}.json")));
    server.get(&format!("/api/v1/recordings/{first}")).await.assert_problem(404);
    let event = server.get(&format!("/api/v1/events/{}", recorded.event)).await.body;
    assert_eq!(event["recordings"], json!([second]));

    let deleted = delete(server, &second_path).await;
    until(server, deleted.header("location"), |job| job["state"] == "done").await;
    assert!(recorded.there().await.is_empty());
    assert!(!recorded.is_there(&format!("live/{}/source/init-0.mp4", recorded.event)));
    let items = server.get("/api/v1/items").await.body;
    assert_eq!(items["data"], json!([]));
}

#[tokio::test]
async fn a_running_events_media_are_left_until_it_is_over() {
    let recorded = Recorded::new().await;
    let server = &recorded.server;
    let (_, path) = recorded.item(1, 0, 5).await;
    let deleted = delete(server, &path).await;
    let job = deleted.header("location");
    let waiting = until(server, job, |job| job["state"] == "waiting" && job["attempts"] == 1).await;
    assert!(waiting["error"].as_str().unwrap().contains("the event is not over"), "{waiting}");
    assert_eq!(recorded.there().await.len(), 10);
    recorded.end().await;
    until(server, job, |job| job["state"] == "done").await;
    assert!(recorded.there().await.is_empty());
}

/// How many files a check calls orphans, and how many it misses.
async fn checked(server: &Server) -> (Value, Value) {
    let lines = server.post("/api/v1/media/check", json!({})).await.text;
    let report = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).find_map(|line| {
        let report = &line["report"];
        report.is_object().then(|| (report["orphans"].clone(), report["missing"].clone()))
    });
    report.unwrap_or_else(|| panic!("no report: {lines}"))
}

#[tokio::test]
async fn a_cancelled_removal_loses_no_file_and_is_taken_up_again_a_day_later() {
    let recorded = Recorded::new().await;
    let server = &recorded.server;
    let app = &server.running.app;
    let (id, path) = recorded.item(1, 0, 5).await;
    let job = delete(server, &path).await.header("location").to_owned();
    until(server, &job, |job| job["state"] == "waiting" && job["attempts"] == 1).await;
    assert_eq!(delete(server, &job).await.body["state"], "cancelled");
    recorded.end().await;
    // As far as one comes that is cancelled in the midst of it.
    std::fs::remove_file(recorded.file(&recorded.segment(0))).unwrap();
    assert_eq!(checked(server).await, (json!(0), json!(0)));

    let (now, hour) = (app.clock.now(), Duration::from_secs(3600));
    assert_eq!(resume(app, now.plus(23 * hour)).await.unwrap(), 0, "it was just cancelled");
    assert_eq!(recorded.there().await.len(), 9);
    assert_eq!(resume(app, now.plus(25 * hour)).await.unwrap(), 1);
    let listed = server.get("/api/v1/jobs?kind=delete-media").await.body;
    let again = format!("/api/v1/jobs/{}", listed["data"][0]["id"].as_str().unwrap());
    assert_ne!(again, job);
    let done = until(server, &again, |job| job["state"] == "done").await;
    assert_eq!(done["words"], "10 files removed", "{done}");
    assert!(recorded.there().await.is_empty());
    server.get(&format!("/api/v1/recordings/{id}")).await.assert_problem(404);
    assert_eq!(checked(server).await, (json!(0), json!(0)));
    assert_eq!(resume(app, now.plus(99 * hour)).await.unwrap(), 0, "there is nothing left");
}
