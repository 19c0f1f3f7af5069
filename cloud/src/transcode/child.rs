//! The cloud's handle on a run's worker: frames in, and what comes back.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use stagebox_media::{Frame, Packet, TrackConfig};
use tokio::sync::mpsc;

use super::keys::KeyGrid;
use super::ladder::Scaled;
use super::supervisor::Supervisor;

/// Frames on their way to the supervisor, which takes them at once; room for bursts.
const MAX_QUEUED: usize = 300;

/// What comes back from a run's worker. A rendition is its place in [`Start::ladder`].
#[derive(Debug)]
pub(crate) enum FromWorker {
    /// Frames of a rendition come once each and in order, whatever becomes of workers.
    Packet { run: u64, rendition: u8, packet: Packet },
    /// Some frames will never come: those after it are not the next ones.
    Lost { run: u64 },
    /// The machine is too slow for this rendition; nothing more of it comes in this run.
    Dropped { run: u64, rendition: u8, words: String },
    /// The run has ended and everything of it has come.
    Done { run: u64 },
}

/// What a run's worker is started for.
#[derive(Debug)]
pub(crate) struct Start {
    /// Runs as a worker when its first argument is `worker`.
    pub(crate) program: PathBuf,
    /// The file where outcomes of trial encodes are kept.
    pub(crate) trials: Option<PathBuf>,
    pub(crate) run: u64,
    pub(crate) config: TrackConfig,
    /// Largest first, as [`super::ladder()`] gives it.
    pub(crate) ladder: Vec<Scaled>,
    /// Where key frames are to be; without it, where the source has them.
    pub(crate) keys: Option<KeyGrid>,
}

/// Feeds the worker of one run; dropping it ends the worker after what it has.
#[derive(Debug)]
pub(crate) struct Transcoder {
    frames: mpsc::Sender<Frame>,
    wants_key: bool,
    /// A frame was not taken since the supervisor looked last.
    missed: Arc<AtomicBool>,
}

impl Transcoder {
    /// Starts a worker, and the task that replaces it when it breaks.
    pub(crate) fn start(start: Start, output: mpsc::Sender<FromWorker>) -> Self {
        let (frames, received) = mpsc::channel(MAX_QUEUED);
        let missed = Arc::<AtomicBool>::default();
        tokio::spawn(Supervisor::new(start, received, output, Arc::clone(&missed)).run());
        Self { frames, wants_key: true, missed }
    }

    /// Gives a frame; never waits.
    pub(crate) fn push(&mut self, frame: &Frame) {
        if self.wants_key && !frame.key {
            return;
        }
        self.wants_key = self.frames.try_send(frame.clone()).is_err();
        self.missed.fetch_or(self.wants_key, Ordering::Relaxed);
    }
}
