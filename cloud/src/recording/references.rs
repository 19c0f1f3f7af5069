//! Which of an event's media nobody needs any more once a recording is removed: pure rules.
//!
//! Segments lie where the live event put them, and recordings share them. What another
//! recording reaches over is kept, whatever its list of segments says; initialisation
//! sections are kept for recordings whose list is not written yet.

use std::collections::BTreeSet;

use object_store::path::Path;

use super::{Manifest, Recording};
use crate::live::{Rendition, SEGMENTS_OF_BLOCK};

/// What lies below an event's path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Object {
    Init(Rendition, u32),
    Segment(Rendition, u64),
    /// What is in the segments of a block.
    Scans(u64),
}

impl Object {
    /// Reads `live/<event>/<rendition>/<file>`; none if it is something else.
    fn parse(path: &Path) -> Option<Self> {
        let parts: Vec<_> = path.parts().collect();
        let [_live, _event, rendition, file] = &parts[..] else { return None };
        let rendition = rendition.as_ref().parse().ok()?;
        let file = file.as_ref();
        if let Some(init) = file.strip_prefix("init-").and_then(|rest| rest.strip_suffix(".mp4")) {
            return Some(Self::Init(rendition, init.parse().ok()?));
        }
        if let Some(block) = file.strip_prefix("scans-").and_then(|rest| rest.strip_suffix(".bin")) {
            return Some(Self::Scans(block.parse().ok()?));
        }
        Some(Self::Segment(rendition, file.strip_suffix(".m4s")?.parse().ok()?))
    }
}

/// What a recording that stays needs.
#[derive(Debug)]
pub(super) struct Needs {
    from: u64,
    to: u64,
    /// Absent as long as the list of its segments is not written.
    inits: Option<BTreeSet<(Rendition, u32)>>,
}

impl Needs {
    pub(super) fn of(recording: &Recording, manifest: Option<&Manifest>) -> Self {
        let inits = manifest.map(|manifest| {
            let of_track = |track: &super::Track| {
                let rendition = track.rendition;
                track.segments.iter().map(move |segment| (rendition, segment.init)).collect::<Vec<_>>()
            };
            manifest.tracks.iter().flat_map(of_track).collect()
        });
        Self { from: recording.from_segment, to: recording.to_segment.unwrap_or(u64::MAX), inits }
    }

    fn needs(&self, object: Object) -> bool {
        match object {
            Object::Segment(_, msn) => (self.from..self.to).contains(&msn),
            Object::Scans(block) => {
                let (first, next) = (
                    block.saturating_mul(SEGMENTS_OF_BLOCK),
                    (block.saturating_add(1)).saturating_mul(SEGMENTS_OF_BLOCK),
                );
                first < self.to && next > self.from
            }
            Object::Init(rendition, init) => {
                self.inits.as_ref().is_none_or(|inits| inits.contains(&(rendition, init)))
            }
        }
    }
}

/// Picks what goes with the recording `removed` out of what lies there; `others` are the event's recordings that stay.
///
/// With the last recording goes everything of the event, also what no recording reaches over.
pub(super) fn unneeded(there: Vec<Path>, removed: &Recording, others: &[Needs]) -> Vec<Path> {
    let own = Needs::of(removed, None);
    let goes = |path: &Path| {
        let Some(object) = Object::parse(path) else { return false };
        (others.is_empty() || own.needs(object)) && !others.iter().any(|other| other.needs(object))
    };
    there.into_iter().filter(goes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::EventId;
    use crate::media::{init_path, segment_path};
    use crate::recording::tests::{manifest, recording};

    const SOURCE: Rendition = Rendition::Source;
    const SMALL: Rendition = Rendition::Scaled(360);

    /// Segments 0 to 9 in two renditions, two initialisation sections each, and something strange.
    fn there(event: &EventId) -> Vec<Path> {
        let mut paths = vec![Path::from(format!("live/{event}/notes.txt"))];
        for rendition in [SOURCE, SMALL] {
            paths.extend((0..10).map(|msn| segment_path(event, rendition, msn)));
            paths.extend((0..2).map(|init| init_path(event, rendition, init)));
        }
        paths
    }

    fn msns(paths: &[Path]) -> Vec<u64> {
        let mut msns: Vec<_> = paths
            .iter()
            .filter_map(|path| match Object::parse(path)? {
                Object::Segment(SOURCE, msn) => Some(msn),
                _ => None,
            })
            .collect();
        msns.sort_unstable();
        msns
    }

    #[test]
    fn names_are_read_as_they_are_written() {
        let event = EventId::random();
        assert_eq!(Object::parse(&segment_path(&event, SMALL, 7)), Some(Object::Segment(SMALL, 7)));
        assert_eq!(Object::parse(&init_path(&event, SOURCE, 3)), Some(Object::Init(SOURCE, 3)));
        for strange in ["live/e/source/x.m4s", "live/e/source/init-.mp4", "live/e/loud/1.m4s", "live/e/1.m4s"]
        {
            assert_eq!(Object::parse(&Path::from(strange)), None, "{strange}");
        }
    }

    #[test]
    fn the_last_recording_takes_everything_along() {
        let removed = recording(3, Some(5));
        let gone = unneeded(there(&removed.event_id), &removed, &[]);
        assert_eq!(gone.len(), 24);
        assert!(!gone.iter().any(|path| path.to_string().ends_with("notes.txt")));
    }

    #[test]
    fn what_others_reach_over_stays() {
        let removed = recording(2, Some(8));
        let event = removed.event_id;
        let before = Needs::of(&recording(0, Some(4)), Some(&manifest(event, 0)));
        assert_eq!(msns(&unneeded(there(&event), &removed, &[before])), [4, 5, 6, 7]);
        // One that goes on needs all that comes.
        let running = Needs::of(&recording(6, None), Some(&manifest(event, 0)));
        assert_eq!(msns(&unneeded(there(&event), &removed, &[running])), [2, 3, 4, 5]);
        let same = Needs::of(&recording(2, Some(8)), None);
        assert!(unneeded(there(&event), &removed, &[same]).is_empty());
    }

    #[test]
    fn initialisation_sections_stay_while_somebody_may_need_them() {
        let removed = recording(2, Some(8));
        let event = removed.event_id;
        let inits = |other: Needs| {
            let gone = unneeded(there(&event), &removed, &[other]);
            gone.iter().filter(|path| matches!(Object::parse(path), Some(Object::Init(..)))).count()
        };
        assert_eq!(inits(Needs::of(&recording(8, Some(9)), None)), 0);
        assert_eq!(inits(Needs::of(&recording(8, Some(9)), Some(&manifest(event, 1)))), 3);
    }
}
