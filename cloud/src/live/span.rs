//! The started span of an event and the recordings that came of such spans.

use std::path::PathBuf;

use tokio::task::spawn_blocking;

use super::spool::{self, Entry};
use crate::cluster::Hold;
use crate::id::EventId;
use crate::media::Worth;
use crate::recording::{Manifest, Recording, RecordingError, Recordings};

/// What of an event is being recorded.
pub(super) struct Span {
    event: EventId,
    recordings: Recordings,
    spool_dir: PathBuf,
    hold: Hold,
    running: Option<Recording>,
    /// What earlier recordings hold, first and end.
    held: Vec<(u64, u64)>,
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
        let earlier = recordings.of_event(&event).await?;
        let held = earlier
            .iter()
            .filter(|recording| recording.removed_at.is_none())
            .filter_map(|recording| Some((recording.from_segment, recording.to_segment?)));
        Ok(Self { event, recordings, spool_dir, hold, running, held: held.collect() })
    }

    pub(super) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// The first segment of the running recording.
    pub(super) fn first_segment(&self) -> Option<u64> {
        self.running.as_ref().map(|recording| recording.from_segment)
    }

    /// Whether a segment belongs to a recording.
    pub(super) fn holds(&self, msn: u64) -> bool {
        self.first_segment().is_some_and(|from| msn >= from)
            || self.held.iter().any(|(from, to)| (*from..*to).contains(&msn))
    }

    /// What a segment is worth when there is no room for all.
    pub(super) fn worth(&self, msn: u64) -> Worth {
        if self.holds(msn) { Worth::Recorded } else { Worth::LookBack }
    }

    pub(super) async fn begin(&mut self, from_segment: u64) {
        match self.recordings.begin(self.event, from_segment, &self.hold).await {
            Ok(recording) => {
                tracing::info!(event = %self.event, recording = %recording.id, from_segment, "a recording begins");
                self.running = Some(recording);
            }
            Err(error) => tracing::error!(event = %self.event, %error, "cannot begin a recording"),
        }
    }

    pub(super) async fn end(&mut self, to_segment: u64) {
        let Some(recording) = self.running.take() else { return };
        tracing::info!(event = %self.event, recording = %recording.id, to_segment, "a recording ends");
        if let Err(error) = self.recordings.end(&recording.id, to_segment, &self.hold).await {
            tracing::error!(event = %self.event, %error, "cannot end a recording");
            self.running = Some(recording);
            return;
        }
        self.held.push((recording.from_segment, to_segment));
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
        let recordings = self.recordings.of_event(&self.event).await?;
        let dir = self.spool_dir.clone();
        let entries = spawn_blocking(move || spool::read_index(&dir)).await;
        let entries = entries.ok().and_then(Result::ok).unwrap_or_default();
        let several = recordings.len() > 1;
        for (number, recording) in (1..).zip(&recordings) {
            let to = recording.to_segment.unwrap_or(u64::MAX);
            let Some(manifest) = Manifest::of(self.event, entries.clone(), recording.from_segment, to) else {
                continue;
            };
            let title = if several { format!("{title} ({number})") } else { title.to_owned() };
            self.recordings.make_item(&recording.id, &title, &manifest, &self.hold).await?;
        }
        for entry in entries {
            if let Entry::Segment { rendition, segment } = entry
                && !self.holds(segment.msn)
                && !segment.gap
            {
                self.recordings.forget_segment(&self.event, rendition, segment.msn).await?;
            }
        }
        Ok(())
    }
}
