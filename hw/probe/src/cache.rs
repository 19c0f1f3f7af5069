//! Results of trials in a file, as long as kernel and plugins stay what they were.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use stagebox_hw::{VideoMode, encoder::TrialOutcome};

use crate::{InstalledEncoder, Trial};

/// Another shape of the file is thrown away.
const VERSION: u32 = 1;
/// A box knows a handful of modes; more than this is garbage.
const MAX_ENTRIES: usize = 256;

/// Kept outcomes of trials.
#[derive(Debug)]
pub struct Cache {
    path: Option<PathBuf>,
    kernel_release: String,
    entries: Vec<Entry>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    version: u32,
    kernel_release: String,
    entries: Vec<Entry>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    installed: InstalledEncoder,
    mode: VideoMode,
    bitrate_kbps: u32,
    preset: Option<String>,
    outcome: TrialOutcome,
}

impl Cache {
    /// Keeps nothing beyond this process.
    #[must_use]
    pub fn in_memory() -> Self {
        Self { path: None, kernel_release: String::new(), entries: Vec::new() }
    }

    /// Reads a file; what is missing, broken or of another kernel counts as empty.
    #[must_use]
    pub fn open(path: &Path, kernel_release: &str) -> Self {
        let entries = match read(path) {
            Ok(Some(kept)) if kept.version == VERSION && kept.kernel_release == kernel_release => {
                kept.entries
            }
            Ok(_) => Vec::new(),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "kept encoder trials are not readable; trying again");
                Vec::new()
            }
        };
        Self { path: Some(path.to_owned()), kernel_release: kernel_release.to_owned(), entries }
    }

    pub(crate) fn get(&self, installed: &InstalledEncoder, trial: &Trial) -> Option<&TrialOutcome> {
        self.entries.iter().find(|entry| entry.is_of(installed, trial)).map(|entry| &entry.outcome)
    }

    /// Remembers an outcome, but not one that may be the moment's: a busy machine is slow and hangs.
    pub(crate) fn put(&mut self, installed: &InstalledEncoder, trial: &Trial, outcome: &TrialOutcome) {
        if !matches!(outcome, TrialOutcome::Works { .. }) {
            return;
        }
        self.entries.retain(|entry| !entry.is_of(installed, trial) && entry.is_current(installed));
        if self.entries.len() >= MAX_ENTRIES {
            self.entries.remove(0);
        }
        self.entries.push(Entry {
            installed: installed.clone(),
            mode: trial.mode,
            bitrate_kbps: trial.bitrate_kbps,
            preset: trial.preset.clone(),
            outcome: outcome.clone(),
        });
        if let Err(error) = self.write() {
            tracing::warn!(%error, "encoder trials could not be kept; they are made again at the next start");
        }
    }

    /// Forgets an encoder that worked once and fails now.
    pub fn forget(&mut self, encoder: stagebox_hw::Encoder) {
        self.entries.retain(|entry| entry.installed.encoder != encoder);
        if let Err(error) = self.write() {
            tracing::warn!(%error, "kept encoder trials could not be changed");
        }
    }

    /// Whole or not at all: a power cut leaves the old file or the new one.
    fn write(&self) -> io::Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        let kept = Kept {
            version: VERSION,
            kernel_release: self.kernel_release.clone(),
            entries: self.entries.clone(),
        };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let fresh = path.with_extension("new");
        let mut file = File::create(&fresh)?;
        file.write_all(&serde_json::to_vec_pretty(&kept)?)?;
        file.sync_all()?;
        fs::rename(&fresh, path)
    }
}

impl Entry {
    fn is_of(&self, installed: &InstalledEncoder, trial: &Trial) -> bool {
        self.installed == *installed
            && self.mode == trial.mode
            && self.bitrate_kbps == trial.bitrate_kbps
            && self.preset == trial.preset
    }

    /// False for an older version of the same plugin.
    fn is_current(&self, installed: &InstalledEncoder) -> bool {
        self.installed.plugin != installed.plugin || self.installed.plugin_version == installed.plugin_version
    }
}

fn read(path: &Path) -> io::Result<Option<Kept>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
