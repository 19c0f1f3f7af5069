//! Measures a movie file that was never closed, and gives it what closing would have.

use bytes::Bytes;
use mp4_atom::FragmentInfo;

use super::boxes::child;
use super::init::{TrackBox, movie_header};
use super::movie::{MAX_INDEX_ENTRIES, key_frame_index};
use super::reader::fragments::read_fragment;
use super::reader::tracks::{ReadTrack, read_tracks};
use super::timeline::to_ns;
use super::{CmafError, TrackFormat};
use crate::{Track, TrackConfig};

/// Reads the headers of a file that [`super::MovieWriter`] wrote, without its media data.
///
/// Whoever owns the file walks through its boxes and gives `ftyp` with `moov`,
/// then each `moof` that has its whole `mdat` behind it.
#[derive(Debug)]
pub struct MovieScan {
    header: Bytes,
    tracks: Vec<ReadTrack>,
    formats: Vec<TrackFormat>,
    index: Vec<Vec<FragmentInfo>>,
    video_frames: u64,
    audio_frames: u64,
}

impl MovieScan {
    /// Begins with the file's first two boxes, headers included.
    ///
    /// # Errors
    /// They are not what a movie file begins with.
    pub fn new(header: Bytes) -> Result<Self, CmafError> {
        let moov = child(&header, b"moov").ok_or(CmafError::MissingBox { kind: *b"moov" })?;
        let tracks = read_tracks(moov)?;
        let formats =
            tracks.iter().map(|track| TrackFormat::parse(&track.config)).collect::<Result<Vec<_>, _>>()?;
        let index = vec![Vec::new(); tracks.len()];
        Ok(Self { header, tracks, formats, index, video_frames: 0, audio_frames: 0 })
    }

    /// Takes the next fragment: its `moof` box at `offset` of the file, and the bytes of its `mdat` box.
    ///
    /// # Errors
    /// It is no fragment of this movie, or samples of it lie elsewhere; it is not counted then.
    pub fn fragment(&mut self, moof: &[u8], offset: u64, mdat_bytes: u64) -> Result<(), CmafError> {
        let body = moof.get(8..).unwrap_or_default();
        let mut tracks = self.tracks.clone();
        let samples = read_fragment(body, offset, &mut tracks)?;
        let data =
            offset + moof.len() as u64..offset.saturating_add(moof.len() as u64).saturating_add(mdat_bytes);
        let inside = |position: u64, size: u32| {
            position >= data.start && position.saturating_add(u64::from(size)) <= data.end
        };
        if samples.is_empty() || !samples.iter().all(|sample| inside(sample.position, sample.size)) {
            return Err(CmafError::SampleOutOfBounds);
        }
        let mut place = (usize::MAX, 0, 0);
        for sample in &samples {
            let (track, traf_number, sample_number) = place;
            place = if track == sample.track {
                (track, traf_number, sample_number + 1)
            } else {
                (sample.track, traf_number + 1, 1)
            };
            let is_video = self.tracks[sample.track].config.track == Track::Video;
            *(if is_video { &mut self.video_frames } else { &mut self.audio_frames }) += 1;
            let entries = &mut self.index[sample.track];
            if sample.key && (is_video || place.2 == 1) && entries.len() < MAX_INDEX_ENTRIES {
                entries.push(FragmentInfo {
                    time: sample.decode_time.saturating_add_signed(sample.offset),
                    moof_offset: offset,
                    traf_number: place.1,
                    trun_number: 1,
                    sample_delta: place.2,
                });
            }
        }
        self.tracks = tracks;
        Ok(())
    }

    #[must_use]
    pub fn video_frames(&self) -> u64 {
        self.video_frames
    }

    #[must_use]
    pub fn audio_frames(&self) -> u64 {
        self.audio_frames
    }

    /// Length of the movie so far in nanoseconds.
    #[must_use]
    pub fn duration_ns(&self) -> i64 {
        let end = |track: &ReadTrack| {
            to_ns(i64::try_from(track.next_decode_time).unwrap_or(i64::MAX), track.timescale)
        };
        self.tracks.iter().map(end).max().unwrap_or(0)
    }

    /// The tracks' configurations.
    pub fn configs(&self) -> impl Iterator<Item = &TrackConfig> {
        self.tracks.iter().map(|track| &track.config)
    }

    /// The header with the durations, as long as the one there is; `None` if that is not of this crate's making.
    #[must_use]
    pub fn header(&self) -> Option<Bytes> {
        let boxes: Vec<_> = self
            .tracks
            .iter()
            .zip(&self.formats)
            .map(|(track, format)| TrackBox { id: track.id, format, duration: track.next_decode_time })
            .collect();
        let header = movie_header(&boxes);
        (header.len() == self.header.len()).then_some(header)
    }

    /// The index of the key frames (`mfra`), to be appended.
    #[must_use]
    pub fn index(&self) -> Bytes {
        key_frame_index(self.tracks.iter().map(|track| track.id).zip(self.index.iter().cloned()))
    }
}
