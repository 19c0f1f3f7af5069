//! Rules on what holds a stream together: its headers and its times.

use super::super::recent::Facts;
use super::super::sample::{Flags, Sample};

/// Seconds in which frames without a header came.
const HEADERLESS_S: usize = 2;
const REPEATED_OVER_S: usize = 10;
/// Of these; a moment's is not seen.
const REPEATED_SECONDS: usize = 3;

/// Whether frames came that had no header.
pub(super) fn is_headerless(samples: &[Sample]) -> bool {
    samples.iter().any(|sample| sample.flags.has(Flags::NO_HEADER))
}

pub(super) fn header_missing(facts: &Facts<'_>) -> Option<String> {
    let last = facts.recent.last(HEADERLESS_S)?;
    if !last.iter().all(|sample| sample.flags.has(Flags::NO_HEADER)) {
        return None;
    }
    let what = match (facts.has_picture_track, facts.has_sound_track) {
        (true, true) => return None,
        (false, false) => "the stream comes without a header that can be read, so nothing can be shown",
        (false, true) => "pictures come without a header that can be read, so they cannot be shown",
        (true, false) => "sound comes without a header that can be read, so it cannot be heard",
    };
    Some(format!("{what}: restart the encoder, and set H.264 and AAC in it"))
}

pub(super) fn broken(facts: &Facts<'_>) -> Option<String> {
    let seconds = facts.recent.count(Flags::BROKEN);
    (seconds > 0).then(|| {
        format!(
            "parts of the stream come broken and are left out ({}): \
             update the encoder, or let it encode in another way (x264 instead of its hardware)",
            of_last_minute(seconds)
        )
    })
}

pub(super) fn times_jump(facts: &Facts<'_>) -> Option<String> {
    let seconds = facts.recent.count(Flags::JUMPED);
    (seconds > 0).then(|| {
        format!(
            "the times in the stream jump ({}), which is evened out with a jerk: \
             if the encoder's clock is not being set, restart it or update it",
            of_last_minute(seconds)
        )
    })
}

pub(super) fn times_repeat(facts: &Facts<'_>) -> Option<String> {
    let last = facts.recent.0.iter().take(REPEATED_OVER_S);
    let seconds = last.filter(|sample| sample.flags.has(Flags::REPEATED)).count();
    (seconds >= REPEATED_SECONDS).then(|| {
        "pictures come with the time of the one before, or an earlier one, so movements judder: \
         set a constant frame rate in your encoder, or update it"
            .to_owned()
    })
}

fn of_last_minute(seconds: usize) -> String {
    format!("in {seconds} of the last 60 seconds")
}
