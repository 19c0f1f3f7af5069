//! Runs the rules: keeps what they want kept, moves the machinery, publishes the status.
#![allow(clippy::disallowed_methods, reason = "a driver: it sleeps until a deadline that the core gave")]

use std::collections::HashMap;
use std::time::Duration;

use futures_util::future::BoxFuture;
use stagebox_protocol::preflight::PreflightState;
use stagebox_protocol::telemetry::{
    AudioLevel, BoxStatus, EncoderStatus, OutputStatus, RecordingStatus, SignalStatus,
};
use stagebox_protocol::{Command, CommandId, Origin, Outcome, OutputRole, Preflight, Timestamp};
use tokio::sync::{mpsc, oneshot, watch};

use super::IntentStore;
use super::state::{Action, Input, Now, State, Ticket};
use super::status::{Health, Observed, compose};
use crate::clock::{Clock, sleep_until};
use crate::durable::KeptError;

/// How often the status is made anew when nothing happens.
const STATUS_PERIOD: Duration = Duration::from_millis(500);

/// A command with all that is known of it.
#[derive(Debug, Clone)]
pub struct Request {
    pub command: Command,
    pub origin: Origin,
    /// One that was seen before gets the answer it got then.
    pub id: Option<CommandId>,
    /// Refused after this moment, if the box's clock is right.
    pub expires_at: Option<Timestamp>,
}

/// What carries intents out; no call may wait for a network or a disk.
pub trait Machinery: Send + 'static {
    fn set_live(&mut self, live: bool);
    fn set_recording(&mut self, recording: bool);
    /// Connects what waits, now: one output or all.
    fn reconnect(&mut self, output: Option<OutputRole>);
    /// Has encoders that failed prove themselves once more.
    fn retry_encoder(&mut self);
    /// Tests what going live takes, under this number; going live ends it.
    fn test(&mut self, run: u64, upload: Duration);
    fn cancel_test(&mut self);
    /// Marks this moment of the recording; what it returns may wait.
    fn mark(&mut self, id: Option<CommandId>, label: Option<String>) -> BoxFuture<'static, Outcome>;
}

/// What a part of the box says about itself.
#[derive(Debug, Clone)]
pub enum Observation {
    Capture {
        signal: SignalStatus,
        encoder: EncoderStatus,
        audio: Vec<AudioLevel>,
    },
    Output(OutputStatus),
    Recording(RecordingStatus),
    /// The test that runs or ran last, and its number.
    Test {
        run: u64,
        test: Preflight,
    },
    Health(Box<Health>),
}

#[derive(Debug)]
enum Message {
    Asked(Request, oneshot::Sender<Outcome>),
    Observed(Observation),
    Ping(oneshot::Sender<()>),
}

/// A handle to the box's will; clones are the same.
#[derive(Debug, Clone)]
pub struct Control {
    messages: mpsc::Sender<Message>,
    status: watch::Receiver<BoxStatus>,
    /// Beside the status, which nobody sends 20 times a second.
    levels: watch::Sender<Vec<AudioLevel>>,
}

impl Control {
    /// Carries out a command that came without an id.
    pub async fn execute(&self, command: Command, origin: Origin) -> Outcome {
        self.request(Request { command, origin, id: None, expires_at: None }).await
    }

    /// Carries out a command once, however often it comes.
    pub async fn request(&self, request: Request) -> Outcome {
        let stopping = || Outcome::Rejected { code: 503, error: "the box is shutting down".to_owned() };
        let (reply, answer) = oneshot::channel();
        if self.messages.send(Message::Asked(request, reply)).await.is_err() {
            return stopping();
        }
        answer.await.unwrap_or_else(|_| stopping())
    }

    /// What the box is doing, always the latest.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<BoxStatus> {
        self.status.clone()
    }

    /// How loud it is at this moment, one entry a channel, many times a second; the status has whole seconds.
    #[must_use]
    pub fn levels(&self) -> watch::Receiver<Vec<AudioLevel>> {
        self.levels.subscribe()
    }

    /// Tells how loud it is at this moment.
    pub fn observe_levels(&self, levels: Vec<AudioLevel>) {
        self.levels.send_replace(levels);
    }

    /// Whether it answers; waits until it does.
    pub async fn ping(&self) -> bool {
        let (reply, answer) = oneshot::channel();
        self.messages.send(Message::Ping(reply)).await.is_ok() && answer.await.is_ok()
    }

    /// Tells what a part of the box is doing.
    pub async fn observe(&self, observation: Observation) {
        // Without a driver there is no status any more.
        let _ = self.messages.send(Message::Observed(observation)).await;
    }
}

/// Starts the control and takes up the kept intents.
pub fn spawn(store: IntentStore, machinery: impl Machinery, clock: Clock) -> Result<Control, KeptError> {
    let mut actions = Vec::new();
    let state = State::resume(store.load()?, &mut actions);
    let (messages, inbox) = mpsc::channel(64);
    let (publish, status) = watch::channel(BoxStatus::default());
    let (tell_kept, kept) = mpsc::unbounded_channel();
    let driver = Driver {
        tell_kept,
        state,
        store,
        machinery,
        clock,
        observed: Observed::default(),
        publish,
        askers: HashMap::new(),
        next_ticket: 0,
    };
    // What the box is to do is known from the first moment.
    driver.publish_status();
    tokio::spawn(driver.run(inbox, kept, actions));
    Ok(Control { messages, status, levels: watch::Sender::new(Vec::new()) })
}

struct Driver<M> {
    /// Told by whoever keeps a record.
    tell_kept: mpsc::UnboundedSender<Input>,
    state: State,
    store: IntentStore,
    machinery: M,
    clock: Clock,
    observed: Observed,
    publish: watch::Sender<BoxStatus>,
    askers: HashMap<Ticket, oneshot::Sender<Outcome>>,
    next_ticket: Ticket,
}

impl<M: Machinery> Driver<M> {
    async fn run(
        mut self,
        mut inbox: mpsc::Receiver<Message>,
        mut kept: mpsc::UnboundedReceiver<Input>,
        resumed: Vec<Action>,
    ) {
        self.perform(resumed);
        let mut period = tokio::time::interval(STATUS_PERIOD);
        loop {
            self.publish_status();
            let deadline = self.state.next_deadline();
            tokio::select! {
                message = inbox.recv() => match message {
                    Some(message) => self.take(message),
                    None => return,
                },
                Some(input) = kept.recv() => self.handle(input),
                () = sleep_until(deadline) => self.state.on_deadline(self.clock.now()),
                _ = period.tick() => {}
            }
        }
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Asked(request, reply) => {
                tracing::info!(command = request.command.name(), origin = ?request.origin, "command");
                let ticket = self.next_ticket;
                self.next_ticket += 1;
                self.askers.insert(ticket, reply);
                self.handle(Input::Asked { ticket, request });
            }
            Message::Observed(observation) => self.observe(observation),
            // Who has gone away does not need to know.
            Message::Ping(reply) => drop(reply.send(())),
        }
    }

    fn handle(&mut self, input: Input) {
        let mut actions = Vec::new();
        self.state.handle(self.now(), input, &mut actions);
        self.perform(actions);
    }

    fn perform(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Keep(record) => {
                    // Beside everything else: a disk that hangs must not keep the box from answering, or from stopping.
                    let (store, tell) = (self.store.clone(), self.tell_kept.clone());
                    tokio::spawn(async move {
                        let input = match store.keep(&record).await {
                            Ok(()) => Input::Kept,
                            Err(error) => Input::NotKept { reason: error.to_string() },
                        };
                        // A box that has ended does not need to know.
                        let _ = tell.send(input);
                    });
                }
                Action::SetLive(live) => self.machinery.set_live(live),
                Action::SetRecording(recording) => self.machinery.set_recording(recording),
                Action::Reconnect(output) => self.machinery.reconnect(output),
                Action::RetryEncoder => self.machinery.retry_encoder(),
                Action::Test { run, upload } => self.machinery.test(run, upload),
                Action::CancelTest => self.machinery.cancel_test(),
                Action::Mark { ticket, id, label } => {
                    let marked = self.machinery.mark(id, label);
                    if let Some(asker) = self.askers.remove(&ticket) {
                        // Beside everything else, as the disk decides how long it takes.
                        tokio::spawn(async move { drop(asker.send(marked.await)) });
                    }
                }
                Action::Reply { ticket, outcome } => {
                    // Before the answer, so that who gets it sees what it did.
                    self.publish_status();
                    if let Some(asker) = self.askers.remove(&ticket) {
                        // An asker that has gone away does not need the answer.
                        let _ = asker.send(outcome);
                    }
                }
            }
        }
    }

    fn observe(&mut self, observation: Observation) {
        match observation {
            Observation::Capture { signal, encoder, audio } => {
                self.observed.signal = signal;
                self.observed.encoder = encoder;
                self.observed.audio = audio;
            }
            Observation::Output(status) => self.observed.set_output(status),
            Observation::Recording(status) => self.observed.recording = status,
            Observation::Test { run, test } => {
                if test.state != PreflightState::Running {
                    self.handle(Input::Tested { run });
                }
                self.observed.test = Some(test);
            }
            Observation::Health(health) => self.observed.health = *health,
        }
    }

    fn publish_status(&self) {
        let until = self.state.identify_until();
        let status =
            compose(self.state.record(), &self.observed, until, self.clock.now(), self.clock.unix_ms());
        self.publish.send_if_modified(|current| {
            let changed = *current != status;
            *current = status;
            changed
        });
    }

    fn now(&self) -> Now {
        Now { instant: self.clock.now(), unix_ms: self.clock.unix_ms(), wall_is_true: self.clock.synced() }
    }
}
