//! The daemon: starts every part of the box, joins them, and ends them cleanly.
//!
//! Nothing is decided here. The encoder publishes to the hub; recorder and
//! outputs read from it; the control moves them; link and panel show what the
//! control knows and bring what people want.
#![allow(clippy::disallowed_methods, reason = "a driver: it waits for signals")]

mod errors;
mod health;
mod line;
mod machinery;
mod notify;
mod obey;
mod preflight;
mod setup;
mod targets;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use stagebox_durable::make_folder;
use stagebox_protocol::telemetry::{EncoderState, OutputRole, SignalStatus};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::timeout;

use crate::clock::Clock;
use crate::config::{Config, Start, source_problem};
use crate::control::{Control, IntentStore, Observation};
use crate::durable::{Durable, Kept};
use crate::encode::{EncoderHandle, Hubs, MediaStatus};
use crate::link::{LinkConfig, LinkHandle};
use crate::logs::Log;
use crate::panel::{PanelHandle, PanelOptions};
use crate::push::Output;
use crate::reconfigure::{self, Parts, Reconfigure};
use crate::record::{RecorderConfig, RecorderHandle};
use crate::{control, encode, healing, link, network, panel, push, record};

pub use errors::DaemonError;

use machinery::BoxMachinery;
use notify::Notify as Service;
use obey::{LogTeller, Obedient};
use setup::{bitrate_kbps, box_name, encoder_setup, output_setup, restart, trust};

/// Name and version as the cloud sees them.
const SOFTWARE: &str = concat!("stagebox-agent ", env!("CARGO_PKG_VERSION"));
/// The longest that ending may wait for the disk to take the recording's end.
const RECORDING_LIMIT: Duration = Duration::from_secs(3);

/// The longest that ending may wait for the media process, which ends within two seconds where nothing hangs.
const MEDIA_LIMIT: Duration = Duration::from_secs(4);

/// Runs the box until it is told to end.
pub fn run(config_path: &Path, log: &Log) -> Result<Ending, DaemonError> {
    let start = Start::read(config_path, std::env::vars())?;
    hide_secrets(&start.config, log);
    for note in &start.notes {
        tracing::error!("{note}");
    }
    prepare(&start.config)?;
    log.keep_in(&start.config.data_dir.join("logs"));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| DaemonError::Start(error.to_string()))?;
    let result = runtime.block_on(async {
        let notify = Service::from_environment();
        let mut daemon = Daemon::start(&start, log)?;
        notify.ready();
        let control = daemon.control.clone();
        let result = tokio::select! {
            result = daemon.wait() => result,
            () = notify.live(&control) => Ok(Ending::Told),
        };
        // A service that starts itself anew does not stop.
        if !matches!(result, Ok(Ending::Anew)) {
            notify.stopping();
        }
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
    if let Some(problem) = source_problem(&config.source) {
        return Err(DaemonError::Source(problem));
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

/// Why the box has ended in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It was told to.
    Told,
    /// To be started anew at once.
    Anew,
}

struct Daemon {
    encoder: EncoderHandle,
    outputs: Vec<Output>,
    recorder: RecorderHandle,
    control: Control,
    /// Tells the backup whether the box is live.
    backup: watch::Sender<bool>,
    reconfigure: Reconfigure,
    link: Option<LinkHandle>,
    panel: PanelHandle,
    hubs: Hubs,
    /// Told when nothing helps but to start anew.
    anew: Arc<Notify>,
}

impl Daemon {
    fn start(start: &Start, log: &Log) -> Result<Self, DaemonError> {
        let config = &start.config;
        let clock = Clock::new();
        let durable = Durable::open(&config.data_dir)?;
        let hubs = Hubs::new();
        let setup = encoder_setup(config, &clock)?;
        let encoder = encode::spawn(setup.clone(), hubs.clone());
        let (held, follows) = watch::channel(Arc::new(config.clone()));
        let recorder_config = RecorderConfig {
            dir: config.record_dir(),
            segment_s: config.record.segment_s,
            segment_bytes: config.segment_bytes(),
            room: config.record_room(),
            usb: config.record.prefer_usb.then(record::Places::default),
            upload: config.record.upload,
            slow: Duration::from_secs(config.record.slow_s.into()),
            label: record::Label { id: None, title: box_name(config) },
        };
        let own_label = recorder_config.label.clone();
        let recorder = record::spawn(recorder_config, hubs.recording.clone(), &durable, clock.clone())?;
        let trust = trust(config)?;
        let outputs: Vec<_> = OutputRole::ALL
            .map(|role| Output::spawn(role, output_setup(config, role, &trust), hubs.stream.clone()))
            .into();
        let backup = machinery::back_up(follows.clone(), &outputs, clock.clone());
        let preflight =
            preflight::spawn(follows.clone(), &encoder, &recorder, &outputs, &trust, clock.clone());
        let machinery = BoxMachinery {
            outputs: outputs.clone(),
            recorder: recorder.clone(),
            backup: backup.clone(),
            preflight: preflight.clone(),
            retry_encoder: encoder.retry(),
        };
        let control = control::spawn(IntentStore::open(&durable)?, machinery, clock.clone())?;
        let (tell, told) = mpsc::unbounded_channel();
        let parts = Parts {
            media: restart(&encoder, setup.media),
            media_status: encoder.status(),
            status: control.status(),
            held,
            tell: tell.clone(),
        };
        let reconfigure = reconfigure::spawn(start, parts);
        let link = config.cloud.clone().map(|cloud| {
            let config = LinkConfig { cloud, trust, software: SOFTWARE.to_owned() };
            let logs = LogTeller::new(log.clone());
            let obedient = Obedient { control: control.clone(), reconfigure: reconfigure.clone(), logs };
            link::spawn(config, &durable, clock.clone(), obedient)
        });
        let link = link.transpose()?;
        if let Some(link) = &link {
            link.record_all(told);
        }
        targets::feed(config, link.as_ref().map(LinkHandle::targets), &outputs, log)?;
        machinery::name_recordings(own_label, link.as_ref().map(LinkHandle::desired), recorder.clone());
        observe(&control, &encoder, &recorder, &outputs);
        preflight::observe(&control, &preflight);
        come_back(outputs.clone());
        line::follow(follows.clone(), encoder.bitrate(), encoder.status(), &outputs, clock.clone());
        let places = health::Places {
            held: follows.clone(),
            recorder: recorder.clone(),
            media: encoder.status(),
            clock: clock.clone(),
        };
        health::watch(&control, places);
        follow(follows, recorder.clone(), outputs.clone());
        let anew = Arc::new(Notify::new());
        let parts = healing::Parts {
            media: encoder.status(),
            status: control.status(),
            care: encoder.care(),
            kept: Kept::open(&durable)?,
            reboot_file: config.healing.reboot_file.clone(),
            tell,
            restart: anew.clone(),
            clock,
        };
        healing::spawn(&config.healing, parts);
        let options = PanelOptions { socket: config.panel_socket(), device: box_name(config) };
        let panel = panel::spawn(options, control.clone(), link.as_ref().map(LinkHandle::state))?;
        Ok(Self { encoder, outputs, recorder, control, backup, reconfigure, link, panel, hubs, anew })
    }

    /// Returns when the box shall end: told to, or because it cannot work as configured.
    async fn wait(&mut self) -> Result<Ending, DaemonError> {
        let failed = |error: std::io::Error| DaemonError::Start(error.to_string());
        let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
        let (status, last_word) = (self.encoder.status(), self.reconfigure.last_word());
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            () = self.anew.notified() => {
                tracing::warn!("starting anew");
                return Ok(Ending::Anew);
            }
            error = never_runs(status, last_word) => return Err(DaemonError::Media(error)),
        }
        tracing::info!("ending");
        Ok(Ending::Told)
    }

    /// Ends the streams and the recording, in this order, and waits for nobody else's network.
    async fn stop(self) {
        self.backup.send_replace(false);
        for output in &self.outputs {
            output.handle.set_live(false);
        }
        if timeout(RECORDING_LIMIT, self.recorder.stop()).await.is_err() {
            tracing::error!("the disk does not take the end of the recording");
        }
        if timeout(MEDIA_LIMIT, self.encoder.stop()).await.is_err() {
            tracing::error!("the media process does not end");
        }
        self.hubs.close();
        if let Some(link) = self.link {
            link.stop().await;
        }
        self.panel.stop().await;
    }
}

/// No log line shows what the box proves itself with.
fn hide_secrets(config: &Config, log: &Log) {
    config.cloud.iter().for_each(|cloud| log.hide(cloud.secret.expose()));
    config.outputs.iter().for_each(|output| log.hide(output.key.expose()));
}

/// Has recorder and outputs follow the configuration that holds.
fn follow(mut held: watch::Receiver<Arc<Config>>, recorder: RecorderHandle, outputs: Vec<Output>) {
    tokio::spawn(async move {
        while held.changed().await.is_ok() {
            let config = held.borrow_and_update().clone();
            recorder.configure(config.record.segment_s, config.segment_bytes(), config.record_room());
            for output in &outputs {
                output.handle.describe(bitrate_kbps(&config), targets::stream_info(&config));
            }
        }
    });
}

/// Waits for a child that can never work, where there is no other setup to go back to; once one has worked, for ever.
async fn never_runs(mut status: watch::Receiver<MediaStatus>, mut last_word: watch::Receiver<u64>) -> String {
    loop {
        let (running, error) = {
            let (status, last_word) = (status.borrow_and_update(), *last_word.borrow_and_update());
            let is_final = status.configuration && status.setup >= last_word;
            let error = status.error.clone().filter(|_| is_final);
            (status.state == EncoderState::Running, error)
        };
        match error {
            Some(error) if !running => return error,
            _ if running => std::future::pending().await,
            _ => {}
        }
        let changed = tokio::select! {
            changed = status.changed() => changed,
            changed = last_word.changed() => changed,
        };
        if changed.is_err() {
            std::future::pending::<()>().await;
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
