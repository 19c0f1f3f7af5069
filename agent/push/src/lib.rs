//! A stream of encoded frames, and its outputs to RTMP servers.
//!
//! Whoever has a stream publishes its packets to a [`Hub`]; each output that is [`spawn`]ed reads from it with a
//! bounded queue of its own, so that a server which hangs costs that output its oldest groups of pictures and nobody
//! else anything. How a server is reached is the caller's [`Connector`]: this crate knows no configuration, no
//! addresses that may not be called, and nobody whom to believe over TLS.
//!
//! ```text
//!  packets ─▶ Hub ─┬─▶ Subscriber ─▶ transmission ─▶ Connector's transport ─▶ server
//!                  │                      ▲ │ news
//!                  │              actions │ ▼
//!                  │     OutputHandle ─▶ output's rules ─▶ OutputStatus
//!                  └─▶ Subscriber ─▶ … another output, a recorder
//! ```

mod connector;
mod driver;
mod from_zero;
mod key;
mod knock;
mod link;
mod order;
mod patience;
mod progress;
mod state;
mod status;
mod stream;
mod target;
#[cfg(test)]
mod tests;
mod transmission;
mod transport;

pub use connector::{ConnectError, Connector};
pub use driver::{OutputConfig, OutputHandle, Times, sleep_until, spawn};
pub use key::StreamKey;
pub use knock::knock;
pub use patience::{Patience, Retry};
pub use status::{OutputState, OutputStatus};
pub use stream::{Hub, SubscribeOptions, Subscriber};
pub use target::{Target, TargetError};
pub use transport::{Tls, Transport, describe, over_tcp};
