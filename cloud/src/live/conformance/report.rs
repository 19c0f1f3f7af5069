//! What one look at a playlist or a file found.

use serde::Serialize;

use super::rule::Rule;

/// No look tells more than this.
const MAX_FINDINGS: usize = 200;
/// One fault that every segment has is told this often in one look.
const MAX_OF_A_RULE: usize = 8;
/// Values in words are cut off here, in bytes.
const MAX_WORDS: usize = 400;

/// One rule that is broken in one place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    pub(crate) rule: &'static Rule,
    /// `master`, or the name that the playlist was given with, such as `source` or `audio?plain=1`.
    pub(crate) playlist: String,
    /// The line of the playlist that shows it, counted from 1.
    pub(crate) line: Option<u32>,
    /// What is wrong, with the values.
    pub(crate) words: String,
}

/// Collects the findings of one playlist, within bounds.
#[derive(Debug)]
pub(super) struct Report {
    playlist: String,
    findings: Vec<Finding>,
}

impl Report {
    pub(super) fn new(playlist: &str) -> Self {
        Self { playlist: playlist.to_owned(), findings: Vec::new() }
    }

    pub(super) fn add(
        &mut self,
        rule: &'static Rule,
        line: impl Into<Option<u32>>,
        words: impl Into<String>,
    ) {
        let same = self.findings.iter().filter(|finding| finding.rule.id == rule.id).count();
        if self.findings.len() >= MAX_FINDINGS || same >= MAX_OF_A_RULE {
            return;
        }
        let mut words = words.into();
        if words.len() > MAX_WORDS {
            words.truncate(words.floor_char_boundary(MAX_WORDS));
            words.push('…');
        }
        self.findings.push(Finding { rule, playlist: self.playlist.clone(), line: line.into(), words });
    }

    pub(super) fn into_findings(self) -> Vec<Finding> {
        self.findings
    }
}

/// Seconds as words: what is held in microseconds.
pub(super) fn seconds(us: u64) -> String {
    let text = format!("{}.{:06}", us / 1_000_000, us % 1_000_000);
    format!("{} s", text.trim_end_matches('0').trim_end_matches('.'))
}
