//! What a started event serves, looked at as a player sees it, again and again; and which rules it breaks.
#![allow(clippy::disallowed_methods, reason = "a driver: it looks every two seconds")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use serde::Serialize;
use stagebox_media::Track;
use stagebox_media::cmaf::{InitSection, SegmentScan};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use super::conformance::{Checker, FileFacts, Finding, Severity, TrackFacts, TrackKind, name_of, rules};
use super::playlist::{IFRAMES_URI, segment_uri};
use super::rendition::Rendition;
use super::stream::Stream;
use super::window::View;
use crate::clock::{Clock, Timestamp};

/// How often the playlists are looked at.
const EVERY: Duration = Duration::from_secs(2);
/// Every so many looks the playlists without parts are looked at too.
const PLAIN_EVERY: u64 = 15;
/// Broken rules that are kept, of all playlists.
const MOST: usize = 200;

/// What came of looking at an event's playlists.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
#[schema(as = Conformance)]
pub(crate) struct Inspection {
    /// How many rules are looked at.
    rules: usize,
    /// How often all of the event's playlists were looked at since it was started.
    rounds: u64,
    /// When they were looked at last; `null` while the event is not started, or was not looked at yet.
    #[schema(required)]
    checked_at: Option<Timestamp>,
    /// The rules that were broken, the gravest first; empty if none was.
    findings: Vec<Broken>,
}

/// A rule that a playlist breaks, or broke.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ConformanceFinding)]
struct Broken {
    /// The rule's name.
    rule: &'static str,
    /// The document and section that it comes from.
    source: &'static str,
    /// `must` or `should`.
    severity: Gravity,
    /// What the rule says.
    rule_words: &'static str,
    /// Which playlist: `master` or a rendition, with `?plain=1` for the one without parts.
    playlist: String,
    /// The line, where it is about one.
    #[schema(required)]
    line: Option<u32>,
    /// What is wrong there, when it was seen last.
    words: String,
    /// How often it was seen.
    count: u64,
    /// When it was seen first.
    first_at: Timestamp,
    /// When it was seen last.
    last_at: Timestamp,
}

/// How much a rule weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ConformanceSeverity)]
enum Gravity {
    Must,
    Should,
}

/// Looks at one event's playlists.
#[derive(Default)]
struct Inspector {
    checker: Checker,
    rounds: u64,
    /// The newest segment of each rendition that was read.
    looked_at: BTreeMap<Rendition, u64>,
    broken: BTreeMap<(Gravity, &'static str, String), Broken>,
}

impl Inspector {
    /// Takes what one look has found; returns the rules that were not broken before.
    fn note(&mut self, now: Timestamp, found: Vec<Finding>) -> Vec<Broken> {
        let mut new = Vec::new();
        for finding in found {
            let severity = match finding.rule.severity {
                Severity::Must => Gravity::Must,
                Severity::Should => Gravity::Should,
            };
            let place = (severity, finding.rule.id, finding.playlist.clone());
            if let Some(known) = self.broken.get_mut(&place) {
                known.count += 1;
                (known.line, known.words, known.last_at) = (finding.line, finding.words, now);
            } else if self.broken.len() < MOST {
                let broken = Broken {
                    rule: finding.rule.id,
                    source: finding.rule.source,
                    severity,
                    rule_words: finding.rule.words,
                    playlist: finding.playlist,
                    line: finding.line,
                    words: finding.words,
                    count: 1,
                    first_at: now,
                    last_at: now,
                };
                new.push(broken.clone());
                self.broken.insert(place, broken);
            }
        }
        new
    }

    /// Looks at all that the event serves to viewers from `from_msn` on.
    fn look(&mut self, stream: &Stream, from_msn: u64, at_ms: u64, now: Timestamp) -> Vec<Broken> {
        let mut found = Vec::new();
        // Plain playlists are written anew as a whole, and say nothing that the others do not.
        let plain_too = self.rounds.is_multiple_of(PLAIN_EVERY);
        for plain in [false, true].into_iter().take(if plain_too { 2 } else { 1 }) {
            let query = if plain { "?plain=1" } else { "" };
            if let Some(master) = stream.master(plain) {
                found.extend(self.checker.master(&master));
            }
            for rendition in stream.renditions() {
                // After the first look what changed is enough.
                let skip = !plain && self.rounds > 0;
                let view = View { from_msn, plain, skip, iframes: false };
                let Some(text) = stream.playlist(rendition, view) else { continue };
                let name = name_of(&format!("{rendition}/index.m3u8{query}"));
                found.extend(self.checker.media(&name, &String::from_utf8_lossy(&text.plain()), at_ms, skip));
            }
        }
        for rendition in stream.renditions().into_iter().filter(|name| name.is_video()) {
            let view = View { from_msn, plain: true, skip: false, iframes: true };
            let Some(text) = stream.playlist(rendition, view).filter(|_| plain_too) else { continue };
            let name = name_of(&format!("{rendition}/{IFRAMES_URI}"));
            found.extend(self.checker.media(&name, &String::from_utf8_lossy(&text.plain()), at_ms, false));
        }
        for rendition in stream.renditions() {
            self.look_at_files(stream, rendition, &mut found);
        }
        found.extend(self.checker.across());
        self.rounds += 1;
        self.note(now, found)
    }

    /// Looks at the segments that have become complete since the last look.
    fn look_at_files(&mut self, stream: &Stream, rendition: Rendition, found: &mut Vec<Finding>) {
        let edge = stream.edge(rendition).and_then(|edge| edge.borrow().complete);
        let Some((newest, _)) = edge else { return };
        let from = self.looked_at.get(&rendition).map_or(newest, |last| last + 1);
        for msn in from..=newest {
            if let Some(facts) = stream.facts(rendition, msn) {
                for query in ["", "?plain=1"] {
                    let name = name_of(&format!("{rendition}/index.m3u8{query}"));
                    found.extend(self.checker.file(&name, &segment_uri(msn), &facts));
                }
            }
            self.looked_at.insert(rendition, msn);
        }
    }

    fn result(&self, now: Timestamp) -> Inspection {
        Inspection {
            rules: rules().len(),
            rounds: self.rounds,
            checked_at: Some(now),
            findings: self.broken.values().cloned().collect(),
        }
    }
}

/// What a segment holds, as a player would read it, and its scan if it can be read.
pub(super) fn facts(section: Option<&[u8]>, data: &[u8]) -> (FileFacts, Option<SegmentScan>) {
    let read = section.and_then(|section| {
        let section = InitSection::parse(section).ok()?;
        let scan = SegmentScan::of(&section, data).ok()?;
        let us = |ticks: u64| {
            let scaled = u128::from(ticks) * 1_000_000 / u128::from(section.timescale().max(1));
            u64::try_from(scaled).ok()
        };
        let (id, kind) = match section.track() {
            Track::Video => (1, TrackKind::Video),
            Track::Audio => (2, TrackKind::Audio),
        };
        let facts = TrackFacts {
            id,
            kind,
            first_decode_us: us(scan.start_ticks()),
            duration_us: us(scan.duration_ticks()),
            key_at_start: Some(scan.starts_with_key()),
        };
        Some((facts, scan))
    });
    let (track, scan) = read.unzip();
    (FileFacts { bytes: data.len() as u64, tracks: track.map(|track| vec![track]) }, scan)
}

/// What was found last, for whoever asks.
#[derive(Debug, Clone, Default)]
pub(super) struct Inspected(Arc<Mutex<Inspection>>);

impl Inspected {
    pub(super) fn get(&self) -> Inspection {
        let mut inspection = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        inspection.rules = rules().len();
        inspection
    }

    fn set(&self, inspection: Inspection) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = inspection;
    }
}

/// Looks at an event's playlists while it is shown to viewers, until its stream has gone.
pub(super) async fn run(stream: Weak<Stream>, clock: Clock, shutdown: CancellationToken) {
    let mut every = tokio::time::interval(EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let began = clock.instant();
    let mut inspector: Option<(u64, Inspector)> = None;
    loop {
        tokio::select! {
            _ = every.tick() => {}
            () = shutdown.cancelled() => return,
        }
        let Some(stream) = stream.upgrade() else { return };
        let Some(from_msn) = stream.public_from() else {
            inspector = None;
            stream.inspected.set(Inspection::default());
            continue;
        };
        // A new recording is another playlist to its viewers.
        let (_, inspector) = match &mut inspector {
            Some(known) if known.0 == from_msn => known,
            other => other.insert((from_msn, Inspector::default())),
        };
        let now = clock.now();
        let at_ms = clock.instant().saturating_duration_since(began).as_millis();
        let at_ms = u64::try_from(at_ms).unwrap_or(u64::MAX);
        for broken in inspector.look(&stream, from_msn, at_ms, now) {
            let Broken { rule, source, playlist, words, .. } = &broken;
            match broken.severity {
                Gravity::Must => {
                    tracing::info!(event = %stream.event, rule, source, playlist, words, "what is served breaks a rule");
                }
                Gravity::Should => {
                    tracing::debug!(event = %stream.event, rule, source, playlist, words, "what is served could be better");
                }
            }
        }
        stream.inspected.set(inspector.result(now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_found_again_is_counted() {
        let mut inspector = Inspector::default();
        let at = Timestamp::from_unix_ms;
        let broken = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:9,\n1.m4s\n#EXT-X-ENDLIST\n";
        let found = inspector.checker.media("source", broken, 0, false);
        assert!(!found.is_empty());
        let first = inspector.note(at(1), found.clone());
        assert_eq!(first.len(), inspector.broken.len());
        assert_eq!(inspector.note(at(2), found), []);
        let result = inspector.result(at(2));
        let one = &result.findings[0];
        assert_eq!((one.first_at, one.last_at, one.severity), (at(1), at(2), Gravity::Must));
        assert!(one.count >= 2 && result.rules > 100);
    }
}
