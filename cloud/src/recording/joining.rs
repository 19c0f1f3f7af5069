//! What becomes of an event's recordings when it ends, and several of them made one.

use super::{Gap, Pause, Recording, RecordingError, RecordingKind, Recordings};
use crate::cluster::Hold;
use crate::id::EventId;
use crate::settings;
use crate::store::{Account, StoreError};

/// What becomes of an event's recordings when it ends, as the account's `auto_convert` has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Conversion {
    /// An item of each.
    Each,
    /// One item of all.
    Joined,
    /// Nothing, until somebody makes an item of one.
    Off,
}

impl Recordings {
    /// What becomes of an account's recordings.
    pub(crate) async fn conversion(&self, account: Account) -> Result<Conversion, StoreError> {
        let settings = settings::of(self.store(), account).await?;
        Ok(match settings.auto_convert.as_str() {
            "joined" => Conversion::Joined,
            "off" => Conversion::Off,
            _ => Conversion::Each,
        })
    }

    /// Makes an ended event's recordings one that leaves out what was between them.
    ///
    /// Nothing is done where an item was made of one of them already, or where it is a DVR.
    pub(crate) async fn join(&self, event: &EventId, hold: &Hold) -> Result<(), RecordingError> {
        let mut there = Vec::new();
        for recording in self.of_event(event).await? {
            if recording.removed_at.is_some() {
                continue;
            }
            if self.items().for_recording(&recording.id).await?.is_some() {
                return Ok(());
            }
            let Some(found) = self.get(&recording.id).await? else { continue };
            there.push(found);
        }
        let documents: Vec<&Recording> = there.iter().map(|found| &found.document).collect();
        let (Some(joined), Some((first, others))) = (joined(&documents), there.split_first()) else {
            return Ok(());
        };
        // Off the event's list first: what is left there would be found nowhere.
        for other in others {
            self.events().remove_recording(event, other.document.id).await?;
        }
        let mut batch = self.store().batch().update(first, &joined);
        for other in others {
            batch = batch.delete(other);
        }
        hold.commit(batch).await?;
        tracing::info!(%event, recording = %joined.id, of = there.len(), "the event's recordings are one");
        Ok(())
    }
}

/// One of several recordings, the oldest first; none if there is nothing to join.
fn joined(recordings: &[&Recording]) -> Option<Recording> {
    let [first, others @ ..] = recordings else { return None };
    let is_span = |one: &Recording| one.kind == RecordingKind::Recording && one.to_segment.is_some();
    if others.is_empty() || !recordings.iter().all(|one| is_span(one)) {
        return None;
    }
    let mut joined = Recording::clone(first);
    for other in others {
        if let (Some(from_segment), Some(from)) = (joined.to_segment, joined.ended_at)
            && from_segment < other.from_segment
        {
            let (to, to_segment) = (Some(other.started_at), Some(other.from_segment));
            joined.gaps.push(Gap { reason: Pause::Stopped, from, to, from_segment, to_segment });
        }
        joined.gaps.extend(other.gaps.iter().cloned());
        joined.name = joined.name.or_else(|| other.name.clone());
        (joined.to_segment, joined.ended_at) = (other.to_segment, other.ended_at);
    }
    Some(joined)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::recording::tests::recording;

    fn span(from: u64, to: u64) -> Recording {
        let at = |s: u64| Timestamp::from_unix_ms(i64::try_from(s).unwrap() * 1_000);
        Recording { ended_at: Some(at(to)), started_at: at(from), ..recording(from, Some(to)) }
    }

    #[test]
    fn what_was_between_two_spans_is_left_out() {
        let (one, mut two, three) = (span(3, 10), span(10, 12), span(20, 25));
        two.name = Some("Second act".to_owned());
        let joined = joined(&[&one, &two, &three]).unwrap();
        assert_eq!((joined.id, joined.from_segment, joined.to_segment), (one.id, 3, Some(25)));
        assert_eq!(joined.name.as_deref(), Some("Second act"));
        let kept: Vec<u64> = (0..30).filter(|msn| joined.keeps(*msn)).collect();
        assert_eq!(kept, (3..12).chain(20..25).collect::<Vec<_>>());
        assert_eq!(joined.gaps.len(), 1);
        assert_eq!(joined.warning(), None, "nothing is missing that viewers saw");
    }

    #[test]
    fn one_alone_and_a_dvr_stay_as_they_are() {
        let dvr = Recording { kind: RecordingKind::Dvr, ..span(3, 10) };
        assert_eq!((joined(&[&span(1, 2)]), joined(&[]), joined(&[&span(1, 2), &dvr])), (None, None, None));
        let running = Recording { to_segment: None, ..span(3, 4) };
        assert_eq!(joined(&[&span(1, 2), &running]), None);
    }
}
