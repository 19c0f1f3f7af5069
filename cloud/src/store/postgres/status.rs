//! Whether the database takes writes now; a change is told once in the log.

use std::sync::atomic::{AtomicBool, Ordering};

/// What the parts of the engine know of their connections.
#[derive(Debug)]
pub(super) struct Status {
    /// What the database is called in the log.
    name: String,
    writer: AtomicBool,
    listener: AtomicBool,
    /// The server's disk took no more when it was tried last.
    full: AtomicBool,
}

impl Status {
    pub(super) fn new(name: &str) -> Self {
        let (writer, listener, full) = (AtomicBool::new(true), AtomicBool::new(true), AtomicBool::new(false));
        Self { name: name.to_owned(), writer, listener, full }
    }

    /// Whether both the connection that writes and the one that listens are up, and the server has room.
    pub(super) fn is_healthy(&self) -> bool {
        self.writer.load(Ordering::Relaxed) && self.listener.load(Ordering::Relaxed) && !self.is_full()
    }

    /// Whether the server's disk is full.
    pub(super) fn is_full(&self) -> bool {
        self.full.load(Ordering::Relaxed)
    }

    pub(super) fn filled(&self, reason: &str) {
        if !self.full.swap(true, Ordering::Relaxed) {
            tracing::error!(database = self.name, reason, "the disk of the database server is full");
        }
    }

    pub(super) fn has_room(&self) {
        if self.full.swap(false, Ordering::Relaxed) {
            tracing::info!(database = self.name, "the disk of the database server has room again");
        }
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
