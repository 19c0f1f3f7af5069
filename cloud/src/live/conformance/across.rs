//! What only shows when all playlists of a family are seen together.

use std::collections::BTreeMap;

use super::bandwidth;
use super::files::TrackKind;
use super::history::History;
use super::master::Master;
use super::name::{family, name_of};
use super::renditions;
use super::report::{Finding, Report};
use super::reports;
use super::rule;

/// A playlist that nobody has looked at for so long beside the newest is no more compared.
const FORGOTTEN_MS: u64 = 60_000;
/// So many segments tell how all of them begin.
const ENOUGH_SEGMENTS: usize = 3;

/// Judges the playlists that belong together.
pub(super) fn check(
    masters: &BTreeMap<String, Master>,
    histories: &BTreeMap<String, History>,
) -> Vec<Finding> {
    let newest_ms = histories.values().map(|history| history.fetched_ms).max().unwrap_or(0);
    let mut families: BTreeMap<&str, Vec<(&str, &History)>> = BTreeMap::new();
    for (name, history) in histories {
        if newest_ms.saturating_sub(history.fetched_ms) <= FORGOTTEN_MS {
            families.entry(family(name)).or_default().push((name, history));
        }
    }
    let mut findings = Vec::new();
    for (family, members) in families {
        let master = masters.get(family);
        let mut told: Vec<Report> = members.iter().map(|(name, _)| Report::new(name)).collect();
        pairs(&members, &mut told);
        for ((name, history), report) in members.iter().zip(&mut told) {
            reports::check((name, history), master, histories, report);
            if let Some(master) = master {
                kind(name, history, master, report);
            }
        }
        findings.extend(told.into_iter().flat_map(Report::into_findings));
        if let Some(master) = master {
            let mut report = Report::new("master");
            bandwidth::check(master, histories, &mut report);
            findings.extend(report.into_findings());
        }
    }
    findings
}

/// Each with the first that is no I-frame playlist.
fn pairs(members: &[(&str, &History)], told: &mut [Report]) {
    let Some(lead) = members.iter().position(|(_, history)| !history.header.iframes_only) else { return };
    let Some(first) = members.get(lead) else { return };
    for (index, other) in members.iter().enumerate().filter(|(index, _)| *index != lead) {
        let Ok([first_report, report]) = told.get_disjoint_mut([lead, index]) else { continue };
        renditions::compare(*first, *other, (first_report, report));
    }
}

/// What a multivariant playlist says of its media playlists.
fn kind(name: &str, history: &History, master: &Master, report: &mut Report) {
    let iframe = master.variants.iter().find(|variant| variant.iframe && name_of(&variant.uri) == name);
    if iframe.is_some() && !history.header.iframes_only {
        report.add(rule::IFRAMES_ONLY, None, "an I-frame playlist has no EXT-X-I-FRAMES-ONLY");
    }
    if master.independent && history.header.independent {
        let words = "EXT-X-INDEPENDENT-SEGMENTS stands in the multivariant playlist too";
        report.add(rule::INDEPENDENT_ONCE, None, words);
    }
    if master.independent || history.header.independent || history.header.iframes_only {
        return;
    }
    let files = history.content.segments.iter().filter_map(|known| known.file.as_ref());
    let starts: Vec<Option<bool>> = files
        .flat_map(|file| &file.tracks)
        .filter(|track| track.kind == TrackKind::Video)
        .map(|track| track.key_at_start)
        .collect();
    if starts.len() >= ENOUGH_SEGMENTS && starts.iter().all(|start| *start == Some(true)) {
        let words = format!("all {} video segments begin with key frames", starts.len());
        report.add(rule::INDEPENDENT_SAID, None, words);
    }
}
