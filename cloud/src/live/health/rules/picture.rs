//! Rules on the picture.

use super::super::recent::{Facts, mean, sum};
use super::super::sample::{Flags, Sample};
use super::stream::{is_headerless, times_repeat};

/// Seconds without one of two tracks.
const LACKING_S: usize = 5;
/// Players begin, and change renditions, at key frames only.
const KEY_INTERVAL_MS: u32 = 4_000;
const RATE_OVER_S: usize = 5;
/// Of the usual rate.
const RATE_SHARE: f64 = 0.9;
/// Slides that change now and then have no rate.
const LEAST_FPS: f64 = 5.0;
/// Fewer missing pictures in a minute are not seen.
const MISSING: u32 = 3;
const UNEVEN_OVER_S: usize = 10;
/// Of the steps.
const UNEVEN_SHARE: f64 = 0.2;
const HIGHEST_FPS: f64 = 61.0;
const COMPOSITION_OVER_S: usize = 5;

pub(super) fn none(facts: &Facts<'_>) -> Option<String> {
    let last = facts.recent.last(LACKING_S)?;
    let is_sound_alone = last.iter().all(|sample| sample.frames == 0)
        && last.iter().any(|sample| sample.flags.has(Flags::SOUND));
    // That there are some which cannot be shown is said already.
    let is_sound_alone = is_sound_alone && !is_headerless(last);
    is_sound_alone
        .then(|| "only sound arrives, no picture: look at the camera and at the encoder's video".to_owned())
}

pub(super) fn key_frames(facts: &Facts<'_>) -> Option<String> {
    let interval_ms = facts.recent.newest()?.key_interval_ms?.get();
    (interval_ms > KEY_INTERVAL_MS).then(|| {
        let seconds = f64::from(interval_ms) / 1_000.0;
        // Tenths where whole seconds would say what is still good.
        let figure = if interval_ms < 5_500 { format!("{seconds:.1}") } else { format!("{seconds:.0}") };
        format!("key frames every {figure} s: set 2 s in your encoder")
    })
}

/// Pictures a second, now and as usual, where it is fewer.
fn fewer(facts: &Facts<'_>) -> Option<(f64, f64)> {
    let now = mean(facts.recent.last(RATE_OVER_S)?, |sample| u32::from(sample.frames));
    let usual = facts.usual_fps.filter(|fps| *fps >= LEAST_FPS)?;
    (now > 0.0 && now < usual * RATE_SHARE).then_some((now, usual))
}

pub(super) fn rate_low(facts: &Facts<'_>) -> Option<String> {
    let (now, usual) = fewer(facts)?;
    Some(format!(
        "only {now:.0} of {usual:.0} pictures a second arrive: the encoder or its network cannot keep up"
    ))
}

pub(super) fn missing(facts: &Facts<'_>) -> Option<String> {
    // Said already, in better words.
    if fewer(facts).is_some() || times_repeat(facts).is_some() {
        return None;
    }
    let missing = sum(&facts.recent.0, |sample| u32::from(sample.missing));
    (missing >= MISSING).then(|| {
        format!(
            "{missing} pictures are missing in the last minute: give the encoder less to do, or lower its bitrate"
        )
    })
}

pub(super) fn rate_varies(facts: &Facts<'_>) -> Option<String> {
    // Said already, in better words.
    if times_repeat(facts).is_some() {
        return None;
    }
    let last = facts.recent.last(UNEVEN_OVER_S)?;
    let frames = sum(last, |sample| u32::from(sample.frames));
    let uneven = sum(last, |sample| u32::from(sample.uneven));
    let share = f64::from(uneven) / f64::from(frames.max(1));
    (share > UNEVEN_SHARE).then(|| {
        format!(
            "the time from picture to picture varies ({:.0} of 100 are off): set a constant frame rate in your encoder",
            (share * 100.0).min(100.0)
        )
    })
}

pub(super) fn rate_high(facts: &Facts<'_>) -> Option<String> {
    let fps = facts.usual_fps.filter(|fps| *fps > HIGHEST_FPS)?;
    Some(format!(
        "{fps:.0} pictures a second are more than most players show: set 60 or fewer in your encoder"
    ))
}

pub(super) fn composition_times(facts: &Facts<'_>) -> Option<String> {
    let last = facts.recent.last(COMPOSITION_OVER_S)?;
    let has = |flag| last.iter().any(|sample| sample.flags.has(flag));
    (has(Flags::B_PICTURES) && !has(Flags::REORDERED)).then(|| {
        "the encoder sends B frames but not when they are shown, so movements judder: \
         switch B frames off in your encoder (profile baseline, or 0 B frames)"
            .to_owned()
    })
}

pub(super) fn format(facts: &Facts<'_>) -> Option<String> {
    let picture = facts.picture?;
    let (width, height) = (picture.size.0.get(), picture.size.1.get());
    if picture.chroma_format != 1 || picture.bit_depth != 8 {
        return Some(format!(
            "the picture is coded {} with {} bits, which most browsers cannot show: \
             set profile high with 4:2:0 and 8 bits in your encoder",
            picture.chroma(),
            picture.bit_depth
        ));
    }
    (width % 2 == 1 || height % 2 == 1)
        .then(|| format!("the picture is {width}×{height}: set a size of even numbers in your encoder"))
}

pub(super) fn size_changed(facts: &Facts<'_>) -> Option<String> {
    let resized = facts.changes.size?;
    let ((old_width, old_height), (width, height)) = (resized.from, resized.to);
    Some(format!(
        "the picture's size has changed from {old_width}×{old_height} to {width}×{height}: \
         players stop for a moment at this; keep one size during an event"
    ))
}

pub(super) fn changed(facts: &Facts<'_>) -> Option<String> {
    // Said already, in better words.
    if facts.changes.size.is_some() {
        return None;
    }
    facts.changes.picture.map(|_| {
        "the encoder has changed its picture's settings: \
         players stop for a moment at this; leave them as they are during an event"
            .to_owned()
    })
}

/// Whether pictures come.
pub(super) fn arrives(samples: &[Sample]) -> bool {
    samples.iter().any(|sample| sample.frames > 0)
}
