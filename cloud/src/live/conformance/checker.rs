//! The checker: what is known of one stream's playlists, and what they break.

use std::collections::BTreeMap;

use super::delta;
use super::files::FileFacts;
use super::history::History;
use super::master::{self, Master};
use super::media_rules;
use super::name::{family, name_of};
use super::report::{Finding, Report};
use super::{across, master_parser, media_parser, parts};

/// Longer texts are not looked at: a day of two-second segments is a third of this.
const MAX_TEXT_BYTES: usize = 16 * 1024 * 1024;
/// The playlists that have not been looked at for longest are forgotten.
const MAX_PLAYLISTS: usize = 64;
/// Families of playlists, each with its multivariant playlist.
const MAX_MASTERS: usize = 8;

/// Keeps what earlier playlists of one stream said, bounded, and judges what comes.
///
/// Names of media playlists are those that [`name_of`] makes of their URIs, so that what the
/// multivariant playlist and rendition reports say can be brought together with them. Playlists
/// whose names end in the same query (`?plain=1`) make a family, with a multivariant playlist of its own.
#[derive(Debug, Default)]
pub(crate) struct Checker {
    /// By family.
    masters: BTreeMap<String, Master>,
    histories: BTreeMap<String, History>,
}

impl Checker {
    /// Judges a multivariant playlist.
    pub(crate) fn master(&mut self, text: &str) -> Vec<Finding> {
        if text.len() > MAX_TEXT_BYTES {
            return Vec::new();
        }
        let mut report = Report::new("master");
        let parsed = master_parser::parse(text, &mut report);
        master::check(&parsed, &mut report);
        let first = parsed.variants.first().map(|variant| name_of(&variant.uri)).unwrap_or_default();
        let family = family(&first).to_owned();
        if self.masters.len() < MAX_MASTERS || self.masters.contains_key(&family) {
            self.masters.insert(family, parsed);
        }
        report.into_findings()
    }

    /// Judges a media playlist, alone and beside what the same one said before.
    ///
    /// `fetched_ms`: when it came, in ms on any monotonic clock; `skip_asked`: it is the answer to
    /// a request with `_HLS_skip`, made when the look before this one was known.
    pub(crate) fn media(
        &mut self,
        name: &str,
        text: &str,
        fetched_ms: u64,
        skip_asked: bool,
    ) -> Vec<Finding> {
        if text.len() > MAX_TEXT_BYTES {
            return Vec::new();
        }
        let mut report = Report::new(name);
        let list = media_parser::parse(text, &mut report);
        media_rules::check(&list, &mut report);
        parts::check(&list, &mut report);
        let first = !self.histories.contains_key(name);
        if first {
            self.make_room();
        }
        let history = self.histories.entry(name.to_owned()).or_default();
        delta::check(&list, skip_asked, (!first).then_some(&history.content), &mut report);
        history.update(&list, fetched_ms, first, &mut report);
        report.into_findings()
    }

    /// Judges what was learnt of a segment, part or initialisation section that the playlist `name` lists.
    ///
    /// `uri` as the playlist has it. Files that are no more listed, and pieces of larger files, are let be.
    pub(crate) fn file(&mut self, name: &str, uri: &str, facts: &FileFacts) -> Vec<Finding> {
        let mut report = Report::new(name);
        let independent = self.masters.get(family(name)).is_some_and(|master| master.independent);
        if let Some(history) = self.histories.get_mut(name) {
            history.file(uri, facts, independent, &mut report);
        }
        report.into_findings()
    }

    /// Judges the playlists beside each other; to be called when all of a round have been looked at.
    pub(crate) fn across(&mut self) -> Vec<Finding> {
        across::check(&self.masters, &self.histories)
    }

    fn make_room(&mut self) {
        if self.histories.len() < MAX_PLAYLISTS {
            return;
        }
        let oldest = self.histories.iter().min_by_key(|(_, history)| history.fetched_ms);
        if let Some(name) = oldest.map(|(name, _)| name.clone()) {
            self.histories.remove(&name);
        }
    }
}
