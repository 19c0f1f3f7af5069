//! Why the box cannot start, and whether its configuration is to blame.

use std::path::PathBuf;

use stagebox_protocol::ConfigProblem;
use stagebox_push::TargetError;

use crate::config::ConfigError;
use crate::durable::DurableError;
use crate::durable::KeptError;
use crate::link::LinkError;
use crate::panel::PanelError;
use crate::record::RecordError;
use crate::trust::TrustError;

/// Why the daemon ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("{}: {}; {}", .0.field, .0.problem, .0.fix)]
    Source(ConfigProblem),
    #[error("{field}: cannot make {path}: {problem}; give a folder that this user can write")]
    Folder { field: &'static str, path: PathBuf, problem: String },
    #[error("outputs ({role}): {source}")]
    Target { role: &'static str, source: TargetError },
    #[error(transparent)]
    Trust(#[from] TrustError),
    #[error("{0}")]
    Media(String),
    #[error(transparent)]
    Durable(#[from] DurableError),
    #[error(transparent)]
    Store(#[from] KeptError),
    #[error(transparent)]
    Record(#[from] RecordError),
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error(transparent)]
    Panel(#[from] PanelError),
    #[error("cannot start: {0}")]
    Start(String),
}

impl DaemonError {
    /// Whether another configuration or installation is needed.
    #[must_use]
    pub fn is_configuration(&self) -> bool {
        match self {
            Self::Config(_)
            | Self::Source(_)
            | Self::Folder { .. }
            | Self::Target { .. }
            | Self::Trust(_)
            | Self::Media(_)
            | Self::Panel(_)
            | Self::Link(LinkError::Address(_) | LinkError::Id(_) | LinkError::Url(_)) => true,
            Self::Durable(_) | Self::Store(_) | Self::Record(_) | Self::Link(_) | Self::Start(_) => false,
        }
    }
}
