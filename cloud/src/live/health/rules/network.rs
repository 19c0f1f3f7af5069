//! Rules on the way from the encoder to here.

use super::super::recent::{Facts, Recent, mean};
use super::super::sample::Sample;
use super::rate;

/// Empty seconds that are more than a hiccup.
const EMPTY_S: usize = 3;
/// How far behind an upload may fall.
const LATE_MS: u32 = 2_000;
/// Frames that come further apart from their time than this disturb players that are close to live.
const UNSTEADY_MS: u16 = 500;
const UNSTEADY_OVER_S: usize = 10;
/// Once may happen.
const UNSTEADY_SECONDS: usize = 3;
/// The bitrate of now, and how much of the minute before it is compared with at least.
const FALLEN_OVER_S: usize = 5;
const FALLEN_FROM_S: usize = 20;
/// A stream so thin has no bitrate to lose.
const THIN_KBPS: f64 = 300.0;
/// Connecting so often in [`super::super::meter::BEGINS_OVER_S`] is no test any more.
const BEGINS: usize = 4;

pub(super) fn nothing_arrives(facts: &Facts<'_>) -> Option<String> {
    facts.recent.last(EMPTY_S)?.iter().all(Sample::is_empty).then_some(())?;
    let empty_s = facts.recent.0.iter().take_while(|sample| sample.is_empty()).count();
    let over = if empty_s >= Recent::SECONDS { "over " } else { "" };
    Some(format!(
        "nothing has arrived for {over}{empty_s} s, though the encoder is connected: look at the encoder and its network"
    ))
}

pub(super) fn upload_behind(facts: &Facts<'_>) -> Option<String> {
    let late_ms = facts.recent.newest()?.late_ms;
    (late_ms > LATE_MS).then(|| {
        format!(
            "the upload is {:.1} s behind: lower the bitrate in your encoder",
            f64::from(late_ms) / 1_000.0
        )
    })
}

pub(super) fn unsteady(facts: &Facts<'_>) -> Option<String> {
    let last = facts.recent.last(UNSTEADY_OVER_S)?;
    let unsteady = last.iter().filter(|sample| sample.jitter_ms > UNSTEADY_MS);
    let worst = unsteady.clone().map(|sample| sample.jitter_ms).max()?;
    (unsteady.count() >= UNSTEADY_SECONDS).then(|| {
        format!(
            "the network is unsteady, frames come up to {:.1} s apart from their time: \
             use a cable instead of a radio link, or lower the bitrate",
            f64::from(worst) / 1_000.0
        )
    })
}

pub(super) fn bitrate_fallen(facts: &Facts<'_>) -> Option<String> {
    let now = mean(facts.recent.last(FALLEN_OVER_S)?, Sample::kbps);
    let before = facts.recent.before(FALLEN_OVER_S);
    if before.len() < FALLEN_FROM_S || now == 0.0 {
        return None;
    }
    let usual = mean(before, Sample::kbps);
    (usual >= THIN_KBPS && now * 2.0 < usual).then(|| {
        format!(
            "the bitrate has fallen from {} to {}: unless the picture just stands still, \
             the upload is too slow for the bitrate that is set",
            rate(usual),
            rate(now)
        )
    })
}

pub(super) fn reconnects(facts: &Facts<'_>) -> Option<String> {
    let begins = facts.begins;
    (begins >= BEGINS).then(|| {
        format!(
            "the encoder has connected {begins} times in 5 minutes: look at its network and at its own log"
        )
    })
}
