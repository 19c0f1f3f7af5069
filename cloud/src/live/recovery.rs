//! Takes an event up where the last run of the server left it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use bytes::Bytes;
use tokio::task::spawn_blocking;

use super::error::LiveError;
use super::index::{Listed, SharedIndex};
use super::lane::Packaged;
use super::rendition::Rendition;
use super::segment::{Description, Segment};
use super::segmenter::Resume;
use super::span::Span;
use super::spool::{Entry, Spool};
use super::window::Window;
use crate::id::EventId;
use crate::media::{self, Media};

/// An event's state from its files.
#[derive(Debug)]
pub(super) struct Recovered {
    pub(super) spool: Spool,
    pub(super) resume: Resume,
    /// Where the timeline goes on.
    pub(super) end_ns: i64,
}

/// Reads the spool, completes what was unfinished, and fills `window`.
pub(super) async fn recover(
    event: &EventId,
    dir: &Path,
    media: &Media,
    index: &SharedIndex,
    span: &Span,
    window: &mut Window,
) -> Result<Recovered, LiveError> {
    let dir = dir.to_owned();
    let (mut spool, entries, unfinished) = spawn_blocking(move || Spool::open(&dir))
        .await
        .map_err(|error| std::io::Error::other(error.to_string()))??;
    let (mut entries, taken_over) = merge(event, media, index, entries).await?;
    let mut completed = Vec::new();
    for found in unfinished {
        if taken_over.is_some_and(|newest| found.segment.msn <= newest) {
            // Another process has used this number since.
            continue;
        }
        let entry = Entry::Segment { rendition: found.rendition, segment: found.segment.clone() };
        index.list(&entry).await?;
        let path = media::segment_path(event, found.rendition, found.segment.msn);
        media.put(&path, found.data, span.worth(found.segment.msn)).await?;
        completed.push(entry);
    }
    entries.extend(completed.iter().cloned());
    let rewritten = index.is_kept().then(|| entries.clone());
    let spool = spawn_blocking(move || -> std::io::Result<Spool> {
        if let Some(entries) = rewritten {
            spool.rewrite(&entries)?;
        } else if !completed.is_empty() {
            spool.record(&completed)?;
        }
        spool.clear_unfinished()?;
        Ok(spool)
    })
    .await
    .map_err(|error| std::io::Error::other(error.to_string()))??;
    let index = Index::of(entries);
    let inits = index.inits(event, media, window).await?;
    let resume = index.fill(window, inits);
    Ok(Recovered { spool, end_ns: index.end_ns, resume })
}

/// The event's index as all its owners made it, and the newest segment that was not this process's.
///
/// What an owner listed and did not get into the media store any more becomes a gap.
async fn merge(
    event: &EventId,
    media: &Media,
    index: &SharedIndex,
    own: Vec<Entry>,
) -> Result<(Vec<Entry>, Option<u64>), LiveError> {
    if !index.is_kept() {
        return Ok((own, None));
    }
    let listed = index.read().await?;
    if listed.is_empty() {
        // It was begun by a server that shared nothing yet.
        for entry in &own {
            index.list(entry).await?;
        }
        return Ok((own, None));
    }
    let here: BTreeSet<(Rendition, u64)> = own.iter().filter_map(segment_of).collect();
    let is_elsewhere = |listed: &Listed| {
        index.is_foreign(listed) && segment_of(&listed.entry).is_some_and(|segment| !here.contains(&segment))
    };
    let newest = listed.iter().filter(|listed| is_elsewhere(listed));
    let newest = newest.filter_map(|listed| segment_of(&listed.entry)).map(|(_, msn)| msn).max();
    let stored = match newest {
        Some(_) => Some(media.list(&media::event_path(event)).await?.into_iter().collect::<BTreeSet<_>>()),
        None => None,
    };
    let mut entries = Vec::with_capacity(listed.len());
    for mut listed in listed {
        if let (true, Some(stored)) = (is_elsewhere(&listed), &stored)
            && let Entry::Segment { rendition, segment } = &mut listed.entry
            && !stored.contains(&media::segment_path(event, *rendition, segment.msn))
            && !segment.gap
        {
            tracing::warn!(%event, %rendition, msn = segment.msn, "a segment did not reach the media store before its owner was gone");
            (segment.gap, segment.bytes, segment.frames) = (true, 0, 0);
        }
        entries.push(listed.entry);
    }
    Ok((entries, newest))
}

fn segment_of(entry: &Entry) -> Option<(Rendition, u64)> {
    match entry {
        Entry::Segment { rendition, segment } => Some((*rendition, segment.msn)),
        _ => None,
    }
}

/// An event's index, sorted.
#[derive(Debug, Default)]
pub(super) struct Index {
    target_duration_s: Option<u64>,
    inits: BTreeMap<(Rendition, u32), (Description, Option<Bytes>)>,
    lanes: BTreeMap<Rendition, Vec<Segment>>,
    /// Where the timeline goes on.
    pub(super) end_ns: i64,
}

impl Index {
    pub(super) fn of(entries: Vec<Entry>) -> Self {
        let mut index = Self::default();
        for entry in entries {
            match entry {
                Entry::Target { target_duration_s } => index.target_duration_s = Some(target_duration_s),
                Entry::Init { rendition, init, description, data } => {
                    index.inits.insert((rendition, init), (description, data));
                }
                Entry::Segment { rendition, segment } => {
                    index.end_ns = index.end_ns.max(segment.end_ns);
                    index.lanes.entry(rendition).or_default().push(segment);
                }
            }
        }
        align(&mut index.lanes);
        index
    }

    /// Reads the initialisation sections; the newest of each rendition is returned.
    async fn inits(
        &self,
        event: &EventId,
        media: &Media,
        window: &mut Window,
    ) -> Result<BTreeMap<Rendition, (u32, Bytes)>, LiveError> {
        let mut newest = BTreeMap::new();
        for ((rendition, init), (description, data)) in &self.inits {
            let path = media::init_path(event, *rendition, *init);
            let data = match data {
                Some(data) => data.clone(),
                None => media.get(&path).await?.ok_or(LiveError::InitMissing(*init))?,
            };
            newest.insert(*rendition, (*init, data.clone()));
            let (rendition, init, description) = (*rendition, *init, description.clone());
            window.apply(Packaged::Init { rendition, init, data, description });
        }
        Ok(newest)
    }

    /// Puts all segments into a window; `inits` are the newest sections.
    pub(super) fn fill(&self, window: &mut Window, inits: BTreeMap<Rendition, (u32, Bytes)>) -> Resume {
        if let Some(target_duration_s) = self.target_duration_s {
            window.apply(Packaged::Target { target_duration_s });
        }
        for (rendition, segments) in &self.lanes {
            for segment in segments {
                window.restore(*rendition, segment.clone());
            }
        }
        // What left the window before the restart was dealt with then.
        drop(window.take_dropped());
        let last = self.lanes.values().filter_map(|segments| segments.last()).max_by_key(|last| last.msn);
        let newest = self.lanes.values().filter_map(|segments| segments.last());
        let newest = newest.filter(|one| Some(one.msn) == last.map(|last| last.msn));
        Resume {
            next_msn: last.map_or(0, |last| last.msn + 1),
            discontinuity_sequence: last.map_or(0, |last| last.discontinuity_sequence),
            target_duration_s: self.target_duration_s,
            // Not all of them came equally far.
            dated_until_ms: newest.map(|one| one.start_unix_ms + (one.duration_us / 1000) as i64).max(),
            inits,
        }
    }
}

/// Makes all renditions reach from the first to the last segment of any, without holes: what one lacks becomes a gap.
pub(crate) fn align(lanes: &mut BTreeMap<Rendition, Vec<Segment>>) {
    let mut all: BTreeMap<u64, Segment> = BTreeMap::new();
    for segments in lanes.values_mut() {
        segments.sort_by_key(|segment| segment.msn);
        segments.dedup_by_key(|segment| segment.msn);
        for segment in segments {
            let known = all.entry(segment.msn).or_insert_with(|| segment.clone());
            if known.gap {
                known.clone_from(segment);
            }
        }
    }
    for segments in lanes.values_mut() {
        let mut have: BTreeMap<u64, Segment> =
            segments.drain(..).map(|segment| (segment.msn, segment)).collect();
        for (msn, other) in &all {
            have.entry(*msn).or_insert_with(|| other.as_gap());
        }
        segments.extend(have.into_values());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::window::Keep;
    use crate::live::window::tests::segment;

    #[test]
    fn dates_go_on_where_the_rendition_ended_that_came_furthest() {
        let lanes =
            [(Rendition::Source, [4, 3]), (Rendition::Scaled(360), [4, 1]), (Rendition::Audio, [4, 2])];
        let entries = lanes.iter().flat_map(|(rendition, parts)| {
            (7..).zip(parts).map(|(msn, parts)| Entry::Segment {
                rendition: *rendition,
                segment: Segment { start_unix_ms: msn as i64 * 2000, ..segment(msn, *parts) },
            })
        });
        let index = Index::of(entries.collect());
        let keep = Keep { part_us: 500_000, window_us: 60_000_000, memory_us: 4_000_000 };
        let resume = index.fill(&mut Window::new(keep), BTreeMap::new());
        assert_eq!((resume.next_msn, resume.dated_until_ms), (9, Some(16_000 + 1_500)));
    }

    #[test]
    fn what_a_rendition_lacks_is_a_gap_from_the_first_segment_on() {
        let mut lanes = BTreeMap::from([
            (Rendition::Source, vec![segment(3, 4), segment(4, 4), segment(6, 4)]),
            (Rendition::Audio, vec![segment(5, 4)]),
        ]);
        align(&mut lanes);
        let shape = |name| lanes[&name].iter().map(|one| (one.msn, one.gap)).collect::<Vec<_>>();
        assert_eq!(shape(Rendition::Source), [(3, false), (4, false), (5, true), (6, false)]);
        assert_eq!(shape(Rendition::Audio), [(3, true), (4, true), (5, false), (6, true)]);
    }
}
