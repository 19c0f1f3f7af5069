//! How well an input of an event arrives: figures for every second, and warnings in words.
//!
//! ```text
//!  packets ─▶ Second ─── a second is over ──▶ Sample ─▶ History: an hour of seconds, two days of minutes
//!               ▲                               │
//!   Cadence, Keys, Arrival, LevelMeter          └────▶ rules ─▶ Watch ─▶ warnings
//! ```
//!
//! A [`Meter`] belongs to one input. It sees each packet as it comes in, before anything is put in order or
//! left out. Nothing in here reads a clock, waits or stores: the driver brings the time, and takes the minutes
//! that are over to wherever they are kept.

mod arrival;
mod broadcast;
mod cadence;
mod dbfs;
mod history;
mod keys;
mod level;
mod meter;
mod minute;
mod picture;
mod recent;
mod rules;
mod sample;
mod second;
mod sound;
mod view;
mod warning;

pub(crate) use meter::{Meter, Source};
pub(crate) use minute::read_minutes;
pub(crate) use view::{Health, Resolution};

#[cfg(test)]
mod tests;
