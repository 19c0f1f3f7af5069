use std::path::Path;
use std::sync::{Arc, Mutex};

use serde_json::json;
use stagebox_protocol::preflight::PreflightState;
use stagebox_protocol::telemetry::LiveState;
use stagebox_protocol::{BoxStatus, Preflight, Timestamp};
use tokio::sync::{mpsc, watch};

use super::{Parts, Reconfigure, Wanted, spawn};
use crate::config::{Change, FileConfig, LastGood, Start};
use crate::encode::MediaStatus;

struct Bench {
    reconfigure: Reconfigure,
    status: watch::Sender<BoxStatus>,
    started: Arc<Mutex<Vec<u64>>>,
    _media: watch::Sender<MediaStatus>,
    _data: tempfile::TempDir,
}

fn bench(status: BoxStatus) -> Bench {
    let data = tempfile::tempdir().unwrap();
    let text = format!("data_dir = {:?}\n", data.path());
    let (file, config) = FileConfig::parse(Path::new("/etc/box.toml"), &text, []).unwrap();
    let last_good = LastGood::default();
    let start = Start { file, alone: None, config, last_good, refused: None, notes: Vec::new() };
    let (status, status_seen) = watch::channel(status);
    let (media, media_status) = watch::channel(MediaStatus::default());
    let started = Arc::new(Mutex::new(Vec::new()));
    let noted = started.clone();
    let parts = Parts {
        media: Box::new(move |setup, _| noted.lock().unwrap().push(setup)),
        media_status,
        status: status_seen,
        held: watch::Sender::new(Arc::new(start.config.clone())),
        tell: mpsc::unbounded_channel().0,
    };
    Bench { reconfigure: spawn(&start, parts), status, started, _media: media, _data: data }
}

fn live() -> BoxStatus {
    let mut status = BoxStatus::default();
    status.live.state = LiveState::Live;
    status
}

fn tested(state: PreflightState) -> BoxStatus {
    let test = Preflight {
        state,
        percent: 40,
        started_at: Timestamp::from_unix_ms(0),
        finished_at: None,
        checks: Vec::new(),
        upload_kbps: None,
    };
    BoxStatus { preflight: Some(test), ..BoxStatus::default() }
}

impl Bench {
    fn want(&self) {
        let change = json!({ "video": { "fps": 50 } });
        let change: Change = change.as_object().cloned().unwrap();
        self.reconfigure.want(Wanted { version: 1, change, now: false });
    }

    /// What is reported of the wish, once it is.
    async fn waits(&self) -> Option<String> {
        let mut report = self.reconfigure.report();
        report.wait_for(|report| report.version == 1).await.unwrap().waits.clone()
    }
}

#[tokio::test]
async fn a_wish_that_is_there_at_a_start_on_air_waits() {
    // Both are there before the driver looks for the first time.
    for _ in 0..20 {
        let bench = bench(live());
        bench.want();
        assert!(bench.waits().await.is_some_and(|waits| waits.contains("neither stream")));
        assert!(bench.started.lock().unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_wish_waits_for_the_end_of_a_test() {
    let bench = bench(tested(PreflightState::Running));
    bench.want();
    assert!(bench.waits().await.is_some_and(|waits| waits.contains("test")));
    assert!(bench.started.lock().unwrap().is_empty());
    bench.status.send_replace(tested(PreflightState::Passed));
    let mut report = bench.reconfigure.report();
    let tried = |waits: &str| waits.contains("encoder works");
    report.wait_for(|report| report.waits.as_deref().is_some_and(tried)).await.unwrap();
    assert_eq!(*bench.started.lock().unwrap(), [1]);
}
