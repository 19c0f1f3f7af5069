//! What a recording plays: the list of its segments, kept beside them in the media store.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Recording;
use crate::id::EventId;
use crate::live::{Description, Entry, Rendition, Segment, align};

/// One track of a recording.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Track {
    pub(crate) rendition: Rendition,
    pub(crate) description: Description,
    pub(crate) segments: Vec<Segment>,
}

/// A recording's segments, which lie where the live event put them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    pub(crate) event_id: EventId,
    pub(crate) target_duration_s: u64,
    pub(crate) tracks: Vec<Track>,
}

impl Manifest {
    /// Picks the segments of a recording out of its event's index; `None` if nothing was received.
    pub(crate) fn of(recording: &Recording, entries: Vec<Entry>) -> Option<Self> {
        let event_id = recording.event_id;
        let (from, to) = (recording.from_segment, recording.to_segment.unwrap_or(u64::MAX));
        let mut target_duration_s = 1;
        let mut descriptions = BTreeMap::new();
        let mut lanes: BTreeMap<Rendition, Vec<Segment>> = BTreeMap::new();
        for entry in entries {
            match entry {
                Entry::Target { target_duration_s: target } => target_duration_s = target,
                Entry::Init { rendition, init, description, .. } => {
                    descriptions.insert((rendition, init), description);
                }
                Entry::Segment { rendition, segment } if (from..to).contains(&segment.msn) => {
                    lanes.entry(rendition).or_default().push(segment);
                }
                Entry::Segment { .. } => {}
            }
        }
        lanes.retain(|_, segments| segments.iter().any(|segment| !segment.gap));
        align(&mut lanes);
        leave_out(recording, &mut lanes);
        let tracks: Vec<Track> = lanes
            .into_iter()
            .filter_map(|(rendition, segments)| {
                let init = segments.iter().rev().find(|segment| !segment.gap)?.init;
                let description = descriptions.get(&(rendition, init))?.clone();
                Some(Track { rendition, description, segments })
            })
            .collect();
        (!tracks.is_empty()).then_some(Self { event_id, target_duration_s, tracks })
    }

    /// The track that decides how long the recording is.
    pub(crate) fn lead(&self) -> Option<&Track> {
        self.tracks.iter().find(|track| track.rendition == Rendition::Source).or(self.tracks.first())
    }

    pub(crate) fn duration_ms(&self) -> u64 {
        let segments = self.lead().map_or(&[][..], |track| &track.segments);
        segments.iter().map(|segment| segment.duration_us).sum::<u64>() / 1000
    }
}

/// Takes out what was not recorded; what comes after it does not continue what was before.
fn leave_out(recording: &Recording, lanes: &mut BTreeMap<Rendition, Vec<Segment>>) {
    if recording.gaps.is_empty() {
        return;
    }
    for segments in lanes.values_mut() {
        segments.retain(|segment| recording.keeps(segment.msn));
        let mut last = segments.first().map_or(0, |first| first.msn);
        for segment in segments.iter_mut().skip(1) {
            segment.discontinuity |= segment.msn != last + 1;
            last = segment.msn;
        }
    }
    lanes.retain(|_, segments| segments.iter().any(|segment| !segment.gap));
}
