//! A disk that forgets: what is left of a program's files when the power goes.
//!
//! `stagebox-powercut-preload`, loaded into a program, writes down each file
//! operation below a folder ([`Record`]). [`Disk`] replays such a log and knows
//! at each point what is durable and what only the page cache has;
//! [`Disk::cut`] is the folder as the next start finds it. A log can be cut at
//! any record, so that one run of a program gives as many power cuts as wanted.
//!
//! What is assumed of a disk is what POSIX promises and no more: `fsync` and
//! `fdatasync` of a file bring its bytes and its length, never its name; a name
//! comes with the `fsync` of its folder; `sync_file_range` brings nothing.

mod cut;
mod disk;
mod names;
mod record;
#[cfg(test)]
mod tests;
mod tree;

pub use cut::Loss;
pub use disk::{Disk, ReplayError};
pub use record::{Op, Record, parse_log};
pub use tree::{Entry, Tree};
