#![allow(clippy::disallowed_methods, reason = "tests through a real socket wait for what comes out of it")]

use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::future::BoxFuture;
use stagebox_protocol::{
    Command, CommandId, Origin, OutputRole,
    panel::{Broadcast, Cloud, Decoder, FromAgent, Intent, Outcome, Status, ToAgent, encode},
    telemetry::{AudioLevel, OutputState, OutputStatus},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    sync::watch,
    time::timeout,
};

use super::{PanelError, PanelHandle, PanelOptions, spawn};
use crate::{
    clock::Clock,
    control::{Control, IntentStore, Machinery, Observation, spawn as spawn_control},
    durable::Durable,
    link::LinkState,
};

const LIMIT: Duration = Duration::from_secs(10);

#[derive(Clone, Default)]
struct Fake(Arc<Mutex<Vec<String>>>);

impl Machinery for Fake {
    fn set_live(&mut self, live: bool) {
        self.0.lock().unwrap().push(format!("live {live}"));
    }
    fn set_recording(&mut self, recording: bool) {
        self.0.lock().unwrap().push(format!("recording {recording}"));
    }
    fn reconnect(&mut self, _: Option<OutputRole>) {
        self.0.lock().unwrap().push("reconnect".to_owned());
    }

    fn retry_encoder(&mut self) {
        self.0.lock().unwrap().push("retry encoder".to_owned());
    }

    fn test(&mut self, run: u64, upload: Duration) {
        self.0.lock().unwrap().push(format!("test {run} for {} s", upload.as_secs()));
    }

    fn cancel_test(&mut self) {
        self.0.lock().unwrap().push("cancel test".to_owned());
    }

    fn mark(
        &mut self,
        _: Option<CommandId>,
        _: Option<String>,
    ) -> BoxFuture<'static, stagebox_protocol::Outcome> {
        Box::pin(async { stagebox_protocol::Outcome::Done })
    }
}

/// A box with a real control and a real socket.
struct Bench {
    folder: tempfile::TempDir,
    machinery: Fake,
    control: Control,
    link: watch::Sender<LinkState>,
    panel: PanelHandle,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let machinery = Fake::default();
        let store = IntentStore::open(&Durable::open(folder.path()).unwrap()).unwrap();
        let control = spawn_control(store, machinery.clone(), Clock::new()).unwrap();
        let (link, state) = watch::channel(LinkState::Connecting);
        let panel = open(&folder.path().join("run/panel.sock"), &control, Some(state)).unwrap();
        Self { folder, machinery, control, link, panel }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("run/panel.sock")
    }

    async fn connect(&self) -> Client {
        Client {
            stream: UnixStream::connect(self.socket()).await.unwrap(),
            decoder: Decoder::new(),
            bytes: vec![],
        }
    }
}

fn open(
    socket: &Path,
    control: &Control,
    link: Option<watch::Receiver<LinkState>>,
) -> Result<PanelHandle, PanelError> {
    spawn(PanelOptions { socket: socket.to_owned(), device: "Stage left".into() }, control.clone(), link)
}

struct Client {
    stream: UnixStream,
    decoder: Decoder<FromAgent>,
    bytes: Vec<u8>,
}

impl Client {
    async fn say(&mut self, frame: &ToAgent) {
        self.stream.write_all(&encode(frame)).await.unwrap();
    }

    /// The next frame, or `None` when the agent hangs up.
    async fn next(&mut self) -> Option<FromAgent> {
        loop {
            let mut rest = &self.bytes[..];
            let frame = self.decoder.next(&mut rest);
            self.bytes = rest.to_vec();
            if let Some(frame) = frame {
                return Some(frame.unwrap());
            }
            let mut buffer = [0; 4096];
            let length = timeout(LIMIT, self.stream.read(&mut buffer)).await.unwrap().unwrap_or(0);
            if length == 0 {
                return None;
            }
            self.bytes.extend_from_slice(&buffer[..length]);
        }
    }

    async fn until<T>(&mut self, mut wanted: impl FnMut(FromAgent) -> Option<T>) -> T {
        let search = async {
            loop {
                if let Some(found) = wanted(self.next().await.unwrap()) {
                    return found;
                }
            }
        };
        timeout(LIMIT, search).await.unwrap()
    }

    async fn status(&mut self, wanted: impl Fn(&Status) -> bool) -> Status {
        self.until(|frame| match frame {
            FromAgent::Status(status) if wanted(&status) => Some(status),
            _ => None,
        })
        .await
    }

    async fn ask(&mut self, id: u16, intent: Intent) -> Outcome {
        self.say(&ToAgent::Intent { id, intent }).await;
        self.until(|frame| match frame {
            FromAgent::Outcome { id: of, outcome } if of == id => Some(outcome),
            _ => None,
        })
        .await
    }
}

fn sending(role: OutputRole) -> Observation {
    Observation::Output(OutputStatus {
        role,
        state: OutputState::Sending,
        url: Some("rtmp://127.0.0.1/live".into()),
        bitrate_kbps: 2_500,
        queued_ms: 0,
        sent_bytes: 1,
        dropped_frames: 0,
        reconnects: 0,
        error: None,
    })
}

#[tokio::test]
async fn buttons_become_commands_and_the_status_follows() {
    let bench = Bench::new();
    let mut panel = bench.connect().await;
    assert!(matches!(panel.next().await, Some(FromAgent::Hello(_))));
    let first = panel.status(|_| true).await;
    assert_eq!((first.broadcast, first.device.as_str()), (Broadcast::Off, "Stage left"));

    assert_eq!(panel.ask(1, Intent::GoLive).await, Outcome::Done);
    panel.status(|status| status.broadcast == Broadcast::Starting).await;
    bench.control.observe(sending(OutputRole::Main)).await;
    let on_air = panel.status(|status| matches!(status.broadcast, Broadcast::OnAir { .. })).await;
    assert_eq!(on_air.main.bitrate_kbps, 2_500);
    assert_eq!(bench.control.status().borrow().live.origin, Some(Origin::Panel));

    for (id, intent) in
        [(2, Intent::StartRecording), (3, Intent::Reconnect), (4, Intent::StopRecording), (5, Intent::Stop)]
    {
        assert_eq!(panel.ask(id, intent).await, Outcome::Done);
    }
    panel.status(|status| status.broadcast == Broadcast::Off).await;
    let done = bench.machinery.0.lock().unwrap().clone();
    assert_eq!(done, ["live true", "recording true", "reconnect", "recording false", "live false"]);
}

#[tokio::test]
async fn a_status_comes_twice_a_second_and_identify_with_it() {
    let bench = Bench::new();
    let mut panel = bench.connect().await;
    let began = std::time::Instant::now();
    for _ in 0..5 {
        panel.status(|_| true).await;
    }
    assert!(began.elapsed() < Duration::from_secs(5));
    bench.control.execute(Command::Identify { duration_ms: 5_000 }, Origin::Cloud).await;
    let duration_ms = panel
        .until(|frame| match frame {
            FromAgent::Identify { duration_ms } => Some(duration_ms),
            _ => None,
        })
        .await;
    assert!((1..=5_000).contains(&duration_ms));
}

#[tokio::test]
async fn the_cloud_and_its_loss_show() {
    let bench = Bench::new();
    let mut panel = bench.connect().await;
    panel.status(|status| status.cloud == Cloud::Connecting).await;
    bench.link.send(LinkState::Online).unwrap();
    panel.status(|status| status.cloud == Cloud::Online).await;
    bench.link.send(LinkState::Away("no route".into())).unwrap();
    panel.status(|status| status.cloud == Cloud::Connecting).await;
}

#[tokio::test]
async fn the_socket_is_private_and_a_stale_one_is_cleared_away() {
    let bench = Bench::new();
    let mode = std::fs::metadata(bench.socket()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let refused = open(&bench.socket(), &bench.control, None).unwrap_err().to_string();
    assert!(refused.contains("another agent that is running"), "{refused}");

    // What kill -9 leaves: a socket's file that nobody listens at.
    let stale = bench.folder.path().join("stale.sock");
    drop(std::os::unix::net::UnixListener::bind(&stale).unwrap());
    let handle = open(&stale, &bench.control, None).unwrap();
    UnixStream::connect(&stale).await.unwrap();
    handle.stop().await;
    assert!(!stale.exists(), "the file goes with its agent");
}

#[tokio::test]
async fn paths_that_cannot_be_used_are_named() {
    let bench = Bench::new();
    let file = bench.folder.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let long = bench.folder.path().join("x".repeat(120));
    let below_a_file = file.join("panel.sock");
    for (path, reason) in [(&file, "no socket"), (&long, "107 bytes"), (&below_a_file, "panel.socket")] {
        let error = open(path, &bench.control, None).unwrap_err().to_string();
        assert!(error.contains(reason) && error.contains("panel.socket"), "{error}");
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "x", "nothing of others is removed");
}

#[tokio::test]
async fn one_panel_too_many_is_turned_away_until_there_is_room() {
    let bench = Bench::new();
    let mut panels = Vec::new();
    for _ in 0..4 {
        let mut panel = bench.connect().await;
        panel.status(|_| true).await;
        panels.push(panel);
    }
    assert_eq!(bench.connect().await.next().await, None);
    panels.pop();
    let again = async {
        while bench.connect().await.next().await.is_none() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(LIMIT, again).await.unwrap();
}

#[tokio::test]
async fn strangers_are_hung_up_on_and_noise_is_not() {
    let bench = Bench::new();
    let mut stranger = bench.connect().await;
    let _hung_up = stranger.stream.write_all(&[b'x', 0].repeat(64)).await;
    while stranger.next().await.is_some() {}

    let mut panel = bench.connect().await;
    panel.stream.write_all(b"\0noise on the line\0\xff\xff").await.unwrap();
    assert_eq!(panel.ask(9, Intent::GoLive).await, Outcome::Done);
}

#[tokio::test]
async fn a_panel_that_does_not_read_holds_nobody_up() {
    let bench = Bench::new();
    let _deaf = bench.connect().await;
    let mut panel = bench.connect().await;
    for id in 0..20 {
        panel.ask(id, if id % 2 == 0 { Intent::GoLive } else { Intent::Stop }).await;
    }
    bench.panel.stop().await;
    while panel.next().await.is_some() {}
}

#[tokio::test]
async fn levels_come_at_once_and_their_peaks_are_not_lost() {
    let bench = Bench::new();
    let mut panel = bench.connect().await;
    panel.status(|_| true).await;
    let mut status = bench.control.status();
    status.borrow_and_update();
    let level = |peak_dbfs| vec![AudioLevel { peak_dbfs, rms_dbfs: -40.0 }; 2];
    bench.control.observe_levels(level(-30.0));
    panel.status(|status| status.audio.is_some_and(|audio| audio.left_dbfs == -30)).await;
    // Faster than frames go out: the loudest is what is shown.
    for peak_dbfs in [-28.0, -3.0, -50.0] {
        bench.control.observe_levels(level(peak_dbfs));
        tokio::task::yield_now().await;
        tokio::task::yield_now().await;
    }
    panel.status(|status| status.audio.is_some_and(|audio| audio.right_dbfs == -3)).await;
    bench.control.observe_levels(level(-50.0));
    panel.status(|status| status.audio.is_some_and(|audio| audio.left_dbfs == -50)).await;
    bench.control.observe_levels(Vec::new());
    panel.status(|status| status.audio.is_none()).await;
    assert!(!status.has_changed().unwrap(), "whoever sends the status elsewhere is not woken for it");
}
