//! The front panel's socket: what the box does goes out, what the buttons want comes in.
//!
//! `view.rs` puts the box's status into the panel's words, `session.rs` serves
//! one panel, `socket.rs` owns the file. Several panels may look at once; each
//! of them may press.

mod server;
mod session;
mod socket;
#[cfg(test)]
mod tests;
mod view;

use std::path::PathBuf;

pub use server::{PanelHandle, PanelOptions, spawn};

/// Why the panel's socket could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum PanelError {
    #[error("panel.socket {path}: {reason}")]
    Unusable { path: PathBuf, reason: &'static str },
    #[error("open panel.socket {path}: {source}; set panel.socket to a path that this user can write")]
    Open { path: PathBuf, source: std::io::Error },
}
