//! Measures a movie file that was never closed, and gives it what closing would have.

use bytes::Bytes;

use super::boxes::child;
use super::init::{TrackBox, movie_header};
use super::places::{ClosedTrack, Marker, Placed, Places, ordinary_movie};
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
    places: Vec<Places>,
    /// Where the fragments end.
    end: u64,
    video_frames: u64,
    audio_frames: u64,
}

impl MovieScan {
    /// Begins with the file's boxes up to the first fragment, headers included.
    ///
    /// # Errors
    /// They are not what a movie file begins with.
    pub fn new(header: &[u8]) -> Result<Self, CmafError> {
        let header = Marker::Open.set(header);
        let moov = child(&header, b"moov").ok_or(CmafError::MissingBox { kind: *b"moov" })?;
        let tracks = read_tracks(moov)?;
        let formats =
            tracks.iter().map(|track| TrackFormat::parse(&track.config)).collect::<Result<Vec<_>, _>>()?;
        let places = vec![Places::default(); tracks.len()];
        let end = header.len() as u64;
        Ok(Self { header, tracks, formats, places, end, video_frames: 0, audio_frames: 0 })
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
        for sample in &samples {
            let is_video = self.tracks[sample.track].config.track == Track::Video;
            *(if is_video { &mut self.video_frames } else { &mut self.audio_frames }) += 1;
            self.places[sample.track].push(&Placed {
                decode_time: sample.decode_time,
                offset: i32::try_from(sample.offset).unwrap_or(0),
                key: sample.key,
                position: sample.position,
                size: sample.size,
            });
        }
        self.tracks = tracks;
        self.end = data.end;
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
    ///
    /// Where the tables are behind the fragments, it makes the file an ordinary one.
    #[must_use]
    pub fn header(&self, has_tables: bool) -> Option<Bytes> {
        let boxes: Vec<_> = self
            .tracks
            .iter()
            .zip(&self.formats)
            .map(|(track, format)| TrackBox { id: track.id, format, duration: track.next_decode_time })
            .collect();
        let header = movie_header(&boxes);
        let marker = if has_tables { Marker::Closed { end: self.end } } else { Marker::Open };
        (header.len() == self.header.len()).then(|| marker.set(&header))
    }

    /// The tables of an ordinary file (`moov`), to be appended.
    #[must_use]
    pub fn tables(&self) -> Bytes {
        let tracks = self.tracks.iter().zip(&self.formats).zip(&self.places);
        let tracks: Vec<_> = tracks
            .map(|((track, format), places)| {
                let (id, end_time) = (track.id, track.next_decode_time);
                ClosedTrack { id, format, places, end_time }
            })
            .collect();
        ordinary_movie(&tracks)
    }
}
