//! Runs the media child from the daemon and starts it anew when it fails.
#![allow(clippy::disallowed_methods, reason = "a driver: it waits for the child and between its starts")]

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use stagebox_hw::Encoder;
use stagebox_media::wire::{Decoder, WireMessage};
use stagebox_media::{Epoch, Packet, Track};
use stagebox_protocol::telemetry::{AudioLevel, EncoderState};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::fallback::Fallback;
use super::handle::{Care, EncoderHandle};
use super::orders::{anew, order};
use super::retry::{Retry, retry};
use super::status::{EncoderSetup, Hubs, MediaStatus};
use super::twice::refusal;
use super::{EncoderFailure, MediaReport, MediaSetup, RECORDING, words};
use crate::capture::Mend;

/// A file may take its time to open, and an encoder its trial.
const START_LIMIT: Duration = Duration::from_secs(60);
/// A running child says something each second, and many frames.
const SILENCE_LIMIT: Duration = Duration::from_secs(5);
/// How long a child may take to end when told to.
const END_LIMIT: Duration = Duration::from_secs(1);
/// A child that ran this long was well.
const WELL_AFTER: Duration = Duration::from_secs(10);
/// Waits before starting again, by how often it failed in a row.
const BACKOFF: [Duration; 4] = [
    Duration::from_millis(50),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_millis(1000),
];
const READ_BYTES: usize = 256 << 10;

/// Starts the child and keeps it running; its frames go to the hubs.
#[must_use]
pub fn spawn(setup: EncoderSetup, hubs: Hubs) -> EncoderHandle {
    let (publish, status) = watch::channel(MediaStatus::default());
    let (publish_levels, levels) = watch::channel(Vec::new());
    let cancel = CancellationToken::new();
    let bitrate = watch::Sender::new(None);
    let media = watch::Sender::new((0, setup.media));
    let (asked, restart) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let fallback = Arc::new(Mutex::new(Fallback::default()));
    tokio::spawn(cancel.clone().run_until_cancelled_owned(retry(Retry {
        program: setup.program.clone(),
        setup: media.subscribe(),
        fallback: fallback.clone(),
        asked: asked.clone(),
        restart: restart.clone(),
        publish: publish.clone(),
    })));
    let care = Care {
        mend: watch::Sender::new(None),
        restart: restart.clone(),
        fallback: fallback.clone(),
        publish: publish.clone(),
    };
    let supervisor = Supervisor {
        program: setup.program,
        setup: media.subscribe(),
        hubs,
        publish,
        publish_levels,
        bitrate: bitrate.subscribe(),
        mend: care.mend.subscribe(),
        cancel: cancel.clone(),
        last_dts: [[i64::MIN; 2]; 2],
        own_recording: false,
        twice: None,
        last_words: None,
        encoder: None,
        fallback,
        restart,
    };
    let task = tokio::spawn(supervisor.run());
    EncoderHandle { status, levels, bitrate, retry: asked, care, media, cancel, task }
}

struct Supervisor {
    program: PathBuf,
    setup: watch::Receiver<(u64, MediaSetup)>,
    hubs: Hubs,
    /// The present child encodes the recording apart from the stream.
    own_recording: bool,
    /// Whether the machine does so, once that is known.
    twice: Option<Result<(), String>>,
    publish: watch::Sender<MediaStatus>,
    publish_levels: watch::Sender<Vec<AudioLevel>>,
    /// What the picture is to take, where that was said.
    bitrate: watch::Receiver<Option<u32>>,
    mend: watch::Receiver<Option<Mend>>,
    cancel: CancellationToken,
    /// The last frame of each track of the stream and of the recording, over all children.
    last_dts: [[i64; 2]; 2],
    /// What the present child said before it ended.
    last_words: Option<LastWords>,
    /// What the present child encodes with, once it has chosen.
    encoder: Option<Encoder>,
    fallback: Arc<Mutex<Fallback>>,
    /// A better encoder is there than the one in use.
    restart: Arc<Notify>,
}

struct LastWords {
    error: String,
    /// The encoder is to blame.
    encoder: Option<EncoderFailure>,
    /// Only another configuration helps.
    configuration: bool,
}

/// How a child ended.
enum Ended {
    /// The box wanted it.
    Stopped,
    /// The next one is to choose its encoder anew, or has another setup.
    Restart,
    Failed(String),
}

impl Supervisor {
    async fn run(mut self) {
        let (mut failures, mut known) = (0, 0);
        loop {
            let started = Instant::now();
            (self.last_words, self.encoder, self.own_recording) = (None, None, false);
            let (number, media) = self.setup.borrow_and_update().clone();
            if number != known {
                (failures, known, self.twice) = (0, number, None);
                self.forgive();
            }
            self.publish
                .send_modify(|status| (status.state, status.setup) = (EncoderState::Starting, number));
            let ended = self.run_child(&media).await;
            self.publish.send_modify(|status| status.pid = None);
            self.publish_levels.send_replace(Vec::new());
            let error = match ended {
                Ended::Stopped => return,
                Ended::Restart => continue,
                Ended::Failed(error) => error,
            };
            failures = if started.elapsed() >= WELL_AFTER { 1 } else { failures + 1 };
            tracing::warn!("the media process ended: {error}");
            let configuration = self.last_words.as_ref().is_some_and(|words| words.configuration);
            let degraded = self.blame(&error);
            self.publish.send_modify(|status| {
                status.state = EncoderState::Failed;
                status.error = Some(error);
                status.configuration = configuration;
                status.degraded = degraded;
                status.restarts += 1;
                status.stats.levels.clear();
            });
            let wait = BACKOFF[(failures - 1).min(BACKOFF.len() - 1)];
            tokio::select! {
                () = self.cancel.cancelled() => return,
                () = anew(self.setup.clone()) => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Has the encoder give way if it is to blame once too often; what does not encode although it should.
    fn blame(&mut self, error: &str) -> Option<String> {
        let failure = match &self.last_words {
            Some(words) => words.encoder,
            // A driver that takes its process along says nothing.
            None => Some(EncoderFailure::Ended),
        };
        if let (Some(encoder), Some(_), true) = (self.encoder, failure, self.own_recording) {
            // It may well do one: the stream does not lose it for what the recording wanted.
            self.twice = Some(Err(refusal(encoder, error)));
            return self.fallback().degraded();
        }
        let mut fallback = self.fallback();
        if let (Some(encoder), Some(failure)) = (self.encoder, failure)
            && fallback.failed(encoder, failure, error, Instant::now().into_std())
        {
            tracing::warn!(%encoder, "another encoder takes over");
        }
        fallback.degraded()
    }

    /// What failed with one setup may work with another.
    fn forgive(&self) {
        *self.fallback() = Fallback::default();
        self.publish.send_modify(|status| status.degraded = None);
    }

    fn fallback(&self) -> MutexGuard<'_, Fallback> {
        self.fallback.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs one child to its end.
    async fn run_child(&mut self, media: &MediaSetup) -> Ended {
        let mut child = match self.start(media).await {
            Ok(child) => child,
            Err(error) => return Ended::Failed(format!("cannot start {}: {error}", self.program.display())),
        };
        let Some(stdout) = child.stdout.take() else { return Ended::Failed("it has no output".to_owned()) };
        self.publish.send_modify(|status| status.pid = child.id());
        child.stderr.take().into_iter().for_each(words::pass_on);
        let (cancel, restart, changed) =
            (self.cancel.clone(), self.restart.clone(), anew(self.setup.clone()));
        let (mut stdin, bitrate) = (child.stdin.take(), self.bitrate.clone());
        let mend = self.mend.clone();
        let ended = tokio::select! {
            () = cancel.cancelled() => Ended::Stopped,
            () = restart.notified() => Ended::Restart,
            () = changed => Ended::Restart,
            reason = self.read(stdout) => Ended::Failed(reason),
            () = order(stdin.as_mut(), bitrate, mend) => Ended::Stopped,
        };
        // The end of its standard input tells the child to go.
        drop(stdin);
        let exit = timeout(END_LIMIT, child.wait()).await;
        if exit.is_err() {
            // Already gone is as good; one that hangs in a driver cannot be ended, and is left behind.
            let _ = timeout(END_LIMIT, child.kill()).await;
        }
        match (ended, &self.last_words, exit) {
            (Ended::Failed(_), Some(words), _) => Ended::Failed(words.error.clone()),
            (Ended::Failed(reason), None, Ok(Ok(status))) => Ended::Failed(format!("{reason} ({status})")),
            (ended, ..) => ended,
        }
    }

    async fn start(&self, media: &MediaSetup) -> std::io::Result<Child> {
        let mut child = Command::new(&self.program)
            .arg("media")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let avoid = self.fallback().avoided();
        let mut line = serde_json::to_vec(&MediaSetup { avoid, twice: self.twice.clone(), ..media.clone() })?;
        line.push(b'\n');
        if let Some(stdin) = &mut child.stdin {
            stdin.write_all(&line).await?;
            stdin.flush().await?;
        }
        Ok(child)
    }

    /// Reads until the child's output ends, breaks or falls silent.
    async fn read(&mut self, mut stdout: ChildStdout) -> String {
        let mut decoder = Decoder::new();
        let mut limit = START_LIMIT;
        loop {
            decoder.buffer_mut().reserve(READ_BYTES);
            match timeout(limit, stdout.read_buf(decoder.buffer_mut())).await {
                Err(_) => return format!("it has said nothing for {limit:?}"),
                Ok(Err(error)) => return format!("its output cannot be read: {error}"),
                Ok(Ok(0)) => return "it ended by itself".to_owned(),
                Ok(Ok(_)) => limit = SILENCE_LIMIT,
            }
            loop {
                match decoder.next() {
                    Ok(Some(message)) => self.take(message),
                    Ok(None) => break,
                    Err(error) => return format!("its output makes no sense: {error}"),
                }
            }
        }
    }

    fn take(&mut self, message: WireMessage) {
        match message {
            WireMessage::Packet { stream, packet } => self.take_packet(stream, packet),
            WireMessage::Control(json) => match serde_json::from_slice(&json) {
                Ok(MediaReport::Stats(stats)) => self.publish.send_modify(|status| status.stats = stats),
                Ok(MediaReport::Signal(signal)) => {
                    self.publish.send_modify(|status| status.stats.signal = signal);
                }
                Ok(MediaReport::Levels { levels }) => drop(self.publish_levels.send_replace(levels)),
                Ok(MediaReport::Encoder(encoder)) => {
                    self.encoder = Some(encoder);
                    self.fallback().uses(encoder);
                }
                Ok(MediaReport::Twice(twice)) => {
                    (self.own_recording, self.twice) = (twice.is_ok(), Some(twice));
                }
                Ok(MediaReport::Failed { error, encoder, configuration }) => {
                    self.last_words = Some(LastWords { error, encoder, configuration });
                }
                Err(error) => tracing::warn!("a report of the media process makes no sense: {error}"),
            },
        }
    }

    fn take_packet(&mut self, stream: u8, packet: Packet) {
        let is_recording = stream == RECORDING;
        match &packet {
            Packet::Config(config) if config.track == Track::Video && !is_recording => {
                self.running(config.epoch);
            }
            Packet::Config(_) => {}
            Packet::Frame(frame) => {
                let last =
                    &mut self.last_dts[usize::from(is_recording)][usize::from(frame.track == Track::Audio)];
                // Time goes on from child to child, and never back.
                if frame.dts_ns <= *last {
                    return;
                }
                *last = frame.dts_ns;
            }
        }
        if is_recording {
            return self.hubs.recording.publish(packet);
        }
        if !self.own_recording {
            self.hubs.recording.publish(packet.clone());
        }
        self.hubs.stream.publish(packet);
    }

    fn running(&self, epoch: Epoch) {
        tracing::info!(epoch = format_args!("{:016x}", epoch.0), "the media process delivers");
        self.publish.send_modify(|status| {
            status.state = EncoderState::Running;
            status.error = None;
            status.configuration = false;
        });
    }
}
