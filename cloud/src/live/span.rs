//! What of an event is being recorded, and the recordings that came of it.

use std::collections::BTreeSet;
use std::path::PathBuf;

use tokio::task::spawn_blocking;

use super::scans::scans_of;
use super::spool::{self, Entry};
use crate::clock::Timestamp;
use crate::cluster::Hold;
use crate::id::EventId;
use crate::media::{self, Worth};
use crate::recording::{Conversion, Manifest, Pause, Recording, RecordingError, RecordingKind, Recordings};

/// What of an event is being recorded.
pub(super) struct Span {
    event: EventId,
    recordings: Recordings,
    spool_dir: PathBuf,
    hold: Hold,
    running: Option<Recording>,
    /// What else was recorded of the event.
    earlier: Vec<Recording>,
    /// The newest segment that was told of: renditions do not close theirs in one order.
    newest: Option<u64>,
}

impl Span {
    /// Takes up what went on before a restart.
    pub(super) async fn open(
        event: EventId,
        recordings: Recordings,
        spool_dir: PathBuf,
        hold: Hold,
    ) -> Result<Self, RecordingError> {
        let running = recordings.running(&event).await?;
        let mut earlier = recordings.of_event(&event).await?;
        earlier.retain(|recording| recording.removed_at.is_none() && recording.to_segment.is_some());
        Ok(Self { event, recordings, spool_dir, hold, running, earlier, newest: None })
    }

    pub(super) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// The first segment of the running recording that viewers may see.
    pub(super) fn first_shown(&self) -> Option<u64> {
        self.running.as_ref().and_then(Recording::first_shown)
    }

    /// Whether what runs goes on whatever the event's status is, until it has ended.
    pub(super) fn is_dvr(&self) -> bool {
        self.running.as_ref().is_some_and(|recording| recording.kind == RecordingKind::Dvr)
    }

    /// When what runs began.
    pub(super) fn began_at(&self) -> Option<Timestamp> {
        self.running.as_ref().map(|recording| recording.started_at)
    }

    /// Has viewers see a DVR from a segment on, or nothing of it.
    pub(super) async fn show(&mut self, from: Option<u64>) {
        let Some(running) = self.running.as_ref().filter(|running| running.kind == RecordingKind::Dvr) else {
            return;
        };
        if running.shown_from == from || self.hold.is_lost() {
            return;
        }
        match self.recordings.show(running, from, &self.hold).await {
            Ok(changed) => self.running = Some(changed),
            Err(error) => tracing::error!(event = %self.event, %error, "cannot note what viewers may see"),
        }
    }

    /// Whether a segment belongs to a recording.
    pub(super) fn holds(&self, msn: u64) -> bool {
        self.running.iter().chain(&self.earlier).any(|recording| recording.keeps(msn))
    }

    /// What a segment is worth when there is no room for all.
    pub(super) fn worth(&self, msn: u64) -> Worth {
        if self.holds(msn) { Worth::Recorded } else { Worth::LookBack }
    }

    pub(super) async fn begin(&mut self, from_segment: u64, kind: RecordingKind) {
        match self.recordings.begin(self.event, from_segment, kind, &self.hold).await {
            Ok(recording) => {
                tracing::info!(event = %self.event, recording = %recording.id, from_segment, "a recording begins");
                self.running = Some(recording);
            }
            Err(error) => tracing::error!(event = %self.event, %error, "cannot begin a recording"),
        }
    }

    pub(super) async fn end(&mut self, to_segment: u64) {
        let Some(mut recording) = self.running.take() else { return };
        tracing::info!(event = %self.event, recording = %recording.id, to_segment, "a recording ends");
        if let Err(error) = self.recordings.end(&recording.id, to_segment, &self.hold).await {
            tracing::error!(event = %self.event, %error, "cannot end a recording");
            self.running = Some(recording);
            return;
        }
        recording.to_segment = Some(to_segment);
        self.earlier.push(recording);
    }

    /// Why nothing is recorded just now.
    pub(super) fn pause(&self) -> Option<Pause> {
        self.running.as_ref()?.open_gap().map(|gap| gap.reason)
    }

    /// Has the running recording leave out what comes from the segment `msn` on, or take it in again; whether that is new.
    pub(super) async fn set_pause(&mut self, pause: Option<Pause>, msn: u64) -> bool {
        let next = self.newest.map_or(msn, |newest| msn.max(newest + 1));
        self.newest = self.newest.max(Some(msn));
        let Some(running) = &self.running else { return false };
        if self.pause() == pause || self.hold.is_lost() {
            return false;
        }
        match self.recordings.pause(running, pause, next, &self.hold).await {
            Ok(changed) => {
                let reason = pause.map(|pause| pause.to_string());
                tracing::warn!(event = %self.event, recording = %changed.id, next, reason, "what is recorded changes");
                self.running = Some(changed);
                true
            }
            Err(error) => {
                tracing::error!(event = %self.event, %error, "cannot note that a recording has a gap");
                false
            }
        }
    }

    /// Makes an item of each of the event's recordings that has anything in it.
    ///
    /// The spool is removed afterwards; while it is there, the next start tries again.
    ///
    /// Returns whether they are made.
    pub(super) async fn make_items(&self, title: &str) -> bool {
        if let Err(error) = self.try_make_items(title).await {
            tracing::error!(event = %self.event, %error, "cannot make items of an event's recordings");
            return false;
        }
        let dir = self.spool_dir.clone();
        if let Ok(Err(error)) = spawn_blocking(move || std::fs::remove_dir_all(dir)).await {
            tracing::warn!(event = %self.event, %error, "cannot remove an ended event's spool");
        }
        true
    }

    async fn try_make_items(&self, title: &str) -> Result<(), RecordingError> {
        let mut recordings = self.recordings.of_event(&self.event).await?;
        let conversion = match recordings.first() {
            Some(recording) => self.recordings.conversion(recording.account).await?,
            None => Conversion::Each,
        };
        if conversion == Conversion::Joined {
            self.recordings.join(&self.event, &self.hold).await?;
            recordings = self.recordings.of_event(&self.event).await?;
        }
        let dir = self.spool_dir.clone();
        let entries = spawn_blocking(move || spool::read_index(&dir)).await;
        let entries = entries.ok().and_then(Result::ok).unwrap_or_default();
        let several = recordings.len() > 1;
        for (number, recording) in (1..).zip(&recordings) {
            let Some(manifest) = Manifest::of(recording, entries.clone()) else { continue };
            let title = match &recording.name {
                Some(name) => name.clone(),
                None if several => format!("{title} ({number})"),
                None => title.to_owned(),
            };
            let title = Some(title.as_str()).filter(|_| conversion != Conversion::Off);
            self.recordings.make_item(&recording.id, title, &manifest, &self.hold).await?;
        }
        // What is in segments is told by blocks: one of which no segment is held goes along.
        let (mut held, mut blocks) = (BTreeSet::new(), BTreeSet::new());
        for entry in entries {
            let Entry::Segment { rendition, segment } = entry else { continue };
            let block = scans_of(&self.event, rendition, segment.msn);
            if self.holds(segment.msn) {
                held.insert(block);
            } else {
                blocks.insert(block);
                if !segment.gap {
                    let path = media::segment_path(&self.event, rendition, segment.msn);
                    self.recordings.forget_media(&path).await?;
                }
            }
        }
        for block in blocks.difference(&held) {
            self.recordings.forget_media(block).await?;
        }
        Ok(())
    }
}
