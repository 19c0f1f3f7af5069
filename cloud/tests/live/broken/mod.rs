//! Streams that broken encoders send: each is set right or warned of in words, and none ends the output.

mod cases;
mod flv;
mod played;
mod push;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Client;
use serde_json::Value;
use stagebox_cloud::App;
use stagebox_cloud::event::EventStatus;
use stagebox_cloud::id::{EventId, ItemId};
use tokio::sync::Semaphore;

use self::cases::{Case, SECONDS};
use self::played::Played;
use self::push::Pusher;
use super::{base, cloud, event, set, until};

/// Rules that are not about the stream: there is one rendition, and this machine may be busy.
const NOT_MEANT: [&str; 3] = ["several-bit-rates", "segment-in-time", "part-in-time"];
/// For an item, while the others end too.
const PATIENCE: Duration = Duration::from_secs(20);
/// Warnings that a busy machine earns itself.
const OF_THE_LINE: [&str; 3] = ["nothing_arrives", "network_unsteady", "upload_behind"];
/// Seconds after the last of a stream in which a warning may still come.
const LATE_S: u32 = 3;
/// Decoders that run at a time.
const DECODERS: usize = 2;

/// One broadcast, and all that is to be said against what came of it.
struct Broadcast {
    app: App,
    client: Client,
    password: String,
    case: Case,
    folder: PathBuf,
    complaints: Vec<String>,
    decoders: Arc<Semaphore>,
}

impl Broadcast {
    async fn run(mut self) -> Vec<String> {
        let event = event(&self.app).await;
        set(&self.app, &event, EventStatus::Started).await;
        let key = self.app.events.get(&event).await.unwrap().unwrap().inputs.main.key;
        let file = self.folder.join(self.case.name.replace(' ', "-")).with_extension("flv");
        std::fs::write(&file, flv::write(&self.case.tags)).unwrap();
        let rtmp = *self.app.addresses.rtmp.get().unwrap();
        let mut pusher = Pusher::connect(rtmp, key.reveal()).await;
        let (sent, mut told) = {
            let length = Duration::from_secs(SECONDS.into());
            let mut sending = std::pin::pin!(pusher.send(&file, length));
            let mut told = BTreeMap::new();
            loop {
                tokio::select! {
                    sent = &mut sending => break (sent, told),
                    () = self.listen(&event, &mut told) => {}
                }
            }
        };
        // What is told is told once a second, on a busy machine a little later.
        for _ in 0..LATE_S {
            if !self.case.warnings.iter().all(|(name, _)| told.contains_key(*name)) {
                self.listen(&event, &mut told).await;
            }
        }
        self.look_at(sent.is_ok(), || format!("the publisher was cut off: {sent:?}"));
        self.warnings(&told);
        self.conformance(&event).await;
        drop(pusher);
        until("the broadcast's end", async || {
            (!self.app.events.get(&event).await.unwrap().unwrap().is_receiving()).then_some(())
        })
        .await;
        set(&self.app, &event, EventStatus::Ended).await;
        match self.item(&event).await {
            Some(item) => self.played(&base(&self.app, &format!("/vod/public/{item}"))).await,
            None => self.look_at(false, || "no item became of it".to_owned()),
        }
        self.complaints
    }

    /// The item that becomes of the event; none if that takes too long.
    async fn item(&self, event: &EventId) -> Option<ItemId> {
        let look = async {
            loop {
                if let Some(item) = self.app.items.of_event(event).await.unwrap().pop() {
                    return item.id;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::time::timeout(PATIENCE, look).await.ok()
    }

    fn look_at(&mut self, is_well: bool, words: impl FnOnce() -> String) {
        if !is_well {
            self.complaints.push(format!("{}: {}", self.case.name, words()));
        }
    }

    async fn ask(&self, path: &str) -> Value {
        let url = base(&self.app, &format!("/api/v1/{path}"));
        let request = self.client.get(url).basic_auth("admin@localhost", Some(&self.password));
        request.send().await.unwrap().error_for_status().unwrap().json().await.unwrap()
    }

    /// Notes what the user reads just now, then waits a second.
    async fn listen(&self, event: &EventId, told: &mut BTreeMap<String, String>) {
        let health = self.ask(&format!("events/{event}/health")).await;
        for warning in health["inputs"]["main"]["warnings"].as_array().unwrap() {
            let text = |name: &str| warning[name].as_str().unwrap().to_owned();
            told.insert(text("name"), text("words"));
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }

    /// What was to be said was said, and nothing was said of a stream that is good.
    fn warnings(&mut self, told: &BTreeMap<String, String>) {
        for (name, words) in self.case.warnings {
            let is_said = told.get(*name).is_some_and(|said| said.contains(words));
            self.look_at(is_said, || format!("'{words}' is not said: {told:?}"));
        }
        if self.case.warnings.is_empty() {
            let said: Vec<_> = told.keys().filter(|name| !OF_THE_LINE.contains(&name.as_str())).collect();
            self.look_at(said.is_empty(), || format!("{said:?} is said of a good stream"));
        }
    }

    /// Viewers were never shown a playlist that is wrong.
    async fn conformance(&mut self, event: &EventId) {
        let found = self.ask(&format!("events/{event}/conformance")).await;
        self.look_at(found["rounds"].as_u64().unwrap() >= 2, || {
            format!("looked at {} times", found["rounds"])
        });
        for finding in found["findings"].as_array().unwrap() {
            let is_meant = !NOT_MEANT.iter().chain(self.case.breaks).any(|rule| finding["rule"] == *rule);
            self.look_at(!is_meant || finding["severity"] != "must", || finding.to_string());
        }
        // Segments of two seconds and parts of half a one have come until now, whatever was sent.
        let rendition = if self.case.pictures > 0 { "source" } else { "audio" };
        let list = base(&self.app, &format!("/live/public/{event}/{rendition}/index.m3u8"));
        let list = self.client.get(list).send().await.unwrap().text().await.unwrap();
        self.look_at(list.matches(".m4s").count() >= self.case.listed, || {
            format!("the list ends too early: {list}")
        });
    }

    /// All that can be decoded came out, in the order of time, and a foreign decoder takes it.
    async fn played(&mut self, item: &str) {
        let pictures = Played::fetch(&self.client, &format!("{item}/source")).await;
        let sounds = Played::fetch(&self.client, &format!("{item}/audio")).await;
        let Case { name, pictures: wanted, sounds: least, runs: stretches, .. } = self.case;
        self.look_at(pictures.frames() == wanted, || format!("{} of {wanted} pictures", pictures.frames()));
        self.look_at(sounds.frames() >= least && (least > 0 || sounds.frames() == 0), || {
            format!("{} packets of sound, not {least}", sounds.frames())
        });
        for (what, played) in [("pictures", &pictures), ("sound", &sounds)] {
            let falls = played.falls();
            self.look_at(falls.is_empty(), || format!("decoding times of {what} fall: {falls:?}"));
        }
        let runs = pictures.runs.len().max(sounds.runs.len());
        self.look_at(runs == stretches, || format!("{runs} stretches, not {stretches}"));
        let _turn = Arc::clone(&self.decoders).acquire_owned().await.unwrap();
        for (what, played) in [("pictures", pictures), ("sound", sounds)] {
            let folder = self.folder.clone();
            let name = format!("{}-{what}", name.replace(' ', "-"));
            let wrong = tokio::task::spawn_blocking(move || played.decode(&folder, &name)).await.unwrap();
            self.look_at(wrong.is_none(), || format!("ffprobe on {what}: {}", wrong.unwrap_or_default()));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_stream_is_set_right_or_warned_of_and_never_ends_the_output() {
    let dir = tempfile::tempdir().unwrap();
    let running = cloud(dir.path()).await;
    let password = std::fs::read_to_string(dir.path().join("password")).unwrap();
    let cases = tokio::task::spawn_blocking(cases::all).await.unwrap();
    // The password is looked at once, which takes long; then it is known.
    let client = Client::new();
    let first = client.get(base(&running.app, "/api/v1/events"));
    let first = first.basic_auth("admin@localhost", Some(&password)).send().await.unwrap();
    assert_eq!(first.status(), 200);
    let decoders = Arc::new(Semaphore::new(DECODERS));
    let broadcasts = cases.into_iter().map(|case| {
        let broadcast = Broadcast {
            app: running.app.clone(),
            client: client.clone(),
            password: password.clone(),
            case,
            folder: dir.path().to_owned(),
            complaints: Vec::new(),
            decoders: Arc::clone(&decoders),
        };
        broadcast.run()
    });
    let complaints: Vec<String> = join_all(broadcasts).await.into_iter().flatten().collect();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    running.stop().await;
}
