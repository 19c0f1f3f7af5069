//! Attends a run's worker: feeds it, passes on what it makes, and replaces it when it breaks.
//!
//! Decisions are those of [`Kept`], [`Watch`], [`Restarts`] and [`Delivered`]; here they are carried out.
#![allow(clippy::disallowed_methods, reason = "a driver: it reads the clock for the watch")]

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use stagebox_media::wire::WireMessage;
use stagebox_media::{Frame, Packet};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::child::{FromWorker, Start};
use super::delivered::Delivered;
use super::ladder::Scaled;
use super::process::{Moved, Process};
use super::protocol::{Order, Report, Wanted};
use super::refill::{Kept, Limits};
use super::restart::Restarts;
use super::session::Session;
use super::watch::{Verdict, Watch};

const LIMITS: Limits = Limits { frames: 2_000, bytes: 32 * 1024 * 1024 };
/// Longest time that a worker may take for what it was given last.
const DRAIN_LIMIT: Duration = Duration::from_secs(5);

#[derive(Debug)]
struct Rendition {
    scaled: Scaled,
    delivered: Delivered,
}

/// The task behind a [`super::Transcoder`].
#[derive(Debug)]
pub(super) struct Supervisor {
    start: Start,
    /// Those that are still made, by number, largest first.
    renditions: BTreeMap<u8, Rendition>,
    kept: Kept,
    /// `None` when the run has ended.
    frames: Option<mpsc::Receiver<Frame>>,
    newest_ns: Option<i64>,
    drain_until: Option<Instant>,
    restarts: Restarts,
    /// Hardware failed in this run.
    software: bool,
    /// Frames were given while there was no room for them.
    missed: Arc<AtomicBool>,
    output: mpsc::Sender<FromWorker>,
    /// What `output` has no room for yet.
    told: VecDeque<FromWorker>,
}

/// Why a worker is no longer there.
enum End {
    Drained,
    /// Nobody wants what it makes.
    Unwanted,
    TooSlow {
        lag_ms: i64,
    },
    Broken(String),
}

enum Woken {
    Frame(Option<Frame>),
    Moved(Moved),
    /// There may be room in `output`.
    Room(bool),
    Deadline,
}

impl Supervisor {
    pub(super) fn new(
        start: Start,
        frames: mpsc::Receiver<Frame>,
        output: mpsc::Sender<FromWorker>,
        missed: Arc<AtomicBool>,
    ) -> Self {
        let fresh = |scaled: &Scaled| Rendition { scaled: *scaled, delivered: Delivered::default() };
        let renditions = (0u8..).zip(start.ladder.iter().map(fresh)).collect();
        Self {
            start,
            renditions,
            kept: Kept::new(LIMITS),
            frames: Some(frames),
            newest_ns: None,
            drain_until: None,
            restarts: Restarts::default(),
            software: false,
            missed,
            output,
            told: VecDeque::new(),
        }
    }

    pub(super) async fn run(mut self) {
        while !self.is_over() {
            let began = Instant::now();
            let (end, fruitful) = self.one_worker().await;
            match end {
                End::Drained => break,
                End::Unwanted => return,
                End::TooSlow { lag_ms } => self.drop_largest(lag_ms),
                End::Broken(reason) => self.broke(&reason, began.elapsed(), fruitful).await,
            }
        }
        let run = self.start.run;
        self.told.push_back(FromWorker::Done { run });
        for told in self.told {
            // The receiver is gone only when the event's task is.
            let _ = self.output.send(told).await;
        }
    }

    /// Returns also whether anything new came of it.
    async fn one_worker(&mut self) -> (End, bool) {
        let process = match Process::spawn(&self.start.program) {
            Ok(process) => process,
            Err(reason) => return (End::Broken(reason), false),
        };
        let mut session = self.begin(process);
        let end = self.attend(&mut session).await;
        // Also one that broke before it was ready: what it tried may be what broke it.
        let may_be_hardware = session.hardware || !session.is_ready;
        self.software |= may_be_hardware && matches!(end, End::Broken(_));
        session.process.kill().await;
        (end, session.fruitful)
    }

    fn begin(&mut self, process: Process) -> Session {
        let again_ns = self.kept.rewind(self.delivered_ns());
        self.note_lost();
        let wanted = |(number, rendition): (&u8, &Rendition)| Wanted {
            number: *number,
            scaled: rendition.scaled,
            after_ns: rendition.delivered.last_ns(),
        };
        let order = Order::Begin {
            renditions: self.renditions.iter().map(wanted).collect(),
            keys: self.start.keys,
            software: self.software,
            trials: self.start.trials.clone(),
        };
        let watch = Watch::new(Instant::now().into_std(), self.newest_ns, self.delivered_ns());
        Session::begin(process, &order, self.start.config.clone(), watch, again_ns)
    }

    async fn attend(&mut self, session: &mut Session) -> End {
        loop {
            session.feed(&mut self.kept, self.frames.is_none());
            self.pass_on();
            let now = Instant::now();
            session.watch.input(now.into_std(), session.process.is_waiting());
            session.watch.hold_up(now.into_std(), !self.told.is_empty());
            match session.watch.check(now.into_std()) {
                Verdict::Well => {}
                Verdict::Stalled(reason) => return End::Broken(reason.to_owned()),
                Verdict::TooSlow { lag_ms } if self.renditions.len() > 1 => return End::TooSlow { lag_ms },
                Verdict::TooSlow { lag_ms } => self.skip(session, lag_ms),
            }
            if self.drain_until.is_some_and(|until| now >= until) {
                tracing::warn!(run = self.start.run, "a transcoding worker did not finish in time");
                return End::Drained;
            }
            match self.wait(session).await {
                Woken::Frame(frame) => self.take(frame, Some(&mut session.watch)),
                Woken::Moved(Moved::Took) => session.watch.took(),
                Woken::Moved(Moved::Gave(messages)) => {
                    if let Some(end) = self.hear(session, messages) {
                        return end;
                    }
                }
                Woken::Moved(Moved::Broken(reason)) => return End::Broken(reason),
                Woken::Room(true) | Woken::Deadline => {}
                Woken::Room(false) => return End::Unwanted,
            }
        }
    }

    async fn wait(&mut self, session: &mut Session) -> Woken {
        let deadline = session.watch.next_deadline().map(Instant::from_std);
        let deadline = deadline.into_iter().chain(self.drain_until).min();
        let full = !self.told.is_empty();
        tokio::select! {
            frame = next_frame(&mut self.frames) => Woken::Frame(frame),
            moved = session.process.moved(!full) => Woken::Moved(moved),
            permit = self.output.reserve(), if full => Woken::Room(permit.is_ok()),
            () = until(deadline) => Woken::Deadline,
        }
    }

    fn hear(&mut self, session: &mut Session, messages: VecDeque<WireMessage>) -> Option<End> {
        let (now, mut heard) = (Instant::now().into_std(), false);
        for message in messages {
            match message {
                WireMessage::Packet { stream, packet } => {
                    let is_frame = matches!(packet, Packet::Frame(_));
                    let rendition = self.renditions.get_mut(&stream);
                    if rendition.is_some_and(|rendition| rendition.delivered.accepts(&packet)) {
                        heard |= is_frame;
                        let run = self.start.run;
                        self.told.push_back(FromWorker::Packet { run, rendition: stream, packet });
                    }
                }
                WireMessage::Control(json) => match serde_json::from_slice(&json) {
                    Ok(Report::Ready { encoders }) => {
                        tracing::debug!(run = self.start.run, ?encoders, "a transcoding worker is ready");
                        session.ready(now, &encoders);
                    }
                    Ok(Report::Drained) => return Some(End::Drained),
                    Ok(Report::Looked { .. }) => {}
                    Err(error) => return Some(End::Broken(format!("it reports nonsense: {error}"))),
                },
            }
        }
        if heard {
            session.fruitful = true;
            session.watch.out(now, self.delivered_ns());
        }
        None
    }

    fn take(&mut self, frame: Option<Frame>, watch: Option<&mut Watch>) {
        let Some(frame) = frame else {
            self.frames = None;
            self.drain_until = Some(Instant::now() + DRAIN_LIMIT);
            return;
        };
        self.newest_ns = self.newest_ns.max(Some(frame.pts_ns));
        if let Some(watch) = watch {
            watch.source(frame.pts_ns);
        }
        self.kept.push(frame);
        self.note_lost();
    }

    fn pass_on(&mut self) {
        while let Some(told) = self.told.pop_front() {
            if let Err(mpsc::error::TrySendError::Full(told) | mpsc::error::TrySendError::Closed(told)) =
                self.output.try_send(told)
            {
                self.told.push_front(told);
                return;
            }
        }
    }

    fn note_lost(&mut self) {
        let lost = self.kept.take_lost() | self.missed.swap(false, Ordering::Relaxed);
        if lost && !matches!(self.told.back(), Some(FromWorker::Lost { .. })) {
            self.told.push_back(FromWorker::Lost { run: self.start.run });
        }
    }

    /// The only rendition that is left goes on with the newest group of pictures.
    fn skip(&mut self, session: &mut Session, lag_ms: i64) {
        let skipped = self.kept.skip_to_newest_group();
        tracing::warn!(run = self.start.run, lag_ms, skipped, "a transcoding worker is too slow");
        session.watch.forgive();
        self.note_lost();
    }

    fn drop_largest(&mut self, lag_ms: i64) {
        let Some((number, rendition)) = self.renditions.pop_first() else { return };
        let (run, lines) = (self.start.run, rendition.scaled.lines());
        tracing::warn!(run, lines, lag_ms, "a rendition is given up: this machine is too slow for it");
        let words = format!("The {lines}p rendition was given up: the server cannot make it in real time");
        self.told.push_back(FromWorker::Dropped { run, rendition: number, words });
    }

    async fn broke(&mut self, reason: &str, lived: Duration, fruitful: bool) {
        let run = self.start.run;
        let replace = self.restarts.broke(lived, fruitful);
        tracing::warn!(run, reason, ?replace, "a transcoding worker broke and is replaced");
        if replace.forget {
            self.kept.forget();
            self.note_lost();
        }
        let until = Instant::now() + replace.pause;
        while Instant::now() < until {
            // Whoever waits for what is lost is told at once.
            self.pass_on();
            tokio::select! {
                frame = next_frame(&mut self.frames) => self.take(frame, None),
                () = sleep_until(until) => {}
            }
        }
    }

    /// Up to where all renditions have been delivered.
    fn delivered_ns(&self) -> Option<i64> {
        self.renditions.values().map(|rendition| rendition.delivered.last_ns()).min().flatten()
    }

    /// Whether no worker is needed any more.
    fn is_over(&self) -> bool {
        let is_late = self.drain_until.is_none_or(|until| Instant::now() >= until);
        self.frames.is_none() && (is_late || self.delivered_ns() >= self.newest_ns)
    }
}

async fn next_frame(frames: &mut Option<mpsc::Receiver<Frame>>) -> Option<Frame> {
    match frames {
        Some(frames) => frames.recv().await,
        None => std::future::pending().await,
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
