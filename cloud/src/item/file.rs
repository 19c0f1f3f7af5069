//! An item as one ordinary MP4, laid out by what was noted of its segments, and then any range of the file.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use stagebox_media::cmaf::{InitSection, OneFile, OneFileBuilder, OneFileError, Piece, SegmentScan};
use tokio::sync::{OnceCell, Semaphore};
use tokio::task::spawn_blocking;

use crate::app::App;
use crate::http::ApiError;
use crate::id::{EventId, RecordingId};
use crate::live::{Block, Rendition, SEGMENTS_OF_BLOCK, Segment, scans_of};
use crate::media::{self, MediaError};
use crate::recording::{Track, Trim};

use super::Item;

/// Files whose tables are kept: a day's takes about 40 MiB.
const MOST: usize = 8;
/// Items that are laid out at a time.
const AT_A_TIME: usize = 2;

/// Whose file, what of it, and with which pictures.
type Key = (RecordingId, Trim, Rendition);
/// A file that is made once.
type Made = Arc<OnceCell<Arc<File>>>;

/// The files that were asked for last.
#[derive(Clone)]
pub(super) struct Files(Arc<Inner>);

struct Inner {
    kept: Mutex<Kept>,
    making: Semaphore,
    /// Events of which something has gone: what was noted of their segments is not relied on.
    doubtful: Mutex<HashSet<EventId>>,
}

#[derive(Default)]
struct Kept {
    /// With when they were asked for, as [`Kept::asked`] counts.
    files: HashMap<Key, (u64, Made)>,
    asked: u64,
}

/// A recording's file.
pub(super) struct File {
    layout: OneFile,
    event: EventId,
    tracks: Vec<Rendition>,
    /// Which recording it is, with which pictures.
    key: Key,
}

/// Somebody who reads a file.
pub(super) struct Reader {
    file: Arc<File>,
    /// The segment that was read last of each track.
    last: Mutex<HashMap<usize, (u64, Bytes)>>,
}

impl Default for Files {
    fn default() -> Self {
        Self(Arc::new(Inner {
            kept: Mutex::default(),
            making: Semaphore::new(AT_A_TIME),
            doubtful: Mutex::default(),
        }))
    }
}

impl Kept {
    /// The file's place; that of the one which nobody has asked for for longest goes for it.
    fn place(&mut self, key: Key) -> Made {
        self.asked += 1;
        if self.files.len() >= MOST && !self.files.contains_key(&key) {
            let oldest = self.files.iter().min_by_key(|(_, (asked, _))| *asked).map(|(key, _)| *key);
            self.files.retain(|key, _| Some(*key) != oldest);
        }
        let (asked, made) = self.files.entry(key).or_default();
        *asked = self.asked;
        Arc::clone(made)
    }
}

impl Files {
    /// The file of an item with one of its renditions; made once, however many ask for it at a time, and to its
    /// end, whoever goes away meanwhile.
    pub(super) async fn get(
        &self,
        app: &App,
        item: &Item,
        rendition: Option<Rendition>,
    ) -> Result<Arc<File>, ApiError> {
        let missing = || ApiError::not_found("nothing was recorded");
        let whole = app.live.recordings().manifest(&item.recording_id).await?;
        let manifest = whole.and_then(|whole| whole.trimmed(item.trim())).ok_or_else(missing)?;
        let names: Vec<Rendition> = manifest.tracks.iter().map(|track| track.rendition).collect();
        let wanted = match rendition {
            Some(wanted) if names.contains(&wanted) => wanted,
            Some(_) => {
                let names: Vec<String> = names.iter().map(ToString::to_string).collect();
                return Err(ApiError::field("rendition", format!("must be one of {}", names.join(", "))));
            }
            None => manifest.lead().ok_or_else(missing)?.rendition,
        };
        let key = (item.recording_id, item.trim(), wanted);
        let made = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner).place(key);
        let (app, inner, event) = (app.clone(), Arc::clone(&self.0), manifest.event_id);
        let task = tokio::spawn(async move {
            let make = async || {
                let _turn = inner.making.acquire().await.map_err(|error| ApiError::internal(&error))?;
                let is_in = |track: &&Track| track.rendition == wanted || !track.rendition.is_video();
                let mut tracks: Vec<&Track> = manifest.tracks.iter().filter(is_in).collect();
                // The pictures first: they decide what is cut out.
                tracks.sort_by_key(|track| !track.rendition.is_video());
                let is_doubtful =
                    inner.doubtful.lock().unwrap_or_else(PoisonError::into_inner).contains(&event);
                File::make(&app, key, event, &tracks, is_doubtful).await.map(Arc::new)
            };
            made.get_or_try_init(make).await.map(Arc::clone)
        });
        task.await.unwrap_or_else(|error| Err(ApiError::internal(&error)))
    }

    /// Forgets a file of which something has gone: the next one is made without it.
    pub(super) fn forget(&self, file: &File) {
        self.0.doubtful.lock().unwrap_or_else(PoisonError::into_inner).insert(file.event);
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner).files.remove(&file.key);
    }
}

/// What was left out of a recording, by the number of the segment after it: microseconds so far.
#[derive(Default)]
struct Cuts(BTreeMap<u64, u64>);

impl Cuts {
    fn before(&self, msn: u64) -> u64 {
        self.0.range(..=msn).next_back().map_or(0, |(_, us)| *us)
    }

    /// Notes that the lead's picture goes on at `start_us` where it ended at `end_us`, with other segments left out.
    fn cut(&mut self, msn: u64, start_us: u64, end_us: u64) {
        let so_far = self.before(msn);
        self.0.insert(msn, so_far + start_us.saturating_sub(end_us));
    }
}

impl File {
    /// Lays the file out; of a doubtful event each segment is read, so that one which has gone is noticed.
    async fn make(
        app: &App,
        key: Key,
        event: EventId,
        tracks: &[&Track],
        is_doubtful: bool,
    ) -> Result<Self, ApiError> {
        let mut builder = OneFileBuilder::new();
        let wrong = |error: OneFileError| ApiError::internal(&error);
        let mut cuts = Cuts::default();
        for (place, track) in tracks.iter().enumerate() {
            let sections = sections(app, event, track).await?;
            let number = builder.add_track(&sections).map_err(wrong)?;
            let mut last: Option<(u64, u64)> = None;
            let mut notes = Notes { app, event, rendition: track.rendition, is_doubtful, block: None };
            for segment in track.segments.iter().filter(|segment| !segment.gap) {
                let Some(section) = sections.get(&segment.init) else { continue };
                // One that is gone is a hole, as where nothing came in.
                let Some(scan) = notes.scan(segment, section).await? else { continue };
                let us = |ticks: u64| us_of(ticks, section.timescale());
                let start_us = us(scan.start_ticks());
                if let Some((msn, end_us)) = last.filter(|_| place == 0)
                    && segment.discontinuity
                    && segment.msn != msn + 1
                {
                    cuts.cut(segment.msn, start_us, end_us);
                }
                last = Some((segment.msn, us(scan.start_ticks() + scan.duration_ticks())));
                let earlier_us = cuts.before(segment.msn);
                builder.push_earlier(number, segment.msn, segment.init, &scan, earlier_us).map_err(wrong)?;
            }
        }
        // A day's takes some hundred milliseconds.
        let laid_out = spawn_blocking(move || builder.finish()).await;
        let layout = laid_out.map_err(|error| ApiError::internal(&error))?.map_err(wrong)?;
        let tracks = tracks.iter().map(|track| track.rendition).collect();
        Ok(Self { layout, event, tracks, key })
    }

    /// Its length.
    pub(super) fn bytes(&self) -> u64 {
        self.layout.bytes()
    }

    /// What tells it from others, and from itself once something of it has gone.
    pub(super) fn etag(&self) -> String {
        let (recording, trim, rendition) = self.key;
        let (from_ms, to_ms) = (trim.from_ms.unwrap_or(0), trim.to_ms.unwrap_or(0));
        format!("\"{recording}-{rendition}-{from_ms}-{to_ms}-{}\"", self.bytes())
    }
}

/// What was noted of one track's segments when they were made.
struct Notes<'a> {
    app: &'a App,
    event: EventId,
    rendition: Rendition,
    is_doubtful: bool,
    /// The block that was read last, and its number.
    block: Option<(u64, Block)>,
}

impl Notes<'_> {
    /// What is in a segment, as it was noted or else as it is read; `None` if it has gone.
    async fn scan(
        &mut self,
        segment: &Segment,
        section: &InitSection,
    ) -> Result<Option<SegmentScan>, ApiError> {
        if !self.is_doubtful {
            let number = segment.msn / SEGMENTS_OF_BLOCK;
            if self.block.as_ref().is_none_or(|(known, _)| *known != number) {
                let path = scans_of(&self.event, self.rendition, segment.msn);
                // Notes that cannot be read are none.
                let noted = self.app.media.get_anew(&path).await.ok().flatten();
                self.block = Some((number, noted.map_or_else(Block::default, Block::read)));
            }
            if let Some(scan) = self.block.as_ref().and_then(|(_, block)| block.scan(segment)) {
                return Ok(Some(scan.clone()));
            }
        }
        let path = media::segment_path(&self.event, self.rendition, segment.msn);
        let Some(data) = self.app.media.get_anew(&path).await? else { return Ok(None) };
        SegmentScan::of(section, &data).map(Some).map_err(|error| ApiError::internal(&error))
    }
}

impl Reader {
    pub(super) fn of(file: Arc<File>) -> Self {
        Self { file, last: Mutex::default() }
    }

    /// Reads some of it; nothing, if a segment has gone.
    pub(super) async fn read(&self, app: &App, range: Range<u64>) -> Result<Option<Bytes>, MediaError> {
        let mut read = BytesMut::new();
        let pieces: Vec<Piece> = self.file.layout.pieces(range).collect();
        for piece in pieces {
            match piece {
                Piece::Head { from, to } => read.extend_from_slice(&self.file.layout.head(from..to)),
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
        let Some(rendition) = self.file.tracks.get(track) else { return Ok(None) };
        let path = media::segment_path(&self.file.event, *rendition, msn);
        let Some(data) = app.media.get_anew(&path).await? else { return Ok(None) };
        self.last.lock().unwrap_or_else(PoisonError::into_inner).insert(track, (msn, data.clone()));
        Ok(Some(data))
    }
}

fn us_of(ticks: u64, timescale: u32) -> u64 {
    let us = u128::from(ticks) * 1_000_000 / u128::from(timescale.max(1));
    u64::try_from(us).unwrap_or(u64::MAX)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u8) -> Key {
        (RecordingId::from_random([number; 16]), Trim::default(), Rendition::Source)
    }

    #[test]
    fn what_was_asked_for_last_is_kept() {
        let mut kept = Kept::default();
        let first = kept.place(key(0));
        for number in 1..20 {
            kept.place(key(number));
            assert!(Arc::ptr_eq(&first, &kept.place(key(0))), "it is asked for all the time");
            assert!(kept.files.len() <= MOST);
        }
    }

    #[test]
    fn cuts_add_up() {
        let mut cuts = Cuts::default();
        cuts.cut(10, 36_000, 20);
        cuts.cut(20, 90_000, 40_000);
        assert_eq!([9, 10, 19, 20, 99].map(|msn| cuts.before(msn)), [0, 35_980, 35_980, 85_980, 85_980]);
    }
}
