//! An item as one ordinary MP4: its segments, read through once, and then any range of the file.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use stagebox_media::cmaf::{InitSection, OneFile, OneFileBuilder, OneFileError, Piece, SegmentScan};
use tokio::sync::OnceCell;

use crate::app::App;
use crate::http::ApiError;
use crate::id::{EventId, RecordingId};
use crate::live::Rendition;
use crate::media::{self, MediaError};
use crate::recording::Track;

/// Files whose tables are kept: a day's takes about 40 MiB.
const MOST: usize = 8;

/// Whose file, and with which pictures.
type Key = (RecordingId, Rendition);

/// A file that is made once.
type Made = Arc<OnceCell<Arc<File>>>;

/// The files that were asked for of late.
#[derive(Clone, Default)]
pub(super) struct Files(Arc<Mutex<HashMap<Key, Made>>>);

/// A recording's file.
pub(super) struct File {
    layout: OneFile,
    event: EventId,
    tracks: Vec<Rendition>,
    /// The segment that was read last of each track.
    last: Mutex<HashMap<usize, (u64, Bytes)>>,
}

impl Files {
    /// The file of a recording with one of its renditions; made once, however many ask for it at a time.
    pub(super) async fn get(
        &self,
        app: &App,
        recording: RecordingId,
        rendition: Option<Rendition>,
    ) -> Result<Arc<File>, ApiError> {
        let missing = || ApiError::not_found("nothing was recorded");
        let manifest = app.live.recordings().manifest(&recording).await?.ok_or_else(missing)?;
        let names: Vec<Rendition> = manifest.tracks.iter().map(|track| track.rendition).collect();
        let wanted = match rendition {
            Some(wanted) if names.contains(&wanted) => wanted,
            Some(_) => {
                let names: Vec<String> = names.iter().map(ToString::to_string).collect();
                return Err(ApiError::field("rendition", format!("must be one of {}", names.join(", "))));
            }
            None => manifest.lead().ok_or_else(missing)?.rendition,
        };
        let place = {
            let mut files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if files.len() >= MOST && !files.contains_key(&(recording, wanted)) {
                files.clear();
            }
            Arc::clone(files.entry((recording, wanted)).or_default())
        };
        let made = place.get_or_try_init(|| async {
            let is_in = |track: &&Track| track.rendition == wanted || track.rendition == Rendition::Audio;
            let tracks: Vec<&Track> = manifest.tracks.iter().filter(is_in).collect();
            File::make(app, manifest.event_id, &tracks).await.map(Arc::new)
        });
        made.await.map(Arc::clone)
    }
}

impl File {
    async fn make(app: &App, event: EventId, tracks: &[&Track]) -> Result<Self, ApiError> {
        let mut builder = OneFileBuilder::new();
        let wrong = |error: OneFileError| ApiError::internal(&error);
        for track in tracks {
            let sections = sections(app, event, track).await?;
            let number = builder.add_track(&sections).map_err(wrong)?;
            for segment in track.segments.iter().filter(|segment| !segment.gap) {
                let path = media::segment_path(&event, track.rendition, segment.msn);
                // One that is gone is a hole, as where nothing came in.
                let Some(data) = app.media.get_anew(&path).await? else { continue };
                let Some(section) = sections.get(&segment.init) else { continue };
                let scan = SegmentScan::of(section, &data).map_err(wrong)?;
                builder.push(number, segment.msn, segment.init, &scan).map_err(wrong)?;
            }
        }
        let layout = builder.finish().map_err(wrong)?;
        let tracks = tracks.iter().map(|track| track.rendition).collect();
        Ok(Self { layout, event, tracks, last: Mutex::default() })
    }

    /// Its length.
    pub(super) fn bytes(&self) -> u64 {
        self.layout.bytes()
    }

    /// Reads some of it; nothing, if a segment has gone.
    pub(super) async fn read(
        &self,
        app: &App,
        range: std::ops::Range<u64>,
    ) -> Result<Option<Bytes>, MediaError> {
        let mut read = BytesMut::new();
        let pieces: Vec<Piece> = self.layout.pieces(range).collect();
        for piece in pieces {
            match piece {
                Piece::Head { from, to } => read.extend_from_slice(&self.layout.head(from..to)),
                Piece::Source { track, source, offset, len } => {
                    let Some(segment) = self.segment(app, track, source).await? else { return Ok(None) };
                    let (Ok(from), Ok(len)) = (usize::try_from(offset), usize::try_from(len)) else {
                        return Ok(None);
                    };
                    let Some(bytes) = segment.get(from..from.saturating_add(len)) else { return Ok(None) };
                    read.extend_from_slice(bytes);
                }
            }
        }
        Ok(Some(read.freeze()))
    }

    async fn segment(&self, app: &App, track: usize, msn: u64) -> Result<Option<Bytes>, MediaError> {
        let known = self.last.lock().unwrap_or_else(PoisonError::into_inner).get(&track).cloned();
        if let Some((_, data)) = known.filter(|(known, _)| *known == msn) {
            return Ok(Some(data));
        }
        let Some(rendition) = self.tracks.get(track) else { return Ok(None) };
        let path = media::segment_path(&self.event, *rendition, msn);
        let Some(data) = app.media.get_anew(&path).await? else { return Ok(None) };
        self.last.lock().unwrap_or_else(PoisonError::into_inner).insert(track, (msn, data.clone()));
        Ok(Some(data))
    }
}

/// The initialisation sections of a track's segments.
async fn sections(app: &App, event: EventId, track: &Track) -> Result<BTreeMap<u32, InitSection>, ApiError> {
    let mut sections = BTreeMap::new();
    for segment in track.segments.iter().filter(|segment| !segment.gap) {
        if sections.contains_key(&segment.init) {
            continue;
        }
        let path = media::init_path(&event, track.rendition, segment.init);
        let Some(data) = app.media.get_anew(&path).await? else { continue };
        let section = InitSection::parse(&data).map_err(|error| ApiError::internal(&error))?;
        sections.insert(segment.init, section);
    }
    Ok(sections)
}
