//! What recordings there are: in the store, and in `manifest.json` beside the files.
//!
//! `SHA256SUMS` beside them holds the checksums as `sha256sum -c` reads them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::details::Details;
use super::jobs::Standing;
use super::name::FileName;
use super::repair::{self, Measured};
use crate::durable::{Durable, DurableError};

const TREE: &str = "recordings";
const MANIFEST: &str = "manifest.json";
const SUMS: &str = "SHA256SUMS";
/// A manifest that is larger is not read.
const MOST_MANIFEST_BYTES: u64 = 256 * 1024 * 1024;

/// Which files of a folder are recordings of this box.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Adopt {
    /// All that are named so.
    All,
    /// Those that the index or the folder's manifest names.
    Known,
}

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
    /// What its frames do not tell.
    #[serde(flatten)]
    pub details: Details,
    /// How its upload stands, if it is to be uploaded.
    #[serde(skip)]
    pub upload: Option<Standing>,
}

#[derive(Serialize)]
struct Manifest<'a> {
    version: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    disk: Option<&'a str>,
    recordings: &'a [Recording],
}

/// A manifest as it is read: whatever is not readable in it is not there.
#[derive(Debug, Default, Deserialize)]
pub(super) struct ReadManifest {
    #[serde(default)]
    pub(super) disk: Option<String>,
    #[serde(default)]
    recordings: Vec<serde_json::Value>,
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
            clock_synced: name.synced().unwrap_or(false),
            details: Details {
                video: measured.video.clone(),
                audio: measured.audio.clone(),
                ..Details::default()
            },
            upload: None,
        }
    }

    /// When it began, in milliseconds since 1970.
    pub(super) fn started_unix_ms(&self) -> Option<i64> {
        let started = OffsetDateTime::parse(&self.started_at, &Rfc3339).ok()?;
        i64::try_from(started.unix_timestamp_nanos() / 1_000_000).ok()
    }

    /// Takes from a second account of the same file what this one does not have.
    fn complete(mut self, other: Option<Self>) -> Self {
        let Some(other) = other else { return self };
        // What is closed does not change: its account has the last word.
        if other.closed && !self.closed {
            return other.complete(Some(self));
        }
        self.clock_synced |= other.clock_synced;
        self.details.complete(other.details);
        self
    }
}

impl ReadManifest {
    /// The manifest of a folder; an empty one where there is none that can be read.
    pub(super) fn of(dir: &Path) -> Self {
        let path = dir.join(MANIFEST);
        let fits = fs::metadata(&path).is_ok_and(|file| file.len() <= MOST_MANIFEST_BYTES);
        let json = fs::read(path).ok().filter(|_| fits);
        json.and_then(|json| serde_json::from_slice(&json).ok()).unwrap_or_default()
    }

    fn by_name(self) -> BTreeMap<String, Recording> {
        let readable = self.recordings.into_iter().filter_map(|json| serde_json::from_value(json).ok());
        readable.map(|recording: Recording| (recording.file.clone(), recording)).collect()
    }
}

impl Index {
    pub(super) fn open(durable: &Durable) -> Result<Self, DurableError> {
        Ok(Self { tree: durable.tree(TREE)? })
    }

    /// Oldest first; an entry that cannot be read is left out.
    pub(super) fn list(&self) -> Vec<Recording> {
        let entries = self.tree.iter().values().filter_map(Result::ok);
        let mut all: Vec<Recording> = entries.filter_map(|json| serde_json::from_slice(&json).ok()).collect();
        all.sort_by_cached_key(|recording| FileName::parse(&recording.file).map(|name| name.age()));
        all
    }

    /// Those on one disk, oldest first; `None` is the box's own.
    pub(super) fn list_on(&self, disk: Option<&str>) -> Vec<Recording> {
        let mut all = self.list();
        all.retain(|recording| recording.details.disk.as_deref() == disk);
        all
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

    /// Takes out what is on a disk that has gone: its own manifest has it when it comes back.
    pub(super) fn leave(&self, disk: &str) -> io::Result<()> {
        self.list_on(Some(disk)).iter().try_for_each(|recording| self.remove(&recording.file))
    }

    pub(super) fn get(&self, file: &str) -> Option<Recording> {
        let json = self.tree.get(file).ok().flatten()?;
        serde_json::from_slice(&json).ok()
    }

    /// Writes the manifest of a disk anew; a reader sees the old or the new one.
    pub(super) fn write_manifest(&self, dir: &Path, disk: Option<&str>) -> io::Result<()> {
        let recordings = self.list_on(disk);
        write(
            dir,
            MANIFEST,
            &serde_json::to_vec_pretty(&Manifest { version: 1, disk, recordings: &recordings })?,
        )
    }

    /// Writes the checksums of a disk anew.
    pub(super) fn write_sums(&self, dir: &Path, disk: Option<&str>) -> io::Result<()> {
        let recordings = self.list_on(disk);
        let line = |one: &Recording| Some(format!("{}  {}\n", one.details.sha256.as_ref()?, one.file));
        let lines: String = recordings.iter().filter_map(line).collect();
        write(dir, SUMS, lines.as_bytes())
    }

    /// Makes the index say what the files say, and every file whole; leaves those alone that are `open`.
    pub(super) fn rebuild(
        &self,
        dir: &Path,
        disk: Option<&str>,
        adopt: Adopt,
        open: &BTreeSet<FileName>,
    ) -> io::Result<()> {
        let mut listed = ReadManifest::of(dir).by_name();
        let mut found = BTreeSet::new();
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let Some(name) = entry.file_name().to_str().and_then(FileName::parse) else { continue };
            let (own, listed) = (self.get(name.as_str()), listed.remove(name.as_str()));
            let is_known = own.is_some() || listed.is_some();
            // A copy of one that lies on another disk is somebody's, and not the box's.
            let is_copy = own.as_ref().is_some_and(|own| own.details.disk.as_deref() != disk);
            let is_strange = is_copy || (adopt == Adopt::Known && !is_known);
            if is_strange || open.contains(&name) || !entry.file_type()?.is_file() {
                continue;
            }
            let known = match own {
                Some(own) => Some(own.complete(listed)),
                None => listed,
            };
            let bytes = entry.metadata()?.len();
            if self.take_in(&entry.path(), &name, disk, known, bytes) {
                found.insert(name.to_string());
            }
        }
        for gone in self.list_on(disk) {
            let is_open = FileName::parse(&gone.file).is_some_and(|name| open.contains(&name));
            if !is_open && !found.contains(&gone.file) {
                self.remove(&gone.file)?;
            }
        }
        self.write_manifest(dir, disk)?;
        self.write_sums(dir, disk)
    }

    /// Notes one file, mended where needed; returns whether it is a recording.
    fn take_in(
        &self,
        path: &Path,
        name: &FileName,
        disk: Option<&str>,
        known: Option<Recording>,
        bytes: u64,
    ) -> bool {
        let taken = match known {
            Some(known) if known.closed && known.bytes == bytes => Some(known),
            known => Self::measure(path, name).map(|measured| {
                let recording = Recording::new(name, &measured);
                let before = known.map(|mut known| {
                    // The sum was of another file, and what is marked lies in this one.
                    known.details.sha256 = None;
                    let end_ns = measured.duration_ns;
                    known.details.marks.iter_mut().for_each(|mark| mark.at_ns = mark.at_ns.min(end_ns));
                    Recording { closed: false, ..known }
                });
                recording.complete(before)
            }),
        };
        let Some(mut recording) = taken else { return false };
        recording.details.disk = disk.map(str::to_owned);
        if self.get(name.as_str()).as_ref() == Some(&recording) {
            return true;
        }
        self.put(&recording).inspect_err(|error| tracing::error!(%error, "cannot note a recording")).is_ok()
    }

    fn measure(path: &Path, name: &FileName) -> Option<Measured> {
        match repair::mend(path) {
            Ok(Some(measured)) => {
                tracing::info!(file = %name, frames = measured.video_frames, "measured a recording");
                Some(measured)
            }
            Ok(None) => {
                tracing::info!(file = %name, "removed a recording without a frame");
                None
            }
            Err(error) => {
                tracing::warn!(file = %name, %error, "cannot read a recording; left as it is");
                None
            }
        }
    }
}

/// Writes a file anew, on disk when this returns; a reader sees the old or the new one.
fn write(dir: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let draft = dir.join(format!(".{name}.new"));
    let mut file = File::create(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&draft, dir.join(name))?;
    sync_dir(dir)
}

/// Brings the names in a folder to disk.
pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}
