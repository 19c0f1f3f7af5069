//! How many bits and pictures a second a rendition has, and the list of renditions that says so.

use super::master::{AudioGroup, Master, Variant};
use super::rendition::Rendition;
use super::segment::{Description, Segment};

/// Bit and frame rates of a rendition, as they were measured.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Rates {
    pub(crate) peak_bps: u64,
    pub(crate) average_bps: u64,
    pub(crate) frame_rate: f64,
    /// Of the pictures that decoding can begin with alone; zero where that is not known.
    pub(crate) key_peak_bps: u64,
    pub(crate) key_average_bps: u64,
}

impl Rates {
    pub(crate) fn of<'a>(segments: impl Iterator<Item = &'a Segment>) -> Self {
        let (mut peak_bps, mut bytes, mut duration_us, mut frames) = (0, 0, 0, 0);
        let (mut key_peak_bps, mut key_bytes, mut key_us) = (0, 0, 0);
        for segment in segments {
            peak_bps = segment.bits_per_second().max(peak_bps);
            bytes += segment.bytes;
            duration_us += segment.duration_us;
            frames += u64::from(segment.frames);
            if let Some((bps, of_key)) = segment.key_bits_per_second().zip(segment.key_bytes) {
                key_peak_bps = bps.max(key_peak_bps);
                key_bytes += of_key;
                key_us += segment.duration_us;
            }
        }
        let seconds = duration_us.max(1) as f64 / 1e6;
        Self {
            peak_bps,
            average_bps: (bytes * 8 * 1_000_000).checked_div(duration_us).unwrap_or(0),
            frame_rate: frames as f64 / seconds,
            key_peak_bps,
            key_average_bps: (key_bytes * 8 * 1_000_000).checked_div(key_us).unwrap_or(0),
        }
    }
}

/// Writes the list of renditions from what is known of each.
pub(crate) fn master<'a>(
    lanes: &(impl Iterator<Item = (Rendition, &'a Description, Rates)> + Clone),
    plain: bool,
) -> Option<String> {
    let variant = |name: Rendition, description: &Description, rates: Rates| Variant {
        rendition: name.to_string(),
        peak_bps: rates.peak_bps,
        average_bps: rates.average_bps,
        codec: description.codec.clone(),
        resolution: description.resolution,
        frame_rate: description.resolution.and(description.frame_rate.or(Some(rates.frame_rate))),
        key_peak_bps: rates.key_peak_bps,
        key_average_bps: rates.key_average_bps,
    };
    let mut variants: Vec<Variant> = lanes
        .clone()
        .filter(|(name, ..)| name.is_video())
        .map(|(name, description, rates)| variant(name, description, rates))
        .collect();
    let sound = lanes.clone().find(|(name, ..)| !name.is_video());
    let audio =
        sound.as_ref().filter(|_| !variants.is_empty()).map(|(name, description, rates)| AudioGroup {
            rendition: name.to_string(),
            peak_bps: rates.peak_bps,
            average_bps: rates.average_bps,
            codec: description.codec.clone(),
            channels: description.channels.unwrap_or(2),
        });
    if let (true, Some((name, description, rates))) = (variants.is_empty(), sound) {
        variants.push(variant(name, description, rates));
    }
    (!variants.is_empty()).then(|| Master { variants, audio, plain }.render())
}
