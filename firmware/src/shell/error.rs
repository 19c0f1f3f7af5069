//! What can go wrong around the panel's core.

use std::{error::Error, io};

use stagebox_hw::BoardError;

/// Why a shell cannot run.
#[derive(Debug, thiserror::Error)]
pub enum ShellError {
    #[error("use the terminal: {0}")]
    Terminal(#[from] io::Error),
    #[error("the terminal shell needs a terminal; without one use --print, --press or --hold")]
    NotATerminal,
    #[error(transparent)]
    Board(#[from] BoardError),
    #[error("no board is described; give one with --board NAME or --board FILE.toml")]
    NoBoard,
    #[error(
        "board {board} has no panel wired; use --shell terminal, or describe the wiring under [panel] \
         in a file and give it with --board FILE.toml"
    )]
    NoPanel { board: String },
    #[error(
        "find the GPIO chip labelled `{label}`: there are {found}; set panel.gpio_chip in the board's file"
    )]
    NoChip { label: String, found: String },
    #[error("use the {what}: {source}")]
    Hardware { what: String, source: Box<dyn Error + Send + Sync> },
    #[error("this program was built without --shell {shell}; build it with --features {shell}")]
    NotBuilt { shell: &'static str },
}

impl ShellError {
    /// What was asked for can never work here, however often it is tried.
    #[must_use]
    pub fn is_configuration(&self) -> bool {
        matches!(
            self,
            Self::NotATerminal
                | Self::Board(_)
                | Self::NoBoard
                | Self::NoPanel { .. }
                | Self::NotBuilt { .. }
        )
    }

    pub(crate) fn hardware(what: impl Into<String>, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Hardware { what: what.into(), source: source.into() }
    }
}
