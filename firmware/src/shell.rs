//! Shells: what carries the panel's core to a terminal or to real pins.

#[cfg(any(feature = "linux", feature = "rppal"))]
mod device;
mod error;
mod facts;
#[cfg(feature = "linux")]
pub mod linux;
#[cfg(any(feature = "linux", feature = "rppal"))]
mod oled;
mod once;
#[cfg(feature = "rppal")]
pub mod rppal;
#[cfg(feature = "terminal")]
pub mod terminal;

use std::{fs, time::Instant};

use stagebox_hw::{
    Board,
    board::{Identity, PanelWiring},
};

pub use error::ShellError;
pub use once::{Deed, Ending, once};

/// Milliseconds since the program began: the `now_ms` of everything else.
#[derive(Debug, Clone, Copy)]
pub struct Clock(Instant);

impl Clock {
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "shells read the clock for the core")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.0.elapsed().as_millis() as u64
    }
}

/// The wiring of the named board, or of the one that this program runs on.
///
/// # Errors
/// No such board, a broken file, or a board without a panel.
pub fn wiring(board: Option<&str>) -> Result<PanelWiring, ShellError> {
    let board = match board {
        Some(name) => Board::load(name)?,
        None => {
            let identity = Identity {
                device_tree_model: fs::read_to_string("/proc/device-tree/model").ok(),
                architecture: std::env::consts::ARCH.to_owned(),
                virtual_machine: false,
            };
            let boards = stagebox_hw::board::shipped();
            stagebox_hw::board::detect(&boards, &identity).cloned().ok_or(ShellError::NoBoard)?
        }
    };
    board.panel.ok_or(ShellError::NoPanel { board: board.name })
}

/// How long the agent may be silent at first: longer while the box boots.
#[must_use]
pub fn boot_ms() -> u64 {
    let uptime_s = fs::read_to_string("/proc/uptime")
        .ok()
        .and_then(|text| text.split('.').next().and_then(|seconds| seconds.parse::<u64>().ok()));
    if uptime_s.is_some_and(|uptime_s| uptime_s < 90) { crate::panel::BOOT_MS } else { 2_000 }
}
