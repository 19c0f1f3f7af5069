//! The daemon: starts every part of the box, joins them, and ends them cleanly.
//!
//! Nothing is decided here. The encoder publishes to the hub; recorder and
//! outputs read from it; the control moves them; link and panel show what the
//! control knows and bring what people want.
#![allow(clippy::disallowed_methods, reason = "a driver: it waits for signals")]

mod errors;
mod health;
mod machinery;
mod notify;
mod targets;

use std::path::Path;
use std::time::Duration;

use stagebox_durable::make_folder;
use stagebox_protocol::telemetry::{EncoderState, OutputRole, SignalStatus};
use stagebox_push::Hub;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::clock::Clock;
use crate::config::{Config, SourceConfig};
use crate::control::{Control, IntentStore, Observation};
use crate::durable::Durable;
use crate::encode::{EncoderHandle, EncoderSetup, MediaSetup, MediaStatus};
use crate::link::{LinkConfig, LinkHandle};
use crate::panel::{PanelHandle, PanelOptions};
use crate::push::Output;
use crate::record::{RecorderConfig, RecorderHandle};
use crate::trust::Trust;
use crate::{control, encode, link, network, panel, push, record};

pub use errors::DaemonError;

use machinery::BoxMachinery;
use notify::Notify;

/// Name and version as the cloud sees them.
const SOFTWARE: &str = concat!("stagebox-agent ", env!("CARGO_PKG_VERSION"));
/// The longest that ending may wait for the disk to take the recording's end.
const RECORDING_LIMIT: Duration = Duration::from_secs(3);
/// Sound, its container and the control messages, beside the picture's bitrate.
const OVERHEAD_PERCENT: u32 = 5;

/// Runs the box until it is told to end.
pub fn run(config_path: &Path) -> Result<(), DaemonError> {
    let config = Config::load(config_path)?;
    prepare(&config)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| DaemonError::Start(error.to_string()))?;
    let result = runtime.block_on(async {
        let notify = Notify::from_environment();
        let mut daemon = Daemon::start(&config)?;
        notify.ready();
        let control = daemon.control.clone();
        let result = tokio::select! {
            result = daemon.wait() => result,
            () = notify.live(&control) => Ok(()),
        };
        notify.stopping();
        daemon.stop().await;
        result
    });
    // A name that is being looked up, or a disk that hangs, holds nobody up.
    runtime.shutdown_timeout(Duration::from_millis(200));
    result
}

/// Finds out early what would only fail later.
fn prepare(config: &Config) -> Result<(), DaemonError> {
    // Another part of the process may have chosen the same already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    if let SourceConfig::File { path, .. } = &config.source {
        let opened = std::fs::File::open(path).and_then(|file| file.metadata());
        let problem = match opened {
            Ok(meta) if meta.is_file() => None,
            Ok(_) => Some("is not a file".to_owned()),
            Err(error) => Some(error.to_string()),
        };
        if let Some(problem) = problem {
            return Err(DaemonError::Source { path: path.clone(), problem });
        }
    }
    // A folder of recordings that cannot be made is no reason not to stream: the recorder says so, and tries again.
    if let Err(error) = make_folder(&config.record_dir()) {
        tracing::warn!(dir = %config.record_dir().display(), %error, "cannot make the folder of recordings (record.dir)");
    }
    make_folder(&config.data_dir).map_err(|error| DaemonError::Folder {
        field: "data_dir",
        path: config.data_dir.clone(),
        problem: error.to_string(),
    })
}

struct Daemon {
    encoder: EncoderHandle,
    outputs: Vec<Output>,
    recorder: RecorderHandle,
    control: Control,
    /// Tells a backup that stands by whether the box is live.
    stands_by: Option<watch::Sender<bool>>,
    link: Option<LinkHandle>,
    panel: PanelHandle,
    hub: Hub,
}

impl Daemon {
    fn start(config: &Config) -> Result<Self, DaemonError> {
        let clock = Clock::new();
        let durable = Durable::open(&config.data_dir)?;
        let hub = Hub::new();
        let encoder = encode::spawn(encoder_setup(config, &clock)?, hub.clone());
        let recorder_config = RecorderConfig {
            dir: config.record_dir(),
            segment_s: config.record.segment_s,
            segment_bytes: config.record.segment_mib.map(|mib| u64::from(mib) << 20),
            room: config.record_room(),
        };
        let recorder = record::spawn(recorder_config, hub.clone(), &durable, clock.clone())?;
        let trust = trust(config)?;
        let outputs: Vec<_> = OutputRole::ALL
            .map(|role| Output::spawn(role, output_setup(config, role, &trust), hub.clone()))
            .into();
        let stands_by = machinery::stand_by(&config.backup, &outputs, clock.clone());
        let machinery = BoxMachinery {
            outputs: outputs.clone(),
            recorder: recorder.clone(),
            stands_by: stands_by.clone(),
            retry_encoder: encoder.retry(),
        };
        let control = control::spawn(IntentStore::open(&durable)?, machinery, clock.clone())?;
        let link = config.cloud.clone().map(|cloud| {
            let config = LinkConfig { cloud, trust, software: SOFTWARE.to_owned() };
            link::spawn(config, &durable, clock, control.clone())
        });
        let link = link.transpose()?;
        targets::feed(config, link.as_ref().map(LinkHandle::targets), &outputs)?;
        observe(&control, &encoder, &recorder, &outputs);
        come_back(outputs.clone());
        follow_line(config, &encoder, &outputs);
        health::watch(&control, config.record_dir(), config.record_room(), recorder.clone());
        let options = PanelOptions { socket: config.panel_socket(), device: box_name(config) };
        let panel = panel::spawn(options, control.clone(), link.as_ref().map(LinkHandle::state))?;
        Ok(Self { encoder, outputs, recorder, control, stands_by, link, panel, hub })
    }

    /// Returns when the box shall end: told to, or because it cannot work as configured.
    async fn wait(&mut self) -> Result<(), DaemonError> {
        let failed = |error: std::io::Error| DaemonError::Start(error.to_string());
        let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
        let status = self.encoder.status();
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            error = never_runs(status) => return Err(DaemonError::Media(error)),
        }
        tracing::info!("ending");
        Ok(())
    }

    /// Ends the streams and the recording, in this order, and waits for nobody else's network.
    async fn stop(self) {
        if let Some(stands_by) = &self.stands_by {
            stands_by.send_replace(false);
        }
        for output in &self.outputs {
            output.handle.set_live(false);
        }
        if timeout(RECORDING_LIMIT, self.recorder.stop()).await.is_err() {
            tracing::error!("the disk does not take the end of the recording");
        }
        self.encoder.stop().await;
        self.hub.close();
        if let Some(link) = self.link {
            link.stop().await;
        }
        self.panel.stop().await;
    }
}

/// Whom the box takes for its cloud.
fn trust(config: &Config) -> Result<Trust, DaemonError> {
    let Some(cloud) = &config.cloud else { return Ok(Trust::default()) };
    Ok(match (&cloud.ca_file, cloud.tls_fingerprint) {
        (_, Some(fingerprint)) => Trust::pinned(fingerprint),
        (Some(path), None) => Trust::authorities(path)?,
        (None, None) => Trust::default(),
    })
}

fn encoder_setup(config: &Config, clock: &Clock) -> Result<EncoderSetup, DaemonError> {
    let program = std::env::current_exe().map_err(|error| DaemonError::Start(error.to_string()))?;
    let media = MediaSetup {
        source: config.source.clone(),
        video: config.video.clone(),
        audio: config.audio.clone(),
        alarms: config.alarms.clone(),
        name: box_name(config),
        origin_ns: clock.monotonic_ns(),
        trials: Some(config.data_dir.join("encoders.json")),
        avoid: Vec::new(),
    };
    Ok(EncoderSetup { program, media })
}

fn output_setup(config: &Config, role: OutputRole, cloud: &Trust) -> push::Setup {
    let kbps = config.video.bitrate_kbps + config.audio.bitrate_kbps;
    push::Setup {
        bitrate_kbps: kbps + kbps * OVERHEAD_PERCENT / 100,
        stream: targets::stream_info(config),
        trust: targets::believed(config, role, cloud),
    }
}

/// Waits for a child that can never work; once one has worked, for ever.
async fn never_runs(mut status: watch::Receiver<MediaStatus>) -> String {
    loop {
        let (running, error) = {
            let status = status.borrow_and_update();
            let error = status.error.clone().filter(|_| status.configuration);
            (status.state == EncoderState::Running, error)
        };
        match error {
            Some(error) if !running => return error,
            _ if running || status.changed().await.is_err() => std::future::pending().await,
            _ => {}
        }
    }
}

/// Has the outputs connect at once when the network is back, however long they were to wait.
fn come_back(outputs: Vec<Output>) {
    let mut network = network::watch();
    tokio::spawn(async move {
        while network.changed().await.is_ok() {
            outputs.iter().for_each(|output| output.handle.reconnect_now());
        }
    });
}

/// Has the picture's bitrate follow main's line, where the stream is to be protected; a backup never lowers it.
fn follow_line(config: &Config, encoder: &EncoderHandle, outputs: &[Output]) {
    let main = outputs.iter().find(|output| output.role == OutputRole::Main);
    let (Some(range), Some(main)) = (config.rates(), main) else { return };
    let (bitrate, mut status) = (encoder.bitrate(), main.handle.status());
    let (clock, mut rate) = (Clock::new(), push::Rate::new(range));
    tokio::spawn(async move {
        while status.changed().await.is_ok() {
            let kbps = rate.look(clock.now(), &status.borrow_and_update());
            if kbps.is_some() {
                bitrate.send_replace(kbps);
            }
        }
    });
}

/// Lets the control know what every part does.
fn observe(control: &Control, encoder: &EncoderHandle, recorder: &RecorderHandle, outputs: &[Output]) {
    forward(control, encoder.status(), |status: &MediaStatus| {
        let running = status.state == EncoderState::Running;
        Observation::Capture {
            signal: if running { status.stats.signal.clone() } else { SignalStatus::default() },
            encoder: status.encoder(),
            audio: status.stats.levels.clone(),
        }
    });
    let (told, mut levels) = (control.clone(), encoder.levels());
    tokio::spawn(async move {
        while levels.changed().await.is_ok() {
            told.observe_levels(levels.borrow_and_update().clone());
        }
    });
    forward(control, recorder.status(), |status| Observation::Recording(status.into()));
    for output in outputs {
        let role = output.role;
        forward(control, output.handle.status(), move |status| {
            Observation::Output(push::report(role, status))
        });
    }
}

fn forward<T: Send + Sync + 'static>(
    control: &Control,
    mut status: watch::Receiver<T>,
    convert: impl Fn(&T) -> Observation + Send + 'static,
) {
    let control = control.clone();
    tokio::spawn(async move {
        loop {
            let observation = convert(&status.borrow_and_update());
            control.observe(observation).await;
            if status.changed().await.is_err() {
                return;
            }
        }
    });
}

/// What people call the box: its id in the cloud, or the machine's name.
fn box_name(config: &Config) -> String {
    let id = config.cloud.as_ref().map(|cloud| cloud.id.clone());
    id.unwrap_or_else(|| {
        let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        name.trim().to_owned()
    })
}
