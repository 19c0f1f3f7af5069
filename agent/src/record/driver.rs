//! Takes frames from the hub, asks the rules, and hands the work to the writing thread.
#![allow(clippy::disallowed_methods, reason = "a driver: it sleeps until a deadline that the core gave")]

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use stagebox_media::Packet;
use stagebox_protocol::Outcome;
use stagebox_push::{Hub, SubscribeOptions, Subscriber};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{MissedTickBehavior, interval};

use super::marks::{Marking, Marks, refused};
use super::slow::{self, Pace};
use super::state::{Action, Input, State};
use super::uploads::Uploads;
use super::writer::{Job, Report, Spot};
use super::{RecorderConfig, RecorderState, RecorderStatus, Room};
use crate::clock::sleep_until;

/// Frames that may wait for the disk: a minute at 8 Mbit/s.
const QUEUE_BYTES: usize = 64 * 1024 * 1024;
/// How often it is looked for recordings that are older than they are kept.
const TIDY_EVERY: Duration = Duration::from_secs(600);
/// How often it is looked how long the disk takes.
const LOOK_EVERY: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub(super) enum Command {
    Start,
    Stop(Option<oneshot::Sender<()>>),
    Configure { segment_s: u32, segment_bytes: Option<u64>, room: Room },
    Mark { label: Option<String>, command: Option<String>, reply: oneshot::Sender<Outcome> },
}

/// What is on disk since the recording began.
#[derive(Debug, Default)]
struct Written {
    file: Option<String>,
    /// The disk that it is on.
    spot: Option<Spot>,
    bytes: u64,
    frames: u64,
    duration_ns: i64,
    free_bytes: Option<u64>,
    dropped_frames: u64,
}

pub(super) struct Driver {
    state: State,
    hub: Hub,
    subscriber: Option<Subscriber>,
    jobs: mpsc::Sender<Job>,
    /// What the writing thread has no place for yet; while there is any, frames wait in the hub.
    waiting: VecDeque<Job>,
    /// When each piece of work was given that is not done.
    given: VecDeque<Instant>,
    /// How much of it was done, and how much of that is not in `given` any more.
    done: Arc<AtomicU64>,
    finished: u64,
    pace: Pace,
    is_slow: bool,
    written: Written,
    /// Why the disk took nothing last; gone once it takes something.
    trouble: Option<String>,
    /// It may choose between disks.
    moves: bool,
    /// Where the next file goes, and why not where it should.
    next: Spot,
    disk_error: Option<String>,
    marks: Marks,
    uploads: Uploads,
    /// After the stop it began anew elsewhere: that is to be waited for as well.
    again: bool,
    publish: watch::Sender<RecorderStatus>,
}

impl Driver {
    pub(super) fn new(
        config: &RecorderConfig,
        hub: Hub,
        jobs: mpsc::Sender<Job>,
        done: Arc<AtomicU64>,
        uploads: Uploads,
        publish: watch::Sender<RecorderStatus>,
    ) -> Self {
        let moves = config.usb.is_some();
        Self {
            state: State::new(config.segment_s, config.segment_bytes, moves),
            hub,
            subscriber: None,
            jobs,
            waiting: VecDeque::new(),
            given: VecDeque::new(),
            done,
            finished: 0,
            pace: Pace::new(config.slow),
            is_slow: false,
            written: Written::default(),
            trouble: None,
            moves,
            next: Spot { name: "internal".to_owned(), dir: config.dir.clone(), id: None },
            disk_error: None,
            marks: Marks::default(),
            uploads,
            again: false,
            publish,
        }
    }

    pub(super) async fn run(
        mut self,
        mut inbox: mpsc::UnboundedReceiver<Command>,
        mut reports: mpsc::UnboundedReceiver<Report>,
    ) {
        let (mut tidy, mut look) = (interval(TIDY_EVERY), interval(LOOK_EVERY));
        tidy.set_missed_tick_behavior(MissedTickBehavior::Delay);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let jobs = self.jobs.clone();
        loop {
            let deadline = self.state.next_deadline();
            let is_behind = !self.waiting.is_empty();
            tokio::select! {
                biased;
                command = inbox.recv() => match command {
                    Some(Command::Start) => self.start(),
                    Some(Command::Stop(done)) => self.stop(done),
                    Some(Command::Mark { label, command, reply }) => self.mark(label, command, reply),
                    Some(Command::Configure { segment_s, segment_bytes, room }) => {
                        self.state.set_limits(segment_s, segment_bytes);
                        self.waiting.push_back(Job::Room(room));
                    }
                    None => break,
                },
                Some(report) = reports.recv() => self.take_report(report),
                permit = jobs.reserve(), if is_behind => match (permit, self.waiting.pop_front()) {
                    (Ok(permit), Some(job)) => permit.send(job),
                    (Ok(_), None) => {}
                    (Err(_), _) => {
                        tracing::error!("the recorder's thread has ended");
                        self.waiting.clear();
                    }
                },
                packet = next_packet(&mut self.subscriber), if !is_behind => match packet {
                    Some(packet) => self.handle(Input::Packet(packet)),
                    None => self.stop(None),
                },
                () = sleep_until(deadline) => self.handle(Input::Tick),
                _ = look.tick() => {}
                // Where the disk is busy, the next time will do.
                _ = tidy.tick() => drop(self.jobs.try_send(Job::Tidy)),
            }
            self.look();
            self.publish_status();
        }
        self.stop(None);
        for job in self.waiting {
            // without the thread nothing is written
            let _ = self.jobs.send(job).await;
        }
    }

    fn start(&mut self) {
        if !self.state.is_idle() {
            return;
        }
        self.written = Written { free_bytes: self.written.free_bytes, ..Written::default() };
        self.marks.clear();
        let options = SubscribeOptions { max_bytes: QUEUE_BYTES, from_last_keyframe: true };
        self.subscriber = Some(self.hub.subscribe(options));
        self.handle(Input::Start);
    }

    fn stop(&mut self, done: Option<oneshot::Sender<()>>) {
        // what was published before belongs to the file
        while let Some(packet) = self.subscriber.as_mut().and_then(Subscriber::try_recv) {
            self.handle(Input::Packet(packet));
        }
        self.subscriber = None;
        self.trouble = None;
        self.handle(Input::Stop);
        self.waiting.push_back(Job::Flush(done));
    }

    fn mark(&mut self, label: Option<String>, command: Option<String>, reply: oneshot::Sender<Outcome>) {
        let position = self.state.position().filter(|_| self.written.file.is_some());
        let words = match (position, self.state.error().or(self.trouble.as_deref())) {
            (Some((file, at_ns)), _) => {
                return self.waiting.push_back(Job::Mark(Marking { file, at_ns, label, command, reply }));
            }
            (None, Some(error)) => format!("nothing is recorded that could be marked: {error}"),
            (None, None) if self.state.is_idle() => {
                "it does not record; start the recording first".to_owned()
            }
            (None, None) => "the recording is just beginning; mark again in a moment".to_owned(),
        };
        // who has gone away does not need the answer
        let _ = reply.send(refused(&words));
    }

    fn handle(&mut self, input: Input) {
        let now = Instant::now();
        let mut actions: Vec<Action> = Vec::new();
        self.state.handle(now, input, &mut actions);
        self.given.extend(std::iter::repeat_n(now, actions.len()));
        self.waiting.extend(actions.into_iter().map(Job::Do));
    }

    fn take_report(&mut self, report: Report) {
        match report {
            Report::Opened { file, spot } => {
                tracing::info!(%file, disk = spot.name, "recording");
                self.written.file = Some(file.to_string());
                self.written.spot = Some(spot);
            }
            Report::Written { bytes, video_frames, longer_ns, cut_ns, free_bytes } => {
                self.trouble = None;
                self.written.bytes += bytes;
                self.written.frames += u64::from(video_frames);
                self.written.duration_ns += longer_ns;
                self.written.free_bytes = free_bytes;
                self.handle(Input::Written { cut_ns });
            }
            Report::Closed => {
                if !self.state.is_writing() {
                    self.written.file = None;
                }
            }
            Report::Broken { error, free_bytes, elsewhere } => {
                if self.trouble.as_ref() != Some(&error) {
                    tracing::error!(%error, elsewhere, "recording failed");
                }
                self.written.file = None;
                self.written.free_bytes = free_bytes.or(self.written.free_bytes);
                // a file that was asked for since is not wanted any more
                self.waiting.push_back(Job::Abandon);
                let before = self.waiting.len();
                self.handle(Input::Broken { error, elsewhere });
                self.again |= self.state.is_idle() && self.waiting.len() > before;
                if let Some(error) = self.state.error() {
                    self.trouble = Some(error.to_owned());
                }
            }
            Report::Placed { spot, error } => (self.next, self.disk_error) = (spot, error),
            Report::Marked { file, at_ms, label } => self.marks.push(file, at_ms, label),
            Report::Flushed(done) if self.again => {
                self.again = false;
                self.waiting.push_back(Job::Flush(done));
            }
            Report::Flushed(done) => {
                self.handle(Input::Settled);
                self.publish_status();
                done.map(|done| done.send(()));
            }
        }
    }

    /// Looks how long the disk takes.
    fn look(&mut self) {
        let done = self.done.load(Ordering::Acquire);
        while self.finished < done {
            self.given.pop_front();
            self.finished += 1;
        }
        let now = Instant::now();
        let oldest = self.given.front().map_or(Duration::ZERO, |at| now.saturating_duration_since(*at));
        let is_slow = self.pace.look(now, oldest);
        if is_slow && !self.is_slow {
            tracing::warn!(waits_ms = oldest.as_millis(), "{}", slow::WORDS);
        }
        self.is_slow = is_slow;
    }

    fn publish_status(&mut self) {
        if let Some(subscriber) = &self.subscriber {
            self.written.dropped_frames = subscriber.dropped_frames();
        }
        let written = &self.written;
        let spot = written.spot.as_ref().filter(|_| written.file.is_some()).unwrap_or(&self.next);
        let status = RecorderStatus {
            state: if self.state.is_idle() {
                RecorderState::Off
            } else if self.state.error().or(self.trouble.as_deref()).is_some() {
                RecorderState::Failed
            } else if self.state.is_writing() && written.file.is_some() {
                RecorderState::Recording
            } else {
                RecorderState::Starting
            },
            file: written.file.clone(),
            duration_ms: u64::try_from(written.duration_ns / 1_000_000).unwrap_or(0),
            bytes: written.bytes,
            frames: written.frames,
            dropped_frames: written.dropped_frames,
            free_bytes: written.free_bytes,
            error: self.state.error().or(self.trouble.as_deref()).map(str::to_owned),
            dir: spot.dir.clone(),
            disk_id: spot.id.clone(),
            disk: self.moves.then(|| spot.name.clone()),
            disk_error: self.disk_error.clone(),
            slow: self.is_slow.then(|| slow::WORDS.to_owned()),
            marks: self.marks.shown().to_vec(),
            uploads_waiting: self.uploads.waiting(),
        };
        self.publish.send_if_modified(|current| {
            let changed = *current != status;
            *current = status;
            changed
        });
    }
}

async fn next_packet(subscriber: &mut Option<Subscriber>) -> Option<Packet> {
    match subscriber {
        Some(subscriber) => subscriber.recv().await,
        None => std::future::pending().await,
    }
}
