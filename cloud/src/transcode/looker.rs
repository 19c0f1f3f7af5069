//! Has a worker look at the key frames of an event's inputs.
#![allow(clippy::disallowed_methods, reason = "a driver: it waits before it tries again")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use stagebox_media::wire::WireMessage;
use stagebox_media::{Frame, Packet, TrackConfig};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::process::{Moved, Process};
use super::protocol::{Order, Report, to_json};

/// Pictures that may wait to be looked at; others are let go.
const QUEUE: usize = 4;
/// How long one may take.
const LIMIT: Duration = Duration::from_secs(10);
/// After a worker broke.
const AGAIN: Duration = Duration::from_secs(5);

/// What a key frame showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Look {
    /// Which input's it is.
    pub(crate) input: u8,
    /// It is black, but for a logo.
    pub(crate) dark: bool,
    /// It shows what the one before it showed.
    pub(crate) still: bool,
}

#[derive(Debug)]
struct Picture {
    input: u8,
    config: TrackConfig,
    frame: Frame,
}

/// The worker that looks; it ends with this.
#[derive(Debug)]
pub(crate) struct Looker {
    configs: BTreeMap<u8, TrackConfig>,
    pictures: mpsc::Sender<Picture>,
    looks: mpsc::Receiver<Look>,
}

impl Looker {
    /// Starts it; `program` runs as a worker when its first argument is `worker`.
    pub(crate) fn start(program: PathBuf) -> Self {
        let (pictures, received) = mpsc::channel(QUEUE);
        let (told, looks) = mpsc::channel(QUEUE);
        tokio::spawn(attend(program, received, told));
        Self { configs: BTreeMap::new(), pictures, looks }
    }

    pub(crate) fn configure(&mut self, input: u8, config: &TrackConfig) {
        self.configs.insert(input, config.clone());
    }

    /// Gives a key frame; never waits.
    pub(crate) fn push(&self, input: u8, frame: &Frame) {
        if let Some(config) = self.configs.get(&input) {
            // One that there is no time for is let go: the next one will do.
            let _ = self.pictures.try_send(Picture { input, config: config.clone(), frame: frame.clone() });
        }
    }

    /// The next thing that was seen.
    pub(crate) async fn next(&mut self) -> Option<Look> {
        self.looks.recv().await
    }
}

async fn attend(program: PathBuf, mut pictures: mpsc::Receiver<Picture>, looks: mpsc::Sender<Look>) {
    loop {
        let reason = match Process::spawn(&program) {
            Ok(process) => match converse(process, &mut pictures, &looks).await {
                Some(reason) => reason,
                None => return,
            },
            Err(reason) => reason,
        };
        tracing::warn!(reason, "the worker that looks at pictures broke and is replaced");
        tokio::select! {
            () = sleep(AGAIN) => {}
            () = looks.closed() => return,
        }
    }
}

/// Returns why the worker is of no use any more; nothing, if it is not wanted any more.
async fn converse(
    mut process: Process,
    pictures: &mut mpsc::Receiver<Picture>,
    looks: &mpsc::Sender<Look>,
) -> Option<String> {
    process.give(&WireMessage::Control(to_json(&Order::Look)));
    // One at a time.
    let mut is_looking = false;
    loop {
        let moved = tokio::select! {
            picture = pictures.recv(), if !is_looking => {
                let Picture { input, config, frame } = picture?;
                process.give(&WireMessage::Packet { stream: input, packet: Packet::Config(config) });
                process.give(&WireMessage::Packet { stream: input, packet: Packet::Frame(frame) });
                is_looking = true;
                continue;
            }
            moved = timeout(LIMIT, process.moved(true)) => moved,
        };
        match moved {
            Ok(Moved::Broken(reason)) => return Some(reason),
            Ok(Moved::Gave(messages)) => {
                for message in messages {
                    let WireMessage::Control(json) = message else { continue };
                    match serde_json::from_slice(&json) {
                        Ok(Report::Looked { look }) => {
                            is_looking = false;
                            looks.send(look).await.ok()?;
                        }
                        Ok(_) => {}
                        Err(error) => return Some(format!("it reports nonsense: {error}")),
                    }
                }
            }
            Err(_) if is_looking => return Some(format!("it looks for over {} s", LIMIT.as_secs())),
            Ok(Moved::Took) | Err(_) => {}
        }
    }
}
