//! Packages one track as CMAF chunks.

use bytes::Bytes;

use super::fragment::{Fragment, Run, write_fragment};
use super::init::{default_flags, track_header};
use super::queue::{Sample, SampleQueue};
use super::{CmafError, TrackFormat};
use crate::{Frame, Track, TrackConfig};

const TRACK_ID: u32 = 1;

/// Turns frames of one configuration into the fragments of one CMAF track file.
///
/// The caller decides where to cut: `push` each frame, look at
/// [`Self::pending_ticks`], and `cut`. A key frame that was just pushed is not
/// part of the fragment that is cut then, as its duration is not known yet: so
/// "push the key frame, cut" ends a segment right before it.
///
/// A new configuration needs a new track; give it the same origin.
#[derive(Debug)]
pub struct CmafTrack {
    format: TrackFormat,
    queue: SampleQueue,
    sequence: u32,
}

impl CmafTrack {
    /// A track whose time is counted from zero of the frames' own timeline.
    ///
    /// # Errors
    /// The codec is none of H.264 and AAC, or its headers cannot be read.
    pub fn new(config: &TrackConfig) -> Result<Self, CmafError> {
        let format = TrackFormat::parse(config)?;
        let queue = SampleQueue::new(&format, 0);
        Ok(Self { format, queue, sequence: 0 })
    }

    /// Counts time from `origin_ns`; to be said before the first frame.
    #[must_use]
    pub fn with_origin(mut self, origin_ns: i64) -> Self {
        self.queue = SampleQueue::new(&self.format, origin_ns);
        self
    }

    /// Lets decode times begin at `time_ns` at the earliest, in nanoseconds of the frames' own timeline: there ends
    /// what another track's fragments hold.
    #[must_use]
    pub fn not_before(mut self, time_ns: i64) -> Self {
        self.queue.not_before(time_ns);
        self
    }

    /// The initialization segment: `ftyp` and `moov`.
    #[must_use]
    pub fn init(&self) -> Bytes {
        track_header(&self.format)
    }

    /// Ticks a second: 90000 for video, the sampling rate for audio.
    #[must_use]
    pub fn timescale(&self) -> u32 {
        self.format.timescale()
    }

    /// Codec string, resolution and frame rate, as playlists want them.
    #[must_use]
    pub fn format(&self) -> &TrackFormat {
        &self.format
    }

    /// Takes the next frame in decoding order; its bytes are shared, not copied. An empty one is left out.
    ///
    /// A decode time that repeats or goes back is put one tick after the last.
    ///
    /// # Errors
    /// The frame is of another track, or more than [`super::MAX_FRAGMENT_BYTES`] wait.
    pub fn push(&mut self, frame: &Frame) -> Result<(), CmafError> {
        let track = self.format.track();
        if frame.track != track {
            return Err(CmafError::WrongTrack { track: frame.track });
        }
        self.queue.push(frame, frame.key || track == Track::Audio)
    }

    /// Ticks of the samples whose duration is known: what [`Self::cut`] would give.
    #[must_use]
    pub fn pending_ticks(&self) -> u64 {
        self.queue.complete_ticks()
    }

    /// Cuts all samples whose duration is known into one fragment.
    pub fn cut(&mut self) -> Option<Fragment> {
        let samples = self.queue.take_complete();
        self.fragment(&samples)
    }

    /// Cuts as many known samples as last at most `max_ticks` together, but at least one.
    pub fn cut_within(&mut self, max_ticks: u64) -> Option<Fragment> {
        let samples = self.queue.take_within(max_ticks);
        self.fragment(&samples)
    }

    /// Cuts all samples; the last one is taken to last as long as the one before it.
    pub fn finish(&mut self) -> Option<Fragment> {
        let samples = self.queue.take_all();
        self.fragment(&samples)
    }

    fn fragment(&mut self, samples: &[Sample]) -> Option<Fragment> {
        let first = samples.first()?;
        self.sequence = self.sequence.wrapping_add(1);
        let run = Run { track_id: TRACK_ID, default_flags: default_flags(&self.format), samples };
        let data = write_fragment(self.sequence, &[run]);
        let payload: usize = samples.iter().map(|sample| sample.data.len()).sum();
        Some(Fragment {
            first_end: data.len() - payload + first.data.len(),
            data,
            decode_time: first.decode_time,
            duration: samples.iter().map(|sample| u64::from(sample.duration)).sum(),
            independent: first.key,
            samples: samples.len() as u32,
        })
    }
}
