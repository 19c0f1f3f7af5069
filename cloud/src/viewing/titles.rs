//! What is being watched on demand: each recording's list read once, its playlists rendered once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::http::Text;
use crate::id::{EventId, RecordingId};
use crate::item::Item;
use crate::live::{MediaPlaylist, PlaylistKind, Rates, Rendition, Segment, master};
use crate::recording::{Manifest, RecordingError, Recordings, Track, Trim};

/// Recordings kept at a time.
const MAX_KEPT: usize = 64;

/// A recording, and what of it is played.
type Part = (RecordingId, Trim);

/// A recording, ready to be played.
#[derive(Debug)]
pub(crate) struct Title {
    pub(super) event_id: EventId,
    master: Option<Text>,
    plain_master: Option<Text>,
    tracks: HashMap<Rendition, PlayedTrack>,
}

#[derive(Debug)]
struct PlayedTrack {
    playlist: Text,
    /// Of pictures that decoding can begin with; absent where that was not noted.
    iframes: Option<Text>,
    /// Numbers and lengths of the segments that can be fetched, rising.
    segments: Vec<(u64, u64)>,
    inits: Vec<u32>,
}

impl Title {
    fn new(manifest: &Manifest) -> Self {
        // Whole segments are all there is, so the two forms differ only in what the links say.
        let tracks = manifest.tracks.iter().map(|track| {
            let segments = track.segments.iter().filter(|segment| !segment.gap);
            (track.rendition, &track.description, Rates::of(segments))
        });
        Self {
            event_id: manifest.event_id,
            master: master(&tracks, false).map(Text::new),
            plain_master: master(&tracks, true).map(Text::new),
            tracks: manifest.tracks.iter().map(|track| (track.rendition, played(manifest, track))).collect(),
        }
    }

    pub(super) fn master(&self, plain: bool) -> Option<Text> {
        if plain { self.plain_master.clone() } else { self.master.clone() }
    }

    pub(super) fn playlist(&self, rendition: Rendition) -> Option<Text> {
        self.tracks.get(&rendition).map(|track| track.playlist.clone())
    }

    pub(super) fn iframes(&self, rendition: Rendition) -> Option<Text> {
        self.tracks.get(&rendition)?.iframes.clone()
    }

    /// The length of a segment that belongs to the recording: others of the same event are not for its viewers.
    pub(super) fn segment_length(&self, rendition: Rendition, msn: u64) -> Option<u64> {
        let segments = &self.tracks.get(&rendition)?.segments;
        let place = segments.binary_search_by_key(&msn, |(number, _)| *number).ok()?;
        segments.get(place).map(|(_, length)| *length)
    }

    pub(super) fn has_init(&self, rendition: Rendition, init: u32) -> bool {
        self.tracks.get(&rendition).is_some_and(|track| track.inits.contains(&init))
    }
}

fn played(manifest: &Manifest, track: &Track) -> PlayedTrack {
    let all: Vec<&Segment> = track.segments.iter().collect();
    let playlist = MediaPlaylist {
        target_duration_s: manifest.target_duration_s,
        discontinuity_sequence: 0,
        first_msn: all.first().map_or(0, |first| first.msn),
        lead: None,
        segments: &all,
        low_latency: None,
        kind: PlaylistKind::OnDemand,
    };
    let there = all.iter().filter(|segment| !segment.gap);
    let mut inits: Vec<u32> = there.clone().map(|segment| segment.init).collect();
    inits.dedup();
    PlayedTrack {
        playlist: Text::new(playlist.render()),
        iframes: all
            .iter()
            .any(|segment| segment.key_bytes.is_some())
            .then(|| Text::new(playlist.render_iframes())),
        segments: there.map(|segment| (segment.msn, segment.bytes)).collect(),
        inits,
    }
}

/// The recordings that are being watched.
#[derive(Debug, Default)]
pub(crate) struct Titles(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    titles: HashMap<Part, (Arc<Title>, u64)>,
    /// Counts uses, so that the least recent one can be found.
    clock: u64,
}

impl Titles {
    /// An item's title; `None` if nothing was recorded.
    pub(super) async fn get(
        &self,
        recordings: &Recordings,
        item: &Item,
    ) -> Result<Option<Arc<Title>>, RecordingError> {
        let part = (item.recording_id, item.trim());
        if let Some(found) = self.lock().find(part) {
            return Ok(Some(found));
        }
        let whole = recordings.manifest(&item.recording_id).await?;
        let Some(manifest) = whole.and_then(|whole| whole.trimmed(item.trim())) else { return Ok(None) };
        let title = Arc::new(Title::new(&manifest));
        self.lock().insert(part, Arc::clone(&title));
        Ok(Some(title))
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn find(&mut self, part: Part) -> Option<Arc<Title>> {
        self.clock += 1;
        let (title, used) = self.titles.get_mut(&part)?;
        *used = self.clock;
        Some(Arc::clone(title))
    }

    fn insert(&mut self, part: Part, title: Arc<Title>) {
        self.clock += 1;
        self.titles.insert(part, (title, self.clock));
        if self.titles.len() > MAX_KEPT {
            let oldest = self.titles.iter().min_by_key(|(_, (_, used))| *used).map(|(part, _)| *part);
            self.titles.retain(|part, _| Some(*part) != oldest);
        }
    }
}
