//! Carries a test out: begins what has its turn, and tells how far it came.
#![allow(clippy::disallowed_methods, reason = "a driver: it sleeps until a deadline that the rules gave")]

use std::sync::Arc;
use std::time::Duration;

use stagebox_protocol::{OutputRole, Preflight};
use tokio::sync::{Mutex, mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::judge::{self, Stream};
use super::state::{Action, Check, Input, Now, Test};
use super::{Finding, disk, server, upload, watch as running};
use crate::clock::{Clock, sleep_until};
use crate::config::CloudConfig;
use crate::encode::MediaStatus;
use crate::push::Output;
use crate::record::{RecorderHandle, RecorderState, Room};
use crate::trust::Trust;

/// How often is told how far a test came.
const TELLS: Duration = Duration::from_millis(500);

/// What a test looks at.
#[derive(Debug, Clone)]
pub struct Setup {
    pub media: watch::Receiver<MediaStatus>,
    /// What was configured: the picture's rate, and the encoder.
    pub fps: u32,
    pub encoder: String,
    pub video_kbps: u32,
    /// Of the picture of a recording with an encode of its own.
    pub recording_kbps: Option<u32>,
    pub audio_kbps: u32,
    /// What containers and messages add to what is sent.
    pub overhead_percent: u32,
    /// Sound has an input of its own, beside the source.
    pub sound_is_apart: bool,
    pub is_muted: bool,
    /// What is below this is silence.
    pub silence_dbfs: i32,
    pub recorder: RecorderHandle,
    pub room: Room,
    /// The oldest recordings make room where there is none.
    pub oldest_go: bool,
    /// The outputs, and whom to believe of their servers over RTMPS.
    pub outputs: Vec<(Output, Trust)>,
    /// The backup sends beside main, and not only where main does not.
    pub both_send: bool,
    /// The cloud that the box belongs to, and whom to believe there.
    pub cloud: Option<(CloudConfig, Trust)>,
}

/// A test and its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    pub run: u64,
    pub test: Preflight,
}

#[derive(Debug)]
enum Wish {
    Start { run: u64, upload: Duration },
    Cancel { reason: &'static str },
}

/// A handle to the tests of a box; they end with its last clone.
#[derive(Debug, Clone)]
pub struct PreflightHandle {
    wishes: mpsc::UnboundedSender<Wish>,
    status: watch::Receiver<Option<Told>>,
}

impl PreflightHandle {
    /// Starts a test with this number, unless one runs; measures the upload for so long.
    pub fn start(&self, run: u64, upload: Duration) {
        // The task ends only after the last handle, or with the runtime.
        let _ = self.wishes.send(Wish::Start { run, upload });
    }

    /// Ends the test that runs, if any; the reason stands beside what was looked at.
    pub fn cancel(&self, reason: &'static str) {
        let _ = self.wishes.send(Wish::Cancel { reason });
    }

    /// The test that runs or ran last.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<Option<Told>> {
        self.status.clone()
    }
}

/// Makes a box ready to be tested, each time as it is set up then; to be called within a tokio runtime.
#[must_use]
pub fn spawn(setup_now: impl Fn() -> Setup + Send + 'static, clock: Clock) -> PreflightHandle {
    let (wishes, inbox) = mpsc::unbounded_channel();
    let (publish, status) = watch::channel(None);
    let (tell, found) = mpsc::unbounded_channel();
    let setup = setup_now();
    let dir = setup.recorder.status().borrow().dir.clone();
    tokio::task::spawn_blocking(move || {
        // A folder that is not there has nothing in it.
        if let Err(error) = disk::tidy(&dir) {
            tracing::debug!(%error, "what a test of the disk may have left stays");
        }
    });
    let driver = Driver {
        setup,
        setup_now: Box::new(setup_now),
        clock,
        test: Test::new(),
        under_way: None,
        disk: Arc::default(),
        tell,
        publish,
    };
    tokio::spawn(driver.run(inbox, found));
    PreflightHandle { wishes, status }
}

/// What is being looked at; what blocks is told by the guard.
struct UnderWay {
    task: AbortHandle,
    _stop: DropGuard,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Driver {
    /// Of the test that runs or ran last.
    setup: Setup,
    setup_now: Box<dyn Fn() -> Setup + Send>,
    clock: Clock,
    test: Test,
    under_way: Option<UnderWay>,
    /// Whoever asks the disk has it, also beyond the test's end.
    disk: Arc<Mutex<()>>,
    tell: mpsc::UnboundedSender<Input>,
    publish: watch::Sender<Option<Told>>,
}

impl Driver {
    async fn run(
        mut self,
        mut inbox: mpsc::UnboundedReceiver<Wish>,
        mut found: mpsc::UnboundedReceiver<Input>,
    ) {
        let mut tells = tokio::time::interval(TELLS);
        tells.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let deadline = self.test.next_deadline();
            let input = tokio::select! {
                wish = inbox.recv() => match wish {
                    Some(Wish::Start { run, upload }) => {
                        if !self.test.is_running() {
                            self.setup = (self.setup_now)();
                        }
                        Input::Start { run, checks: self.setup.checks(), upload }
                    }
                    Some(Wish::Cancel { reason }) => Input::Cancel { reason },
                    None => return,
                },
                Some(finding) = found.recv() => finding,
                () = sleep_until(deadline) => Input::Tick,
                _ = tells.tick(), if self.test.is_running() => Input::Tick,
            };
            self.handle(input);
        }
    }

    fn handle(&mut self, input: Input) {
        let now = Now { instant: self.clock.now(), unix_ms: self.clock.unix_ms() };
        let was_running = self.test.is_running();
        let mut actions = Vec::new();
        self.test.handle(now, input, &mut actions);
        for action in actions {
            match action {
                Action::Begin { run, check, upload } => self.begin(run, check, upload),
                Action::Abort => self.under_way = None,
            }
        }
        let told = self.test.view(now.instant).map(|(run, test)| Told { run, test });
        if let (true, false, Some(Told { test, .. })) = (was_running, self.test.is_running(), &told) {
            self.under_way = None;
            let blamed = test.worst().map(|check| (check.name.as_str(), check.said.as_str()));
            tracing::info!(state = ?test.state, ?blamed, kbps = test.upload_kbps, "the test before going live is over");
        }
        self.publish.send_if_modified(|last| {
            let is_new = *last != told;
            *last = told;
            is_new
        });
    }

    fn begin(&mut self, run: u64, check: Check, upload: Duration) {
        let stop = CancellationToken::new();
        let (setup, clock, disk) = (self.setup.clone(), self.clock.clone(), Arc::clone(&self.disk));
        let (told, tell) = (stop.clone(), self.tell.clone());
        let task = tokio::spawn(async move {
            let finding = look(check, setup, clock, disk, upload, told).await;
            // Without a driver nobody wants to know.
            let _ = tell.send(Input::Found { run, check, finding });
        });
        self.under_way = Some(UnderWay { task: task.abort_handle(), _stop: stop.drop_guard() });
    }
}

/// Looks at one thing.
async fn look(
    check: Check,
    setup: Setup,
    clock: Clock,
    disk: Arc<Mutex<()>>,
    upload: Duration,
    stop: CancellationToken,
) -> Finding {
    match check {
        Check::Source => running::source(setup.media).await,
        Check::Sound if setup.is_muted => {
            Finding::warn("the box itself mutes the sound", "set audio.mute = false, unless that is meant")
        }
        Check::Sound => running::sound(setup.media, setup.sound_is_apart, setup.silence_dbfs).await,
        Check::Encoder => running::encoder(setup.media, setup.fps, &setup.encoder).await,
        Check::Room => {
            let kbps = setup.recorded_kbps();
            let folder = setup.recorder.status().borrow().dir.display().to_string();
            judge::room(blocking(disk, move || setup.left_bytes()).await.flatten(), kbps, &folder)
        }
        Check::Disk => {
            let written = blocking(disk, move || setup.write(&clock, &stop)).await;
            written.unwrap_or_else(|| Finding::skipped("nothing was written"))
        }
        Check::Clock => judge::clock(clock.synced()),
        Check::Output(role) => match setup.server(role) {
            Some((url, trust)) => server::look(&url, trust).await,
            None if role == OutputRole::Main && setup.targets() == 0 => Finding::fail(
                "no server is set",
                "assign an event to the box in the cloud, or give the box [[outputs]]",
            ),
            None => Finding::skipped("no server is set for it"),
        },
        Check::Upload => {
            let stream = setup.stream();
            match setup.cloud {
                Some((cloud, trust)) => upload::look(&cloud, &trust, upload, stream).await,
                None => Finding::skipped("the box belongs to no cloud that could measure it"),
            }
        }
    }
}

/// Does what a disk may hold up, one after the other; `None` if it broke off.
async fn blocking<T: Send + 'static>(
    disk: Arc<Mutex<()>>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    // Whoever waits for a disk that hangs is given up, and takes no thread.
    let turn = disk.lock_owned().await;
    let done = tokio::task::spawn_blocking(move || {
        let done = work();
        drop(turn);
        done
    });
    done.await.ok()
}

impl Setup {
    /// Where the machine does not encode twice, what is pushed is recorded.
    fn recorded_kbps(&self) -> u32 {
        let own = self.recording_kbps.filter(|_| self.media.borrow().stats.not_twice.is_none());
        own.unwrap_or(self.video_kbps) + self.audio_kbps
    }

    /// What is looked at: of the box's own servers those that are set.
    fn checks(&self) -> Vec<Check> {
        let is_wanted = |check: &Check| match check {
            Check::Output(role) => role.is_of_broadcast() || self.server(*role).is_some(),
            _ => true,
        };
        Check::ALL.into_iter().filter(is_wanted).collect()
    }

    /// Where an output pushes to, and whom to believe there.
    fn server(&self, role: OutputRole) -> Option<(String, &Trust)> {
        let (output, trust) = self.outputs.iter().find(|(output, _)| output.role == role)?;
        let url = output.handle.status().borrow().url.clone()?;
        Some((url, trust))
    }

    /// How many outputs have somewhere to push to.
    fn targets(&self) -> usize {
        self.outputs.iter().filter(|(output, _)| self.server(output.role).is_some()).count()
    }

    fn stream(&self) -> Stream {
        let both = [OutputRole::Main, OutputRole::Backup].iter().all(|role| self.server(*role).is_some());
        // A backup that stands by sends where main does not.
        let sending = self.targets() - usize::from(both && !self.both_send);
        Stream {
            backup_beside_main: both && self.both_send,
            video_kbps: self.video_kbps,
            audio_kbps: self.audio_kbps,
            overhead_percent: self.overhead_percent,
            outputs: u32::try_from(sending.max(1)).unwrap_or(1),
        }
    }

    fn left_bytes(&self) -> Option<u64> {
        disk::left_bytes(&self.recorder.taken(), self.room, self.oldest_go)
    }

    fn write(&self, clock: &Clock, stop: &CancellationToken) -> Finding {
        let taken = self.recorder.taken();
        let left = disk::left_bytes(&taken, self.room, false);
        let is_recording = self.recorder.status().borrow().state == RecorderState::Recording;
        let share = if is_recording { disk::BESIDE_A_RECORDING } else { disk::WHOLE };
        match disk::measure(&taken.dir, share, left.unwrap_or(0), clock, stop) {
            Ok(Some(written)) => judge::disk(written.bytes, written.took, self.recorded_kbps()),
            Ok(None) => Finding::skipped("there is too little room to try it"),
            Err(error) => Finding::fail(
                format!("the disk does not take recordings: {error}"),
                "look at the folder of recordings (record.dir) and whether the agent may write there",
            ),
        }
    }
}
