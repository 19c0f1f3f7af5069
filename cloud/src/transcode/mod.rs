//! Makes smaller renditions of a live source, in a process of its own.
//!
//! ```text
//!             frames            frames               decode ─▶ 1080 ─▶ 720 ─▶ 480 …
//!  Transcoder ──────▶ Supervisor ──────▶ worker ───▶           │       │       │
//!                     kept, watch ◀───── process               x264    x264    x264
//!  driver ◀─────────── FromWorker        packets, numbered by rendition
//! ```
//!
//! A broken stream or a crashing element costs one worker, which is replaced
//! and given again what it had not delivered; the source rendition never notices.

mod child;
mod delivered;
mod encoder;
mod eye;
mod keys;
mod ladder;
mod looker;
mod picture;
mod pipeline;
mod process;
mod protocol;
mod refill;
mod restart;
mod session;
mod stage;
mod still;
mod supervisor;
mod watch;
mod worker;

#[cfg(test)]
mod tests;

pub(crate) use child::{FromWorker, Start, Transcoder};
pub(crate) use keys::KeyGrid;
pub(crate) use ladder::{Scaled, SourceSize, anew, ladder};
pub(crate) use looker::{Look, Looker};
pub(crate) use picture::Still;
pub(crate) use still::{Clip, RATE as CLIP_RATE, clip};
pub use worker::{WorkerError, main as worker_main};

use std::path::PathBuf;
use std::sync::OnceLock;

static PROGRAM: OnceLock<PathBuf> = OnceLock::new();

/// Says that this program, called with `worker`, is one; without it nothing is decoded or encoded.
pub fn work_by_this_program() -> std::io::Result<()> {
    let program = std::env::current_exe()?;
    // A second start in one process says the same.
    let _ = PROGRAM.set(program);
    Ok(())
}

/// The program whose processes decode and encode, if there is one.
pub(crate) fn program() -> Option<PathBuf> {
    PROGRAM.get().cloned()
}
