//! The front panel: one button, a small display, a tally light.
//!
//! The core (everything but [`shell`] and [`link`]) needs neither an operating
//! system nor an allocator: a shell feeds it the button's level, the agent's
//! frames and the time, and carries out what it answers.

#![cfg_attr(not(any(feature = "std", test)), no_std)]

pub mod button;
pub mod light;
pub mod page;
pub mod panel;
pub mod screen;
pub mod tally;

#[cfg(feature = "std")]
pub mod link;
#[cfg(feature = "std")]
pub mod shell;

pub use button::{Button, Gesture};
pub use panel::{Action, Input, Panel};
pub use screen::Screen;
pub use tally::{Color, Tally};
