//! The worker process: frames in on one side, smaller frames out on the other, until the input ends.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::{Arc, Mutex};

use bytes::BytesMut;
use stagebox_hw::{EncoderCandidate, VideoMode, board};
use stagebox_hw_probe::{Cache, Probe, SystemProbe, select};
use stagebox_media::wire::{self, Decoder, WireError, WireMessage};
use stagebox_media::{Packet, TrackConfig};

use super::encoder::{Elements, elements};
use super::eye::Eyes;
use super::keys::KeyGrid;
use super::ladder::Scaled;
use super::pipeline::{Pipeline, PipelineError, Sink, frame_rate};
use super::protocol::{Order, Report, Wanted, to_json};
use super::stage::lock;
use super::still;

const USUAL_FPS: u32 = 30;

/// Why a worker ended before its input did.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    #[error("cannot start GStreamer: {0}")]
    Init(String),
    #[error("cannot write to the cloud: {0}")]
    Output(std::io::Error),
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

type Output = Arc<Mutex<File>>;

/// Runs a worker on its standard input and output, until the input ends, which it does when the cloud does.
pub fn main() -> Result<(), WorkerError> {
    // As a plain file: the standard library would look for the ends of lines in the pictures.
    let output = std::io::stdout().as_fd().try_clone_to_owned().map_err(WorkerError::Output)?;
    run(std::io::stdin().lock(), File::from(output))
}

fn run(mut input: impl Read, output: File) -> Result<(), WorkerError> {
    gstreamer::init().map_err(|error| WorkerError::Init(error.to_string()))?;
    let mut worker = Worker { output: Arc::new(Mutex::new(output)), begin: None, pipeline: None, eyes: None };
    let mut decoder = Decoder::new();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let read = match input.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(WorkerError::Read(error)),
        };
        decoder.push(buffer.get(..read).unwrap_or_default());
        while let Some(message) = decoder.next()? {
            worker.handle(message)?;
        }
    }
}

/// What was ordered.
struct Begin {
    renditions: Vec<Wanted>,
    keys: Option<KeyGrid>,
    software: bool,
    trials: Option<std::path::PathBuf>,
}

struct Worker {
    output: Output,
    begin: Option<Begin>,
    pipeline: Option<Pipeline>,
    /// It was ordered to look.
    eyes: Option<Eyes>,
}

impl Worker {
    fn handle(&mut self, message: WireMessage) -> Result<(), WorkerError> {
        match message {
            WireMessage::Control(json) => match serde_json::from_slice(&json)? {
                Order::Begin { renditions, keys, software, trials } => {
                    self.begin = Some(Begin { renditions, keys, software, trials });
                }
                Order::Look => self.eyes = Some(Eyes::default()),
                Order::Still { still } => {
                    still::encode(&still, self.sink())?;
                    self.tell(&Report::Drained);
                }
                Order::Drain => {
                    if let Some(pipeline) = self.pipeline.take() {
                        pipeline.drain()?;
                    }
                    self.tell(&Report::Drained);
                }
            },
            WireMessage::Packet { stream, packet: Packet::Config(config) } => match &mut self.eyes {
                Some(eyes) => eyes.configure(stream, config),
                None => self.build(&config)?,
            },
            WireMessage::Packet { stream, packet: Packet::Frame(frame) } => match &mut self.eyes {
                Some(eyes) => {
                    let look = eyes.look(stream, &frame);
                    self.tell(&Report::Looked { look });
                }
                None => self.pipeline.as_ref().ok_or(WorkerError::NoOrder)?.push(&frame)?,
            },
        }
        Ok(())
    }

    fn build(&mut self, config: &TrackConfig) -> Result<(), WorkerError> {
        let begin = self.begin.as_ref().ok_or(WorkerError::NoOrder)?;
        let fps = frame_rate(config).map_or(USUAL_FPS, |(frames, seconds)| {
            frames.unsigned_abs().div_ceil(seconds.unsigned_abs().max(1))
        });
        let renditions: Vec<(Wanted, Elements)> = begin
            .renditions
            .iter()
            .map(|wanted| (*wanted, elements(begin.proven(wanted.scaled, fps).as_ref(), wanted.scaled)))
            .collect();
        self.pipeline = Some(Pipeline::new(config, &renditions, begin.keys, &self.sink())?);
        let encoders = renditions.iter().map(|(_, elements)| elements.encoder).collect();
        self.tell(&Report::Ready { encoders });
        Ok(())
    }

    fn sink(&self) -> Sink {
        let output = Arc::clone(&self.output);
        Arc::new(move |stream, packet| send(&output, &WireMessage::Packet { stream, packet }))
    }

    fn tell(&self, report: &Report) {
        send(&self.output, &WireMessage::Control(to_json(report)));
    }
}

impl Begin {
    /// The best encoder of this machine for pictures of this size, where there is a choice.
    fn proven(&self, scaled: Scaled, fps: u32) -> Option<EncoderCandidate> {
        let probe = SystemProbe::default();
        if self.software || !probe.installed_encoders().iter().any(|found| found.encoder.is_hardware()) {
            return None;
        }
        let machine = probe.machine();
        let boards = board::shipped();
        let board = board::detect(&boards, &machine.identity())?;
        let mut cache = open_cache(self.trials.as_deref(), &machine.kernel_release);
        let mode = VideoMode { width: scaled.width, height: scaled.height, fps };
        let wanted = stagebox_hw_probe::Wanted { mode, bitrate_kbps: scaled.bitrate_kbps };
        match select(&probe, board, wanted, &mut cache) {
            Ok(selection) => Some(selection.candidate),
            Err(error) => {
                tracing::warn!(%error, "no encoder has proven itself");
                None
            }
        }
    }
}

fn open_cache(trials: Option<&Path>, kernel_release: &str) -> Cache {
    trials.map_or_else(Cache::in_memory, |path| Cache::open(path, kernel_release))
}

fn send(output: &Output, message: &WireMessage) {
    let mut bytes = BytesMut::new();
    if wire::encode(message, &mut bytes).is_err() {
        return;
    }
    // Nobody reads any more: the input ends too, and with it the worker.
    let _ = lock(output).write_all(&bytes);
}
