//! Measured bit rates against those that the multivariant playlist tells (RFC 8216bis, 4.1 and 4.4.6.2).

use std::collections::BTreeMap;

use super::content::Known;
use super::files::bits_per_second;
use super::history::History;
use super::master::{Master, Variant};
use super::media::Kind;
use super::name::name_of;
use super::report::Report;
use super::rule;

/// Peaks are those of the newest segments.
const PEAK_SEGMENTS: usize = 300;
/// A live average is one of about an hour.
const LIVE_AVERAGE_US: u64 = 3_600_000_000;

pub(super) fn check(master: &Master, histories: &BTreeMap<String, History>, report: &mut Report) {
    for variant in master.variants.iter().filter(|variant| !variant.iframe) {
        let Some(video) = histories.get(&name_of(&variant.uri)) else { continue };
        let sounds: Vec<&History> = master
            .renditions
            .iter()
            .filter(|rendition| rendition.kind == "AUDIO" && variant.audio.as_ref() == Some(&rendition.group))
            .filter_map(|rendition| histories.get(&name_of(rendition.uri.as_deref()?)))
            .collect();
        peak(variant, video, &sounds, report);
        average(variant, video, &sounds, report);
    }
}

fn on_demand(history: &History) -> bool {
    history.header.ended || history.header.kind == Some(Kind::Vod)
}

/// Whether `real` is more than `percent` of `told`.
fn exceeds(real: u64, told: u64, percent: u128) -> bool {
    u128::from(real) * 100 > u128::from(told) * percent
}

fn peak(variant: &Variant, video: &History, sounds: &[&History], report: &mut Report) {
    let (Some(told), Some(real)) = (variant.bandwidth, peak_bps(video)) else { return };
    let sound = sounds.iter().filter_map(|sound| peak_bps(sound)).max().unwrap_or(0);
    let real = real.saturating_add(sound);
    let rule = match on_demand(video) {
        true if exceeds(real, told, 110) => rule::PEAK_VOD,
        false if exceeds(real, told, 125) => rule::PEAK_LIVE,
        false if exceeds(real, told, 110) => rule::PEAK_NEAR,
        _ => return,
    };
    report.add(
        rule,
        variant.line,
        format!("`{}`: BANDWIDTH is {told}, the peak bit rate {real}", variant.uri),
    );
}

fn average(variant: &Variant, video: &History, sounds: &[&History], report: &mut Report) {
    let (Some(told), Some(real)) = (variant.average, average_bps(video)) else { return };
    let sound = sounds.iter().filter_map(|sound| average_bps(sound)).max().unwrap_or(0);
    let real = real.saturating_add(sound);
    let rule = match on_demand(video) {
        true if exceeds(real, told, 110) => rule::AVERAGE_VOD,
        false if exceeds(real, told, 110) => rule::AVERAGE_LIVE,
        _ => return,
    };
    let words = format!("`{}`: AVERAGE-BANDWIDTH is {told}, the average bit rate {real}", variant.uri);
    report.add(rule, variant.line, words);
}

/// The highest bit rate of neighbouring segments that last about a target duration together.
fn peak_bps(history: &History) -> Option<u64> {
    let target_us = history.header.target_us().filter(|us| *us > 0)?;
    let (least_us, most_us) = (target_us / 2, target_us.saturating_mul(3) / 2 + 500_000);
    let segments = &history.content.segments;
    let newest = segments.len().saturating_sub(PEAK_SEGMENTS);
    let sizes: Vec<Option<(u64, u64)>> = segments.iter().skip(newest).map(size).collect();
    let mut peak = None;
    for from in 0..sizes.len() {
        let (mut bytes, mut duration_us) = (0u64, 0u64);
        for size in sizes.iter().skip(from) {
            // A gap, or a file that nobody fetched, ends what is contiguous.
            let Some((more, us)) = size else { break };
            bytes = bytes.saturating_add(*more);
            duration_us = duration_us.saturating_add(*us);
            if duration_us > most_us {
                break;
            }
            if duration_us >= least_us {
                peak = peak.max(bits_per_second(bytes, duration_us));
            }
        }
    }
    peak
}

/// Bytes and microseconds, where both are known.
fn size(known: &Known) -> Option<(u64, u64)> {
    let file = known.file.as_ref().filter(|_| !known.gap)?;
    Some((file.bytes, known.duration_us.filter(|us| *us > 0)?))
}

fn average_bps(history: &History) -> Option<u64> {
    if !on_demand(history) {
        let measured = history.measured;
        let long = measured.duration_us >= LIVE_AVERAGE_US;
        return long.then(|| bits_per_second(measured.bytes, measured.duration_us)).flatten();
    }
    let content = &history.content;
    let (mut bytes, mut duration_us) = (0u64, 0u64);
    for known in content.segments.iter().filter(|known| !known.gap) {
        let (more, us) = size(known).filter(|_| content.whole)?;
        bytes = bytes.saturating_add(more);
        duration_us = duration_us.saturating_add(us);
    }
    bits_per_second(bytes, duration_us)
}
