//! Takes frames from the hub, asks the rules, and hands the work to the writing thread.
#![allow(clippy::disallowed_methods, reason = "a driver: it sleeps until a deadline that the core gave")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use stagebox_media::Packet;
use stagebox_push::{Hub, SubscribeOptions, Subscriber};
use tokio::sync::{mpsc, oneshot, watch};

use super::index::{Index, Recording};
use super::state::{Action, Input, State};
use super::writer::{FreeBytes, Job, Report, Writer, free_bytes};
use super::{RecordError, RecorderConfig, RecorderState, RecorderStatus, Room};
use crate::clock::{Clock, sleep_until};
use crate::durable::Durable;

/// Frames that may wait for the disk: a minute at 8 Mbit/s.
const QUEUE_BYTES: usize = 64 * 1024 * 1024;
/// Fragments that may wait for the disk besides.
const JOBS: usize = 16;
/// How often it is looked for recordings that are older than they are kept.
const TIDY_EVERY: Duration = Duration::from_secs(600);

#[derive(Debug)]
enum Command {
    Start,
    Stop(Option<oneshot::Sender<()>>),
    Configure { segment_s: u32, segment_bytes: Option<u64>, room: Room },
}

/// A handle to the recorder; when the last clone is gone, the open file is finished and the recorder ends.
#[derive(Debug, Clone)]
pub struct RecorderHandle {
    commands: mpsc::UnboundedSender<Command>,
    status: watch::Receiver<RecorderStatus>,
    index: Index,
}

impl RecorderHandle {
    /// Records from the last keyframe on; does nothing if it records already.
    pub fn start(&self) {
        // a recorder that has ended does not record
        let _ = self.commands.send(Command::Start);
    }

    /// Ends the recording; returns when the file holds every frame published before the call and is on disk.
    pub async fn stop(&self) {
        let (done, wait) = oneshot::channel();
        if self.commands.send(Command::Stop(Some(done))).is_ok() {
            let _ = wait.await;
        }
    }

    /// Ends the recording as [`Self::stop`] does, without waiting for it.
    pub fn request_stop(&self) {
        let _ = self.commands.send(Command::Stop(None));
    }

    /// Has files end after so much from the next one on, and recordings take this room from now on.
    pub fn configure(&self, segment_s: u32, segment_bytes: Option<u64>, room: Room) {
        // a recorder that has ended does not record
        let _ = self.commands.send(Command::Configure { segment_s, segment_bytes, room });
    }

    /// What it is doing, always the latest.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<RecorderStatus> {
        self.status.clone()
    }

    /// The recordings on the box, oldest first.
    #[must_use]
    pub fn recordings(&self) -> Vec<Recording> {
        self.index.list()
    }
}

/// Starts the recorder, which first makes every file in its folder whole.
///
/// # Errors
/// The index cannot be opened, or there can be no thread to write.
pub fn spawn(
    config: RecorderConfig,
    hub: Hub,
    durable: &Durable,
    clock: Clock,
) -> Result<RecorderHandle, RecordError> {
    spawn_on(config, hub, durable, clock, Box::new(free_bytes))
}

pub(super) fn spawn_on(
    config: RecorderConfig,
    hub: Hub,
    durable: &Durable,
    clock: Clock,
    free_bytes: FreeBytes,
) -> Result<RecorderHandle, RecordError> {
    let index = Index::open(durable)?;
    let (jobs, job_queue) = mpsc::channel(JOBS);
    let (report, reports) = mpsc::unbounded_channel();
    let writer = Writer {
        dir: config.dir,
        index: index.clone(),
        clock,
        free_bytes,
        reports: report,
        room: config.room,
        was_full: false,
        closed_bytes: 0,
        removal: None,
        open: BTreeMap::new(),
        unmended: true,
    };
    std::thread::Builder::new()
        .name("recorder".to_owned())
        .spawn(move || writer.run(job_queue))
        .map_err(RecordError::Thread)?;
    let (commands, inbox) = mpsc::unbounded_channel();
    let (publish, status) = watch::channel(RecorderStatus::default());
    let driver = Driver {
        state: State::new(config.segment_s, config.segment_bytes),
        hub,
        subscriber: None,
        jobs,
        written: Written::default(),
        trouble: None,
        publish,
    };
    tokio::spawn(driver.run(inbox, reports));
    Ok(RecorderHandle { commands, status, index })
}

/// What is on disk since the recording began.
#[derive(Debug, Default)]
struct Written {
    file: Option<String>,
    bytes: u64,
    frames: u64,
    duration_ns: i64,
    free_bytes: Option<u64>,
    dropped_frames: u64,
}

struct Driver {
    state: State,
    hub: Hub,
    subscriber: Option<Subscriber>,
    jobs: mpsc::Sender<Job>,
    written: Written,
    /// Why the disk took nothing last; gone once it takes something.
    trouble: Option<String>,
    publish: watch::Sender<RecorderStatus>,
}

impl Driver {
    async fn run(
        mut self,
        mut inbox: mpsc::UnboundedReceiver<Command>,
        mut reports: mpsc::UnboundedReceiver<Report>,
    ) {
        let mut tidy = tokio::time::interval(TIDY_EVERY);
        tidy.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let deadline = self.state.next_deadline();
            tokio::select! {
                biased;
                command = inbox.recv() => match command {
                    Some(Command::Start) => self.start().await,
                    Some(Command::Stop(done)) => self.stop(done).await,
                    Some(Command::Configure { segment_s, segment_bytes, room }) => {
                        self.state.set_limits(segment_s, segment_bytes);
                        // without the thread nothing is recorded
                        let _ = self.jobs.send(Job::Room(room)).await;
                    }
                    None => break self.stop(None).await,
                },
                Some(report) = reports.recv() => self.take_report(report).await,
                packet = next_packet(&mut self.subscriber) => match packet {
                    Some(packet) => self.handle(Input::Packet(packet)).await,
                    None => self.stop(None).await,
                },
                () = sleep_until(deadline) => self.handle(Input::Tick).await,
                // Where the disk is busy, the next time will do.
                _ = tidy.tick() => drop(self.jobs.try_send(Job::Tidy)),
            }
            self.publish_status();
        }
    }

    async fn start(&mut self) {
        if !self.state.is_idle() {
            return;
        }
        self.written = Written { free_bytes: self.written.free_bytes, ..Written::default() };
        let options = SubscribeOptions { max_bytes: QUEUE_BYTES, from_last_keyframe: true };
        self.subscriber = Some(self.hub.subscribe(options));
        self.handle(Input::Start).await;
    }

    async fn stop(&mut self, done: Option<oneshot::Sender<()>>) {
        // what was published before belongs to the file
        while let Some(packet) = self.subscriber.as_mut().and_then(Subscriber::try_recv) {
            self.handle(Input::Packet(packet)).await;
        }
        self.subscriber = None;
        self.trouble = None;
        self.handle(Input::Stop).await;
        if let Some(done) = done {
            // without the thread nothing is left to wait for
            let _ = self.jobs.send(Job::Flush(done)).await;
        }
    }

    async fn handle(&mut self, input: Input) {
        let mut actions: Vec<Action> = Vec::new();
        self.state.handle(Instant::now(), input, &mut actions);
        for action in actions {
            // a disk that is slower than the stream holds up this task only, and the queue before it is bounded
            if self.jobs.send(Job::Do(action)).await.is_err() {
                tracing::error!("the recorder's thread has ended");
            }
        }
    }

    async fn take_report(&mut self, report: Report) {
        match report {
            Report::Opened { file } => {
                tracing::info!(%file, "recording");
                self.written.file = Some(file.to_string());
            }
            Report::Written { bytes, video_frames, longer_ns, free_bytes } => {
                self.trouble = None;
                self.written.bytes += bytes;
                self.written.frames += u64::from(video_frames);
                self.written.duration_ns += longer_ns;
                self.written.free_bytes = free_bytes;
            }
            Report::Closed => {
                if !self.state.is_writing() {
                    self.written.file = None;
                }
            }
            Report::Broken { error, free_bytes } => {
                if self.trouble.as_ref() != Some(&error) {
                    tracing::error!(%error, "recording failed");
                }
                self.trouble = Some(error.clone()).filter(|_| !self.state.is_idle());
                self.written.file = None;
                self.written.free_bytes = free_bytes;
                // a file that was asked for since is not wanted any more
                let _ = self.jobs.send(Job::Abandon).await;
                self.handle(Input::Broken { error }).await;
            }
            Report::Flushed(done) => {
                self.publish_status();
                let _ = done.send(());
            }
        }
    }

    fn publish_status(&mut self) {
        if let Some(subscriber) = &self.subscriber {
            self.written.dropped_frames = subscriber.dropped_frames();
        }
        let written = &self.written;
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
