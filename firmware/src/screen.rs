//! A picture of 128×64 pixels that are on or off.
//!
//! Shells draw pages here first: they compare it with what the display shows
//! and send only what is new.

use core::convert::Infallible;

use embedded_graphics::{
    Pixel,
    geometry::{OriginDimensions, Size},
    pixelcolor::BinaryColor,
    prelude::DrawTarget,
};

pub const WIDTH: u32 = 128;
pub const HEIGHT: u32 = 64;
const ROW_BYTES: usize = WIDTH as usize / 8;

/// The panel's display in memory.
#[derive(Clone, PartialEq, Eq)]
pub struct Screen {
    bits: [u8; ROW_BYTES * HEIGHT as usize],
}

impl Default for Screen {
    fn default() -> Self {
        Self { bits: [0; ROW_BYTES * HEIGHT as usize] }
    }
}

impl Screen {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Is the pixel lit? Outside nothing is.
    #[must_use]
    pub fn lit(&self, x: u32, y: u32) -> bool {
        x < WIDTH && y < HEIGHT && self.bits[Self::byte(x, y)] & Self::mask(x) != 0
    }

    /// All pixels, row by row, for a display that takes colours.
    pub fn pixels(&self) -> impl Iterator<Item = BinaryColor> + '_ {
        (0..HEIGHT).flat_map(move |y| (0..WIDTH).map(move |x| BinaryColor::from(self.lit(x, y))))
    }

    /// Turns every pixel around.
    pub fn invert(&mut self) {
        for byte in &mut self.bits {
            *byte = !*byte;
        }
    }

    fn byte(x: u32, y: u32) -> usize {
        y as usize * ROW_BYTES + x as usize / 8
    }

    fn mask(x: u32) -> u8 {
        0x80 >> (x % 8)
    }
}

impl OriginDimensions for Screen {
    fn size(&self) -> Size {
        Size::new(WIDTH, HEIGHT)
    }
}

impl DrawTarget for Screen {
    type Color = BinaryColor;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<BinaryColor>>>(&mut self, pixels: I) -> Result<(), Infallible> {
        for Pixel(point, color) in pixels {
            let (Ok(x), Ok(y)) = (u32::try_from(point.x), u32::try_from(point.y)) else { continue };
            if x >= WIDTH || y >= HEIGHT {
                continue;
            }
            let byte = &mut self.bits[Self::byte(x, y)];
            if color.is_on() {
                *byte |= Self::mask(x);
            } else {
                *byte &= !Self::mask(x);
            }
        }
        Ok(())
    }
}

#[cfg(any(feature = "std", test))]
impl Screen {
    /// The picture as lines of half blocks, two pixels to a character.
    pub fn half_blocks(&self) -> impl Iterator<Item = String> + '_ {
        (0..HEIGHT).step_by(2).map(move |y| {
            (0..WIDTH)
                .map(|x| match (self.lit(x, y), self.lit(x, y + 1)) {
                    (true, true) => '█',
                    (true, false) => '▀',
                    (false, true) => '▄',
                    (false, false) => ' ',
                })
                .collect()
        })
    }
}
