//! One output's task: turns wishes and news into transmissions and a status.
#![allow(clippy::disallowed_methods, reason = "a driver: it reads the clock for the core")]

use std::sync::Arc;
use std::time::Instant;

use stagebox_media::rtmp::StreamInfo;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::state::{Action, Input, Output, State};
use crate::transmission::{News, Report, Transmission};
use crate::{Connector, Hub, OutputStatus, Patience, Target};

/// What an output is told at its start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputConfig {
    /// What logs call it.
    pub name: String,
    /// Picture and sound together: what buffers and windows are measured by.
    pub bitrate_kbps: u32,
    /// What the server is told of the stream.
    pub stream: StreamInfo,
    pub times: Times,
    pub patience: Patience,
}

/// What times frames have on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Times {
    /// Their own, with their epoch: the same on all outputs, so that a cloud can merge them again.
    Own,
    /// From zero at the begin of each connection, in one order of both tracks, never falling and never leaping, also
    /// where the stream goes on with a new run: what servers expect that know nothing of epochs. What belongs before
    /// a frame is waited for, for a second at most.
    FromZero,
}

impl OutputConfig {
    /// A second of the stream.
    pub(super) fn second_bytes(&self) -> u32 {
        (self.bitrate_kbps.max(64) / 8).saturating_mul(1000)
    }
}

/// An output; the last handle's end is the output's end.
#[derive(Debug, Clone)]
pub struct OutputHandle {
    wishes: mpsc::UnboundedSender<Wish>,
    status: watch::Receiver<OutputStatus>,
}

impl OutputHandle {
    /// Names the server, or none; a stream that runs elsewhere ends and begins there.
    pub fn set_target(&self, target: Option<Target>) {
        self.wish(Input::SetTarget(target));
    }

    /// Pushes, or stops at once, whatever the server does.
    pub fn set_live(&self, live: bool) {
        self.wish(Input::SetLive(live));
    }

    /// Says what the stream is like, for the connections that come.
    pub fn describe(&self, bitrate_kbps: u32, stream: StreamInfo) {
        self.ask(Wish::Describe(bitrate_kbps, stream));
    }

    /// Connects now if it waits to do so.
    pub fn reconnect_now(&self) {
        self.wish(Input::ReconnectNow);
    }

    /// What the output does; changes at least twice a second while it sends.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<OutputStatus> {
        self.status.clone()
    }

    fn wish(&self, wish: Input) {
        self.ask(Wish::Input(wish));
    }

    fn ask(&self, wish: Wish) {
        // The task ends only after the last handle, or with the runtime.
        let _ = self.wishes.send(wish);
    }
}

/// What a handle wants of its output.
#[derive(Debug)]
enum Wish {
    Input(Input),
    Describe(u32, StreamInfo),
}

/// Starts an output that reads from `hub`; it pushes once it has a target and is told to.
///
/// To be called within a tokio runtime. An output is to be stopped, or its handles let go, before its hub is closed:
/// it then ends its stream in order, and does not try again to send what is over.
#[must_use]
pub fn spawn<C: Connector>(config: OutputConfig, connector: C, hub: Hub) -> OutputHandle {
    let now = Instant::now();
    let (wishes, inbox) = mpsc::unbounded_channel();
    let (status, watched) = watch::channel(OutputStatus::idle(now));
    let (news, heard) = mpsc::channel(16);
    let driver = Driver {
        output: Output::new(now, config.patience),
        config,
        connector: Arc::new(connector),
        hub,
        transmission: None,
        count: 0,
        news,
        report: Report::default(),
        before: Report::default(),
        status,
    };
    tokio::spawn(driver.run(inbox, heard));
    OutputHandle { wishes, status: watched }
}

struct Driver<C> {
    config: OutputConfig,
    connector: Arc<C>,
    hub: Hub,
    output: Output,
    /// Stops the transmission there is when dropped.
    transmission: Option<DropGuard>,
    /// The number of the latest transmission; news of older ones is old.
    count: u64,
    news: mpsc::Sender<(u64, News)>,
    report: Report,
    /// Sums of the transmissions that are over.
    before: Report,
    status: watch::Sender<OutputStatus>,
}

impl<C: Connector> Driver<C> {
    async fn run(mut self, mut inbox: mpsc::UnboundedReceiver<Wish>, mut heard: mpsc::Receiver<(u64, News)>) {
        loop {
            let deadline = self.output.next_deadline();
            let input = tokio::select! {
                wish = inbox.recv() => match wish {
                    Some(Wish::Input(wish)) => Some(wish),
                    Some(Wish::Describe(kbps, stream)) => {
                        (self.config.bitrate_kbps, self.config.stream) = (kbps, stream);
                        None
                    }
                    None => return,
                },
                Some((number, news)) = heard.recv() => self.understand(number, news),
                () = sleep_until(deadline) => Some(Input::Tick),
            };
            if let Some(input) = input {
                self.handle(input);
            }
            self.publish_status();
        }
    }

    fn understand(&mut self, number: u64, news: News) -> Option<Input> {
        if number != self.count || self.transmission.is_none() {
            return None;
        }
        match news {
            News::Reached => Some(Input::Reached),
            News::Accepted => {
                tracing::info!(output = self.config.name, server = self.server(), "output connected");
                Some(Input::Accepted)
            }
            News::Report(report) => {
                self.report = report;
                None
            }
            News::Over(reason) => {
                self.close();
                Some(Input::Failed(reason))
            }
        }
    }

    fn handle(&mut self, input: Input) {
        let failed = matches!(input, Input::Failed(_) | Input::Tick);
        let mut actions = Vec::new();
        self.output.handle(Instant::now(), random(), input, &mut actions);
        for action in actions {
            match action {
                Action::Connect(target) => self.open(target),
                Action::Disconnect => self.close(),
            }
        }
        if let (true, State::Waiting { .. }, Some(error)) = (failed, self.output.state(), self.output.error())
        {
            tracing::warn!(output = self.config.name, server = self.server(), error, "output lost");
        }
    }

    fn open(&mut self, target: Target) {
        self.close();
        self.count += 1;
        let stop = CancellationToken::new();
        let transmission = Transmission {
            number: self.count,
            target,
            config: self.config.clone(),
            connector: Arc::clone(&self.connector),
            hub: self.hub.clone(),
            // Without the system's randomness outputs look alike on the wire before the stream itself.
            seed: getrandom::u64().unwrap_or(self.count),
            news: self.news.clone(),
            stop: stop.clone(),
        };
        self.transmission = Some(stop.drop_guard());
        tokio::spawn(transmission.run());
    }

    /// Lets the transmission go; it says goodbye in its own time.
    fn close(&mut self) {
        if self.transmission.take().is_some() {
            self.before.sent_bytes += self.report.sent_bytes;
            self.before.dropped_frames += self.report.dropped_frames;
            self.report = Report::default();
        }
    }

    /// Where it pushes to, for logs.
    fn server(&self) -> Option<String> {
        self.output.target().map(Target::server)
    }

    fn publish_status(&self) {
        let status = OutputStatus {
            state: self.output.shown(),
            since: self.output.since(),
            url: self.output.target().map(|target| target.url().to_owned()),
            bitrate_kbps: self.report.kbps,
            queued_ms: self.report.queued_ms,
            sent_bytes: self.before.sent_bytes + self.report.sent_bytes,
            dropped_frames: self.before.dropped_frames + self.report.dropped_frames,
            reconnects: self.output.reconnects(),
            error: self.output.error().map(str::to_owned),
        };
        self.status.send_if_modified(|last| std::mem::replace(last, status.clone()) != status);
    }
}

/// Waits for a deadline that a core gave; without one, for ever.
pub async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}

/// Spreads attempts; without the system's randomness they are in step, which is no harm to a few.
fn random() -> u32 {
    getrandom::u32().unwrap_or(u32::MAX / 2)
}
