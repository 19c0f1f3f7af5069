//! Boards as data: how one is recognised, how its panel is wired, what encodes on it.

#[cfg(test)]
mod tests;

use std::{fs, path::Path};

use serde::Deserialize;

use crate::{Edid, Encoder, VideoMode};

/// The boards that ship with this program; the last one fits any machine.
const SHIPPED: [(&str, &str); 4] = [
    ("rpi4", include_str!("../boards/rpi4.toml")),
    ("rpi5", include_str!("../boards/rpi5.toml")),
    ("x86", include_str!("../boards/x86.toml")),
    ("virtual", include_str!("../boards/virtual.toml")),
];

/// Why a board's description cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BoardError {
    #[error("read board file {path}: {source}")]
    Read { path: String, source: std::io::Error },
    #[error("parse board {name}: {source}")]
    Parse { name: String, source: Box<toml::de::Error> },
    #[error("board {board}: `{field}` {problem}")]
    Field { board: String, field: &'static str, problem: String },
    #[error("no board is called `{name}`; there are {known}, or give a file with --board FILE.toml")]
    Unknown { name: String, known: String },
}

/// One kind of machine that can be a box.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Board {
    /// Short name, as in `--board rpi4`.
    pub name: String,
    /// What people call it.
    pub title: String,
    pub detect: Detect,
    pub capture: Capture,
    /// Absent where nothing is soldered: the panel then runs in a terminal.
    pub panel: Option<PanelWiring>,
    /// Best first.
    pub encoders: Vec<EncoderRule>,
}

/// What tells this board from others; every condition that is given must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Detect {
    /// Any of these begins the device tree's `model`.
    pub device_tree: Vec<String>,
    /// The processor's architecture as `uname -m` says it.
    pub architecture: Option<String>,
    /// The machine runs under a hypervisor or has no firmware tables at all.
    pub virtual_machine: Option<bool>,
}

/// Where pictures come from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Capture {
    /// Drivers of the devices that this board expects, best first.
    pub drivers: Vec<String>,
    /// Largest mode that the board can take in.
    pub max: VideoMode,
    /// The driver reports DV timings and takes an EDID.
    pub dv_timings: bool,
    /// What is loaded into the device where the configuration says `auto`; nothing if absent.
    pub edid: Option<Edid>,
}

/// How the front panel is wired.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PanelWiring {
    /// Label of the GPIO chip: its number differs between kernels, its label does not.
    pub gpio_chip: String,
    pub button: Button,
    pub led: Led,
    pub display: Display,
}

/// The push button.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Button {
    /// Line of the chip (on a Raspberry Pi the BCM number).
    pub line: u32,
    /// Pressed means low, with the chip's pull-up.
    pub active_low: bool,
}

/// The tally light's three colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Led {
    pub red: u32,
    pub green: u32,
    pub blue: u32,
    /// A colour lights when its line is low (common anode).
    pub active_low: bool,
}

/// The SSD1306 of 128×64 pixels.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Display {
    /// Device file of the I²C bus.
    pub i2c: String,
    /// Seven-bit address, `0x3c` or `0x3d` by a resistor on the module.
    pub address: u8,
    /// The module is mounted upside down.
    #[serde(default)]
    pub rotated: bool,
}

/// An encoder that may work here and how far.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EncoderRule {
    pub element: Encoder,
    /// Beyond this the board does not keep up; absent: only a trial can tell.
    pub max: Option<VideoMode>,
    /// Speed preset for encoders in software.
    pub preset: Option<String>,
}

/// What a probe found out about the machine, as far as [`detect`] needs it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    pub device_tree_model: Option<String>,
    pub architecture: String,
    pub virtual_machine: bool,
}

impl Board {
    /// Reads a description; `name` is what errors call it.
    ///
    /// # Errors
    /// Unknown or missing keys, values out of range, lines used twice.
    pub fn parse(name: &str, text: &str) -> Result<Self, BoardError> {
        let board: Self = toml::from_str(text)
            .map_err(|source| BoardError::Parse { name: name.to_owned(), source: Box::new(source) })?;
        board.check()?;
        Ok(board)
    }

    /// A shipped board by its name, or one from a file whose path ends in `.toml`.
    ///
    /// # Errors
    /// No such board or file, or the file is not a valid description.
    pub fn load(name_or_path: &str) -> Result<Self, BoardError> {
        if Path::new(name_or_path).extension().is_some_and(|extension| extension == "toml") {
            let text = fs::read_to_string(name_or_path)
                .map_err(|source| BoardError::Read { path: name_or_path.to_owned(), source })?;
            return Self::parse(name_or_path, &text);
        }
        let boards = shipped();
        let known = boards.iter().map(|board| board.name.as_str()).collect::<Vec<_>>().join(", ");
        boards
            .into_iter()
            .find(|board| board.name == name_or_path)
            .ok_or_else(|| BoardError::Unknown { name: name_or_path.to_owned(), known })
    }

    /// The speed preset that this board gives to an encoder in software.
    #[must_use]
    pub fn preset(&self, encoder: Encoder) -> Option<String> {
        self.encoders.iter().find(|rule| rule.element == encoder).and_then(|rule| rule.preset.clone())
    }

    fn check(&self) -> Result<(), BoardError> {
        let refuse =
            |field, problem: String| Err(BoardError::Field { board: self.name.clone(), field, problem });
        if self.name.is_empty() || !self.name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            return refuse("name", "must be letters, digits and dashes".into());
        }
        if self.encoders.is_empty() {
            return refuse("encoders", "must name at least one; x264enc works everywhere".into());
        }
        for (index, rule) in self.encoders.iter().enumerate() {
            if self.encoders[..index].iter().any(|earlier| earlier.element == rule.element) {
                return refuse("encoders", format!("names {} twice", rule.element));
            }
            if rule.preset.is_some() && rule.element.is_hardware() {
                return refuse(
                    "encoders",
                    format!("gives {} a preset, which it does not have", rule.element),
                );
            }
        }
        self.check_edid()?;
        let Some(panel) = &self.panel else { return Ok(()) };
        let mut lines = [panel.button.line, panel.led.red, panel.led.green, panel.led.blue];
        lines.sort_unstable();
        if let Some(pair) = lines.windows(2).find(|pair| pair[0] == pair[1]) {
            return refuse("panel", format!("uses line {} twice", pair[0]));
        }
        // I²C keeps 0x00–0x07 and 0x78–0x7f for itself (NXP UM10204, table 4).
        if !(0x08..=0x77).contains(&panel.display.address) {
            return refuse(
                "panel.display.address",
                format!("is {:#04x}, not a seven-bit address", panel.display.address),
            );
        }
        Ok(())
    }

    /// A source must not be asked for what the board does not take.
    fn check_edid(&self) -> Result<(), BoardError> {
        let Capture { max, dv_timings, edid: Some(edid), .. } = self.capture else { return Ok(()) };
        let problem = if !dv_timings {
            format!("is {edid}, but with `dv_timings = false` no driver takes one")
        } else if !edid.fits(max) {
            format!("asks for {}, which is more than `capture.max`, {max}", edid.mode())
        } else {
            return Ok(());
        };
        Err(BoardError::Field { board: self.name.clone(), field: "capture.edid", problem })
    }
}

impl Detect {
    fn fits(&self, identity: &Identity) -> bool {
        let model = identity.device_tree_model.as_deref().unwrap_or_default();
        (self.device_tree.is_empty()
            || self.device_tree.iter().any(|known| model.starts_with(known.as_str())))
            && self.architecture.as_ref().is_none_or(|known| *known == identity.architecture)
            && self.virtual_machine.is_none_or(|known| known == identity.virtual_machine)
    }
}

/// All shipped boards, most particular first.
#[must_use]
pub fn shipped() -> Vec<Board> {
    SHIPPED
        .iter()
        .map(|(name, text)| Board::parse(name, text).expect("shipped boards are parsed by a test"))
        .collect()
}

/// The first board whose conditions hold, or the last one, which fits any machine.
///
#[must_use]
pub fn detect<'a>(boards: &'a [Board], identity: &Identity) -> Option<&'a Board> {
    boards.iter().find(|board| board.detect.fits(identity)).or(boards.last())
}
