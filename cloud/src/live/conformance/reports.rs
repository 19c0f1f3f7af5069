//! Whether rendition reports are complete and true (RFC 8216bis, 4.4.5.4 and B.1).

use std::collections::{BTreeMap, BTreeSet};

use super::edge::Edge;
use super::history::History;
use super::master::Master;
use super::name::name_of;
use super::report::Report;
use super::rule;

/// Looks that are nearer than this may have been made in either order.
const ORDER_MS: u64 = 250;

pub(super) fn check(
    (name, history): (&str, &History),
    master: Option<&Master>,
    histories: &BTreeMap<String, History>,
    report: &mut Report,
) {
    if history.header.ended || history.header.iframes_only {
        return;
    }
    let reported: BTreeSet<String> = history.reports.iter().map(|entry| name_of(&entry.uri)).collect();
    if let (Some(master), true) = (master, history.has_parts()) {
        complete(name, master, &reported, histories, report);
    }
    for entry in &history.reports {
        // What is left out is as in the playlist itself, so there is nothing to compare.
        let (Some(msn), Some(other)) = (entry.last_msn, histories.get(&name_of(&entry.uri))) else {
            continue;
        };
        let told = Edge { msn, part: entry.last_part };
        let Some(real) = other.edge() else { continue };
        let later_ms = other.fetched_ms.saturating_sub(history.fetched_ms);
        let earlier_ms = history.fetched_ms.saturating_sub(other.fetched_ms);
        let ahead = other.fetched_ms >= history.fetched_ms
            && (told.msn > real.msn.saturating_add(1) || (later_ms >= ORDER_MS && told.is_beyond(real)));
        let behind = history.fetched_ms >= other.fetched_ms
            && (real.msn > told.msn.saturating_add(1) || (earlier_ms >= ORDER_MS && real.is_beyond(told)));
        let words = || format!("`{}` is said to be at {}, it is at {}", entry.uri, place(told), place(real));
        if ahead {
            report.add(rule::REPORT_AHEAD, entry.line, words());
        } else if behind {
            report.add(rule::REPORT_BEHIND, entry.line, words());
        }
    }
}

fn place(edge: Edge) -> String {
    edge.part.map_or_else(|| edge.msn.to_string(), |part| format!("{}.{part}", edge.msn))
}

fn complete(
    name: &str,
    master: &Master,
    reported: &BTreeSet<String>,
    histories: &BTreeMap<String, History>,
    report: &mut Report,
) {
    let variants =
        master.variants.iter().filter(|variant| !variant.iframe).map(|variant| variant.uri.as_str());
    let renditions = master.renditions.iter().filter_map(|rendition| rendition.uri.as_deref());
    let all: BTreeSet<String> = variants.chain(renditions).map(name_of).collect();
    // A playlist that the multivariant one does not list belongs to another family.
    if !all.contains(name) {
        return;
    }
    let iframes = |name: &String| histories.get(name).is_some_and(|history| history.header.iframes_only);
    let missing: Vec<&str> = all
        .iter()
        .filter(|other| *other != name && !reported.contains(*other) && !iframes(other))
        .map(String::as_str)
        .collect();
    if !missing.is_empty() {
        report.add(
            rule::REPORTS_COMPLETE,
            None,
            format!("there is no rendition report on {}", missing.join(", ")),
        );
    }
}
