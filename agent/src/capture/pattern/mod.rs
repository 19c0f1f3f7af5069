//! A test signal made to be measured.
//!
//! Colour bars with a moving marker and the wall clock in the picture (see
//! [`timecode`]). Once a second, at the same instant, the picture below the
//! timecode is white for one frame and a click of 10 ms (1 kHz, -6 dBFS) begins;
//! between the clicks there is a tone of 440 Hz at -40 dBFS.

pub mod timecode;

use std::f32::consts::TAU;

use gstreamer as gst;
use gstreamer_video::VideoInfo;
use stagebox_protocol::telemetry::{SignalState, SignalStatus};

use super::{CHANNELS, CaptureError, Captured, Mend, PictureFormat, SAMPLE_RATE, Source, Tick};

/// Y, U and V of the bars, left to right: white, yellow, cyan, green, magenta, red, blue, black at 75 %.
const BARS: [[u8; 3]; 8] = [
    [180, 128, 128],
    [168, 44, 136],
    [145, 147, 44],
    [133, 63, 52],
    [63, 193, 204],
    [51, 109, 212],
    [28, 212, 120],
    [16, 128, 128],
];
const WHITE: u8 = 235;
const TONE_HZ: f32 = 440.0;
const TONE_LEVEL: f32 = 0.01;
const CLICK_HZ: f32 = 1000.0;
const CLICK_LEVEL: f32 = 0.5;
const CLICK_SAMPLES: u64 = SAMPLE_RATE as u64 / 100;

pub(super) struct Pattern {
    format: PictureFormat,
    info: VideoInfo,
    bars: Vec<u8>,
}

impl Pattern {
    pub(super) fn new(format: PictureFormat) -> Result<Self, CaptureError> {
        let info = format.info()?;
        let bars = draw_bars(&format, &info);
        Ok(Self { format, info, bars })
    }

    fn draw(&self, tick: &Tick) -> Vec<u8> {
        let mut picture = self.bars.clone();
        let stride = self.info.stride()[0].unsigned_abs() as usize;
        let (luma, chroma) = picture.split_at_mut(self.info.offset()[1]);
        let top = timecode::height(&self.format);
        if self.flashes(tick) {
            luma[top * stride..].fill(WHITE);
            chroma.fill(128);
        } else {
            self.draw_marker(luma, stride, tick.index);
        }
        timecode::draw(luma, stride, &self.format, tick.unix_ms);
        picture
    }

    /// A white bar that crosses the lower half in two seconds.
    fn draw_marker(&self, luma: &mut [u8], stride: usize, index: u64) {
        let (width, height) = (self.format.width as usize, self.format.height as usize);
        let period = u64::from(self.format.fps) * 2;
        let bar = (width / 32).max(2);
        let left = (width - bar) * usize::try_from(index % period).unwrap_or(0) / period as usize;
        for row in luma.chunks_mut(stride).take(height).skip(height * 3 / 4) {
            row[left..left + bar].fill(WHITE);
        }
    }

    fn flashes(&self, tick: &Tick) -> bool {
        tick.index.is_multiple_of(self.format.fps.into())
    }
}

impl Source for Pattern {
    fn capture(&mut self, tick: &Tick) -> Result<Captured, CaptureError> {
        let mut sound = Vec::with_capacity(tick.samples * CHANNELS);
        for sample in tick.first_sample..tick.first_sample + tick.samples as u64 {
            let in_second = sample % u64::from(SAMPLE_RATE);
            let at = in_second as f32 / SAMPLE_RATE as f32;
            let value = if in_second < CLICK_SAMPLES {
                CLICK_LEVEL * (TAU * CLICK_HZ * at).cos()
            } else {
                TONE_LEVEL * (TAU * TONE_HZ * at).sin()
            };
            sound.extend([value; CHANNELS]);
        }
        Ok(Captured { picture: Some(gst::Buffer::from_mut_slice(self.draw(tick))), sound })
    }

    fn signal(&self) -> SignalStatus {
        SignalStatus {
            state: SignalState::Locked,
            source: "test pattern".to_owned(),
            width: self.format.width,
            height: self.format.height,
            fps: self.format.fps as f32,
            audio: true,
            reason: None,
            alarms: Vec::new(),
        }
    }

    fn mend(&mut self, _: Mend) {}
}

fn draw_bars(format: &PictureFormat, info: &VideoInfo) -> Vec<u8> {
    let mut data = vec![0; info.size()];
    let planes = [(format.width, format.height), (format.width / 2, format.height / 2)];
    for plane in 0..3 {
        let (width, height) = planes[plane.min(1)];
        let stride = info.stride()[plane].unsigned_abs() as usize;
        let start = info.offset()[plane];
        let row: Vec<u8> =
            (0..width as usize).map(|x| BARS[x * BARS.len() / width as usize][plane]).collect();
        // No colour behind the timecode: readers that see RGB need black and white there.
        let colourless = if plane == 0 { 0 } else { timecode::height(format).div_ceil(2) };
        for (y, line) in data[start..].chunks_mut(stride).take(height as usize).enumerate() {
            let length = row.len().min(line.len());
            if y < colourless {
                line[..length].fill(128);
            } else {
                line[..length].copy_from_slice(&row[..length]);
            }
        }
    }
    data
}
