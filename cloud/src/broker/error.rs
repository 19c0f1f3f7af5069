//! Why there is no broker.

use std::net::SocketAddr;
use std::path::PathBuf;

/// Says why the broker does not run, and what to change.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// The program is not there.
    #[error("cannot run the broker {path} (`mqtt.mosquitto`): {source}; install the package mosquitto")]
    Program {
        /// The program.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The plugin is not there.
    #[error(
        "Mosquitto's plugin is not in {looked} (`mqtt.dynamic_security_plugin`); install the package mosquitto"
    )]
    Plugin {
        /// Where it was looked for.
        looked: String,
    },
    /// This program does not find itself.
    #[error("cannot find this program to start the broker with: {source}")]
    Launcher {
        /// Why.
        source: std::io::Error,
    },
    /// Another program has the port.
    #[error("cannot listen on {address} (`{field}`): {source}; end the other program or set another port")]
    Port {
        /// The key.
        field: &'static str,
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The configuration cannot be written.
    #[error("cannot write the broker's configuration to {path} (`data_dir`): {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A path that cannot stand in Mosquitto's configuration.
    #[error("the path {0:?} (`data_dir`) has a line break or is no text: Mosquitto cannot use it")]
    Path(PathBuf),
    /// The boxes' credentials cannot be read.
    #[error("cannot read the boxes' credentials: {0}")]
    Credentials(String),
    /// What is to be told to the boxes cannot be read or kept.
    #[error("cannot begin with the boxes: {0}")]
    Devices(String),
    /// It cannot be told whose turn it is.
    #[error("cannot tell whether another process has the broker: {0}")]
    Store(#[from] crate::store::StoreError),
    /// It ended while it was being started.
    #[error("the broker ended at its start ({status}): {said}")]
    Ended {
        /// How it ended.
        status: String,
        /// Its last lines.
        said: String,
    },
    /// It runs but takes no connection.
    #[error("the broker on {address} takes no connection after {seconds} s: {said}")]
    Silent {
        /// The address.
        address: SocketAddr,
        /// How long was waited.
        seconds: u64,
        /// Its last lines.
        said: String,
    },
}
