//! The picture that stands where there is none: the box's name, why there is no signal, and the time.

use std::convert::Infallible;

use embedded_graphics::geometry::{OriginDimensions, Point, Size};
use embedded_graphics::mono_font::MonoTextStyle;
use embedded_graphics::mono_font::iso_8859_1::FONT_10X20;
use embedded_graphics::pixelcolor::BinaryColor;
use embedded_graphics::prelude::{DrawTarget, Drawable as _, Pixel};
use embedded_graphics::text::{Alignment, Text};
use gstreamer as gst;
use time::OffsetDateTime;

use super::{CaptureError, PictureFormat};

/// Of the font.
const CHAR_WIDTH: u32 = 10;
const CHAR_HEIGHT: u32 = 20;
/// BT.709, as all pictures are: nearly black, and nearly white.
const GROUND: u8 = 36;
const INK: u8 = 210;
/// Lines of a reason, at most.
const REASON_LINES: usize = 3;

/// Draws slates, each second anew and no more often.
pub(crate) struct Slate {
    format: PictureFormat,
    name: String,
    drawn: Option<((String, i64), gst::Buffer)>,
}

impl Slate {
    pub(crate) fn new(format: PictureFormat, name: &str) -> Self {
        Self { format, name: name.to_owned(), drawn: None }
    }

    /// The slate of this second.
    pub(crate) fn picture(&mut self, reason: &str, unix_ms: i64) -> Result<gst::Buffer, CaptureError> {
        let second = unix_ms.div_euclid(1000);
        let is_drawn = |((words, at), _): &&((String, i64), gst::Buffer)| words == reason && *at == second;
        if let Some((_, picture)) = self.drawn.as_ref().filter(is_drawn) {
            return Ok(picture.clone());
        }
        let picture = self.draw(reason, second)?;
        self.drawn = Some(((reason.to_owned(), second), picture.clone()));
        Ok(picture)
    }

    fn draw(&self, reason: &str, unix_s: i64) -> Result<gst::Buffer, CaptureError> {
        let info = self.format.info()?;
        let mut data = vec![128; info.size()];
        let stride = info.stride()[0].unsigned_abs() as usize;
        let luma = &mut data[..info.offset()[1]];
        luma.fill(GROUND);
        let PictureFormat { width, height, .. } = self.format;
        let large = (height / 120).min(width / (CHAR_WIDTH * 12)).max(1);
        let small = (height / 240).max(1);
        let mut line = |text: &str, scale: u32, middle: u32| {
            let size = Size::new(width / scale, height / scale);
            let mut canvas = Canvas { luma: &mut *luma, stride, scale, size };
            let style = MonoTextStyle::new(&FONT_10X20, BinaryColor::On);
            // The font's baseline is a quarter above its foot.
            let y = (middle / scale + CHAR_HEIGHT / 4).cast_signed();
            let x = (size.width / 2).cast_signed();
            let Ok(_) =
                Text::with_alignment(text, Point::new(x, y), style, Alignment::Center).draw(&mut canvas);
        };
        let fits = |scale: u32| (width / scale / CHAR_WIDTH).max(1) as usize;
        let name: String = self.name.chars().take(fits(small)).collect();
        line(&name, small, height / 6);
        line("NO SIGNAL", large, height * 5 / 12);
        for (number, words) in (0..).zip(wrapped(reason, fits(small)).iter().take(REASON_LINES)) {
            line(words, small, height * 7 / 12 + number * small * (CHAR_HEIGHT + 4));
        }
        line(&clock(unix_s), small, height * 11 / 12);
        Ok(gst::Buffer::from_mut_slice(data))
    }
}

/// `21:07:05 UTC`
fn clock(unix_s: i64) -> String {
    let time = OffsetDateTime::from_unix_timestamp(unix_s).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    format!("{:02}:{:02}:{:02} UTC", time.hour(), time.minute(), time.second())
}

/// Words in lines of at most so many characters; a longer word is cut.
fn wrapped(text: &str, most: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let word: String = word.chars().take(most).collect();
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= most => {
                line.push(' ');
                line.push_str(&word);
            }
            _ => lines.push(word),
        }
    }
    lines
}

/// A luma plane of which a dot is a square of `scale` pixels.
struct Canvas<'a> {
    luma: &'a mut [u8],
    stride: usize,
    scale: u32,
    size: Size,
}

impl OriginDimensions for Canvas<'_> {
    fn size(&self) -> Size {
        self.size
    }
}

impl DrawTarget for Canvas<'_> {
    type Color = BinaryColor;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<BinaryColor>>>(&mut self, pixels: I) -> Result<(), Infallible> {
        let scale = self.scale as usize;
        for Pixel(point, colour) in pixels {
            let (Ok(x), Ok(y)) = (u32::try_from(point.x), u32::try_from(point.y)) else { continue };
            if x >= self.size.width || y >= self.size.height || !colour.is_on() {
                continue;
            }
            for row in 0..scale {
                let from = (y as usize * scale + row) * self.stride + x as usize * scale;
                if let Some(dots) = self.luma.get_mut(from..from + scale) {
                    dots.fill(INK);
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn luma(slate: &mut Slate, reason: &str, unix_ms: i64) -> Vec<u8> {
        let picture = slate.picture(reason, unix_ms).unwrap();
        let map = picture.map_readable().unwrap();
        let PictureFormat { width, height, .. } = slate.format;
        assert_eq!(map.len(), (width * height * 3 / 2) as usize);
        assert!(map[(width * height) as usize..].iter().all(|chroma| *chroma == 128), "it has no colours");
        map[..(width * height) as usize].to_vec()
    }

    #[test]
    fn all_of_it_is_in_the_picture_at_any_size() {
        gst::init().unwrap();
        for (width, height) in [(64, 64), (320, 180), (640, 360), (1280, 720), (1920, 1080), (720, 1280)] {
            let mut slate = Slate::new(PictureFormat { width, height, fps: 15 }, "Stage left");
            let picture = luma(&mut slate, "No cable is plugged in", 0);
            let inked = |from: u32, to: u32| {
                let rows = (height * from / 12 * width) as usize..(height * to / 12 * width) as usize;
                picture[rows].iter().filter(|dot| **dot == INK).count()
            };
            for (part, from, to) in [("name", 1, 3), ("words", 4, 6), ("reason", 6, 9), ("clock", 10, 12)] {
                assert!(inked(from, to) > 20, "{width}x{height}: no {part}");
            }
            assert!(picture.iter().all(|dot| *dot == INK || *dot == GROUND));
        }
    }

    #[test]
    fn it_is_drawn_anew_with_each_second_and_reason_only() {
        gst::init().unwrap();
        let mut slate = Slate::new(PictureFormat { width: 640, height: 360, fps: 15 }, "A");
        let first = slate.picture("one", 5_000).unwrap();
        assert_eq!(slate.picture("one", 5_999).unwrap().as_ptr(), first.as_ptr());
        assert_ne!(slate.picture("two", 5_999).unwrap().as_ptr(), first.as_ptr());
        assert_ne!(luma(&mut slate, "one", 5_000), luma(&mut slate, "one", 6_000));
        assert_eq!(clock(1_795_300_205), "22:30:05 UTC");
    }

    #[test]
    fn words_go_into_lines() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("incomprehensibilities are", 5), ["incom", "are"]);
        assert!(wrapped("", 5).is_empty());
    }
}
