//! The display's last line, shared by all that wants to be said.

use embedded_graphics::{
    mono_font::ascii::FONT_5X8,
    pixelcolor::BinaryColor::{self, Off, On},
    prelude::*,
    primitives::{PrimitiveStyle, Rectangle, StyledDrawable as _},
    text::Alignment,
};

use stagebox_protocol::panel::Preflight;

use super::{
    fill,
    words::{self, Line, say},
    write,
};

const TOP: i32 = 55;
const HEIGHT: u32 = 9;
const TEXT_Y: i32 = 56;
const CHARACTER_WIDTH: usize = 5;
const ROOM: usize = 128 / CHARACTER_WIDTH;
/// A line that is too long rests this long at its beginning and its end.
const REST_MS: u64 = 1_500;
const STEP_MS: u64 = 50;

/// What the last line says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Footer<'a> {
    Empty,
    /// How far the button is on its way to a stop.
    Hold {
        percent: u8,
        to: HoldTo,
    },
    /// An answer to the person at the panel.
    Notice {
        line: &'a str,
        since_ms: u64,
    },
    Trouble(&'a str),
    /// The test before going live.
    Test(&'a Preflight),
    Device(&'a str),
    Address(&'a str),
    Claim(&'a str),
}

/// What holding the button leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldTo {
    Stop,
    Test,
    EndTest,
}

impl HoldTo {
    /// What to do, as the display says it while the button is down.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Stop => "KEEP HOLDING TO STOP",
            Self::Test => "KEEP HOLDING TO TEST",
            Self::EndTest => "KEEP HOLDING TO END TEST",
        }
    }
}

impl<'a> Footer<'a> {
    /// The text as the status has it, without what the display puts before it.
    #[must_use]
    pub fn text(&self) -> &'a str {
        match self {
            Self::Empty | Self::Hold { .. } | Self::Test(_) => "",
            Self::Notice { line, .. }
            | Self::Trouble(line)
            | Self::Device(line)
            | Self::Address(line)
            | Self::Claim(line) => line,
        }
    }
}

pub(super) fn draw<D>(footer: &Footer<'_>, now_ms: u64, target: &mut D) -> Result<(), D::Error>
where
    D: DrawTarget<Color = BinaryColor>,
{
    let area = Rectangle::new(Point::new(0, TOP), Size::new(128, HEIGHT));
    match footer {
        Footer::Empty => Ok(()),
        Footer::Hold { percent, to } => hold(*percent, to.words(), area, target),
        Footer::Test(test) => {
            let mut line = Line::new();
            words::preflight(&mut line, test);
            long_line(&line, now_ms, On, target)
        }
        Footer::Notice { line, since_ms } => {
            fill(target, area, On)?;
            long_line(line, now_ms.saturating_sub(*since_ms), Off, target)
        }
        Footer::Trouble(line) => {
            // A warning sign in front, which blinks.
            let sign = Rectangle::new(Point::new(0, TOP), Size::new(7, HEIGHT));
            let lit = now_ms % 1_000 < 500;
            long_line_in(line, now_ms, On, 9, target)?;
            if lit {
                fill(target, sign, On)?;
            }
            write(
                target,
                &FONT_5X8,
                "!",
                Point::new(1, TEXT_Y),
                Alignment::Left,
                if lit { Off } else { On },
            )?;
            Ok(())
        }
        Footer::Device(line) | Footer::Address(line) => long_line(line, now_ms, On, target),
        Footer::Claim(code) => {
            let mut line = Line::new();
            say(&mut line, format_args!("Claim code {code}"));
            long_line(&line, now_ms, On, target)
        }
    }
}

fn hold<D>(percent: u8, line: &str, area: Rectangle, target: &mut D) -> Result<(), D::Error>
where
    D: DrawTarget<Color = BinaryColor>,
{
    area.draw_styled(&PrimitiveStyle::with_stroke(On, 1), target)?;
    let done = Rectangle::new(area.top_left, Size::new(128 * u32::from(percent.min(100)) / 100, HEIGHT));
    fill(target, done, On)?;
    let at = Point::new(64, TEXT_Y);
    write(target, &FONT_5X8, line, at, Alignment::Center, On)?;
    write(&mut target.clipped(&done), &FONT_5X8, line, at, Alignment::Center, Off)?;
    Ok(())
}

fn long_line<D>(line: &str, for_ms: u64, ink: BinaryColor, target: &mut D) -> Result<(), D::Error>
where
    D: DrawTarget<Color = BinaryColor>,
{
    long_line_in(line, for_ms, ink, 0, target)
}

/// Writes a line right of `left`; one that is too long runs to and fro.
fn long_line_in<D>(
    line: &str,
    for_ms: u64,
    ink: BinaryColor,
    left: i32,
    target: &mut D,
) -> Result<(), D::Error>
where
    D: DrawTarget<Color = BinaryColor>,
{
    let room = ROOM - left as usize / CHARACTER_WIDTH;
    let length = line.chars().count();
    if length <= room {
        let at = if left == 0 {
            (Point::new(64, TEXT_Y), Alignment::Center)
        } else {
            (Point::new(left, TEXT_Y), Alignment::Left)
        };
        write(target, &FONT_5X8, line, at.0, at.1, ink)?;
        return Ok(());
    }
    let beyond_px = ((length - room) * CHARACTER_WIDTH) as u64;
    let run_ms = beyond_px * STEP_MS;
    let phase_ms = for_ms % (run_ms + 2 * REST_MS);
    let shift = (phase_ms.saturating_sub(REST_MS) / STEP_MS).min(beyond_px) as i32;
    let window = Rectangle::new(Point::new(left, TOP), Size::new((128 - left) as u32, HEIGHT));
    let at = Point::new(left - shift, TEXT_Y);
    write(&mut target.clipped(&window), &FONT_5X8, line, at, Alignment::Left, ink)?;
    Ok(())
}
