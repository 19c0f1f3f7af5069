//! Rules on the sound.

use super::super::recent::Facts;
use super::super::sample::{Flags, Sample};
use super::picture::arrives;
use super::stream::is_headerless;

/// Seconds without one of two tracks.
const LACKING_S: usize = 5;
/// Nothing but noise is quieter.
const SILENCE_DBFS: f64 = -60.0;
const SILENCE_S: usize = 10;
/// Of these; in the others no sound came, or none that could be decoded.
const SILENCE_SECONDS: usize = 8;
/// Full scale, but for rounding.
const CLIPS_DBFS: f64 = -0.1;
const CLIPS_OVER_S: usize = 8;
/// Of these; a single loud moment is none.
const CLIPS_SECONDS: usize = 5;

pub(super) fn none(facts: &Facts<'_>) -> Option<String> {
    let last = facts.recent.last(LACKING_S)?;
    let is_picture_alone = arrives(last) && !last.iter().any(|sample| sample.flags.has(Flags::SOUND));
    // That there is some which cannot be heard is said already.
    let is_picture_alone = is_picture_alone && !is_headerless(last);
    is_picture_alone.then(|| {
        if facts.has_sound_track {
            "the sound has stopped, only the picture arrives: look at the microphone and at the encoder's audio".to_owned()
        } else {
            "there is no sound track: switch audio on in your encoder, as AAC".to_owned()
        }
    })
}

/// Whether nothing was to be heard in a second with pictures, where that is known.
pub(in super::super) fn is_silent(second: &Sample) -> Option<bool> {
    match second.rms.get() {
        Some(rms) => Some(rms < SILENCE_DBFS),
        None => (second.frames > 0 && !second.flags.has(Flags::SOUND)).then_some(true),
    }
}

pub(super) fn silence(facts: &Facts<'_>) -> Option<String> {
    let levels = facts.recent.last(SILENCE_S)?.iter().filter_map(|sample| sample.rms.get());
    let is_silent =
        levels.clone().count() >= SILENCE_SECONDS && levels.into_iter().all(|rms| rms < SILENCE_DBFS);
    is_silent.then(|| {
        "nothing is heard, the sound track is silent: look at the microphone, the mixer and the encoder's audio input"
            .to_owned()
    })
}

pub(super) fn changed(facts: &Facts<'_>) -> Option<String> {
    let changed = facts.changes.sound?;
    let what = match (changed.from, changed.to) {
        (Some(from), Some(to)) if from != to => format!("has changed from {from} to {to}"),
        _ => "has changed its settings".to_owned(),
    };
    Some(format!("the sound {what}: players stop for a moment at this; leave it as it is during an event"))
}

pub(super) fn clips(facts: &Facts<'_>) -> Option<String> {
    let last = facts.recent.last(CLIPS_OVER_S)?;
    let loud = last.iter().filter(|sample| sample.peak.get().is_some_and(|peak| peak >= CLIPS_DBFS)).count();
    (loud >= CLIPS_SECONDS).then(|| {
        "the sound is too loud, its peaks are cut off: turn it down until they stay below −6 dB".to_owned()
    })
}
