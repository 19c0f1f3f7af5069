//! Why something is not called, in words for the tenant who gave the address.

use super::Purpose;
use std::io;
use std::net::{IpAddr, SocketAddr};

/// Says why an address may not be called, or why it was not reached; never with the URL's path, which may be a secret.
#[derive(Debug, thiserror::Error)]
pub enum OutboundError {
    /// It is not of the wanted form.
    #[error("must be {0} with a host, without user, password and fragment, 2048 characters at most")]
    Form(Purpose),
    /// Its host is an address that may not be called.
    #[error(
        "{address} is {what}, which may not be called; `[outbound] allow` in the server's configuration lifts this"
    )]
    Special {
        /// The address.
        address: IpAddr,
        /// What it is.
        what: &'static str,
    },
    /// Its host is this server.
    #[error("{0} is this server itself, which may not be called")]
    Own(SocketAddr),
    /// None of its name's addresses may be called; which they are is the operator's own business.
    #[error("{0} has only addresses that may not be called, such as those of private networks")]
    SpecialName(String),
    /// The name has no address.
    #[error("the addresses of {name} cannot be found: {source}")]
    Resolve {
        /// The name.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// No address took the connection.
    #[error("{host} cannot be reached: {source}")]
    Connect {
        /// The host.
        host: String,
        /// Why the last address did not take it.
        source: io::Error,
    },
    /// It took too long.
    #[error("{host} took no connection within {} ms", limit.as_millis())]
    Timeout {
        /// The host.
        host: String,
        /// How long was waited.
        limit: std::time::Duration,
    },
    /// Requests cannot be made at all.
    #[error("cannot set up the client: {0}")]
    Client(#[from] reqwest::Error),
}
