//! Frames and formats without I/O, clocks or GStreamer.
//!
//! Bytes go in, frames come out, and the other way round; whoever uses this
//! crate owns the sockets, the files and the time.

pub mod aac;
mod bits;
pub mod cmaf;
pub mod frame;
pub mod h264;
pub mod resample;
pub mod rtmp;
pub mod wire;

pub use frame::{Codec, Epoch, Frame, Packet, Track, TrackConfig};
