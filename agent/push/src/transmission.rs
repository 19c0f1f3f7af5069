//! One connection from its first byte to its last.
#![allow(clippy::disallowed_methods, reason = "a driver: it reads the clock for the core")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use stagebox_media::rtmp::ClientConfig;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::driver::OutputConfig;
use crate::link::Link;
use crate::progress::Progress;
use crate::{ConnectError, Connector, Hub, SubscribeOptions, Subscriber, Target, transport};

/// How often it looks whether the server hangs, and every second time it tells of its progress.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// What a server is asked to acknowledge at a time: a small part of a second's bytes, so that also a quiet picture over
/// a slow line is acknowledged several times a second.
const WINDOWS_A_SECOND: u32 = 32;
const LEAST_WINDOW: u32 = 4 * 1024;
const MOST_WINDOW: u32 = 64 * 1024;
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
pub(super) struct Transmission<C> {
    pub(super) number: u64,
    pub(super) target: Target,
    pub(super) config: OutputConfig,
    pub(super) connector: Arc<C>,
    pub(super) hub: Hub,
    /// Fills the handshake.
    pub(super) seed: u64,
    pub(super) news: mpsc::Sender<(u64, News)>,
    pub(super) stop: CancellationToken,
}

impl<C: Connector> Transmission<C> {
    /// Runs until it fails or is stopped; then says goodbye, if the server still listens.
    pub(super) async fn run(self) {
        let stop = self.stop.clone();
        let mut link = None;
        let over = tokio::select! {
            () = stop.cancelled() => None,
            reason = self.transmit(&mut link) => Some(reason),
        };
        match (over, link) {
            (Some(reason), _) => self.tell(News::Over(self.target.key().hide_in(reason))).await,
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
        let second_bytes = self.config.second_bytes();
        let connected = self.connector.connect(&self.target, second_bytes).await;
        let transport = connected.map_err(|error| match error {
            ConnectError::Io(error) => transport::describe(&error, &self.target),
            ConnectError::Told(words) => words,
        })?;
        self.tell(News::Reached).await;
        let window = (second_bytes / WINDOWS_A_SECOND).clamp(LEAST_WINDOW, MOST_WINDOW);
        let progress = Progress::new(Instant::now(), window, self.config.patience.hung_after);
        let link = Link::new(transport, self.client_config(window), progress, self.config.times);
        let link = slot.insert(link);
        while link.converse().await.map_err(|error| error.describe(&self.target))?.is_none() {}
        self.tell(News::Accepted).await;
        self.stream(link).await
    }

    async fn stream(&self, link: &mut Link) -> Result<(), String> {
        let max_bytes = (self.config.second_bytes() as usize * QUEUE_S).max(LEAST_QUEUE_BYTES);
        let mut frames = self.hub.subscribe(SubscribeOptions { max_bytes, from_last_keyframe: true });
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut is_told = false;
        loop {
            tokio::select! {
                step = link.step(&mut frames) => match step {
                    Ok(true) => {}
                    Ok(false) => return Ok(()),
                    Err(error) => return Err(error.describe(&self.target)),
                },
                _ = looks.tick() => {
                    let now = Instant::now();
                    if let Some(reason) = link.hung(now) {
                        return Err(reason);
                    }
                    is_told = !is_told;
                    if !is_told {
                        continue;
                    }
                    let report = self.report(link, &frames, now);
                    // A full channel means that an older report is still to be read.
                    let _ = self.news.try_send((self.number, News::Report(report)));
                }
            }
        }
    }

    fn report(&self, link: &mut Link, frames: &Subscriber, now: Instant) -> Report {
        let queued = (frames.queued_bytes() + link.queued_bytes()) as u64;
        let queued_ms = queued * 1000 / u64::from(self.config.second_bytes());
        Report {
            kbps: link.progress().kbps(now),
            queued_ms: u32::try_from(queued_ms).unwrap_or(u32::MAX),
            sent_bytes: link.progress().sent_bytes(),
            dropped_frames: frames.dropped_frames(),
        }
    }

    fn client_config(&self, window_bytes: u32) -> ClientConfig {
        ClientConfig {
            app: self.target.app().to_owned(),
            url: self.target.url().to_owned(),
            key: self.target.key().expose().to_owned(),
            stream: self.config.stream.clone(),
            window_bytes,
            seed: self.seed,
            ..ClientConfig::default()
        }
    }
}
