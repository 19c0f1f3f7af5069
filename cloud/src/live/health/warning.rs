//! When a warning begins and ends: not with the first bad second, and not with the first good one.
//!
//! ```text
//!  Quiet ── bad ──▶ Suspected ── bad for as long as the rule says ──▶ On
//!    ▲ ▲                │                                             │
//!    │ └───── good ─────┘                                             │
//!    └───────────────────── good for ten seconds ─────────────────────┘
//! ```

use super::recent::Facts;
use super::rules::{RULES, Rule};

/// Good seconds that end a warning.
const ENDS_AFTER_S: u8 = 10;

/// Something that somebody should do something about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Warning<'a> {
    /// Names the rule; the same for ever.
    pub(super) name: &'static str,
    /// What is wrong, with figures, and what helps.
    pub(super) words: &'a str,
    /// When it began to be so, in seconds since 1970.
    pub(super) since_s: u32,
}

/// How one rule stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
enum Standing {
    #[default]
    Quiet,
    Suspected {
        since_s: u32,
        bad_s: u8,
    },
    On {
        since_s: u32,
        good_s: u8,
        words: String,
    },
}

/// All rules, as they stand for one broadcast.
#[derive(Debug, Default)]
pub(super) struct Watch([Standing; RULES.len()]);

impl Watch {
    /// Looks at a second that is just over.
    pub(super) fn look(&mut self, at_s: u32, facts: &Facts<'_>) {
        for (standing, rule) in self.0.iter_mut().zip(&RULES) {
            standing.go_on(at_s, rule, (rule.words)(facts));
        }
    }

    /// The warnings that are on, the gravest first.
    pub(super) fn warnings(&self) -> impl Iterator<Item = Warning<'_>> {
        self.0.iter().zip(&RULES).filter_map(|(standing, rule)| match standing {
            Standing::On { since_s, words, .. } => {
                Some(Warning { name: rule.name, words, since_s: *since_s })
            }
            Standing::Quiet | Standing::Suspected { .. } => None,
        })
    }
}

impl Standing {
    fn go_on(&mut self, at_s: u32, rule: &Rule, bad: Option<String>) {
        let (since_s, bad_s) = match (&mut *self, &bad) {
            (Self::On { good_s, words, .. }, Some(now)) => {
                (*good_s, *words) = (0, now.clone());
                return;
            }
            (Self::On { good_s, .. }, None) => {
                *good_s += 1;
                if *good_s >= ENDS_AFTER_S {
                    *self = Self::Quiet;
                }
                return;
            }
            (_, None) => {
                *self = Self::Quiet;
                return;
            }
            (Self::Suspected { since_s, bad_s }, Some(_)) => (*since_s, *bad_s + 1),
            (Self::Quiet, Some(_)) => (at_s, 1),
        };
        *self = match bad {
            Some(words) if bad_s >= rule.begins_after_s => Self::On { since_s, good_s: 0, words },
            _ => Self::Suspected { since_s, bad_s },
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: Rule = Rule { name: "a", begins_after_s: 3, words: |_| None };

    fn run(bad: &str) -> Vec<Option<u32>> {
        let mut standing = Standing::default();
        let look = |(at, bad)| {
            standing.go_on(at, &RULE, (bad == 'x').then(|| at.to_string()));
            match &standing {
                Standing::On { since_s, .. } => Some(*since_s),
                _ => None,
            }
        };
        (0..).zip(bad.chars()).map(look).collect()
    }

    #[test]
    fn a_warning_begins_after_bad_seconds_in_a_row_and_ends_after_good_ones() {
        assert_eq!(run("xx.xx.xx"), [None; 8]);
        assert_eq!(run(".xxxx"), [None, None, None, Some(1), Some(1)]);
        assert_eq!(run("xxx.........x").last(), Some(&Some(0)), "nine good seconds end nothing");
        assert_eq!(run("xxx..........").last(), Some(&None));
        assert_eq!(run("xxx..........xx").last(), Some(&None), "it begins anew");
    }

    #[test]
    fn the_words_are_the_newest_bad_ones() {
        let mut standing = Standing::default();
        for (at, bad) in [(1, Some("1")), (2, Some("2")), (3, Some("3")), (4, Some("4")), (5, None)] {
            standing.go_on(at, &RULE, bad.map(str::to_owned));
        }
        assert_eq!(standing, Standing::On { since_s: 1, good_s: 1, words: "4".to_owned() });
    }
}
