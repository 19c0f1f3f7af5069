//! What a check found.

use object_store::path::Path;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::references::Need;

/// Findings that are named; all are counted.
const MAX_NAMED: usize = 10_000;

/// How much was looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = MediaCounts)]
pub struct Counts {
    /// Events so far.
    pub events: u64,
    /// Events that there are.
    pub events_in_all: u64,
    /// Their recordings.
    pub recordings: u64,
    /// Objects in the store or on their way to it.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// An object that nobody needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = MediaOrphan)]
pub struct Finding {
    /// Its name in the store.
    pub path: String,
    /// Its length.
    pub bytes: u64,
}

/// An object that is needed and not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = MediaMissing)]
pub struct Missing {
    /// Its name in the store.
    pub path: String,
    /// How long it should be, where that is known.
    #[schema(required)]
    pub bytes: Option<u64>,
    /// How long the object is that lies in its place.
    #[schema(required)]
    pub found_bytes: Option<u64>,
    /// What needs it: a recording's or an event's id.
    pub needed_by: String,
}

/// The outcome of a check.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = MediaReport)]
pub struct Report {
    /// How much was looked at.
    pub counts: Counts,
    /// How many objects nobody needs.
    pub orphans: u64,
    /// Their bytes.
    pub orphan_bytes: u64,
    /// The first of them, by name.
    pub orphan_objects: Vec<Finding>,
    /// How many objects are needed and not there, or of another length.
    pub missing: u64,
    /// Their bytes, where that is known.
    pub missing_bytes: u64,
    /// The first of them, by name.
    pub missing_objects: Vec<Missing>,
}

impl Report {
    pub(super) fn orphan(&mut self, path: &Path, bytes: u64) {
        self.orphans += 1;
        self.orphan_bytes += bytes;
        if self.orphan_objects.len() < MAX_NAMED {
            self.orphan_objects.push(Finding { path: path.to_string(), bytes });
        }
    }

    pub(super) fn missing(&mut self, path: &Path, need: &Need, found_bytes: Option<u64>) {
        self.missing += 1;
        self.missing_bytes += need.bytes.unwrap_or(0);
        if self.missing_objects.len() < MAX_NAMED {
            self.missing_objects.push(Missing {
                path: path.to_string(),
                bytes: need.bytes,
                found_bytes,
                needed_by: need.by.clone(),
            });
        }
    }

    /// Whether everything that is needed is there.
    pub fn is_whole(&self) -> bool {
        self.missing == 0
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for object in &self.orphan_objects {
            writeln!(f, "orphan   {}  {}", object.path, size(object.bytes))?;
        }
        for object in &self.missing_objects {
            let state = match (object.found_bytes, object.bytes) {
                (Some(found), Some(wanted)) => format!("{found} bytes instead of {wanted}"),
                (None, Some(wanted)) => size(wanted),
                (_, None) => "length unknown".to_owned(),
            };
            writeln!(f, "missing  {}  {state}, needed by {}", object.path, object.needed_by)?;
        }
        let Counts { events, recordings, objects, bytes, .. } = &self.counts;
        writeln!(f, "{objects} objects ({}) of {events} events and {recordings} recordings", size(*bytes))?;
        writeln!(f, "{} orphans ({}): nothing needs them", self.orphans, size(self.orphan_bytes))?;
        write!(f, "{} missing ({})", self.missing, size(self.missing_bytes))
    }
}

/// Bytes as people read them.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["bytes", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} bytes") } else { format!("{value:.1} {}", UNITS[unit]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_reads_well() {
        let mut report = Report::default();
        report.orphan(&Path::from("live/old/1.m4s"), 1536);
        let need = Need { bytes: Some(7), by: "rec_1".to_owned(), required: true };
        report.missing(&Path::from("live/evt/2.m4s"), &need, Some(3));
        report.missing(&Path::from("live/evt/3.m4s"), &need, None);
        let text = report.to_string();
        for line in [
            "orphan   live/old/1.m4s  1.5 KiB",
            "missing  live/evt/2.m4s  3 bytes instead of 7, needed by rec_1",
            "missing  live/evt/3.m4s  7 bytes, needed by rec_1",
            "1 orphans (1.5 KiB): nothing needs them",
            "2 missing (14 bytes)",
        ] {
            assert!(text.contains(line), "{text}");
        }
        assert!(!report.is_whole());
    }
}
