//! What there should be: by the recordings' lists and the running events' indexes.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path as FilePath;

use object_store::path::Path;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use super::CheckError;
use crate::account::everyone;
use crate::app::App;
use crate::id::{EventId, RecordingId};
use crate::include;
use crate::live::{Entry, read_index, scans_of, shared_entries};
use crate::media;
use crate::recording::{Manifest, Recording};

/// Why an object should be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Need {
    /// How long it is, where that is known.
    pub(super) bytes: Option<u64>,
    /// A recording's or an event's id.
    pub(super) by: String,
    /// Whether it must be there; what viewers look back to may be gone already.
    pub(super) required: bool,
}

impl Need {
    pub(super) fn differs(&self, bytes: u64) -> bool {
        self.bytes.is_some_and(|wanted| wanted != bytes)
    }
}

/// What one event's objects are needed for.
#[derive(Debug, Default)]
pub(super) struct References {
    pub(super) objects: BTreeMap<Path, Need>,
    /// What may lie beside them.
    pub(super) beside: BTreeSet<Path>,
    pub(super) recordings: u64,
    /// A recording's media are being removed: what nobody needs is gone soon.
    pub(super) removing: bool,
}

impl References {
    pub(super) async fn of(app: &App, event: &EventId) -> Result<Self, CheckError> {
        let mut references = Self::default();
        let recordings = app.live.recordings().of_event(event).await?;
        let directory = app.config.data_dir.join("spool").join(event.to_string());
        let index = spawn_blocking(move || read_index(&directory)).await.map_err(io::Error::other)??;
        references.index(event, &recordings, index);
        if app.cluster.owners().is_shared() {
            references.index(event, &recordings, shared_entries(&app.store, event).await?);
        }
        references.recordings = recordings.len() as u64;
        for recording in &recordings {
            if recording.removed_at.is_some() {
                references.removing = true;
                continue;
            }
            if let Some(manifest) = app.live.recordings().manifest(&recording.id).await? {
                references.manifest(&recording.id, &manifest);
            }
        }
        Ok(references)
    }

    fn index(&mut self, event: &EventId, recordings: &[Recording], index: Vec<Entry>) {
        let held = |msn: u64| {
            let holds = |recording: &&Recording| recording.removed_at.is_none() && recording.keeps(msn);
            recordings.iter().find(holds).map(|recording| recording.id)
        };
        for entry in index {
            let (path, need) = match entry {
                Entry::Target { .. } => continue,
                Entry::Init { rendition, init, .. } => {
                    let need = Need { bytes: None, by: event.to_string(), required: true };
                    (media::init_path(event, rendition, init), need)
                }
                Entry::Segment { segment, .. } if segment.gap => continue,
                Entry::Segment { rendition, segment } => {
                    let holder = held(segment.msn);
                    let by = holder.map_or_else(|| event.to_string(), |id| id.to_string());
                    let need = Need { bytes: Some(segment.bytes), by, required: holder.is_some() };
                    self.beside.insert(scans_of(event, rendition, segment.msn));
                    (media::segment_path(event, rendition, segment.msn), need)
                }
            };
            self.objects.insert(path, need);
        }
    }

    fn manifest(&mut self, recording: &RecordingId, manifest: &Manifest) {
        let event = &manifest.event_id;
        let need = |bytes| Need { bytes, by: recording.to_string(), required: true };
        for track in &manifest.tracks {
            for segment in track.segments.iter().filter(|segment| !segment.gap) {
                let path = media::segment_path(event, track.rendition, segment.msn);
                self.objects.insert(path, need(Some(segment.bytes)));
                self.beside.insert(scans_of(event, track.rendition, segment.msn));
                self.objects.insert(media::init_path(event, track.rendition, segment.init), need(None));
            }
        }
    }
}

/// The events that have recordings.
pub(super) async fn recorded(app: &App, stop: &CancellationToken) -> Result<BTreeSet<EventId>, CheckError> {
    let mut events = BTreeSet::new();
    each_recording(app, stop, |recording| {
        events.insert(recording.event_id);
    })
    .await?;
    Ok(events)
}

/// The events that have files of their own: they run, or ended a moment ago.
pub(super) fn running(spool: &FilePath) -> io::Result<Vec<EventId>> {
    let entries = match std::fs::read_dir(spool) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut events = Vec::new();
    for entry in entries {
        events.extend(entry?.file_name().to_str().and_then(|name| name.parse::<EventId>().ok()));
    }
    Ok(events)
}

/// Whether what needed an object is still there.
pub(super) async fn still(app: &App, need: &Need) -> Result<bool, CheckError> {
    match need.by.parse::<RecordingId>() {
        Ok(recording) => Ok(app.live.recordings().get(&recording).await?.is_some()),
        Err(_) if app.config.data_dir.join("spool").join(&need.by).exists() => Ok(true),
        Err(_) => {
            let event = need.by.parse::<EventId>().ok();
            let unfinished = app.cluster.owners().unfinished().await?;
            Ok(event.is_some_and(|event| unfinished.iter().any(|owner| owner.event == event)))
        }
    }
}

/// Whether a path is that of a recording's list.
pub(super) async fn is_recording(app: &App, path: &Path) -> Result<bool, CheckError> {
    let id = path.filename().and_then(|name| name.strip_suffix(".json"));
    let Some(id) = id.and_then(|id| id.parse::<RecordingId>().ok()) else { return Ok(false) };
    Ok(*path == media::recording_path(&id) && app.live.recordings().get(&id).await?.is_some())
}

/// The lists that recordings with anything in them have, and those that items play.
pub(super) async fn manifests(
    app: &App,
    stop: &CancellationToken,
) -> Result<BTreeMap<Path, Need>, CheckError> {
    let mut needed = BTreeMap::new();
    let need = |by: String| Need { bytes: None, by, required: true };
    each_recording(app, stop, |recording| {
        if recording.duration_ms.is_some() && recording.removed_at.is_none() {
            needed.insert(media::recording_path(&recording.id), need(recording.id.to_string()));
        }
    })
    .await?;
    let mut after = None;
    loop {
        let page = app.items.list(None, after, 200).await?;
        for item in page.items {
            needed.insert(media::recording_path(&item.recording_id), need(item.id.to_string()));
        }
        after = page.next;
        if after.is_none() {
            return Ok(needed);
        }
    }
}

/// The objects of include files.
pub(super) async fn include_files(app: &App) -> Result<BTreeMap<Path, Need>, CheckError> {
    let mut needed = BTreeMap::new();
    for account in everyone::all(&app.store).await? {
        for file in include::all(&app.store, account.number).await? {
            let need = Need { bytes: Some(file.bytes), by: file.name.clone(), required: true };
            needed.insert(file.object(), need);
        }
    }
    Ok(needed)
}

async fn each_recording(
    app: &App,
    stop: &CancellationToken,
    mut act: impl FnMut(Recording),
) -> Result<(), CheckError> {
    let mut after = None;
    loop {
        if stop.is_cancelled() {
            return Err(CheckError::Stopped);
        }
        let page = app.live.recordings().list(None, after, 200).await?;
        page.items.into_iter().for_each(|found| act(found.document));
        after = page.next;
        if after.is_none() {
            return Ok(());
        }
    }
}
