//! What ingest counts.

use std::sync::atomic::{AtomicU64, Ordering};

/// Figures since the start.
#[derive(Debug, Default)]
pub struct Counters {
    connections: AtomicU64,
    turned_away: AtomicU64,
    refused: AtomicU64,
    publishing: AtomicU64,
    bytes: AtomicU64,
}

impl Counters {
    /// Every figure with the name and the help text that Prometheus shows.
    #[must_use]
    pub fn read(&self) -> [(&'static str, &'static str, u64); 5] {
        let value = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        [
            ("ingest_connections_total", "RTMP connections accepted", value(&self.connections)),
            ("ingest_turned_away_total", "RTMP connections beyond a limit", value(&self.turned_away)),
            ("ingest_refused_total", "Publish requests refused", value(&self.refused)),
            ("ingest_publishing", "Broadcasts coming in", value(&self.publishing)),
            ("ingest_bytes_total", "Bytes received over RTMP", value(&self.bytes)),
        ]
    }

    pub(super) fn connected(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn turned_away(&self) {
        self.turned_away.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn began(&self) {
        self.publishing.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn ended(&self) {
        self.publishing.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn received(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}
