//! Writes video and audio into one fragmented MP4, a file that is whole after every fragment.

use bytes::{Bytes, BytesMut};
use mp4_atom::{FragmentInfo, Mfra, Mfro, Tfra};

use super::fragment::{Run, encode, write_fragment};
use super::init::{TrackBox, default_flags, movie_header};
use super::queue::{Sample, SampleQueue};
use super::timeline::to_ns;
use super::{CmafError, TrackFormat};
use crate::{Frame, Track, TrackConfig};

/// A file of a day at a key frame a second has fewer; more are not indexed.
pub(super) const MAX_INDEX_ENTRIES: usize = 100_000;

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
    /// An index of the key frames (`mfra`); to be appended.
    pub index: Bytes,
    /// Length of the movie in nanoseconds.
    pub duration_ns: i64,
    /// To be written over the header: as long as that, now with the durations.
    pub header: Bytes,
}

/// Turns frames of one video and one audio configuration, or of one of them, into a movie file.
///
/// Write [`Self::header`], then each fragment; the file can be played after
/// each of them, whether or not it is ever closed.
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
    index: Vec<FragmentInfo>,
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
            tracks.push(MovieTrack { id, format, queue, end: 0, index: Vec::new() });
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
        let header = self.header();
        let duration_ns = self.duration_ns();
        let index = key_frame_index(self.tracks.into_iter().map(|track| (track.id, track.index)));
        MovieEnd { last, index, duration_ns, header }
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
            let traf_number = runs.len() as u32;
            track.note_key_frames(samples, self.bytes, traf_number);
        }
        if runs.is_empty() {
            return None;
        }
        self.sequence = self.sequence.wrapping_add(1);
        let data = write_fragment(self.sequence, &runs);
        self.bytes += data.len() as u64;
        Some(MovieFragment { data, video_frames, audio_frames })
    }
}

/// The random access index (ISO/IEC 14496-12, 8.8.9), which ends with its own length.
pub(super) fn key_frame_index(tracks: impl Iterator<Item = (u32, Vec<FragmentInfo>)>) -> Bytes {
    let tfra = tracks.map(|(track_id, entries)| Tfra { track_id, entries }).collect();
    let mut mfra = Mfra { tfra, mfro: Mfro::default() };
    let mut out = BytesMut::new();
    encode(&mfra, &mut out);
    mfra.mfro.parent_size = out.len() as u32;
    out.clear();
    encode(&mfra, &mut out);
    out.freeze()
}

impl MovieTrack {
    /// Audio can be entered anywhere: one entry a fragment does.
    fn note_key_frames(&mut self, samples: &[Sample], moof_offset: u64, traf_number: u32) {
        let most = if self.format.track() == Track::Audio { 1 } else { usize::MAX };
        let keys = samples.iter().enumerate().filter(|(_, sample)| sample.key).take(most);
        for (position, sample) in keys {
            if self.index.len() == MAX_INDEX_ENTRIES {
                return;
            }
            self.index.push(FragmentInfo {
                time: sample.decode_time.saturating_add_signed(i64::from(sample.offset)),
                moof_offset,
                traf_number,
                trun_number: 1,
                sample_delta: position as u32 + 1,
            });
        }
    }
}
