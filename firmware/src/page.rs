//! What the display shows, drawn on any target of 128×64 binary pixels.

mod footer;
pub(crate) mod status;
#[cfg(test)]
mod tests;
pub(crate) mod words;

use embedded_graphics::{
    mono_font::{
        MonoFont, MonoTextStyle,
        ascii::{FONT_5X8, FONT_6X10, FONT_9X15_BOLD},
    },
    pixelcolor::BinaryColor,
    prelude::*,
    primitives::{PrimitiveStyle, Rectangle, StyledDrawable as _},
    text::{Alignment, Baseline, Text, TextStyleBuilder},
};
use stagebox_protocol::panel::Status;

pub use footer::{Footer, HoldTo};

/// All that a page is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View<'a> {
    pub scene: Scene<'a>,
    pub footer: Footer<'a>,
    /// Turn black and white around.
    pub flash: bool,
    /// Moves what moves: lines that are too long, the ellipsis of 'starting'.
    pub now_ms: u64,
}

/// What takes up most of the display.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scene<'a> {
    Booting,
    Status(&'a Status),
    AgentDead { for_s: u32, was_on_air: bool },
}

/// Draws one page over whatever was there.
///
/// # Errors
/// The display's own.
pub fn draw<D>(view: &View<'_>, target: &mut D) -> Result<(), D::Error>
where
    D: DrawTarget<Color = BinaryColor>,
{
    let mut paper = Paper { target, turned: view.flash };
    paper.clear(BinaryColor::Off)?;
    match view.scene {
        Scene::Booting => booting(view.now_ms, &mut paper)?,
        Scene::Status(status) => status::draw(status, view.now_ms, &mut paper)?,
        Scene::AgentDead { for_s, was_on_air } => agent_dead(for_s, was_on_air, &mut paper)?,
    }
    footer::draw(&view.footer, view.now_ms, &mut paper)
}

fn booting<D: DrawTarget<Color = BinaryColor>>(now_ms: u64, target: &mut D) -> Result<(), D::Error> {
    let dots = ["", ".", "..", "..."][(now_ms / 400 % 4) as usize];
    write(target, &FONT_9X15_BOLD, "STAGEBOX", Point::new(64, 12), Alignment::Center, BinaryColor::On)?;
    rule(target, 30)?;
    let at = write(target, &FONT_6X10, "starting", Point::new(34, 36), Alignment::Left, BinaryColor::On)?;
    write(target, &FONT_6X10, dots, at, Alignment::Left, BinaryColor::On)?;
    Ok(())
}

fn agent_dead<D>(for_s: u32, was_on_air: bool, target: &mut D) -> Result<(), D::Error>
where
    D: DrawTarget<Color = BinaryColor>,
{
    fill(target, Rectangle::new(Point::zero(), Size::new(128, 34)), BinaryColor::On)?;
    write(target, &FONT_9X15_BOLD, "AGENT NOT", Point::new(64, 2), Alignment::Center, BinaryColor::Off)?;
    write(target, &FONT_9X15_BOLD, "ANSWERING", Point::new(64, 17), Alignment::Center, BinaryColor::Off)?;
    let mut line = words::Line::new();
    words::say(&mut line, format_args!("for {}", words::Clock(for_s)));
    write(target, &FONT_5X8, &line, Point::new(64, 37), Alignment::Center, BinaryColor::On)?;
    let hint = if was_on_air { "It was on air" } else { "The box restarts it" };
    write(target, &FONT_5X8, hint, Point::new(64, 45), Alignment::Center, BinaryColor::On)?;
    Ok(())
}

/// Writes text whose top stands at `at`; answers where the next would begin.
fn write<D: DrawTarget<Color = BinaryColor>>(
    target: &mut D,
    font: &MonoFont<'_>,
    line: &str,
    at: Point,
    alignment: Alignment,
    ink: BinaryColor,
) -> Result<Point, D::Error> {
    let layout = TextStyleBuilder::new().alignment(alignment).baseline(Baseline::Top).build();
    Text::with_text_style(line, at, MonoTextStyle::new(font, ink), layout).draw(target)
}

fn fill<D: DrawTarget<Color = BinaryColor>>(
    target: &mut D,
    area: Rectangle,
    ink: BinaryColor,
) -> Result<(), D::Error> {
    area.draw_styled(&PrimitiveStyle::with_fill(ink), target)
}

fn rule<D: DrawTarget<Color = BinaryColor>>(target: &mut D, y: i32) -> Result<(), D::Error> {
    fill(target, Rectangle::new(Point::new(0, y), Size::new(128, 1)), BinaryColor::On)
}

/// The display, or its negative.
struct Paper<'a, D> {
    target: &'a mut D,
    turned: bool,
}

impl<D: DrawTarget<Color = BinaryColor>> Dimensions for Paper<'_, D> {
    fn bounding_box(&self) -> Rectangle {
        self.target.bounding_box()
    }
}

impl<D: DrawTarget<Color = BinaryColor>> DrawTarget for Paper<'_, D> {
    type Color = BinaryColor;
    type Error = D::Error;

    fn draw_iter<I: IntoIterator<Item = Pixel<BinaryColor>>>(&mut self, pixels: I) -> Result<(), D::Error> {
        let turned = self.turned;
        self.target.draw_iter(
            pixels.into_iter().map(|Pixel(at, ink)| Pixel(at, if turned { ink.invert() } else { ink })),
        )
    }
}
