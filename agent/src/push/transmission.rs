//! One connection from its first byte to its last.
#![allow(clippy::disallowed_methods, reason = "a driver: it reads the clock for the core")]

use std::time::{Duration, Instant};

use bytes::BytesMut;
use stagebox_media::Packet;
use stagebox_media::rtmp::{ClientConfig, ClientEvent, ClientSession};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::driver::OutputConfig;
use super::progress::Progress;
use super::transport::{self, Transport};
use super::{OutputRole, Target};
use crate::stream::{Hub, SubscribeOptions, Subscriber};

/// How often it looks at its progress and tells of it.
const REPORT_EVERY: Duration = Duration::from_millis(500);
/// For the farewell to a server that still takes it.
const FAREWELL_LIMIT: Duration = Duration::from_secs(1);
/// What may wait for the server, in seconds of the stream.
const QUEUE_S: usize = 4;
const LEAST_QUEUE_BYTES: usize = 1 << 20;

/// What a transmission tells its output.
#[derive(Debug)]
pub(super) enum News {
    Reached,
    Accepted,
    Report(Report),
    Over(String),
}

/// Figures of one transmission.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Report {
    pub(super) kbps: u32,
    pub(super) queued_ms: u32,
    pub(super) sent_bytes: u64,
    pub(super) dropped_frames: u64,
}

/// What a transmission is given.
pub(super) struct Transmission {
    pub(super) number: u64,
    pub(super) target: Target,
    pub(super) config: OutputConfig,
    pub(super) hub: Hub,
    pub(super) news: mpsc::Sender<(u64, News)>,
    pub(super) stop: CancellationToken,
}

impl Transmission {
    /// Runs until it fails or is stopped; then says goodbye, if the server still listens.
    pub(super) async fn run(self) {
        let stop = self.stop.clone();
        let mut link = None;
        let over = tokio::select! {
            () = stop.cancelled() => None,
            reason = self.transmit(&mut link) => Some(reason),
        };
        match (over, link) {
            (Some(reason), _) => self.tell(News::Over(reason)).await,
            (None, Some(link)) => {
                let _ = tokio::time::timeout(FAREWELL_LIMIT, link.farewell()).await;
            }
            (None, None) => {}
        }
    }

    async fn tell(&self, news: News) {
        // Gone is only an output that does not want to know.
        let _ = self.news.send((self.number, news)).await;
    }

    /// Returns why it could not go on.
    async fn transmit(&self, link: &mut Option<Link>) -> String {
        match self.try_transmit(link).await {
            Ok(()) => "the encoder ended".to_owned(),
            Err(reason) => reason,
        }
    }

    async fn try_transmit(&self, slot: &mut Option<Link>) -> Result<(), String> {
        let describe = |error: std::io::Error| transport::describe(&error, &self.target);
        let window = self.config.second_bytes();
        let transport = transport::connect(&self.target, window).await.map_err(describe)?;
        self.tell(News::Reached).await;
        let session = ClientSession::new(self.client_config(window));
        let progress = Progress::new(Instant::now(), window);
        let link =
            slot.insert(Link { transport, session, progress, input: BytesMut::new(), unflushed: false });
        while link.converse().await.map_err(|error| error.describe(&self.target))?.is_none() {}
        self.tell(News::Accepted).await;
        self.stream(link).await
    }

    async fn stream(&self, link: &mut Link) -> Result<(), String> {
        let max_bytes = (self.config.second_bytes() as usize * QUEUE_S).max(LEAST_QUEUE_BYTES);
        let mut frames = self.hub.subscribe(SubscribeOptions { max_bytes, from_last_keyframe: true });
        let mut ticks = tokio::time::interval(REPORT_EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                step = link.step(&mut frames) => match step {
                    Ok(true) => {}
                    Ok(false) => return Ok(()),
                    Err(error) => return Err(error.describe(&self.target)),
                },
                _ = ticks.tick() => {
                    let now = Instant::now();
                    let waiting = !link.session.output().is_empty();
                    if let Some(reason) = link.progress.hung(now, waiting) {
                        return Err(reason);
                    }
                    let report = self.report(link, &frames, now);
                    // A full channel means that an older report is still to be read.
                    let _ = self.news.try_send((self.number, News::Report(report)));
                }
            }
        }
    }

    fn report(&self, link: &mut Link, frames: &Subscriber, now: Instant) -> Report {
        let queued = (frames.queued_bytes() + link.session.output().len()) as u64;
        let queued_ms = queued * 1000 / u64::from(self.config.second_bytes());
        Report {
            kbps: link.progress.kbps(now),
            queued_ms: u32::try_from(queued_ms).unwrap_or(u32::MAX),
            sent_bytes: link.progress.sent_bytes(),
            dropped_frames: frames.dropped_frames(),
        }
    }

    fn client_config(&self, window_bytes: u32) -> ClientConfig {
        ClientConfig {
            app: self.target.app.clone(),
            url: self.target.url.clone(),
            key: self.target.key.expose().to_owned(),
            stream: self.config.stream.clone(),
            window_bytes,
            // The two outputs shall not look alike on the wire before the stream itself.
            seed: self.number << 1 ^ u64::from(self.config.role == OutputRole::Backup) << 40,
            ..ClientConfig::default()
        }
    }
}

/// A connection and what is said over it.
struct Link {
    transport: Box<dyn Transport>,
    session: ClientSession,
    progress: Progress,
    input: BytesMut,
    /// TLS may hold bytes back that it has taken.
    unflushed: bool,
}

enum LinkError {
    Io(std::io::Error),
    Rtmp(stagebox_media::rtmp::RtmpError),
}

impl LinkError {
    fn describe(&self, target: &Target) -> String {
        match self {
            Self::Io(error) => transport::describe(error, target),
            Self::Rtmp(error) => error.to_string(),
        }
    }
}

impl Link {
    /// Sends what is to be sent and waits for an answer.
    async fn converse(&mut self) -> Result<Option<ClientEvent>, LinkError> {
        loop {
            if let Some(event) = self.session.next(&mut self.input).map_err(LinkError::Rtmp)? {
                return Ok(Some(event));
            }
            if !self.session.output().is_empty() {
                self.write().await?;
            } else {
                self.read().await?;
            }
        }
    }

    /// Writes, reads or takes one packet, whichever can be done; false once there are no more packets.
    async fn step(&mut self, frames: &mut Subscriber) -> Result<bool, LinkError> {
        let (mut reader, mut writer) = tokio::io::split(&mut self.transport);
        self.input.reserve(4096);
        let output = self.session.output();
        let sending = !output.is_empty();
        let flushing = self.unflushed && !sending;
        let put = async {
            if sending {
                writer.write_buf(output).await.map(Step::Wrote)
            } else {
                writer.flush().await.map(|()| Step::Flushed)
            }
        };
        let step = tokio::select! {
            put = put, if sending || flushing => put.map_err(LinkError::Io)?,
            read = reader.read_buf(&mut self.input) => Step::Read(read.map_err(LinkError::Io)?),
            // What is still in the queue can be dropped, so it stays there until the server is ready.
            packet = frames.recv(), if !sending => Step::Took(packet),
        };
        match step {
            Step::Wrote(bytes) => {
                self.progress.sent(Instant::now(), bytes);
                self.unflushed = true;
            }
            Step::Flushed => self.unflushed = false,
            Step::Read(0) => return Err(LinkError::Io(std::io::ErrorKind::UnexpectedEof.into())),
            Step::Read(_) => {
                while self.session.next(&mut self.input).map_err(LinkError::Rtmp)?.is_some() {}
                self.progress.acknowledged(self.session.acknowledged_bytes());
            }
            Step::Took(None) => return Ok(false),
            Step::Took(Some(packet)) => {
                // The time in which nothing had to be sent is no stall.
                self.progress.sent(Instant::now(), 0);
                self.send(&packet)?;
            }
        }
        Ok(true)
    }

    fn send(&mut self, packet: &Packet) -> Result<(), LinkError> {
        self.session.send(packet).map_err(LinkError::Rtmp)
    }

    async fn write(&mut self) -> Result<(), LinkError> {
        let written = self.transport.write_buf(self.session.output()).await.map_err(LinkError::Io)?;
        self.progress.sent(Instant::now(), written);
        self.transport.flush().await.map_err(LinkError::Io)
    }

    async fn read(&mut self) -> Result<(), LinkError> {
        match self.transport.read_buf(&mut self.input).await.map_err(LinkError::Io)? {
            0 => Err(LinkError::Io(std::io::ErrorKind::UnexpectedEof.into())),
            _ => Ok(()),
        }
    }

    /// Completes the frame begun, ends the stream in order and waits until the server has closed.
    async fn farewell(mut self) -> Option<()> {
        if !self.session.is_publishing() {
            return None;
        }
        self.session.finish();
        self.transport.write_all_buf(self.session.output()).await.ok()?;
        self.transport.shutdown().await.ok()?;
        while self.transport.read_buf(&mut self.input).await.ok()? > 0 {
            self.input.clear();
        }
        Some(())
    }
}

enum Step {
    Wrote(usize),
    Flushed,
    Read(usize),
    Took(Option<Packet>),
}
