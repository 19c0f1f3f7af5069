//! What recordings there are: in the store, and in `manifest.json` beside the files.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::name::FileName;
use super::repair::{self, Measured};
use crate::durable::{Durable, DurableError};

const TREE: &str = "recordings";
const MANIFEST: &str = "manifest.json";

/// One file of a recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recording {
    /// Name in the folder of recordings.
    pub file: String,
    /// By the wall clock of the box, which may not have been set.
    pub started_at: String,
    pub duration_ms: u64,
    pub bytes: u64,
    pub video_frames: u64,
    pub audio_frames: u64,
    /// The encoder run its frames come from, sixteen hexadecimal digits; none for a source that does not say.
    pub epoch: Option<String>,
    /// Nothing will be added.
    pub closed: bool,
    /// The box knew what time it was when the file began.
    #[serde(default)]
    pub clock_synced: bool,
}

#[derive(Serialize)]
struct Manifest<'a> {
    version: u32,
    recordings: &'a [Recording],
}

/// The recordings by name; clones are the same index.
#[derive(Debug, Clone)]
pub(super) struct Index {
    tree: sled::Tree,
}

impl Recording {
    pub(super) fn new(name: &FileName, measured: &Measured) -> Self {
        Self {
            file: name.to_string(),
            started_at: name.started_at(),
            duration_ms: u64::try_from(measured.duration_ns / 1_000_000).unwrap_or(0),
            bytes: measured.bytes,
            video_frames: measured.video_frames,
            audio_frames: measured.audio_frames,
            epoch: (measured.epoch.0 != 0).then(|| format!("{:016x}", measured.epoch.0)),
            closed: true,
            clock_synced: false,
        }
    }

    /// When it began, in milliseconds since 1970.
    pub(super) fn started_unix_ms(&self) -> Option<i64> {
        let started = OffsetDateTime::parse(&self.started_at, &Rfc3339).ok()?;
        i64::try_from(started.unix_timestamp_nanos() / 1_000_000).ok()
    }
}

impl Index {
    pub(super) fn open(durable: &Durable) -> Result<Self, DurableError> {
        Ok(Self { tree: durable.tree(TREE)? })
    }

    /// Oldest name first; an entry that cannot be read is left out.
    pub(super) fn list(&self) -> Vec<Recording> {
        let entries = self.tree.iter().values().filter_map(Result::ok);
        entries.filter_map(|json| serde_json::from_slice(&json).ok()).collect()
    }

    pub(super) fn put(&self, recording: &Recording) -> io::Result<()> {
        let json = serde_json::to_vec(recording)?;
        self.tree.insert(&recording.file, json).map_err(io::Error::other)?;
        Ok(())
    }

    /// Takes an entry out, whose file has gone.
    pub(super) fn remove(&self, file: &str) -> io::Result<()> {
        self.tree.remove(file).map_err(io::Error::other)?;
        Ok(())
    }

    fn get(&self, file: &str) -> Option<Recording> {
        let json = self.tree.get(file).ok().flatten()?;
        serde_json::from_slice(&json).ok()
    }

    /// Writes the manifest anew; a reader sees the old or the new one.
    pub(super) fn write_manifest(&self, dir: &Path) -> io::Result<()> {
        let recordings = self.list();
        let json = serde_json::to_vec_pretty(&Manifest { version: 1, recordings: &recordings })?;
        let draft = dir.join(".manifest.json.new");
        let mut file = File::create(&draft)?;
        file.write_all(&json)?;
        file.sync_all()?;
        fs::rename(&draft, dir.join(MANIFEST))?;
        sync_dir(dir)
    }

    /// Makes the index say what the files say, and every file whole; leaves those alone that are `open`.
    pub(super) fn rebuild(&self, dir: &Path, open: &BTreeSet<FileName>) -> io::Result<()> {
        let mut found = BTreeSet::new();
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let Some(name) = entry.file_name().to_str().and_then(FileName::parse) else { continue };
            if !open.contains(&name) && entry.file_type()?.is_file() {
                let bytes = entry.metadata()?.len();
                let known = self.get(name.as_str()).is_some_and(|known| known.closed && known.bytes == bytes);
                if known || self.measure(&entry.path(), &name) {
                    found.insert(name.to_string());
                }
            }
        }
        for gone in self.list() {
            let is_open = FileName::parse(&gone.file).is_some_and(|name| open.contains(&name));
            if !is_open && !found.contains(&gone.file) {
                self.remove(&gone.file)?;
            }
        }
        self.write_manifest(dir)
    }

    /// Mends one file and notes it; returns whether it is a recording.
    fn measure(&self, path: &Path, name: &FileName) -> bool {
        match repair::mend(path) {
            Ok(Some(measured)) => {
                tracing::info!(file = %name, frames = measured.video_frames, "measured a recording");
                let clock_synced = self.get(name.as_str()).is_some_and(|known| known.clock_synced);
                let noted = self.put(&Recording { clock_synced, ..Recording::new(name, &measured) });
                noted.inspect_err(|error| tracing::error!(%error, "cannot note a recording")).is_ok()
            }
            Ok(None) => {
                tracing::info!(file = %name, "removed a recording without a frame");
                false
            }
            Err(error) => {
                tracing::warn!(file = %name, %error, "cannot read a recording; left as it is");
                false
            }
        }
    }
}

/// Brings the names in a folder to disk.
pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}
