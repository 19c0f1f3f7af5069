//! One panel at the other end of the line.
#![allow(clippy::disallowed_methods, reason = "a driver: frames go out at their times")]

use std::{collections::VecDeque, fmt, time::Duration};

use stagebox_protocol::{
    Command, Origin, Outcome as Answer,
    panel::{
        AudioPeaks, Decoder, FrameError, FromAgent, HEARTBEAT_MS, Hello, Intent, Outcome, Status, ToAgent,
        encode, text,
    },
    preflight::UPLOAD_S,
    telemetry::AudioLevel,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixStream, unix::OwnedWriteHalf},
    sync::watch,
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, sleep_until, timeout},
};

use super::view::{Surroundings, View, peaks, preflight};
use crate::clock::unix_ms;
use crate::control::Control;

/// Changes come at once, but not faster than anybody can see.
const FASTEST: Duration = Duration::from_millis(50);
/// A panel that takes nothing for so long is gone.
const WRITE_LIMIT: Duration = Duration::from_secs(2);
/// Frames that make no sense, one after another, before the line is closed.
const MAX_GARBLED: u32 = 32;
/// Intents whose outcome is still open.
const MAX_OPEN: usize = 4;

/// Why a session is over.
#[derive(Debug)]
pub(super) enum Ended {
    Closed,
    Failed(std::io::Error),
    DoesNotRead,
    Garbled(FrameError),
    /// The box shuts down.
    ShuttingDown,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("it hung up"),
            Self::Failed(error) => write!(f, "its line failed: {error}"),
            Self::DoesNotRead => f.write_str("it does not read"),
            Self::Garbled(error) => write!(f, "it does not speak the panel's language: {error}"),
            Self::ShuttingDown => f.write_str("the box shuts down"),
        }
    }
}

/// Serves one panel until its line ends.
pub(super) async fn serve(
    stream: UnixStream,
    control: Control,
    mut surroundings: watch::Receiver<Surroundings>,
) -> Ended {
    let (mut input, output) = stream.into_split();
    let mut session = Session {
        output,
        status: control.status(),
        levels: control.levels(),
        peaks: None,
        are_shown: true,
        control,
        view: View::default(),
        open: JoinSet::new(),
        decoder: Decoder::new(),
        garbled: 0,
        changed: true,
        next_change: Instant::now(),
    };
    if let Err(ended) = session.welcome().await {
        return ended;
    }
    let mut heartbeat = interval(Duration::from_millis(u64::from(HEARTBEAT_MS)));
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut buffer = [0; 1024];
    loop {
        let step = tokio::select! {
            read = input.read(&mut buffer) => match read {
                Ok(0) => return Ended::Closed,
                Ok(length) => session.take(&buffer[..length]).await,
                Err(error) => return Ended::Failed(error),
            },
            Some(done) = session.open.join_next() => match done {
                Ok((id, outcome)) => session.say(&FromAgent::Outcome { id, outcome }).await,
                Err(_) => Ok(()),
            },
            changed = session.status.changed() => {
                session.changed = true;
                if changed.is_err() { Err(Ended::ShuttingDown) } else { Ok(()) }
            }
            Ok(()) = session.levels.changed() => {
                session.hear();
                Ok(())
            }
            Ok(()) = surroundings.changed() => {
                session.changed = true;
                Ok(())
            }
            () = sleep_until(session.next_change), if session.changed => session.show(&surroundings).await,
            _ = heartbeat.tick() => session.show(&surroundings).await,
        };
        if let Err(ended) = step {
            return ended;
        }
    }
}

struct Session {
    output: OwnedWriteHalf,
    control: Control,
    status: watch::Receiver<stagebox_protocol::BoxStatus>,
    levels: watch::Receiver<Vec<AudioLevel>>,
    /// The loudest since the last status went out, or those that went out with it.
    peaks: Option<AudioPeaks>,
    are_shown: bool,
    view: View,
    open: JoinSet<(u16, Outcome)>,
    decoder: Decoder<ToAgent>,
    garbled: u32,
    /// Something is new since the last status went out.
    changed: bool,
    next_change: Instant,
}

impl Session {
    async fn welcome(&mut self) -> Result<(), Ended> {
        let program = text(concat!("agent ", env!("CARGO_PKG_VERSION")));
        self.say(&FromAgent::Hello(Hello { program })).await
    }

    async fn show(&mut self, surroundings: &watch::Receiver<Surroundings>) -> Result<(), Ended> {
        let (status, identify_ms, preflight) = {
            let status = self.status.borrow_and_update();
            let preflight = preflight(&status, unix_ms());
            (self.view.of(&status, &surroundings.borrow()), status.identify_ms, preflight)
        };
        let status = Status { audio: self.peaks.or(status.audio), ..status };
        self.changed = false;
        self.are_shown = true;
        self.next_change = Instant::now() + FASTEST;
        self.say(&FromAgent::Status(status)).await?;
        if let Some(preflight) = preflight {
            self.say(&FromAgent::Preflight(preflight)).await?;
        }
        if identify_ms > 0 {
            self.say(&FromAgent::Identify { duration_ms: identify_ms }).await?;
        }
        Ok(())
    }

    /// Keeps the loudest that comes between two statuses.
    fn hear(&mut self) {
        let now = peaks(&self.levels.borrow_and_update());
        let peaks = match (self.peaks, now) {
            (Some(before), Some(now)) if !self.are_shown => Some(AudioPeaks {
                left_dbfs: before.left_dbfs.max(now.left_dbfs),
                right_dbfs: before.right_dbfs.max(now.right_dbfs),
            }),
            _ => now,
        };
        self.changed |= peaks != self.peaks;
        self.peaks = peaks;
        self.are_shown = false;
    }

    async fn take(&mut self, mut bytes: &[u8]) -> Result<(), Ended> {
        let mut refused = VecDeque::new();
        while let Some(frame) = self.decoder.next(&mut bytes) {
            match frame {
                Ok(frame) => {
                    self.garbled = 0;
                    if let ToAgent::Intent { id, intent } = frame {
                        refused.extend(self.start(id, intent));
                    }
                }
                // A newer panel may say more than this agent knows.
                Err(FrameError::UnknownKind { .. }) => {}
                Err(error) => {
                    self.garbled += 1;
                    if self.garbled >= MAX_GARBLED || matches!(error, FrameError::Version { .. }) {
                        return Err(Ended::Garbled(error));
                    }
                }
            }
        }
        for id in refused {
            let outcome = Outcome::Rejected { reason: text("Too many at once") };
            self.say(&FromAgent::Outcome { id, outcome }).await?;
        }
        Ok(())
    }

    /// Begins to carry an intent out; answers with its id if there is no room.
    fn start(&mut self, id: u16, intent: Intent) -> Option<u16> {
        if self.open.len() >= MAX_OPEN {
            return Some(id);
        }
        let control = self.control.clone();
        let command = match intent {
            Intent::GoLive => Command::StartStream,
            Intent::Stop => Command::StopStream,
            Intent::StartRecording => Command::StartRecording,
            Intent::StopRecording => Command::StopRecording,
            Intent::Reconnect => Command::Reconnect { output: None },
            Intent::Preflight => Command::Preflight { upload_s: UPLOAD_S },
            Intent::CancelPreflight => Command::CancelPreflight,
        };
        self.open.spawn(async move {
            let outcome = match control.execute(command, Origin::Panel).await {
                Answer::Accepted | Answer::Told(_) | Answer::Done => Outcome::Done,
                Answer::Rejected { error, .. } => Outcome::Rejected { reason: text(&error) },
            };
            (id, outcome)
        });
        None
    }

    async fn say(&mut self, frame: &FromAgent) -> Result<(), Ended> {
        match timeout(WRITE_LIMIT, self.output.write_all(&encode(frame))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Ended::Failed(error)),
            Err(_) => Err(Ended::DoesNotRead),
        }
    }
}
