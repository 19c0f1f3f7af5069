//! The cloud's end of a worker: starts it, feeds it, and starts it again when it breaks.
#![allow(clippy::disallowed_methods, reason = "a driver: it waits before it starts a worker again")]

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use bytes::BytesMut;
use stagebox_media::wire::{self, Decoder, WireMessage};
use stagebox_media::{Frame, Packet, TrackConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc;

use super::ladder::Scaled;
use super::protocol::{Order, Report, to_json};

/// Frames on their way to a worker; a worker this far behind loses the rest of the group of pictures.
const MAX_QUEUED: usize = 300;
/// Longest time that a worker may take for what it was given last.
const DRAIN_LIMIT: Duration = Duration::from_secs(5);
const RESTART_FIRST: Duration = Duration::from_millis(250);
const RESTART_MOST: Duration = Duration::from_secs(10);

/// What comes back from a run's worker.
#[derive(Debug)]
pub(crate) enum FromWorker {
    Packet {
        run: u64,
        packet: Packet,
    },
    /// It broke; frames from the next key frame on will come from another one.
    Lost {
        run: u64,
    },
    /// The run has ended and everything of it has come.
    Done {
        run: u64,
    },
}

/// Feeds the worker of one run; dropping it ends the worker after what it has.
#[derive(Debug)]
pub(crate) struct Transcoder {
    frames: mpsc::Sender<Frame>,
    wants_key: bool,
}

impl Transcoder {
    /// Starts a worker for frames of `config`.
    pub(crate) fn start(
        program: PathBuf,
        run: u64,
        config: TrackConfig,
        scaled: Scaled,
        output: mpsc::Sender<FromWorker>,
    ) -> Self {
        let (frames, received) = mpsc::channel(MAX_QUEUED);
        let supervisor = Supervisor { program, run, config, scaled, output };
        tokio::spawn(supervisor.run(received));
        Self { frames, wants_key: true }
    }

    /// Gives a frame; never waits.
    pub(crate) fn push(&mut self, frame: &Frame) {
        if self.wants_key && !frame.key {
            return;
        }
        self.wants_key = self.frames.try_send(frame.clone()).is_err();
    }
}

struct Supervisor {
    program: PathBuf,
    run: u64,
    config: TrackConfig,
    scaled: Scaled,
    output: mpsc::Sender<FromWorker>,
}

/// Why a worker is no longer there.
enum End {
    Drained,
    Broken(String),
    /// Nobody wants what it makes.
    Unwanted,
}

impl Supervisor {
    async fn run(self, mut frames: mpsc::Receiver<Frame>) {
        let mut pause = RESTART_FIRST;
        loop {
            match self.worker(&mut frames).await {
                End::Drained | End::Unwanted => break,
                End::Broken(reason) => {
                    tracing::warn!(run = self.run, reason, "a transcoding worker broke and is started again");
                }
            }
            if self.output.send(FromWorker::Lost { run: self.run }).await.is_err() {
                return;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(RESTART_MOST);
            // What waited meanwhile is old; the next worker begins at a key frame anyway.
            while frames.try_recv().is_ok() {}
            if frames.is_closed() {
                break;
            }
        }
        // The receiver is gone only when the event's task is.
        let _ = self.output.send(FromWorker::Done { run: self.run }).await;
    }

    async fn worker(&self, frames: &mut mpsc::Receiver<Frame>) -> End {
        let (mut child, input, output) = match self.spawn() {
            Ok(child) => child,
            Err(error) => return End::Broken(format!("cannot start {}: {error}", self.program.display())),
        };
        let end = tokio::select! {
            end = self.read(output) => end,
            end = self.write(input, frames) => end,
        };
        // Ended already, or of no use any more.
        let _ = child.kill().await;
        end
    }

    fn spawn(&self) -> std::io::Result<(Child, ChildStdin, ChildStdout)> {
        let mut child = Command::new(&self.program)
            .arg("worker")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()?;
        let missing = || std::io::Error::other("the child has no pipes");
        let input = child.stdin.take().ok_or_else(missing)?;
        let output = child.stdout.take().ok_or_else(missing)?;
        Ok((child, input, output))
    }

    /// Writes until the run ends, then waits for the reader to see the end.
    async fn write(&self, mut input: ChildStdin, frames: &mut mpsc::Receiver<Frame>) -> End {
        let mut bytes = BytesMut::new();
        let begin = WireMessage::Control(to_json(&Order::Begin { scaled: self.scaled }));
        let config = WireMessage::Packet { stream: 0, packet: Packet::Config(self.config.clone()) };
        let mut messages = vec![begin, config];
        let mut started = false;
        loop {
            for message in messages.drain(..) {
                // A frame over the limit is left out; the decoder makes do without.
                let _ = wire::encode(&message, &mut bytes);
            }
            if let Err(error) = input.write_all_buf(&mut bytes).await {
                return End::Broken(format!("cannot write to it: {error}"));
            }
            match frames.recv().await {
                Some(frame) if started || frame.key => {
                    started = true;
                    messages.push(WireMessage::Packet { stream: 0, packet: Packet::Frame(frame) });
                }
                Some(_) => {}
                None => break,
            }
        }
        let drain = WireMessage::Control(to_json(&Order::Drain));
        let _ = wire::encode(&drain, &mut bytes);
        if let Err(error) = input.write_all_buf(&mut bytes).await {
            return End::Broken(format!("cannot write to it: {error}"));
        }
        tokio::time::sleep(DRAIN_LIMIT).await;
        tracing::warn!(run = self.run, "a transcoding worker did not finish in time");
        End::Drained
    }

    async fn read(&self, mut output: ChildStdout) -> End {
        let mut decoder = Decoder::new();
        let mut buffer = BytesMut::with_capacity(64 * 1024);
        loop {
            buffer.clear();
            match output.read_buf(&mut buffer).await {
                Ok(0) => return End::Broken("it ended".to_owned()),
                Ok(_) => decoder.push(&buffer),
                Err(error) => return End::Broken(format!("cannot read from it: {error}")),
            }
            loop {
                let packet = match decoder.next() {
                    Ok(Some(WireMessage::Packet { packet, .. })) => packet,
                    Ok(Some(WireMessage::Control(json))) => match serde_json::from_slice(&json) {
                        Ok(Report::Drained) => return End::Drained,
                        Err(error) => return End::Broken(format!("it reports nonsense: {error}")),
                    },
                    Ok(None) => break,
                    Err(error) => return End::Broken(error.to_string()),
                };
                if self.output.send(FromWorker::Packet { run: self.run, packet }).await.is_err() {
                    return End::Unwanted;
                }
            }
        }
    }
}
