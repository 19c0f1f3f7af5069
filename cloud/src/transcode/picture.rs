//! A still picture with a line of text, drawn without anything but its size.

use embedded_graphics::mono_font::MonoTextStyle;
use embedded_graphics::mono_font::iso_8859_1::FONT_10X20;
use embedded_graphics::pixelcolor::BinaryColor;
use embedded_graphics::prelude::{DrawTarget, Drawable, OriginDimensions, Pixel, Point, Size};
use embedded_graphics::text::{Alignment, Baseline, Text, TextStyleBuilder};
use serde::{Deserialize, Serialize};

/// Largest side in pixels.
pub(super) const MAX_SIDE: u32 = 4096;
/// Longest line in characters.
const MAX_TEXT: usize = 80;
/// The font's characters, in pixels.
const LETTER: (u32, u32) = (10, 20);
/// Luma of the ground and of the letters, in the limited range (BT.709: 16 is black, 235 white).
const GROUND: u8 = 28;
const INK: u8 = 190;
/// No colour (BT.709: 128).
const NO_COLOUR: u8 = 128;

/// What is drawn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Still {
    /// In pixels, even.
    pub(crate) width: u32,
    /// In pixels, even.
    pub(crate) height: u32,
    /// A line; what does not fit is left out.
    pub(crate) text: String,
}

impl Still {
    /// The picture as I420: luma, then both planes of colour at half the size, as GStreamer lays them out: each line
    /// begins at a multiple of four bytes.
    ///
    /// Returns `None` for a size that no encoder takes.
    pub(super) fn draw(&self) -> Option<Vec<u8>> {
        let is_side = |side: u32| (2..=MAX_SIDE).contains(&side) && side.is_multiple_of(2);
        if !is_side(self.width) || !is_side(self.height) {
            return None;
        }
        let (stride, height) = (self.stride() as usize, self.height as usize);
        let mut planes = vec![GROUND; stride * height];
        let text: String = self.text.chars().filter(|c| !c.is_control()).take(MAX_TEXT).collect();
        if !text.is_empty() {
            self.write(&text, &mut planes);
        }
        // Each of both has half the lines.
        let colour = (self.width as usize / 2).next_multiple_of(4) * height;
        planes.resize(stride * height + colour, NO_COLOUR);
        Some(planes)
    }

    /// Bytes of a line of luma.
    fn stride(&self) -> u32 {
        self.width.next_multiple_of(4)
    }

    /// Writes the line into the middle, as large as fits into four fifths of the width and a twelfth of the height.
    fn write(&self, text: &str, luma: &mut [u8]) {
        let letters = u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
        let by_width = self.width * 4 / 5 / LETTER.0.saturating_mul(letters).max(1);
        let by_height = self.height / 12 / LETTER.1;
        let scale = by_width.min(by_height).max(1);
        let mut page = Page { luma, stride: self.stride(), width: self.width, height: self.height, scale };
        let style = TextStyleBuilder::new().alignment(Alignment::Center).baseline(Baseline::Middle).build();
        let middle = Point::new((self.width / scale / 2) as i32, (self.height / scale / 2) as i32);
        let font = MonoTextStyle::new(&FONT_10X20, BinaryColor::On);
        // A page takes every pixel.
        let _ = Text::with_text_style(text, middle, font, style).draw(&mut page);
    }
}

/// Luma in which each drawn pixel is a square of `scale` pixels.
struct Page<'a> {
    luma: &'a mut [u8],
    stride: u32,
    width: u32,
    height: u32,
    scale: u32,
}

impl OriginDimensions for Page<'_> {
    fn size(&self) -> Size {
        Size::new(self.width / self.scale, self.height / self.scale)
    }
}

impl DrawTarget for Page<'_> {
    type Color = BinaryColor;
    type Error = std::convert::Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<BinaryColor>>>(
        &mut self,
        pixels: I,
    ) -> Result<(), Self::Error> {
        let size = self.size();
        for Pixel(point, colour) in pixels {
            let (Ok(x), Ok(y)) = (u32::try_from(point.x), u32::try_from(point.y)) else { continue };
            if colour.is_off() || x >= size.width || y >= size.height {
                continue;
            }
            for line in y * self.scale..(y + 1) * self.scale {
                let start = (line * self.stride + x * self.scale) as usize;
                if let Some(square) = self.luma.get_mut(start..start + self.scale as usize) {
                    square.fill(INK);
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn still(width: u32, height: u32, text: &str) -> Still {
        Still { width, height, text: text.to_owned() }
    }

    #[test]
    fn the_line_stands_in_the_middle_and_grows_with_the_picture() {
        // The last two as GStreamer has them: 854 and 427 bytes in 856 and 428, 426 and 213 in 428 and 216.
        for (width, height, scale, stride, colour) in [
            (640, 360, 1, 640, 320),
            (1920, 1080, 4, 1920, 960),
            (854, 480, 2, 856, 428),
            (426, 240, 1, 428, 216),
        ] {
            let drawn = still(width, height, "No broadcast").draw().unwrap();
            assert_eq!(drawn.len(), (stride * height + colour * height) as usize, "{width} × {height}");
            let luma = &drawn[..(stride * height) as usize];
            let inked = |(at, luma): (usize, &u8)| (*luma == INK).then_some(at as u32);
            let inked: Vec<u32> = luma.iter().enumerate().filter_map(inked).collect();
            let (lines, columns) = (inked.iter().map(|at| at / stride), inked.iter().map(|at| at % stride));
            let (top, bottom) = (lines.clone().min().unwrap(), lines.max().unwrap());
            let (left, right) = (columns.clone().min().unwrap(), columns.max().unwrap());
            assert!(top > height / 2 - 20 * scale && bottom < height / 2 + 20 * scale, "{top} {bottom}");
            assert!(left.abs_diff(width - right) < 20 * scale, "{left} {right}");
        }
    }

    #[test]
    fn any_text_and_size_is_survived() {
        let long = "x".repeat(10_000);
        for text in ["", "ä € 漢\u{7}\n", &long] {
            assert!(still(16, 16, text).draw().is_some());
            assert!(still(2, 4096, text).draw().is_some());
        }
        for (width, height) in [(0, 2), (3, 4), (2, 4098), (u32::MAX, u32::MAX)] {
            assert_eq!(still(width, height, "x").draw(), None);
        }
    }
}
