//! The worker process: frames in on one side, smaller frames out on the other, until the input ends.

use std::io::{Read, Write};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::BytesMut;
use stagebox_media::wire::{self, Decoder, WireError, WireMessage};
use stagebox_media::{Packet, TrackConfig};

use super::ladder::Scaled;
use super::pipeline::{Pipeline, PipelineError, Sink};
use super::protocol::{Order, Report, to_json};

/// Why a worker ended before its input did.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    #[error("cannot start GStreamer: {0}")]
    Init(String),
    #[error("cannot read from the cloud: {0}")]
    Read(std::io::Error),
    #[error("the cloud's messages cannot be understood: {0}")]
    Wire(#[from] WireError),
    #[error("the cloud's order cannot be understood: {0}")]
    Order(#[from] serde_json::Error),
    #[error("frames came before the order what to make of them")]
    NoOrder,
    #[error(transparent)]
    Pipeline(#[from] PipelineError),
}

type Output = Arc<Mutex<Box<dyn Write + Send>>>;

/// Runs a worker on its standard input and output.
pub fn main() -> Result<(), WorkerError> {
    run(std::io::stdin().lock(), Box::new(std::io::stdout()))
}

/// Runs a worker until `input` ends, which it does when the cloud does.
pub(crate) fn run(mut input: impl Read, output: Box<dyn Write + Send>) -> Result<(), WorkerError> {
    gstreamer::init().map_err(|error| WorkerError::Init(error.to_string()))?;
    let mut worker =
        Worker { output: Arc::new(Mutex::new(output)), scaled: None, config: None, pipeline: None };
    let mut decoder = Decoder::new();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let read = match input.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(WorkerError::Read(error)),
        };
        decoder.push(&buffer[..read]);
        while let Some(message) = decoder.next()? {
            worker.handle(message)?;
        }
    }
}

struct Worker {
    output: Output,
    scaled: Option<Scaled>,
    config: Option<TrackConfig>,
    pipeline: Option<Pipeline>,
}

impl Worker {
    fn handle(&mut self, message: WireMessage) -> Result<(), WorkerError> {
        match message {
            WireMessage::Control(json) => match serde_json::from_slice(&json)? {
                Order::Begin { scaled } => self.scaled = Some(scaled),
                Order::Drain => {
                    self.drain()?;
                    send(&self.output, &WireMessage::Control(to_json(&Report::Drained)));
                }
            },
            WireMessage::Packet { packet: Packet::Config(config), .. } => {
                self.drain()?;
                self.config = Some(config);
            }
            WireMessage::Packet { packet: Packet::Frame(frame), .. } => {
                if self.pipeline.is_none() {
                    let (Some(scaled), Some(config)) = (self.scaled, &self.config) else {
                        return Err(WorkerError::NoOrder);
                    };
                    let output = Arc::clone(&self.output);
                    let sink: Sink =
                        Arc::new(move |packet| send(&output, &WireMessage::Packet { stream: 0, packet }));
                    self.pipeline = Some(Pipeline::new(config, scaled, sink)?);
                }
                if let Some(pipeline) = &self.pipeline {
                    pipeline.push(&frame)?;
                }
            }
        }
        Ok(())
    }

    fn drain(&mut self) -> Result<(), WorkerError> {
        match self.pipeline.take() {
            Some(pipeline) => Ok(pipeline.drain()?),
            None => Ok(()),
        }
    }
}

fn send(output: &Output, message: &WireMessage) {
    let mut bytes = BytesMut::new();
    if wire::encode(message, &mut bytes).is_err() {
        return;
    }
    let mut output = output.lock().unwrap_or_else(PoisonError::into_inner);
    // Nobody reads any more: the input ends too, and with it the worker.
    let _ = output.write_all(&bytes).and_then(|()| output.flush());
}
