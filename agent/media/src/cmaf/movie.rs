//! Writes video and audio into one fragmented MP4, a file that is whole after every fragment.

use bytes::Bytes;

use super::fragment::{Run, write_fragment};
use super::init::{TrackBox, default_flags, movie_header};
use super::places::{ClosedTrack, Marker, Placed, Places, ordinary_movie};
use super::queue::{Sample, SampleQueue};
use super::timeline::to_ns;
use super::{CmafError, TrackFormat};
use crate::{Frame, Track, TrackConfig};

/// One `moof` with its `mdat`, of all tracks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovieFragment {
    pub data: Bytes,
    pub video_frames: u32,
    pub audio_frames: u32,
}

/// What closes a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovieEnd {
    /// The frames that were not cut yet; to be appended.
    pub last: Option<MovieFragment>,
    /// The tables of an ordinary file (`moov`); to be appended.
    pub tables: Bytes,
    /// Length of the movie in nanoseconds.
    pub duration_ns: i64,
    /// To be written over the header once the tables are on disk, and as long as that: it makes the file an ordinary one.
    pub header: Bytes,
}

/// Turns frames of one video and one audio configuration, or of one of them, into a movie file.
///
/// Write [`Self::header`], then each fragment; the file can be played after
/// each of them, whether or not it is ever closed. Closed it is an ordinary
/// MP4, which editors open.
#[derive(Debug)]
pub struct MovieWriter {
    tracks: Vec<MovieTrack>,
    sequence: u32,
    bytes: u64,
}

#[derive(Debug)]
struct MovieTrack {
    id: u32,
    format: TrackFormat,
    queue: SampleQueue,
    /// Tick at which the cut samples end.
    end: u64,
    places: Places,
}

impl MovieWriter {
    /// A movie whose time begins at `origin_ns` of the frames' timeline.
    ///
    /// # Errors
    /// There is no track, two of a kind, or one whose configuration cannot be used.
    pub fn new(configs: &[TrackConfig], origin_ns: i64) -> Result<Self, CmafError> {
        let twice = matches!(configs, [first, second] if first.track == second.track);
        if configs.is_empty() || configs.len() > 2 || twice {
            return Err(CmafError::Tracks);
        }
        let mut tracks = Vec::with_capacity(configs.len());
        for (id, config) in (1..).zip(configs) {
            let format = TrackFormat::parse(config)?;
            let queue = SampleQueue::new(&format, origin_ns);
            tracks.push(MovieTrack { id, format, queue, end: 0, places: Places::default() });
        }
        let mut writer = Self { tracks, sequence: 0, bytes: 0 };
        writer.bytes = writer.header().len() as u64;
        Ok(writer)
    }

    /// What a file begins with.
    #[must_use]
    pub fn header(&self) -> Bytes {
        let boxes: Vec<_> = self
            .tracks
            .iter()
            .map(|track| TrackBox { id: track.id, format: &track.format, duration: track.end })
            .collect();
        movie_header(&boxes)
    }

    /// Takes the next frame of a track in decoding order; its bytes are shared, not copied.
    ///
    /// # Errors
    /// The movie has no such track, or more than [`super::MAX_FRAGMENT_BYTES`] wait.
    pub fn push(&mut self, frame: &Frame) -> Result<(), CmafError> {
        let track = self
            .tracks
            .iter_mut()
            .find(|track| track.format.track() == frame.track)
            .ok_or(CmafError::WrongTrack { track: frame.track })?;
        track.queue.push(frame, frame.key || frame.track == Track::Audio)
    }

    /// How long the frames are that [`Self::cut`] would take, of the track that has most, in nanoseconds.
    #[must_use]
    pub fn pending_ns(&self) -> i64 {
        let pending = |track: &MovieTrack| {
            let ticks = i64::try_from(track.queue.complete_ticks()).unwrap_or(i64::MAX);
            to_ns(ticks, track.format.timescale())
        };
        self.tracks.iter().map(pending).max().unwrap_or(0)
    }

    /// Bytes of the frames that wait to be cut.
    #[must_use]
    pub fn pending_bytes(&self) -> usize {
        self.tracks.iter().map(|track| track.queue.bytes()).sum()
    }

    /// Length of the movie so far, waiting frames left out, in nanoseconds.
    #[must_use]
    pub fn duration_ns(&self) -> i64 {
        let end = |track: &MovieTrack| {
            to_ns(i64::try_from(track.end).unwrap_or(i64::MAX), track.format.timescale())
        };
        self.tracks.iter().map(end).max().unwrap_or(0)
    }

    /// Bytes of header and fragments so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Cuts all frames whose duration is known into one fragment.
    pub fn cut(&mut self) -> Option<MovieFragment> {
        let samples: Vec<_> = self.tracks.iter_mut().map(|track| track.queue.take_complete()).collect();
        self.fragment(&samples)
    }

    /// Cuts all frames and closes the movie.
    #[must_use]
    pub fn finish(mut self) -> MovieEnd {
        let samples: Vec<_> = self.tracks.iter_mut().map(|track| track.queue.take_all()).collect();
        let last = self.fragment(&samples);
        let header = Marker::Closed { end: self.bytes }.set(&self.header());
        let duration_ns = self.duration_ns();
        let tracks: Vec<_> = self.tracks.iter().map(MovieTrack::closed).collect();
        MovieEnd { last, tables: ordinary_movie(&tracks), duration_ns, header }
    }

    fn fragment(&mut self, samples: &[Vec<Sample>]) -> Option<MovieFragment> {
        let mut runs = Vec::with_capacity(samples.len());
        let (mut video_frames, mut audio_frames) = (0, 0);
        for (track, samples) in self.tracks.iter_mut().zip(samples) {
            let Some(last) = samples.last() else { continue };
            track.end = last.decode_time + u64::from(last.duration);
            match track.format.track() {
                Track::Video => video_frames += samples.len() as u32,
                Track::Audio => audio_frames += samples.len() as u32,
            }
            runs.push(Run { track_id: track.id, default_flags: default_flags(&track.format), samples });
        }
        if runs.is_empty() {
            return None;
        }
        self.sequence = self.sequence.wrapping_add(1);
        let data = write_fragment(self.sequence, &runs);
        // Their bytes end the fragment, one track after the other.
        let payload: usize = samples.iter().flatten().map(|sample| sample.data.len()).sum();
        let mut position = self.bytes + (data.len() - payload) as u64;
        for (track, samples) in self.tracks.iter_mut().zip(samples) {
            for sample in samples {
                let size = sample.data.len() as u32;
                let (decode_time, offset, key) = (sample.decode_time, sample.offset, sample.key);
                track.places.push(&Placed { decode_time, offset, key, position, size });
                position += u64::from(size);
            }
        }
        self.bytes += data.len() as u64;
        Some(MovieFragment { data, video_frames, audio_frames })
    }
}

impl MovieTrack {
    fn closed(&self) -> ClosedTrack<'_> {
        ClosedTrack { id: self.id, format: &self.format, places: &self.places, end_time: self.end }
    }
}
