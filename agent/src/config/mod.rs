//! The box's configuration: one strict tree of TOML with defaults.
//!
//! Any key can be overridden from the environment: `STAGEBOX_VIDEO__FPS=25`,
//! `STAGEBOX_DATA_DIR=/data`; list entries by number, `STAGEBOX_OUTPUTS__0__URL`.

mod audio;
mod defaults;
mod edid;
mod environment;
mod fault;
mod last_good;
mod remote;
mod tree;

#[cfg(test)]
mod remote_tests;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

pub use audio::{AudioConfig, ChannelPair};
pub use edid::EdidSetting;
pub use last_good::{LastGood, Refused, Start, in_words, source_problem};
pub use remote::{Change, FileConfig, shown};
pub use tree::{
    AlarmConfig, BackupConfig, BackupPush, CloudConfig, Config, HealingConfig, OutputConfig, PanelConfig,
    Protect, RecordConfig, Secret, SourceConfig, VideoConfig,
};

/// Why a configuration was refused; each says where and what would do.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read the configuration {path}: {source}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{path}: {reason}")]
    Parse { path: PathBuf, reason: String },
    #[error("environment variable {name}: {reason}")]
    Environment { name: String, reason: String },
    #[error("{field}: {problem}; {fix}")]
    Invalid { field: String, problem: String, fix: String },
}

impl ConfigError {
    pub(crate) fn invalid(
        field: impl Into<String>,
        problem: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self::Invalid { field: field.into(), problem: problem.into(), fix: fix.into() }
    }
}

impl Config {
    /// Reads the file, applies the environment's overrides and checks the result.
    ///
    /// Relative paths in the file are taken from the file's own directory.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        Ok(FileConfig::load(path)?.1)
    }

    /// Parses a configuration's text together with environment variables.
    pub fn parse(
        path: &Path,
        text: &str,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let parse_error = |error: toml::de::Error| ConfigError::Parse {
            path: path.to_owned(),
            reason: fault::in_text(&error, text),
        };
        let mut tree: toml::Table = toml::from_str(text).map_err(parse_error)?;
        let overridden = environment::apply(&mut tree, variables)?;
        let config: Self = if overridden.is_empty() {
            // From the text, so that the message names the line.
            toml::from_str(text).map_err(parse_error)?
        } else {
            tree.try_into().map_err(|error: toml::de::Error| ConfigError::Parse {
                path: path.to_owned(),
                reason: format!(
                    "{} (with {} from the environment)",
                    fault::in_words(&error),
                    overridden.join(", ")
                ),
            })?
        };
        config.validate()?;
        Ok(config)
    }
}
