//! What a box does by itself about a trouble that stays: restart the capture, have the source look again, pass over
//! the encoder, restart itself, reboot.

pub mod ladder;
#[cfg(test)]
mod tests;
