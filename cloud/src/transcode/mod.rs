//! Makes smaller renditions of a live source, in a process of its own.
//!
//! A broken stream or a crashing element costs one worker, which is started
//! again; the source rendition never notices.

mod child;
mod ladder;
mod pipeline;
mod protocol;
mod worker;

pub(crate) use child::{FromWorker, Transcoder};
pub(crate) use ladder::{Scaled, scaled};
pub use worker::{WorkerError, main as worker_main};
