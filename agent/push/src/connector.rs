//! How a server is reached: the one thing that box and cloud do each in their own way.

use std::io;

use crate::{Target, Transport};

/// Opens connections to the servers that an output is given.
///
/// The attempt is dropped once it has taken longer than [`crate::Patience::connect_limit`], or nobody wants it any
/// more. Most end with [`crate::over_tcp`].
pub trait Connector: Send + Sync + 'static {
    /// Connects to the target's host and port, and speaks TLS where the target says so.
    ///
    /// `second_bytes` is about a second of the stream, for [`crate::over_tcp`].
    fn connect(
        &self,
        target: &Target,
        second_bytes: u32,
    ) -> impl Future<Output = Result<Box<dyn Transport>, ConnectError>> + Send;
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Socket or TLS failed; the output says in words of its own what that means.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// What the connector says of it, in words for the person who looks at the output, and without the stream key.
    #[error("{0}")]
    Told(String),
}
