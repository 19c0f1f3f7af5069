//! What a box does by itself about a trouble that stays: restart the capture, have the source look again, pass over
//! the encoder, restart itself, reboot.

mod driver;
pub mod ladder;
#[cfg(test)]
mod tests;
mod trouble;

pub use driver::{Parts, spawn};
