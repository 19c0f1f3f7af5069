//! What is said about objects that wait for the media store.

use object_store::path::Path;

/// How much an object is worth when there is no room for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Worth {
    /// Viewers can look back to it while the event goes on; no recording has it.
    LookBack,
    /// A recording or an item needs it.
    Recorded,
}

/// What is to be done with an object of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Put(Worth),
    Delete,
}

/// What to try next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::media) enum Attempt {
    /// Send this.
    Send(Job),
    /// Nothing waits, but whether the store is back should be known.
    Probe,
}

/// An object with the number under which it waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::media) struct Job {
    pub(in crate::media) number: u64,
    pub(in crate::media) path: Path,
    pub(in crate::media) order: Order,
    pub(in crate::media) bytes: u64,
}

/// Whether an object may wait here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::media) struct Admission {
    /// What gives way for it, and is gone whatever the verdict.
    pub(in crate::media) give_way: Vec<Job>,
    /// The number under which it may wait, or why there is no room.
    pub(in crate::media) verdict: Result<u64, String>,
}

/// How full it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::media) enum Level {
    Low,
    Half,
    Full,
}

/// What an operator should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Status {
    pub(crate) bytes: u64,
    pub(crate) objects: usize,
    pub(crate) limit_bytes: u64,
    /// Why the store is away, if it is.
    pub(in crate::media) away: Option<String>,
    pub(in crate::media) level: Level,
    /// Looking back was given up for so many segments since it is full.
    pub(in crate::media) given_up: u64,
    /// What was refused last, until something is taken again.
    pub(in crate::media) refused: Option<String>,
}
