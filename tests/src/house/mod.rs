//! A cloud and a box as real processes on loopback, in a directory of their own.

pub mod acme;
mod agent;
mod api;
mod cloud;
pub mod line;
pub mod memory;
pub mod peer;
pub mod playlist;
pub mod postgres;
pub mod postgres_access;
pub mod probe;
mod process;
pub mod receiver;
pub mod s3;
pub mod smtp;

pub use agent::{Agent, AgentOptions, Source};
pub use api::{Api, ApiFailure};
pub use cloud::{ADMIN, Cloud, CloudOptions, Ports};
pub use playlist::last_segment;
pub use process::{Process, binary, child_of, wait_until};

use std::path::{Path, PathBuf};

/// The footage that demo and tests play as if it came over HDMI.
#[must_use]
pub fn footage() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("media/bigbuckbunny.mp4")
}

/// A loopback port that was free a moment ago; `preferred` if that one is.
#[must_use]
pub fn free_port(preferred: u16) -> u16 {
    let bind = |port| std::net::TcpListener::bind(("127.0.0.1", port)).and_then(|socket| socket.local_addr());
    bind(preferred).or_else(|_| bind(0)).map_or(0, |address| address.port())
}
