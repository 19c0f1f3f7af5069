//! Every rule that is listed is raised by some case, and rules are told well.

use super::*;
use crate::live::conformance::rules;

#[test]
fn each_rule_is_raised_somewhere() {
    let mut cases = broken::text();
    cases.extend(broken::alone());
    cases.extend(broken::in_time());
    cases.extend(broken_low::alone());
    cases.extend(broken_low::deltas());
    cases.extend(broken_low::in_time());
    cases.extend(broken_across::masters());
    cases.extend(broken_across::files());
    cases.extend(broken_across::rates());
    cases.extend(broken_across::renditions());
    let raised: BTreeSet<&str> = cases.iter().map(|(id, _)| *id).collect();
    let listed: BTreeSet<&str> = rules().iter().map(|rule| rule.id).collect();
    assert_eq!(raised, listed);
}

#[test]
fn rules_are_told_once_and_well() {
    assert!(rules().len() >= 60, "{}", rules().len());
    let ids: BTreeSet<&str> = rules().iter().map(|rule| rule.id).collect();
    assert_eq!(ids.len(), rules().len());
    for rule in rules() {
        let kebab = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        assert!(rule.id.chars().all(kebab), "{}", rule.id);
        let known = ["RFC 8216bis ", "Apple HLS Authoring ", "Stagebox"];
        assert!(known.iter().any(|source| rule.source.starts_with(source)), "{}", rule.source);
        assert!(rule.words.ends_with('.'), "{}", rule.words);
    }
}
