//! One event's task: packets in, parts and segments out, recordings with the event's status.
#![allow(clippy::disallowed_methods, reason = "a driver: it reads the clock for the core")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use stagebox_media::Packet;
use stagebox_media::rtmp::LeftOut;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::faults::Faults;
use super::index::SharedIndex;
use super::judging::next_look;
use super::lane::Packaged;
use super::news::Tellers;
use super::rendition::Rendition;
use super::scaling::{Scaling, Workshop};
use super::segmenter::Segmenter;
use super::slates::{Made, SlateRun, Slates};
use super::span::Span;
use super::storage::Keep;
use super::stream::{Stream, lock};
use super::timeline::{InputId, Now, RunStart, Timed, Timeline};
use crate::clock::Clock;
use crate::event::{self, EventStatus, EventView, Events, Input, OnAir};
use crate::recording::Pause;
use crate::simulcast::Pushes;
use crate::store::Store;
use crate::tenant::Quotas;
use crate::transcode::{FromWorker, Look, Looker};

/// What an event's task is told.
#[derive(Debug)]
pub(super) enum Command {
    Join(InputId, Input, event::Source),
    Packet(InputId, Packet),
    LeftOut(InputId, LeftOut),
    Leave(InputId, Input),
}

/// What a task needs from the rest of the server.
#[derive(Clone)]
pub(super) struct Surroundings {
    pub(super) clock: Clock,
    pub(super) events: Events,
    /// What accounts may.
    pub(super) quotas: Quotas,
    pub(super) store: Store,
    pub(super) tellers: Tellers,
    /// Absent if there are no smaller renditions.
    pub(super) workshop: Option<Workshop>,
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
    pub(super) slates: Slates,
    /// The run in which the slate is shown, while it is.
    pub(super) slate_run: Option<SlateRun>,
    /// Whether a started event shows a slate while nothing is broadcast.
    pub(super) slate_wanted: bool,
    /// The event, as it was when it was looked at last.
    pub(super) view: EventView,
    /// Where it is pushed to.
    pub(super) pushes: Pushes,
    /// When it was looked last what was measured.
    pub(super) looked_at: std::time::Instant,
    /// How the newest run began.
    pub(super) run_start: Option<RunStart>,
    /// Inputs whose key frames are too far apart.
    pub(super) far_keys: BTreeSet<Input>,
    /// The worker makes the source's rendition too.
    pub(super) is_made: bool,
    /// What is wrong with what the inputs show.
    pub(super) faults: Faults,
    /// Looks at their pictures, where that is wanted.
    pub(super) looker: Option<Looker>,
    /// Whether the timeline has a slate just now.
    pub(super) is_slated: bool,
    /// What is shown, as it was noted last.
    pub(super) on_air: Option<OnAir>,
    /// The pictures' sizes in the newest broadcast.
    pub(super) sizes: BTreeMap<Rendition, (u32, u32)>,
    pub(super) index: SharedIndex,
}

enum Woken {
    Command(Option<Command>),
    Worker(Option<FromWorker>),
    Slate(Option<Made>),
    Looked(Option<Look>),
    Due,
    Second,
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
                    Woken::Slate(Some(made)) => self.slate_made(made).await,
                    Woken::Looked(Some(look)) => self.looked(look).await,
                    Woken::Due => self.tick().await,
                    Woken::Second => self.look().await,
                    Woken::Drained => self.give_up_draining().await,
                    Woken::Status => break,
                    Woken::Lost => return self.abandon(),
                    Woken::Command(None)
                    | Woken::Worker(None)
                    | Woken::Slate(None)
                    | Woken::Looked(None)
                    | Woken::Shutdown => return self.stop().await,
                }
            }
        }
    }

    async fn wait(
        &mut self,
        commands: &mut mpsc::Receiver<Command>,
        event: &mut watch::Receiver<EventView>,
    ) -> Woken {
        let drained = until(self.scaling.drain_until());
        let second = until(self.next_look().map(Instant::from_std));
        let due = until(self.timeline.next_deadline(self.now().instant).map(Instant::from_std));
        tokio::select! {
            biased;
            () = self.stream.hold.lost() => Woken::Lost,
            () = self.around.shutdown.cancelled() => Woken::Shutdown,
            changed = event.changed() => if changed.is_ok() { Woken::Status } else { Woken::Shutdown },
            () = drained => Woken::Drained,
            made = self.scaling.next() => Woken::Worker(made),
            made = self.slates.next() => Woken::Slate(made),
            look = next_look(&mut self.looker) => Woken::Looked(look),
            command = commands.recv() => Woken::Command(command),
            () = due => Woken::Due,
            () = second => Woken::Second,
        }
    }

    async fn command(&mut self, command: Command) {
        let now = self.now();
        let mut timed = Vec::new();
        match command {
            Command::Join(id, input, source) => {
                self.timeline.join(id, input);
                self.faults.join(id, input);
                lock(&self.stream.vitals).join(now, id, input, &source, self.is_started());
                self.set_receiving(input, Some(source)).await;
            }
            Command::Packet(id, packet) => {
                lock(&self.stream.vitals).packet(now, id, &packet);
                self.show_to_looker(id, &packet);
                self.timeline.handle(now, id, packet, &mut timed);
            }
            Command::LeftOut(id, left_out) => lock(&self.stream.vitals).left_out(now, id, left_out.fault),
            Command::Leave(id, input) => {
                self.faults.leave(id);
                lock(&self.stream.vitals).leave(now, id);
                self.timeline.leave(now, id, &mut timed);
                let replaced = lock(&self.stream.holders).contains_key(&input);
                if !replaced {
                    self.set_receiving(input, None).await;
                }
            }
        }
        self.package(timed).await;
    }

    async fn set_receiving(&self, input: Input, source: Option<event::Source>) {
        if self.stream.hold.is_lost() {
            return;
        }
        let event = &self.stream.event;
        if let Err(error) = self.around.events.set_receiving(event, input, source).await {
            tracing::error!(%event, %input, %error, "cannot note whether a broadcast comes in");
        }
    }

    /// Does what is due without anybody having sent anything.
    async fn tick(&mut self) {
        let mut timed = Vec::new();
        self.timeline.tick(self.now(), &mut timed);
        self.package(timed).await;
    }

    pub(super) async fn package(&mut self, timed: Vec<Timed>) {
        let mut out = Vec::new();
        for timed in timed {
            match timed {
                Timed::Begin(start) => {
                    let is_news = self.scaling.forgive() || !self.far_keys.is_empty();
                    self.begin(&start, &mut out);
                    if is_news {
                        self.warn(self.pause()).await;
                    }
                    self.record().await;
                }
                Timed::Frame(frame) => {
                    self.follow_keys(&frame, &mut out).await;
                    self.frame(frame, &mut out);
                }
                Timed::End => {
                    self.end_run(&mut out);
                    self.drain_source(&mut out).await;
                }
            }
        }
        self.publish(out).await;
        self.note_on_air().await;
    }

    async fn made(&mut self, made: FromWorker) {
        let mut out = Vec::new();
        let dropped = matches!(made, FromWorker::Dropped { .. });
        self.scaling.made(&self.stream.event, made, &mut self.segmenter, &mut self.pushes, &mut out);
        self.publish(out).await;
        if dropped {
            self.warn(self.pause()).await;
        }
    }

    async fn give_up_draining(&mut self) {
        let mut out = Vec::new();
        self.scaling.give_up_draining(&mut self.segmenter, &mut out);
        self.publish(out).await;
    }

    /// Shows what was packaged to viewers, and has it kept.
    pub(super) async fn publish(&mut self, packaged: Vec<Packaged>) {
        for packaged in packaged {
            let (complete, dropped) = self.stream.apply(packaged.clone());
            let keep = match packaged {
                Packaged::Target { target_duration_s } => Keep::Target { target_duration_s },
                Packaged::Init { rendition, init, data, description } => {
                    Keep::Init { rendition, init, data, description }
                }
                Packaged::Part { rendition, segment, data } => Keep::Part { rendition, segment, data },
                Packaged::Close { rendition, segment } => {
                    self.follow_quota(segment.msn).await;
                    let worth = self.span.worth(segment.msn);
                    Keep::Segment { rendition, segment, complete, worth }
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

    /// Why nothing of the event is recorded now.
    pub(super) fn pause(&self) -> Option<Pause> {
        self.around.quotas.pause(self.view.account, self.view.details.record)
    }

    /// Goes on or stops recording as the account and the event have it; viewers never notice.
    async fn follow_quota(&mut self, msn: u64) {
        self.limit_recording().await;
        let pause = self.pause();
        if self.span.set_pause(pause, msn).await {
            self.warn(pause).await;
        }
    }

    pub(super) async fn warn(&self, pause: Option<Pause>) {
        let event = &self.stream.event;
        let words = pause.map(|pause| pause.to_string()).or_else(|| self.scaling.given_up());
        let words = words.or_else(|| self.faults.words()).or_else(|| self.made_anew());
        if let Err(error) = self.around.events.set_warning(event, words).await {
            tracing::error!(%event, %error, "cannot say in the event whether it is recorded");
        }
    }

    async fn keep(&self, keep: Keep) {
        if self.storage.send(keep).await.is_err() {
            tracing::error!(event = %self.stream.event, "the storage task has ended");
        }
    }

    /// The event has ended: everything comes to rest, and its recordings become items.
    async fn finish(mut self, view: &EventView) {
        let mut out = Vec::new();
        self.end_run(&mut out);
        self.publish(out).await;
        self.drain().await;
        let mut out = Vec::new();
        self.segmenter.close_before(self.segmenter.next_msn(), &mut out);
        self.publish(out).await;
        self.stream.end();
        self.finish_health().await;
        self.flush().await;
        let hold = self.stream.hold.clone();
        if hold.is_lost() {
            return;
        }
        let made = self.span.make_items(&view.title).await;
        // Nobody is left to hear that the encoders leave, nor what is shown.
        let _ = self.around.events.set_on_air(&self.stream.event, None).await;
        for input in Input::ALL {
            self.set_receiving(input, None).await;
        }
        if made && let Err(error) = self.index.clear().await {
            tracing::warn!(event = %self.stream.event, %error, "an ended event's index stays in the store");
        }
        hold.give_back(made).await;
    }

    /// Waits for what the worker of the run that has ended still has.
    pub(super) async fn drain(&mut self) {
        while let Some(until) = self.scaling.drain_until() {
            match tokio::time::timeout_at(until, self.scaling.next()).await {
                Ok(Some(made)) => self.made(made).await,
                Ok(None) | Err(_) => self.give_up_draining().await,
            }
        }
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
        self.finish_health().await;
        self.flush().await;
        if !self.stream.hold.is_lost() {
            // The next start says what is shown then.
            let _ = self.around.events.set_on_air(&self.stream.event, None).await;
        }
        self.stream.hold.give_back(false).await;
    }

    async fn flush(&self) {
        let (done, written) = oneshot::channel();
        if self.storage.send(Keep::Barrier(done)).await.is_ok() {
            // An error means that the storage task is gone, and with it all waiting.
            let _ = written.await;
        }
    }

    pub(super) fn now(&self) -> Now {
        Now { instant: self.around.clock.instant(), unix_ms: self.around.clock.now().unix_ms() }
    }
}

/// Waits until then; for ever, if there is no such moment.
async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}
