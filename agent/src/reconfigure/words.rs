//! What is said of a configuration.

use stagebox_protocol::{ConfigProblem, EventBody};

use super::state::Action;
use crate::config::in_words;

/// How long one waits that is tried.
pub(super) const TRIED: &str = "until the encoder works with it";
/// One that came while another is tried.
pub(super) const TURN: &str = "until it is known whether the encoder works with the one before";
/// One that would disturb somebody.
pub(super) const WAITS: &str = "until neither stream, recording nor test runs: it begins the picture anew";

/// Tells of a configuration that the box does not use.
pub(super) fn refusal(version: u64, errors: &[ConfigProblem]) -> Action {
    let why = in_words(errors);
    let reason = format!("version {version} is refused ({why}): the box goes on with what it had");
    Action::Tell(EventBody::ConfigNotUsed { reason })
}

/// What the media process said, by the key that it names in front.
pub(super) fn in_the_encoder(error: &str) -> ConfigProblem {
    let named = error.split_once(": ").filter(|(field, _)| {
        let is_key = |part: &str| {
            !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        };
        field.split_once('.').is_some_and(|(section, key)| is_key(section) && is_key(key))
    });
    let (field, problem) = named.unwrap_or(("video", error));
    ConfigProblem {
        field: field.to_owned(),
        problem: problem.to_owned(),
        fix: "give what this box can capture and encode; what it worked with before holds".to_owned(),
    }
}
