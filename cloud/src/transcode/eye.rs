//! Looks at single key frames in the worker: is there anything to see, and is it another picture than before?

use std::collections::BTreeMap;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::{AppSink, AppSrc};
use stagebox_media::{Frame, TrackConfig};

use super::looker::Look;
use super::pipeline::{PipelineError, source_caps};
use super::stage::{caps_filter, element};

/// Pictures are looked at in this size: small details count too, as nothing is averaged.
const WIDTH: usize = 320;
const HEIGHT: usize = 180;
/// Brightness up to which a pixel is black, of 255; black is 16 where the picture has video's range.
const BLACK: u8 = 32;
/// So many pixels of a thousand may be brighter in a black picture, a logo for one.
const BRIGHT_PER_MILLE: usize = 20;
/// Differences in brightness that an encoder makes by itself.
const NOISE: u8 = 16;
/// So many pixels of a thousand differ by more where something has moved.
const MOVED_PER_MILLE: usize = 1;
/// How long a picture may take to be decoded.
const LIMIT: gst::ClockTime = gst::ClockTime::from_seconds(2);

/// What has been seen of each input.
#[derive(Debug, Default)]
pub(super) struct Eyes {
    configs: BTreeMap<u8, TrackConfig>,
    before: BTreeMap<u8, Vec<u8>>,
}

impl Eyes {
    pub(super) fn configure(&mut self, input: u8, config: TrackConfig) {
        self.configs.insert(input, config);
    }

    /// One that cannot be decoded is neither dark nor still.
    pub(super) fn look(&mut self, input: u8, frame: &Frame) -> Look {
        let seen = self.configs.get(&input).and_then(|config| match decode(config, frame) {
            Ok(picture) => picture,
            Err(error) => {
                tracing::debug!(%error, "a key frame cannot be looked at");
                None
            }
        });
        let Some(picture) = seen else {
            self.before.remove(&input);
            return Look { input, dark: false, still: false };
        };
        let dark = is_dark(&picture);
        let still = self.before.get(&input).is_some_and(|before| is_still(before, &picture));
        self.before.insert(input, picture);
        Look { input, dark, still }
    }
}

/// The brightness of a key frame's pixels.
///
/// Each has a decoder of its own: one that goes on would keep pictures back that it takes for reordered ones.
fn decode(config: &TrackConfig, frame: &Frame) -> Result<Option<Vec<u8>>, PipelineError> {
    let build = |error: gst::glib::BoolError| PipelineError::Build(error.to_string());
    let source = AppSrc::builder().caps(&source_caps(config)).format(gst::Format::Time).build();
    let decoder = element("avdec_h264")?;
    decoder.set_property("max-threads", 1i32);
    let scaler = element("videoscale")?;
    scaler.set_property_from_str("method", "nearest-neighbour");
    scaler.set_property("add-borders", false);
    let grey = gst::Caps::builder("video/x-raw")
        .field("format", "GRAY8")
        .field("width", WIDTH as i32)
        .field("height", HEIGHT as i32)
        .field("pixel-aspect-ratio", gst::Fraction::new(1, 1));
    let sink = AppSink::builder().sync(false).build();
    let chain = [
        source.clone().upcast(),
        decoder,
        scaler,
        element("videoconvert")?,
        caps_filter(&grey.build())?,
        sink.clone().upcast(),
    ];
    let pipeline = gst::Pipeline::new();
    pipeline.add_many(&chain).map_err(build)?;
    gst::Element::link_many(&chain).map_err(build)?;
    let running = Once(pipeline);
    let started = running.0.set_state(gst::State::Playing);
    started.map_err(|_| PipelineError::Build("it does not start playing".to_owned()))?;
    let mut buffer = gst::Buffer::from_slice(frame.data.clone());
    if let Some(buffer) = buffer.get_mut() {
        buffer.set_pts(gst::ClockTime::ZERO);
    }
    source.push_buffer(buffer).map_err(PipelineError::Push)?;
    let _ = source.end_of_stream();
    let sample = sink.try_pull_sample(LIMIT);
    let pixels = sample.as_ref().and_then(|sample| sample.buffer()?.map_readable().ok());
    Ok(pixels.filter(|pixels| pixels.len() == WIDTH * HEIGHT).map(|pixels| pixels.to_vec()))
}

/// A pipeline for one picture.
struct Once(gst::Pipeline);

impl Drop for Once {
    fn drop(&mut self) {
        // Only a state that cannot be left fails to, and the process ends then anyway.
        let _ = self.0.set_state(gst::State::Null);
    }
}

fn is_dark(picture: &[u8]) -> bool {
    let bright = picture.iter().filter(|pixel| **pixel > BLACK).count();
    bright * 1_000 <= picture.len() * BRIGHT_PER_MILLE
}

fn is_still(before: &[u8], picture: &[u8]) -> bool {
    let moved = before.iter().zip(picture).filter(|(before, now)| before.abs_diff(**now) > NOISE).count();
    moved * 1_000 <= picture.len() * MOVED_PER_MILLE
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(brightness: u8) -> Vec<u8> {
        vec![brightness; WIDTH * HEIGHT]
    }

    #[test]
    fn black_with_a_small_logo_is_dark() {
        let mut logo = picture(16);
        logo[..WIDTH * HEIGHT / 50].fill(235);
        assert!(is_dark(&picture(0)) && is_dark(&picture(16)) && is_dark(&logo));
        logo[..WIDTH * HEIGHT / 40].fill(235);
        assert!(!is_dark(&logo) && !is_dark(&picture(60)));
    }

    #[test]
    fn a_clock_in_a_corner_moves_and_noise_does_not() {
        let still = picture(100);
        let mut clock = still.clone();
        clock[..60].fill(200);
        let noisy: Vec<u8> = still.iter().enumerate().map(|(at, pixel)| pixel + (at % 13) as u8).collect();
        assert!(is_still(&still, &still) && is_still(&still, &noisy));
        assert!(!is_still(&still, &clock));
    }
}
