//! A player that looks at everything that is served at random moments, and knows the rules.

use std::collections::BTreeMap;

use crate::live::conformance::{Checker, Finding, Severity, name_of};
use crate::live::playlist::{IFRAMES_URI, segment_uri};
use crate::live::rendition::Rendition;
use crate::live::window::{Found, View, Window};

/// What is no fault here: a stream without smaller renditions, encoders that send nothing for a while, and frames of
/// a few bytes.
const EXCUSED: [&str; 5] = [
    "several-bit-rates",
    "segment-in-time",
    "part-in-time",
    "live-peak-within-bandwidth",
    "peak-within-bandwidth",
];
/// What cannot be otherwise where an encoder's frames have holes: a frame lasts until the next one.
const UNEVEN: [&str; 7] = [
    "part-long-enough",
    "part-within-target",
    "parts-make-the-segment",
    "same-content",
    "decode-time-continues",
    "duration-true",
    "date-times-alike",
];
/// A source whose key frames are too far apart.
const LONG: [&str; 4] = [
    "header-constant",
    "segment-begins-with-key-frame",
    "independent-segments-said",
    "iframe-playlists-present",
];
/// What lacks frames that a worker owed.
const LOST: [&str; 8] = [
    "duration-true",
    "segment-begins-with-key-frame",
    "date-times-alike",
    "same-content",
    "part-long-enough",
    "parts-make-the-segment",
    "decode-time-continues",
    "discontinuities-alike",
];

/// What has befallen a stream.
#[derive(Debug, Clone, Copy)]
pub(super) struct Marred {
    /// Frames did not come at one pace of late.
    pub(super) uneven: bool,
    /// A segment could not begin with a key frame.
    pub(super) long: bool,
    /// A worker did not deliver all.
    pub(super) lost: bool,
}

impl Marred {
    fn excuses(self, finding: &Finding) -> bool {
        let id = finding.rule.id;
        let is_small = finding.playlist.starts_with("360p") || finding.words.contains("of 360p");
        EXCUSED.contains(&id)
            || (self.uneven && UNEVEN.contains(&id))
            || (self.long && LONG.contains(&id))
            || (self.lost && (is_small || id == "discontinuities-alike") && LOST.contains(&id))
            // A worker takes its time to begin, and what another kind of broadcast brings cannot reach back.
            || (id == "same-content" && (is_small || finding.words.contains("begins")))
    }
}

#[derive(Default)]
pub(super) struct Player {
    checker: Checker,
    looks: u64,
    /// The newest segment of each rendition that was read.
    read: BTreeMap<Rendition, u64>,
}

impl Player {
    pub(super) fn looks(&self) -> u64 {
        self.looks
    }

    pub(super) fn look(&mut self, window: &Window, now_ms: u64, marred: Marred) {
        let mut found = Vec::new();
        let renditions: Vec<Rendition> = window.renditions().collect();
        for plain in [false, true] {
            let query = if plain { "?plain=1" } else { "" };
            found.extend(window.master(plain).map(|text| self.checker.master(&text)));
            for rendition in &renditions {
                let skip = !plain && self.looks > 0 && !self.looks.is_multiple_of(5);
                let view = View { from_msn: 0, plain, skip, iframes: false };
                let name = name_of(&format!("{rendition}/index.m3u8{query}"));
                let Some(text) = window.playlist(*rendition, view) else { continue };
                found.push(self.checker.media(&name, &text, now_ms, skip));
                all_is_there(window, *rendition, &text);
            }
        }
        for rendition in renditions.iter().filter(|name| name.is_video()) {
            let view = View { from_msn: 0, plain: true, skip: false, iframes: true };
            let name = name_of(&format!("{rendition}/{IFRAMES_URI}"));
            let text = window.playlist(*rendition, view);
            found.extend(text.map(|text| self.checker.media(&name, &text, now_ms, false)));
        }
        for rendition in &renditions {
            found.push(self.files(window, *rendition));
        }
        found.push(self.checker.across());
        self.looks += 1;
        let is_wrong =
            |finding: &Finding| finding.rule.severity == Severity::Must && !marred.excuses(finding);
        let wrong: Vec<Finding> = found.into_iter().flatten().filter(is_wrong).collect();
        if !wrong.is_empty() {
            let lists = renditions.iter().filter_map(|rendition| {
                let view = View { from_msn: 0, plain: false, skip: false, iframes: false };
                Some(format!("{rendition}:\n{}", window.playlist(*rendition, view)?))
            });
            panic!("{wrong:#?}\n{}", lists.collect::<String>());
        }
    }

    /// The segments that have become complete since the last look.
    fn files(&mut self, window: &Window, rendition: Rendition) -> Vec<Finding> {
        let mut found = Vec::new();
        let Some((newest, _)) = window.edge(rendition).complete else { return found };
        let from = self.read.get(&rendition).map_or(newest, |last| last + 1);
        for msn in from..=newest {
            if let Some(facts) = window.facts(rendition, msn) {
                for query in ["", "?plain=1"] {
                    let name = name_of(&format!("{rendition}/index.m3u8{query}"));
                    found.extend(self.checker.file(&name, &segment_uri(msn), &facts));
                }
            }
            self.read.insert(rendition, msn);
        }
        found
    }
}

/// What a playlist lists can be fetched, and what it hints will come.
fn all_is_there(window: &Window, rendition: Rendition, text: &str) {
    let mut is_gap = false;
    for line in text.lines() {
        let quoted = line.split("URI=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default();
        let numbers =
            |name: &str| -> Vec<u64> { name.split('.').filter_map(|part| part.parse().ok()).collect() };
        if line.starts_with("#EXT-X-PRELOAD-HINT:TYPE=MAP") {
            let number = quoted.strip_prefix("init-").and_then(|rest| rest.strip_suffix(".mp4"));
            let init = number.and_then(|number| number.parse().ok()).unwrap_or(u32::MAX);
            assert!(window.init(rendition, init).is_some(), "{rendition}: {line}\n{text}");
        } else if line.starts_with("#EXT-X-PART:") || line.starts_with("#EXT-X-PRELOAD-HINT:") {
            let is_listed = line.starts_with("#EXT-X-PART:");
            let Some((msn, part)) = numbers(quoted).first().copied().zip(numbers(quoted).get(1).copied())
            else {
                panic!("{line}");
            };
            let found = window.part(rendition, msn, part);
            let is_right = if is_listed { matches!(found, Found::Here(_)) } else { found == Found::Coming };
            assert!(is_right, "{rendition}: {line}: {found:?}\n{text}");
        } else if line == "#EXT-X-GAP" {
            is_gap = true;
        } else if let Some(msn) = numbers(line).first().filter(|_| !line.starts_with('#')) {
            let found = window.segment(rendition, *msn);
            let is_there = matches!(found, Found::Here(_) | Found::Stored);
            assert!(is_there != std::mem::take(&mut is_gap), "{rendition}: {line}: {found:?}\n{text}");
        }
    }
}
