//! The status page.
//!
//! ```text
//!  0 ┌──────────────────────────────┐
//!    │ ON AIR               1:15:21 │  banner, filled while the box is on air
//! 18 │ IN   1080p29.97           ▯▮ │  a chip is filled while its thing runs
//! 27 │ MAIN 6012 kb/s            ▯▮ │  levels at the right
//! 36 │ BACK away, retry 2s       ▮▮ │
//! 45 │ REC  1:15:30         43h  ▮▮ │
//! 55 │ trouble, address, hints      │  footer
//!    └──────────────────────────────┘
//! ```

use embedded_graphics::{
    mono_font::ascii::{FONT_5X8, FONT_6X10, FONT_9X15_BOLD},
    pixelcolor::BinaryColor::{self, Off, On},
    prelude::*,
    primitives::{PrimitiveStyle, Rectangle, StyledDrawable as _},
    text::Alignment,
};
use stagebox_protocol::panel::{AudioPeaks, Broadcast, Input, OutputState, Recording, Status};

use super::{
    fill, rule,
    words::{self, Line, say},
    write,
};
use crate::tally;

const CHIP_WIDTH: u32 = 23;
const VALUE_X: i32 = 27;
/// Values end here; the meters begin behind it.
const VALUE_END_X: i32 = 115;
const METER_TOP: i32 = 18;
const METER_HEIGHT: u32 = 35;
/// The lowest level that a meter shows.
const FLOOR_DBFS: i32 = -60;

pub(super) fn draw<D>(status: &Status, now_ms: u64, target: &mut D) -> Result<(), D::Error>
where
    D: DrawTarget<Color = BinaryColor>,
{
    banner(status, now_ms, target)?;

    let mut value = Line::new();
    words::input(&mut value, &status.input);
    row(target, 18, "IN", matches!(status.input, Input::Locked(_)), &value)?;
    for (y, label, output) in [(27, "MAIN", &status.main), (36, "BACK", &status.backup)] {
        value.clear();
        words::output(&mut value, output);
        row(target, y, label, output.state == OutputState::Streaming, &value)?;
    }
    value.clear();
    words::recording(&mut value, status.recording);
    row(target, 45, "REC", matches!(status.recording, Recording::On { .. }), &value)?;
    if let Some(storage) = status.storage {
        value.clear();
        words::storage(&mut value, storage);
        write(target, &FONT_5X8, &value, Point::new(VALUE_END_X, 45), Alignment::Right, On)?;
    }
    meters(status.audio, target)
}

/// What the banner says.
pub(crate) struct Headline {
    pub(crate) title: &'static str,
    pub(crate) elapsed_s: Option<u32>,
    /// Black on white.
    pub(crate) filled: bool,
}

impl Headline {
    pub(crate) fn of(status: &Status, now_ms: u64) -> Self {
        let blink = now_ms % 1_000 < 500;
        let (title, elapsed_s, filled) = match status.broadcast {
            Broadcast::OnAir { elapsed_s } => ("ON AIR", Some(elapsed_s), true),
            // Blinks: nobody sees the stream at this moment.
            Broadcast::Lost { elapsed_s } => ("NO LINK", Some(elapsed_s), blink),
            Broadcast::Starting => ("GOING LIVE", None, blink),
            Broadcast::Off if !tally::has_server(status) => ("NO SERVER", None, false),
            Broadcast::Off if !matches!(status.input, Input::Locked(_)) => ("NO PICTURE", None, false),
            Broadcast::Off => ("READY", None, false),
        };
        Self { title, elapsed_s, filled }
    }
}

fn banner<D>(status: &Status, now_ms: u64, target: &mut D) -> Result<(), D::Error>
where
    D: DrawTarget<Color = BinaryColor>,
{
    let Headline { title, elapsed_s, filled } = Headline::of(status, now_ms);
    if filled {
        fill(target, Rectangle::new(Point::zero(), Size::new(128, 16)), On)?;
    } else {
        rule(target, 15)?;
    }
    let ink = if filled { Off } else { On };
    write(target, &FONT_9X15_BOLD, title, Point::new(3, 1), Alignment::Left, ink)?;
    if let Some(elapsed_s) = elapsed_s {
        let mut clock = Line::new();
        say(&mut clock, format_args!("{}", words::Clock(elapsed_s)));
        write(target, &FONT_6X10, &clock, Point::new(125, 3), Alignment::Right, ink)?;
    } else if title == "READY" {
        write(target, &FONT_5X8, "press to", Point::new(125, -1), Alignment::Right, On)?;
        write(target, &FONT_5X8, "go live", Point::new(125, 6), Alignment::Right, On)?;
    }
    Ok(())
}

/// A chip with its label, filled while the thing runs, and what there is to say.
fn row<D>(target: &mut D, y: i32, label: &str, runs: bool, value: &str) -> Result<(), D::Error>
where
    D: DrawTarget<Color = BinaryColor>,
{
    let chip = Rectangle::new(Point::new(0, y - 1), Size::new(CHIP_WIDTH, 9));
    let ink = if runs {
        fill(target, chip, On)?;
        Off
    } else {
        On
    };
    write(target, &FONT_5X8, label, Point::new(2, y), Alignment::Left, ink)?;
    write(target, &FONT_5X8, value, Point::new(VALUE_X, y), Alignment::Left, On)?;
    Ok(())
}

fn meters<D>(audio: Option<AudioPeaks>, target: &mut D) -> Result<(), D::Error>
where
    D: DrawTarget<Color = BinaryColor>,
{
    let levels = audio.map(|peaks| [peaks.left_dbfs, peaks.right_dbfs]);
    for (channel, x) in [118, 124].into_iter().enumerate() {
        let frame = Rectangle::new(Point::new(x, METER_TOP - 1), Size::new(4, METER_HEIGHT + 1));
        match levels {
            Some(levels) => {
                frame.draw_styled(&PrimitiveStyle::with_stroke(On, 1), target)?;
                let height = bar(levels[channel]);
                let top = METER_TOP + (METER_HEIGHT - height) as i32;
                fill(target, Rectangle::new(Point::new(x, top), Size::new(4, height)), On)?;
            }
            // A dotted frame: there is no sound at all, not even silence.
            None => {
                for y in (METER_TOP - 1..METER_TOP + METER_HEIGHT as i32).step_by(3) {
                    fill(target, Rectangle::new(Point::new(x + 1, y), Size::new(2, 1)), On)?;
                }
            }
        }
    }
    Ok(())
}

fn bar(dbfs: i8) -> u32 {
    let above_floor = (i32::from(dbfs).min(0) - FLOOR_DBFS).max(0) as u32;
    above_floor * METER_HEIGHT / FLOOR_DBFS.unsigned_abs()
}
