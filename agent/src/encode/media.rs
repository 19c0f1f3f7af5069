//! The media child: captures and encodes until its standard input ends.
#![allow(clippy::disallowed_methods, reason = "a driver: it waits for the next picture's time")]

use std::io::{BufRead, BufReader, Read, Write};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, atomic::AtomicU64, atomic::Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use stagebox_media::wire::{self, WireMessage};
use stagebox_media::{Packet, Track};
use stagebox_protocol::telemetry::{SignalAlarm, SignalState, SignalStatus};

use super::choice::{choose, forget};
use super::meter::Levels;
use super::pipeline::{Deliver, EncodePipeline};
use super::stall::Stall;
use super::{
    EXIT_CONFIGURATION, EncodeError, EncoderFailure, MediaOrder, MediaReport, MediaSetup, MediaStats, twice,
};
use crate::capture::{self, Alarms, Captured, Grid, PictureFormat, Shown, Slate, Source, Tick};
use crate::clock::{monotonic_ns, unix_ms};
use crate::probe::ChildProbe;

/// Behind by more than this, pictures are left out instead of made up for.
const MOST_LATE_NS: i64 = 2_000_000_000;
/// Everything is ready this long before the first picture.
const LEAD_NS: i64 = 10_000_000;

/// Runs the child: setup from standard input, frames to standard output.
#[must_use]
pub fn run() -> ExitCode {
    let (messages, inbox) = channel();
    let writer = std::thread::spawn(move || write(&inbox));
    let Err(error) = capture_and_encode(&messages);
    let configuration = error.is_configuration();
    tracing::error!("{error}");
    let encoder = match &error {
        EncodeError::Stalled(_) => Some(EncoderFailure::Hung),
        error if error.is_encoder() => Some(EncoderFailure::Ended),
        _ => None,
    };
    report(&messages, &MediaReport::Failed { error: error.to_string(), encoder, configuration });
    drop(messages);
    // The daemon learns the reason before the process ends.
    let _ = writer.join();
    ExitCode::from(if configuration { EXIT_CONFIGURATION } else { 1 })
}

fn capture_and_encode(messages: &Sender<WireMessage>) -> Result<std::convert::Infallible, EncodeError> {
    let (setup, orders) = read_setup()?;
    gstreamer::init().map_err(|error| EncodeError::Start(error.to_string()))?;
    let mut source = capture::open(&setup.source, &setup.video, &setup.audio, setup.origin_ns)?;
    let counts = Arc::new([Counts::default(), Counts::default()]);
    let chosen = choose(&setup.video, &setup.avoid, setup.trials.as_deref())?;
    report(messages, &MediaReport::Encoder(chosen.encoder));
    let deliver = |stream: u8| -> Deliver {
        let (counted, deliver) = (counts.clone(), messages.clone());
        Box::new(move |packet| {
            counted[usize::from(stream)].add(&packet);
            // If the writer is gone, so is the process.
            let _ = deliver.send(WireMessage::Packet { stream, packet });
        })
    };
    let program = std::env::current_exe().map_err(|error| EncodeError::Start(error.to_string()))?;
    let (pipeline, not_twice) = twice::start(&ChildProbe::new(program), &setup, &chosen, &deliver)?;
    if setup.recording_kbps.is_some() {
        report(messages, &MediaReport::Twice(not_twice.clone().map_or(Ok(()), Err)));
    }
    let ended = Beat::new(&setup, orders, not_twice).run(source.as_mut(), &pipeline, &counts, messages);
    if let Err(EncodeError::Stalled(encoder)) = &ended {
        forget(*encoder, setup.trials.as_deref());
        // A driver that hangs is not asked to stop: the process ends, and takes it along.
        std::mem::forget(pipeline);
        std::mem::forget(source);
    }
    ended
}

/// The daemon's first line, and what it orders from then on; its end is the child's.
fn read_setup() -> Result<(MediaSetup, Receiver<MediaOrder>), EncodeError> {
    let mut input = BufReader::new(std::io::stdin());
    let mut line = String::new();
    let setup = |reason: String| EncodeError::Setup(reason);
    input.by_ref().take(1 << 20).read_line(&mut line).map_err(|error| setup(error.to_string()))?;
    let parsed = serde_json::from_str(&line).map_err(|error| setup(error.to_string()))?;
    let (order, orders) = channel();
    std::thread::spawn(move || {
        for line in input.lines() {
            match line.map(|line| serde_json::from_str(&line)) {
                // Without a beat nobody needs it.
                Ok(Ok(told)) => drop(order.send(told)),
                Ok(Err(error)) => tracing::warn!(%error, "an order of the daemon makes no sense"),
                Err(_) => break,
            }
        }
        // The daemon is gone, however it went.
        std::process::exit(0);
    });
    Ok((parsed, orders))
}

fn write(inbox: &Receiver<WireMessage>) {
    let mut output = std::io::stdout().lock();
    let mut buffer = BytesMut::with_capacity(1 << 16);
    while let Ok(message) = inbox.recv() {
        buffer.clear();
        if let Err(error) = wire::encode(&message, &mut buffer) {
            tracing::error!("cannot send to the daemon: {error}");
            continue;
        }
        if output.write_all(&buffer).and_then(|()| output.flush()).is_err() {
            // The daemon is gone.
            std::process::exit(0);
        }
    }
}

fn report(messages: &Sender<WireMessage>, report: &MediaReport) {
    if let Ok(json) = serde_json::to_vec(report) {
        // If the writer is gone, so is the process.
        let _ = messages.send(WireMessage::Control(Bytes::from(json)));
    }
}

/// What came out of the encoders.
#[derive(Debug, Default)]
struct Counts {
    frames: AtomicU64,
    bytes: AtomicU64,
}

impl Counts {
    fn add(&self, packet: &Packet) {
        if let Packet::Frame(frame) = packet {
            self.frames.fetch_add(u64::from(frame.track == Track::Video), Ordering::Relaxed);
            self.bytes.fetch_add(frame.data.len() as u64, Ordering::Relaxed);
        }
    }

    fn read(&self) -> (u64, u64) {
        (self.frames.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed))
    }
}

/// Asks the source once per picture and hands on what it has.
struct Beat {
    origin_ns: i64,
    fps: u32,
    grid: Grid,
    levels: Levels,
    dropped: u64,
    picture: Option<gstreamer::Buffer>,
    orders: Receiver<MediaOrder>,
    lowered_to_kbps: Option<u32>,
    ceiling_kbps: u32,
    format: PictureFormat,
    /// Of the stream, and of the recording's own encode.
    stalls: [Stall; 2],
    not_twice: Option<String>,
    shown: Shown,
    alarms: Alarms,
    /// Those that were told last.
    raised: Vec<SignalAlarm>,
    /// What stands where there is no picture.
    slate: Slate,
    /// Frames and bytes at the last report.
    reported: [(u64, u64); 2],
}

impl Beat {
    fn new(setup: &MediaSetup, orders: Receiver<MediaOrder>, not_twice: Option<String>) -> Self {
        let start_ns = monotonic_ns() - setup.origin_ns + LEAD_NS;
        Self {
            origin_ns: setup.origin_ns,
            fps: setup.video.fps,
            grid: Grid::new(start_ns.max(0), setup.video.fps),
            levels: Levels::default(),
            dropped: 0,
            picture: None,
            orders,
            lowered_to_kbps: None,
            ceiling_kbps: setup.video.bitrate_kbps,
            format: PictureFormat::of(&setup.video),
            stalls: [Stall::new(setup.video.fps), Stall::new(setup.video.fps)],
            not_twice,
            shown: Shown::default(),
            alarms: Alarms::new(&setup.alarms),
            raised: Vec::new(),
            slate: Slate::new(PictureFormat::of(&setup.video), &setup.name),
            reported: [(0, 0); 2],
        }
    }

    fn run(
        mut self,
        source: &mut dyn Source,
        pipeline: &EncodePipeline,
        counts: &[Counts; 2],
        messages: &Sender<WireMessage>,
    ) -> Result<std::convert::Infallible, EncodeError> {
        let mut index = 0;
        loop {
            let late_ns = self.wait_for(index);
            if late_ns > MOST_LATE_NS {
                let next = self.grid.next_index(self.now_ns());
                tracing::warn!(pictures = next - index, "the machine had no time for the picture");
                self.dropped += next - index;
                index = next;
            }
            self.picture(index, source, pipeline, messages)?;
            pipeline.check()?;
            while let Ok(order) = self.orders.try_recv() {
                self.obey(order, source, pipeline);
            }
            let encodes = if pipeline.encodes_twice() { 2 } else { 1 };
            for (stall, counts) in self.stalls.iter_mut().zip(counts).take(encodes) {
                if stall.is_hung(counts.read().0) {
                    return Err(EncodeError::Stalled(pipeline.encoder()));
                }
            }
            index += 1;
            if index % u64::from(self.fps) == 0 {
                let stats = self.stats(source, pipeline, counts);
                report(messages, &MediaReport::Stats(stats));
            }
        }
    }

    fn obey(&mut self, order: MediaOrder, source: &mut dyn Source, pipeline: &EncodePipeline) {
        match order {
            MediaOrder::Bitrate { kbps } => {
                pipeline.set_bitrate(kbps);
                self.lowered_to_kbps = Some(kbps).filter(|kbps| *kbps < self.ceiling_kbps);
            }
            MediaOrder::Mend(how) => source.mend(how),
        }
    }

    fn picture(
        &mut self,
        index: u64,
        source: &mut dyn Source,
        pipeline: &EncodePipeline,
        messages: &Sender<WireMessage>,
    ) -> Result<(), EncodeError> {
        let pts_ns = self.grid.picture_ns(index);
        let samples = self.grid.samples(index);
        let tick = Tick {
            index,
            at_ns: pts_ns,
            first_sample: samples.start,
            samples: usize::try_from(samples.end - samples.start).unwrap_or(0),
            unix_ms: unix_ms() - (self.now_ns() - pts_ns) / 1_000_000,
        };
        let mut captured = source.capture(&tick)?;
        let signal = signal(source);
        let is_news = self.shown.look(pts_ns, &signal);
        self.look(pts_ns, &captured);
        let raised = self.alarms.raised();
        if is_news || raised != self.raised {
            self.raised = raised;
            report(messages, &MediaReport::Signal(self.signal()));
        }
        if !self.shown.is_locked() {
            let reason = self.shown.signal().reason.unwrap_or_default();
            captured.picture = Some(self.slate.picture(&reason, tick.unix_ms)?);
            captured.sound.fill(0.0);
        }
        if let Some(levels) = self.levels.push(&captured.sound) {
            report(messages, &MediaReport::Levels { levels });
        }
        pipeline.push_sound(&captured.sound, self.grid.sample_ns(samples.start))?;
        if let Some(picture) = captured.picture {
            self.picture = Some(picture);
        }
        if let Some(picture) = &self.picture
            && !pipeline.push_picture(picture.clone(), pts_ns)?
        {
            self.dropped += 1;
        }
        Ok(())
    }

    /// Looks for what is black, stands still or is not to be heard.
    fn look(&mut self, at_ns: i64, captured: &Captured) {
        if !self.shown.is_locked() {
            return self.alarms.forget();
        }
        if self.shown.signal().audio {
            self.alarms.sound(at_ns, &captured.sound);
        }
        let map = captured.picture.as_ref().and_then(|picture| picture.map_readable().ok());
        let (width, height) = (self.format.width as usize, self.format.height as usize);
        // I420 has its luma first, and rows of a multiple of four bytes.
        self.alarms
            .picture(at_ns, map.as_ref().map(|map| (&map[..], width.next_multiple_of(4), width, height)));
    }

    /// The signal as it is shown, with what is wrong with it.
    fn signal(&self) -> SignalStatus {
        SignalStatus { alarms: self.raised.clone(), ..self.shown.signal() }
    }

    /// Sleeps until the picture's time; says how late it is.
    fn wait_for(&self, index: u64) -> i64 {
        let wait_ns = self.grid.picture_ns(index) - self.now_ns();
        if wait_ns > 0 {
            std::thread::sleep(Duration::from_nanos(wait_ns.unsigned_abs()));
        }
        -wait_ns
    }

    /// Now, on the stream's timeline.
    fn now_ns(&self) -> i64 {
        monotonic_ns() - self.origin_ns
    }

    fn stats(&mut self, source: &dyn Source, pipeline: &EncodePipeline, counts: &[Counts; 2]) -> MediaStats {
        let now = [counts[0].read(), counts[1].read()];
        let before = std::mem::replace(&mut self.reported, now);
        let kbps = |of: usize| u32::try_from((now[of].1 - before[of].1) * 8 / 1000).unwrap_or(u32::MAX);
        let frames = now[0].0;
        let (encoder, audio_encoder) = pipeline.encoders();
        MediaStats {
            encoder: encoder.to_owned(),
            audio_encoder: audio_encoder.to_owned(),
            fps: (frames - before[0].0) as f32,
            bitrate_kbps: kbps(0),
            recording_kbps: pipeline.encodes_twice().then(|| kbps(1)),
            not_twice: self.not_twice.clone(),
            lowered_to_kbps: self.lowered_to_kbps,
            frames,
            dropped_frames: self.dropped,
            levels: self.levels.take(),
            signal: self.signal(),
            trouble: source.trouble(),
            device_fails: source.fails(),
            sound_trouble: source.sound_trouble(),
        }
    }
}

/// What the source says, with the reason where there is no picture.
fn signal(source: &dyn Source) -> SignalStatus {
    let mut signal = source.signal();
    if signal.state != SignalState::Locked {
        // What the source knows itself is more than what can be said of any.
        signal.reason = source.trouble().or(signal.reason.take()).or_else(|| capture::reason(&signal));
    }
    signal
}
