//! The panel's face as lines of styled text: display, light, button, keys.

use crossterm::style::{Color, Stylize};
use stagebox_protocol::panel::{Broadcast, Cloud};

use super::typed;
use crate::{
    Screen,
    link::Link,
    page::{self, View},
    shell::facts,
};

/// Half blocks show each pixel; they need a wide terminal.
const WIDE: (u16, u16) = (132, 40);
/// The same page in the terminal's own letters.
const NARROW: (u16, u16) = (typed::WIDTH as u16 + 4, typed::HEIGHT as u16 + 7);

pub(super) const INK: Color = Color::Rgb { r: 150, g: 225, b: 255 };
pub(super) const GLASS: Color = Color::Rgb { r: 8, g: 12, b: 18 };
const FRAME: Color = Color::Rgb { r: 92, g: 99, b: 112 };
const DIM: Color = Color::Rgb { r: 128, g: 136, b: 150 };
const PLAIN: Color = Color::Rgb { r: 220, g: 224, b: 230 };
const WARNING: Color = Color::Rgb { r: 240, g: 180, b: 60 };
const UNLIT: Color = Color::Rgb { r: 38, g: 40, b: 46 };
const BUTTON: Color = Color::Rgb { r: 52, g: 56, b: 66 };
const BUTTON_DOWN: Color = Color::Rgb { r: 200, g: 70, b: 60 };

const LAMP_WIDTH: usize = 19;
const BUTTON_WIDTH: usize = 22;

/// All that the face shows at one moment.
pub(super) struct Face<'a> {
    pub link: &'a Link,
    pub view: &'a View<'a>,
    /// The button is down.
    pub down: bool,
    pub hold_percent: Option<u8>,
    pub now_ms: u64,
}

impl Face<'_> {
    /// The lines for a terminal of so many columns and rows.
    pub(super) fn lines(&self, (columns, rows): (u16, u16)) -> Vec<String> {
        let (picture, needed) = if columns >= WIDE.0 && rows >= WIDE.1 {
            (self.picture(), WIDE)
        } else if columns >= NARROW.0 && rows >= NARROW.1 {
            (typed::page(self.view), NARROW)
        } else {
            return self.plain(rows);
        };
        let width = usize::from(needed.0) - 4;
        let mut lines = vec![self.title(width)];
        lines.push(format!("╭{}╮", "─".repeat(width)).with(FRAME).to_string());
        let side = "│".with(FRAME);
        lines.extend(picture.into_iter().map(|row| format!("{side}{row}{side}")));
        lines.push(format!("╰{}╯", "─".repeat(width)).with(FRAME).to_string());
        lines.extend(self.controls(width));
        if rows > needed.1 {
            lines.push(String::new());
        }
        lines.push(hints());

        let margin = " ".repeat(usize::from(columns - needed.0) / 2 + 1);
        let above = usize::from((rows - needed.1).saturating_sub(1)) / 2;
        std::iter::repeat_n(String::new(), above)
            .chain(lines.into_iter().map(|line| format!("{margin}{line}")))
            .collect()
    }

    /// Every pixel of the display.
    fn picture(&self) -> Vec<String> {
        let mut screen = Screen::new();
        let Ok(()) = page::draw(self.view, &mut screen);
        screen.half_blocks().map(|row| row.with(INK).on(GLASS).to_string()).collect()
    }

    /// Without room for a picture: the facts and the keys.
    fn plain(&self, rows: u16) -> Vec<String> {
        let mut lines = facts::lines(self.link.panel(), self.now_ms);
        lines.truncate(usize::from(rows).saturating_sub(1));
        lines.push("space: go live  s: stop, or test  q: quit".to_owned());
        lines
    }

    fn title(&self, width: usize) -> String {
        let socket = self.link.path().display().to_string();
        let room = width.saturating_sub(10);
        let length = socket.chars().count();
        let socket: String = socket.chars().skip(length.saturating_sub(room)).collect();
        let gap = (width + 2).saturating_sub(8 + socket.chars().count());
        format!("{}{}{}", "STAGEBOX".with(PLAIN).bold(), " ".repeat(gap), socket.with(DIM))
    }

    /// Light, button and three lines beside them.
    fn controls(&self, width: usize) -> [String; 3] {
        let (lamp, lamp_ink) = lamp_colors(self.link.panel().light(self.now_ms));
        let label = self.link.panel().tally(self.now_ms).label().to_uppercase();
        let lamp = ["", label.as_str(), ""]
            .map(|text| format!("{text:^LAMP_WIDTH$}").with(lamp_ink).on(lamp).bold().to_string());
        let button = ["", self.button_label(), ""].map(|text| self.button_row(text));
        let room = (width + 2).saturating_sub(LAMP_WIDTH + BUTTON_WIDTH + 4);
        let beside = self.beside().map(|(text, color)| {
            let text: String = text.chars().take(room).collect();
            text.with(color).to_string()
        });
        std::array::from_fn(|row| format!("{}  {}  {}", lamp[row], button[row], beside[row]))
    }

    fn button_label(&self) -> &'static str {
        match self.link.panel().status().map(|status| status.broadcast) {
            None => "─",
            Some(Broadcast::Off) => "●  GO LIVE",
            Some(_) => "■  HOLD TO STOP",
        }
    }

    /// One row of the button, filled from the left as far as a hold has come.
    fn button_row(&self, text: &str) -> String {
        let row: Vec<char> = format!("{text:^BUTTON_WIDTH$}").chars().collect();
        let done = BUTTON_WIDTH * usize::from(self.hold_percent.unwrap_or(0)) / 100;
        let (held, rest) = row.split_at(done.min(row.len()));
        let rest_color = match (self.down, self.hold_percent) {
            (true, None) => BUTTON_DOWN,
            _ => BUTTON,
        };
        format!(
            "{}{}",
            String::from_iter(held).with(PLAIN).on(BUTTON_DOWN).bold(),
            String::from_iter(rest).with(PLAIN).on(rest_color).bold()
        )
    }

    fn beside(&self) -> [(String, Color); 3] {
        let Some(status) = self.link.panel().status() else {
            // The path stands in the title, and the system's number says nothing to people.
            let trouble = self.link.trouble().unwrap_or("waiting for the agent");
            let reason = trouble.rsplit(": ").next().unwrap_or_default();
            let reason = reason.split(" (os error").next().unwrap_or_default();
            return [
                ("No agent".to_owned(), WARNING),
                (reason.to_owned(), DIM),
                ("tries on by itself".to_owned(), DIM),
            ];
        };
        let (cloud, color) = match status.cloud {
            Cloud::Unset => ("no cloud set", DIM),
            Cloud::Connecting => ("cloud: connecting", WARNING),
            Cloud::Online => ("cloud: online", DIM),
            Cloud::Refused => ("cloud refuses this box", WARNING),
        };
        [(status.device.to_string(), PLAIN), (status.address.to_string(), DIM), (cloud.to_owned(), color)]
    }
}

fn hints() -> String {
    [("space", "press"), ("s", "hold 1.5 s"), ("esc", "let go"), ("q", "quit")]
        .map(|(key, meaning)| format!("{} {}", key.with(PLAIN).bold(), meaning.with(DIM)))
        .join("   ")
}

fn lamp_colors(color: crate::Color) -> (Color, Color) {
    let on = |lit: bool| if lit { 225 } else { 25 };
    if color == crate::Color::DARK {
        return (UNLIT, DIM);
    }
    let bright = color.green && color.red;
    let lamp = Color::Rgb {
        r: on(color.red),
        g: if bright { 170 } else { on(color.green) / 4 * 3 },
        b: on(color.blue),
    };
    (lamp, if bright { Color::Black } else { Color::White })
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::Panel;

    fn shown(size: (u16, u16)) -> Vec<String> {
        let link =
            Link::new(PathBuf::from("/run/stagebox/a/very/long/path/that/goes/on/panel.sock"), Panel::new(0));
        let view = link.panel().view(0, Some(30));
        let face = Face { link: &link, view: &view, down: true, hold_percent: Some(30), now_ms: 0 };
        face.lines(size)
    }

    /// Characters of a line without its styles.
    fn width(line: &str) -> usize {
        let mut width = 0;
        let mut styled = false;
        for character in line.chars() {
            match (styled, character) {
                (false, '\x1b') => styled = true,
                (false, _) => width += 1,
                (true, 'm') => styled = false,
                (true, _) => {}
            }
        }
        width
    }

    #[test]
    fn the_face_fits_every_terminal() {
        for size in [
            (200, 60),
            (132, 40),
            (131, 40),
            (132, 39),
            (80, 24),
            (68, 24),
            (67, 24),
            (80, 23),
            (20, 5),
            (1, 1),
        ] {
            let lines = shown(size);
            assert!(lines.len() <= usize::from(size.1).max(1), "{size:?}: {} lines", lines.len());
            if size.0 >= NARROW.0 && size.1 >= NARROW.1 {
                let widest = lines.iter().map(|line| width(line)).max().unwrap();
                assert!(widest <= usize::from(size.0), "{size:?}: {widest} columns");
            }
        }
    }
}
