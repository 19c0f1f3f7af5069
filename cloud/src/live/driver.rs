//! One event's task: packets in, parts and segments out, recordings with the event's status.
#![allow(clippy::disallowed_methods, reason = "a driver: it reads the clock for the core")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use stagebox_media::cmaf::TrackFormat;
use stagebox_media::{Packet, Track};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::index::SharedIndex;
use super::lane::Packaged;
use super::rendition::Rendition;
use super::segmenter::Segmenter;
use super::span::Span;
use super::storage::Keep;
use super::stream::{Stream, lock};
use super::timeline::{InputId, Now, RunStart, Timed, Timeline};
use crate::clock::Clock;
use crate::event::{EventStatus, EventView, Events, Input};
use crate::recording::Pause;
use crate::store::Account;
use crate::tenant::Quotas;
use crate::transcode::{self, FromWorker, Scaled, Transcoder};

/// How long the smaller renditions of a run may still come after its end.
const DRAIN: Duration = Duration::from_millis(600);
/// Packets of a worker that may wait.
const WORKER_QUEUE: usize = 64;

/// What an event's task is told.
#[derive(Debug)]
pub(super) enum Command {
    Join(InputId, Input),
    Packet(InputId, Packet),
    Leave(InputId, Input),
}

/// What a task needs from the rest of the server.
#[derive(Clone)]
pub(super) struct Surroundings {
    pub(super) clock: Clock,
    pub(super) events: Events,
    /// What accounts may.
    pub(super) quotas: Quotas,
    /// The program to run as a transcoding worker; absent if there are no smaller renditions.
    pub(super) worker: Option<PathBuf>,
    pub(super) shutdown: CancellationToken,
}

/// An event's task.
pub(super) struct Driver {
    pub(super) stream: Arc<Stream>,
    pub(super) around: Surroundings,
    pub(super) timeline: Timeline,
    pub(super) segmenter: Segmenter,
    pub(super) storage: mpsc::Sender<Keep>,
    pub(super) span: Span,
    pub(super) scaling: Scaling,
    pub(super) index: SharedIndex,
    /// Whose event it is.
    pub(super) account: Account,
}

/// The workers' side of a task.
pub(super) struct Scaling {
    transcoder: Option<Transcoder>,
    /// What each run's worker makes.
    renditions: BTreeMap<u64, Rendition>,
    output: mpsc::Sender<FromWorker>,
    input: mpsc::Receiver<FromWorker>,
    /// When what an ended run's worker has not delivered is given up.
    drain_until: Option<Instant>,
}

impl Scaling {
    pub(super) fn new() -> Self {
        let (output, input) = mpsc::channel(WORKER_QUEUE);
        Self { transcoder: None, renditions: BTreeMap::new(), output, input, drain_until: None }
    }
}

enum Woken {
    Command(Option<Command>),
    Worker(Option<FromWorker>),
    Status,
    Drained,
    Shutdown,
    Lost,
}

impl Driver {
    /// Runs until the event has ended and its recordings are whole, or the server stops.
    pub(super) async fn run(
        mut self,
        mut commands: mpsc::Receiver<Command>,
        mut event: watch::Receiver<EventView>,
    ) {
        loop {
            let view = event.borrow_and_update().clone();
            self.follow_status(&view).await;
            if view.status == EventStatus::Ended {
                return self.finish(&view).await;
            }
            // The status is looked at whenever it changes, packets as they come.
            loop {
                match self.wait(&mut commands, &mut event).await {
                    Woken::Command(Some(command)) => self.command(command).await,
                    Woken::Worker(Some(made)) => self.made(made).await,
                    Woken::Drained => self.give_up_draining().await,
                    Woken::Status => break,
                    Woken::Lost => return self.abandon(),
                    Woken::Command(None) | Woken::Worker(None) | Woken::Shutdown => return self.stop().await,
                }
            }
        }
    }

    async fn wait(
        &mut self,
        commands: &mut mpsc::Receiver<Command>,
        event: &mut watch::Receiver<EventView>,
    ) -> Woken {
        let drain_until = self.scaling.drain_until;
        let drained = async move {
            match drain_until {
                Some(until) => sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.stream.hold.lost() => Woken::Lost,
            () = self.around.shutdown.cancelled() => Woken::Shutdown,
            changed = event.changed() => if changed.is_ok() { Woken::Status } else { Woken::Shutdown },
            () = drained => Woken::Drained,
            made = self.scaling.input.recv() => Woken::Worker(made),
            command = commands.recv() => Woken::Command(command),
        }
    }

    async fn command(&mut self, command: Command) {
        let now = self.now();
        let mut timed = Vec::new();
        match command {
            Command::Join(id, input) => {
                self.timeline.join(now, id);
                self.set_receiving(input, true).await;
            }
            Command::Packet(id, packet) => self.timeline.handle(now, id, packet, &mut timed),
            Command::Leave(id, input) => {
                self.timeline.leave(id, &mut timed);
                let replaced = lock(&self.stream.holders).contains_key(&input);
                if !replaced {
                    self.set_receiving(input, false).await;
                }
            }
        }
        self.package(timed).await;
    }

    async fn set_receiving(&self, input: Input, receiving: bool) {
        if self.stream.hold.is_lost() {
            return;
        }
        let event = &self.stream.event;
        if let Err(error) = self.around.events.set_receiving(event, input, receiving).await {
            tracing::error!(%event, %input, %error, "cannot note whether a broadcast comes in");
        }
    }

    async fn package(&mut self, timed: Vec<Timed>) {
        let mut out = Vec::new();
        for timed in timed {
            match timed {
                Timed::Begin(start) => self.begin(&start, &mut out),
                Timed::Frame(frame) => {
                    if let (Track::Video, Some(transcoder)) = (frame.track, &mut self.scaling.transcoder) {
                        transcoder.push(&frame);
                    }
                    self.segmenter.frame(frame, &mut out);
                }
                Timed::End => self.end_run(&mut out),
            }
        }
        self.publish(out).await;
    }

    fn begin(&mut self, start: &RunStart, out: &mut Vec<Packaged>) {
        let event = &self.stream.event;
        let scaled = start.video.as_ref().zip(self.around.worker.clone()).and_then(|(config, program)| {
            let TrackFormat::Video { sps, .. } = TrackFormat::parse(config).ok()? else { return None };
            let scaled = transcode::scaled(sps.width, sps.height, sps.pixel_aspect, sps.fps())?;
            Some((config.clone(), program, scaled))
        });
        let renditions: Vec<Rendition> = scaled.iter().map(|(.., scaled)| rendition(*scaled)).collect();
        let run = match self.segmenter.begin(start, &renditions, out) {
            Ok(run) => run,
            Err(error) => {
                tracing::warn!(%event, %error, "a broadcast cannot be packaged");
                return;
            }
        };
        tracing::info!(%event, run, video = start.video.is_some(), audio = start.audio.is_some(), "a broadcast begins");
        self.scaling.transcoder = scaled.map(|(config, program, scaled)| {
            self.scaling.renditions.insert(run, rendition(scaled));
            Transcoder::start(program, run, config, scaled, self.scaling.output.clone())
        });
    }

    fn end_run(&mut self, out: &mut Vec<Packaged>) {
        self.segmenter.end(out);
        if self.scaling.transcoder.take().is_some() {
            self.scaling.drain_until = Some(Instant::now() + DRAIN);
        }
    }

    async fn made(&mut self, made: FromWorker) {
        let mut out = Vec::new();
        match made {
            FromWorker::Packet { run, packet } => {
                if let Some(rendition) = self.scaling.renditions.get(&run)
                    && let Err(error) = self.segmenter.scaled(*rendition, packet, &mut out)
                {
                    tracing::warn!(event = %self.stream.event, %error, "a worker's rendition cannot be packaged");
                }
            }
            FromWorker::Lost { run } => {
                if let Some(rendition) = self.scaling.renditions.get(&run) {
                    self.segmenter.scaled_end(*rendition, run, &mut out);
                }
            }
            FromWorker::Done { run } => {
                if let Some(rendition) = self.scaling.renditions.remove(&run) {
                    self.segmenter.scaled_end(rendition, run, &mut out);
                }
                if self.scaling.transcoder.is_none() {
                    self.scaling.drain_until = None;
                }
            }
        }
        self.publish(out).await;
    }

    async fn give_up_draining(&mut self) {
        self.scaling.drain_until = None;
        if self.scaling.transcoder.is_none() {
            let mut out = Vec::new();
            self.segmenter.close_before(self.segmenter.next_msn(), &mut out);
            self.publish(out).await;
        }
    }

    /// Shows what was packaged to viewers, and has it kept.
    async fn publish(&mut self, packaged: Vec<Packaged>) {
        for packaged in packaged {
            let (data, dropped) = self.stream.apply(packaged.clone());
            let keep = match packaged {
                Packaged::Target { target_duration_s } => Keep::Target { target_duration_s },
                Packaged::Init { rendition, init, data, description } => {
                    Keep::Init { rendition, init, data, description }
                }
                Packaged::Part { rendition, segment, data } => Keep::Part { rendition, segment, data },
                Packaged::Close { rendition, segment } => {
                    self.follow_quota(segment.msn).await;
                    let worth = self.span.worth(segment.msn);
                    Keep::Segment { rendition, segment, data, worth }
                }
            };
            self.keep(keep).await;
            for (rendition, msn) in dropped {
                if !self.span.holds(msn) {
                    self.keep(Keep::Forget { rendition, msn }).await;
                }
            }
        }
    }

    /// Goes on or stops recording as the account may; viewers never notice.
    async fn follow_quota(&mut self, msn: u64) {
        let pause = self.around.quotas.pause(self.account);
        if self.span.set_pause(pause, msn).await {
            self.warn(pause).await;
        }
    }

    async fn warn(&self, pause: Option<Pause>) {
        let (event, words) = (&self.stream.event, pause.map(|pause| pause.to_string()));
        if let Err(error) = self.around.events.set_warning(event, words).await {
            tracing::error!(%event, %error, "cannot say in the event whether it is recorded");
        }
    }

    async fn keep(&self, keep: Keep) {
        if self.storage.send(keep).await.is_err() {
            tracing::error!(event = %self.stream.event, "the storage task has ended");
        }
    }

    /// Brings recordings in line with the event's status.
    async fn follow_status(&mut self, view: &EventView) {
        let started = view.status == EventStatus::Started;
        let mut out = Vec::new();
        if started && !self.span.is_running() {
            let from = self.segmenter.cut_at_key();
            self.span.begin(from).await;
        }
        if !started && self.span.is_running() {
            self.stream.set_public_from(None);
            let to = if view.status == EventStatus::Ended {
                self.end_run(&mut out);
                self.segmenter.next_msn()
            } else {
                self.segmenter.cut_now(&mut out)
            };
            self.publish(out).await;
            self.span.end(to).await;
            self.warn(None).await;
        }
        self.stream.set_public_from(self.span.first_segment());
    }

    /// The event has ended: everything comes to rest, and its recordings become items.
    async fn finish(mut self, view: &EventView) {
        let mut out = Vec::new();
        self.end_run(&mut out);
        self.publish(out).await;
        while let Some(until) = self.scaling.drain_until {
            match tokio::time::timeout_at(until, self.scaling.input.recv()).await {
                Ok(Some(made)) => self.made(made).await,
                Ok(None) | Err(_) => self.give_up_draining().await,
            }
        }
        let mut out = Vec::new();
        self.segmenter.close_before(self.segmenter.next_msn(), &mut out);
        self.publish(out).await;
        self.stream.end();
        self.flush().await;
        let hold = self.stream.hold.clone();
        if hold.is_lost() {
            return;
        }
        let made = self.span.make_items(&view.title).await;
        // Nobody is left to hear that the encoders leave.
        for input in Input::ALL {
            self.set_receiving(input, false).await;
        }
        if made && let Err(error) = self.index.clear().await {
            tracing::warn!(event = %self.stream.event, %error, "an ended event's index stays in the store");
        }
        hold.give_back(made).await;
    }

    /// Another process has the event: nothing of what is under way here counts any more.
    fn abandon(self) {
        tracing::warn!(event = %self.stream.event, "another process goes on with the event");
        self.stream.end();
    }

    /// The server stops: what is complete is kept, and the next start goes on from there.
    async fn stop(mut self) {
        let mut out = Vec::new();
        self.end_run(&mut out);
        self.segmenter.close_before(self.segmenter.next_msn(), &mut out);
        self.publish(out).await;
        self.flush().await;
        self.stream.hold.give_back(false).await;
    }

    async fn flush(&self) {
        let (done, written) = oneshot::channel();
        if self.storage.send(Keep::Barrier(done)).await.is_ok() {
            // An error means that the storage task is gone, and with it all waiting.
            let _ = written.await;
        }
    }

    fn now(&self) -> Now {
        Now { instant: self.around.clock.instant(), unix_ms: self.around.clock.now().unix_ms() }
    }
}

fn rendition(scaled: Scaled) -> Rendition {
    Rendition::Scaled(scaled.lines())
}
