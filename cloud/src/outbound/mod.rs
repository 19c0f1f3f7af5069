//! The one way out to addresses that a tenant gave: hooks, simulcast, mail, buckets.
//!
//! Who gives an address must not reach through this server what only this server can reach. So:
//!
//! - A URL has a scheme of its [`Purpose`], a host, and neither user nor password nor fragment. A host that is a number
//!   in any form (`127.1`, `0x7f000001`, `2130706433`, `0177.0.0.1`) is that number, as the URL standard of the WHATWG
//!   and `inet_aton` read it.
//! - A name is resolved here, for each connection anew. Each address is checked ([`special`]), and the connection is made
//!   to the checked ones and nothing else: a name that leads elsewhere a moment later (DNS rebinding) gains nothing.
//! - IPv4 inside of IPv6 is taken out and checked too.
//! - What this server itself listens at is refused, also at a public address of this machine and inside of a network that
//!   is allowed: only that very address, as a network of one (`/32`, `/128`), allows it.
//! - Redirects are not followed, and proxies of the environment are not used.
//!
//! `[outbound] allow` names networks that may be called although they are special. What the operator gives (the
//! database, the media store, other processes) does not pass here.
//!
//! Sources: RFC 6890 and IANA's special-purpose registries, whose entries [`special`] names one by one; RFC 6052 and
//! RFC 8215 (NAT64), RFC 3056 (6to4), RFC 4380 (Teredo), RFC 5214 (ISATAP), RFC 4291 (mapped and compatible).

#[cfg(test)]
mod dns;
mod error;
mod guard;
mod http;
mod network;
mod own;
mod resolve;
pub mod special;
mod target;
#[cfg(test)]
mod tests;

pub use error::OutboundError;
pub use guard::Guard;
pub use http::Http;
pub use network::Network;
pub use target::{Purpose, Target};

use serde::Deserialize;

/// `[outbound]`
#[derive(Debug, Clone, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct OutboundConfig {
    /// Networks that tenants' addresses may lie in although they are not public, such as `127.0.0.0/8`.
    pub allow: Vec<String>,
}

impl OutboundConfig {
    /// Finds what makes no sense: the key and what is wrong with it.
    pub(crate) fn check(&self) -> Result<(), (&'static str, String)> {
        let wrong = self.allow.iter().find_map(|network| network.parse::<Network>().err());
        wrong.map_or(Ok(()), |detail| Err(("outbound.allow", detail)))
    }
}

/// `[hooks]`, which nobody sets any more.
#[derive(Debug, Clone, Default)]
pub struct Moved;

impl<'de> Deserialize<'de> for Moved {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(serde::de::Error::custom("there is no section `[hooks]`: its `allow` is `[outbound] allow` now"))
    }
}
