//! The smaller renditions of an event: a worker for each run, and what comes of it.
#![allow(clippy::disallowed_methods, reason = "a driver: a worker has so long for what it was given")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use stagebox_media::cmaf::TrackFormat;
use stagebox_media::{Frame, TrackConfig};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::lane::Packaged;
use super::rendition::Rendition;
use super::segmenter::Segmenter;
use crate::id::EventId;
use crate::simulcast::Pushes;
use crate::transcode::{self, FromWorker, KeyGrid, Scaled, SourceSize, Start, Transcoder};

/// How long the smaller renditions of a run may still come after its end: as far as a worker may be behind.
const DRAIN: Duration = Duration::from_secs(2);
/// Packets of a worker that may wait.
const WORKER_QUEUE: usize = 64;

/// The workers of one event.
pub(super) struct Scaling {
    transcoder: Option<Transcoder>,
    /// What each run's worker makes, by the number that it has there.
    renditions: BTreeMap<u64, Vec<Rendition>>,
    /// What is said of a rendition that the machine is too slow for.
    given_up: Option<String>,
    output: mpsc::Sender<FromWorker>,
    input: mpsc::Receiver<FromWorker>,
    /// What an ended run's worker has not delivered.
    drain: Option<Drain>,
}

/// What is waited for after a run.
#[derive(Debug, Clone, Copy)]
struct Drain {
    run: Option<u64>,
    /// When it is given up.
    until: Instant,
    /// The first segment after the run.
    next_msn: u64,
}

/// How the smaller renditions of all events are made.
#[derive(Debug, Clone)]
pub(super) struct Workshop {
    /// The program to run as a transcoding worker.
    pub(super) program: PathBuf,
    /// The file where outcomes of trial encodes are kept.
    pub(super) trials: PathBuf,
    /// Wanted heights (the shorter side) of smaller renditions.
    pub(super) ladder: Vec<u16>,
}

/// What a worker is to make of a run.
pub(super) struct Plan {
    program: PathBuf,
    trials: PathBuf,
    config: TrackConfig,
    ladder: Vec<Scaled>,
    /// The first of the ladder is the source's own picture, and all have their key frames there.
    keys: Option<KeyGrid>,
}

impl Plan {
    /// What is made of a picture; nothing, if it is small already.
    ///
    /// `ladder` are the heights that are wanted; with `keys` the source's own is made anew, with key frames there.
    pub(super) fn of(
        workshop: Option<&Workshop>,
        ladder: &[u16],
        config: &TrackConfig,
        keys: Option<KeyGrid>,
    ) -> Option<Self> {
        let Workshop { program, trials, .. } = workshop?.clone();
        let TrackFormat::Video { sps, .. } = TrackFormat::parse(config).ok()? else { return None };
        let source = SourceSize {
            width: sps.width,
            height: sps.height,
            pixel_aspect: sps.pixel_aspect,
            frame_rate: sps.fps(),
        };
        let anew = keys.and_then(|_| transcode::anew(source));
        let keys = keys.filter(|_| anew.is_some());
        let ladder: Vec<Scaled> = anew.into_iter().chain(transcode::ladder(source, ladder)).collect();
        (!ladder.is_empty()).then(|| Self { program, trials, config: config.clone(), ladder, keys })
    }

    /// The highest bit rates of the renditions' segments, in bit/s.
    pub(super) fn peaks(&self, segment_ms: u32) -> impl Iterator<Item = (Rendition, u64)> {
        let peak = move |scaled: &Scaled| u64::from(scaled.rate_control().peak_kbps(segment_ms)) * 1000;
        // The source's own is what it is when it is not made anew.
        self.named()
            .filter(|(rendition, _)| *rendition != Rendition::Source)
            .map(move |(rendition, scaled)| (rendition, peak(scaled)))
    }

    fn named(&self) -> impl Iterator<Item = (Rendition, &Scaled)> {
        self.ladder.iter().enumerate().map(|(number, scaled)| {
            let is_source = number == 0 && self.keys.is_some();
            (if is_source { Rendition::Source } else { Rendition::Scaled(scaled.lines()) }, scaled)
        })
    }

    /// The renditions and their sizes in pixels, in the order of the worker's numbers.
    pub(super) fn renditions(&self) -> impl Iterator<Item = (Rendition, (u32, u32))> {
        self.named().map(|(rendition, scaled)| (rendition, (scaled.width, scaled.height)))
    }
}

impl Scaling {
    pub(super) fn new() -> Self {
        let (output, input) = mpsc::channel(WORKER_QUEUE);
        Self { transcoder: None, renditions: BTreeMap::new(), given_up: None, output, input, drain: None }
    }

    /// Starts the worker of a run that begins.
    pub(super) fn begin(&mut self, run: u64, plan: Option<Plan>) {
        self.transcoder = plan.map(|plan| {
            self.renditions.insert(run, plan.renditions().map(|(rendition, _)| rendition).collect());
            let Plan { program, trials, config, ladder, keys } = plan;
            Transcoder::start(
                Start { program, trials: Some(trials), run, config, ladder, keys },
                self.output.clone(),
            )
        });
    }

    /// Forgets what was given up in the last run; says whether there was anything.
    pub(super) fn forgive(&mut self) -> bool {
        self.given_up.take().is_some()
    }

    /// What is to be said of renditions that the machine is too slow for, in the newest run.
    pub(super) fn given_up(&self) -> Option<String> {
        self.given_up.clone()
    }

    /// Gives the worker a picture; never waits.
    pub(super) fn push(&mut self, frame: &Frame) {
        if let Some(transcoder) = &mut self.transcoder {
            transcoder.push(frame);
        }
    }

    /// No more pictures of the run will come.
    ///
    /// `next_msn` is the first segment that does not belong to it.
    pub(super) fn end(&mut self, next_msn: u64) {
        if self.transcoder.take().is_some() {
            let run = self.renditions.last_key_value().map(|(run, _)| *run);
            self.drain = Some(Drain { run, until: Instant::now() + DRAIN, next_msn });
        }
    }

    /// The next thing that a worker says.
    pub(super) async fn next(&mut self) -> Option<FromWorker> {
        self.input.recv().await
    }

    /// When what an ended run's worker has not delivered is given up; never, while none is waited for.
    pub(super) fn drain_until(&self) -> Option<Instant> {
        self.drain.map(|drain| drain.until)
    }

    /// Packages what a worker made.
    pub(super) fn made(
        &mut self,
        event: &EventId,
        made: FromWorker,
        segmenter: &mut Segmenter,
        pushes: &mut Pushes,
        out: &mut Vec<Packaged>,
    ) {
        match made {
            FromWorker::Packet { run, rendition, packet } => {
                let Some(rendition) = self.rendition(run, rendition) else { return };
                // What an earlier run's worker still delivers is in nobody's stream any more.
                if self.is_newest(run) {
                    pushes.scaled(rendition, &packet);
                }
                if let Err(error) = segmenter.scaled(rendition, packet, out) {
                    tracing::warn!(%event, %error, "a worker's rendition cannot be packaged");
                }
            }
            FromWorker::Lost { run } => {
                for rendition in self.renditions.get(&run).into_iter().flatten() {
                    segmenter.scaled_lost(*rendition, out);
                }
            }
            FromWorker::Dropped { run, rendition, words } => {
                if let Some(rendition) = self.rendition(run, rendition) {
                    segmenter.scaled_dropped(rendition, run, out);
                    pushes.given_up(rendition);
                    self.given_up = Some(words);
                }
            }
            FromWorker::Done { run } => {
                for rendition in self.renditions.remove(&run).into_iter().flatten() {
                    segmenter.scaled_end(rendition, run, out);
                }
                self.drain = self.drain.filter(|drain| drain.run != Some(run));
            }
        }
    }

    fn is_newest(&self, run: u64) -> bool {
        self.transcoder.is_some()
            && self.renditions.last_key_value().is_some_and(|(newest, _)| *newest == run)
    }

    /// The rendition that a run's worker calls by this number.
    fn rendition(&self, run: u64, number: u8) -> Option<Rendition> {
        self.renditions.get(&run)?.get(usize::from(number)).copied()
    }

    /// Goes on without what an ended run's worker has not delivered.
    pub(super) fn give_up_draining(&mut self, segmenter: &mut Segmenter, out: &mut Vec<Packaged>) {
        if let Some(drain) = self.drain.take() {
            segmenter.close_before(drain.next_msn, out);
        }
    }

    /// Nothing more of what runs before is wanted: the slate is to be seen where it would come.
    pub(super) fn abandon(&mut self, segmenter: &mut Segmenter, out: &mut Vec<Packaged>) {
        self.drain = None;
        for (run, renditions) in std::mem::take(&mut self.renditions) {
            for rendition in renditions {
                segmenter.scaled_end(rendition, run, out);
            }
        }
    }
}
