//! Whether the database takes writes now; a change is told once in the log.

use std::sync::atomic::{AtomicBool, Ordering};

/// What the parts of the engine know of their connections.
#[derive(Debug)]
pub(super) struct Status {
    /// What the database is called in the log.
    name: String,
    writer: AtomicBool,
    listener: AtomicBool,
}

impl Status {
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), writer: AtomicBool::new(true), listener: AtomicBool::new(true) }
    }

    /// Whether both the connection that writes and the one that listens are up.
    pub(super) fn is_healthy(&self) -> bool {
        self.writer.load(Ordering::Relaxed) && self.listener.load(Ordering::Relaxed)
    }

    pub(super) fn writer_lost(&self, reason: &str) {
        self.lost(&self.writer, "writes", reason);
    }

    pub(super) fn writer_is_back(&self) {
        self.back(&self.writer, "writes");
    }

    pub(super) fn listener_lost(&self, reason: &str) {
        self.lost(&self.listener, "listens", reason);
    }

    pub(super) fn listener_is_back(&self) {
        self.back(&self.listener, "listens");
    }

    fn lost(&self, part: &AtomicBool, what: &str, reason: &str) {
        if part.swap(false, Ordering::Relaxed) {
            let database = &self.name;
            tracing::warn!(
                database,
                reason,
                "the connection that {what} is lost; it is made again by itself"
            );
        }
    }

    fn back(&self, part: &AtomicBool, what: &str) {
        if !part.swap(true, Ordering::Relaxed) {
            tracing::info!(database = self.name, "the connection that {what} is back");
        }
    }
}
