//! The guard: which addresses may be called, and connections to those.

use super::network::Network;
use super::own::leads_here;
use super::resolve::{self, Lookup};
use super::special::{faces, special};
use super::{Http, OutboundError, Purpose, Target};
use crate::app::Addresses;
use crate::config::Config;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use url::Host;

/// Decides which addresses may be called, and calls them; cloned freely.
#[derive(Clone)]
pub struct Guard(Arc<Inner>);

struct Inner {
    allow: Vec<Network>,
    addresses: Arc<Addresses>,
    lookup: Lookup,
}

impl Guard {
    /// Lets public addresses pass, and those of the networks that the configuration allows.
    pub fn new(config: &Config, addresses: Arc<Addresses>) -> Self {
        // The configuration was checked when it was read.
        let allow = config.outbound.allow.iter().filter_map(|network| network.parse().ok()).collect();
        Self(Arc::new(Inner { allow, addresses, lookup: resolve::system() }))
    }

    /// One that resolves names as it is told.
    #[cfg(test)]
    pub(super) fn with_lookup(allow: &[&str], addresses: Arc<Addresses>, lookup: Lookup) -> Self {
        let allow = allow.iter().map(|network| network.parse().unwrap()).collect();
        Self(Arc::new(Inner { allow, addresses, lookup }))
    }

    /// Reads what a tenant gave and checks what can be seen of it without resolving.
    ///
    /// # Errors
    /// It is not of the form that the purpose wants, or its host is an address that may not be called.
    pub fn target(&self, purpose: Purpose, text: &str) -> Result<Target, OutboundError> {
        let target = Target::parse(purpose, text)?;
        self.check_number(&target)?;
        Ok(target)
    }

    /// Checks a host that is a number; what may be called can be another since the target was made.
    pub(super) fn check_number(&self, target: &Target) -> Result<(), OutboundError> {
        match *target.host() {
            Host::Domain(_) => Ok(()),
            Host::Ipv4(address) => self.check(SocketAddr::from((address, target.port()))),
            Host::Ipv6(address) => self.check(SocketAddr::from((address, target.port()))),
        }
    }

    /// Whether an address may be called.
    ///
    /// # Errors
    /// It may not.
    pub fn check(&self, address: SocketAddr) -> Result<(), OutboundError> {
        let listeners = self.0.addresses.listeners();
        for face in faces(address.ip()) {
            if let Some(special) = special(face).filter(|_| !self.is_allowed(face)) {
                return Err(OutboundError::Special { address: address.ip(), what: special.what });
            }
            let is_named = self.0.allow.iter().any(|network| network.is_only(face));
            if !is_named && leads_here(SocketAddr::new(face, address.port()), &listeners) {
                return Err(OutboundError::Own(address));
            }
        }
        Ok(())
    }

    fn is_allowed(&self, address: IpAddr) -> bool {
        self.0.allow.iter().any(|network| network.contains(address))
    }

    /// The addresses of a name that may be called; at least one.
    pub(super) async fn resolve(&self, name: &str, port: u16) -> Result<Vec<SocketAddr>, OutboundError> {
        let found = (self.0.lookup)(name.to_owned()).await;
        let found = found.map_err(|source| OutboundError::Resolve { name: name.to_owned(), source })?;
        let mut checked = found.into_iter().map(|address| SocketAddr::new(address, port)).collect::<Vec<_>>();
        checked.retain(|address| self.check(*address).is_ok());
        if checked.is_empty() { Err(OutboundError::SpecialName(name.to_owned())) } else { Ok(checked) }
    }

    /// Connects to a checked address of the target, and to no other; all of it within `limit`.
    ///
    /// # Errors
    /// No address may be called, or none took the connection in time.
    pub async fn connect(&self, target: &Target, limit: Duration) -> Result<TcpStream, OutboundError> {
        let host = || target.host().to_string();
        let connecting = async {
            self.check_number(target)?;
            let addresses = match target.host() {
                Host::Domain(name) => self.resolve(name, target.port()).await?,
                Host::Ipv4(address) => vec![SocketAddr::from((*address, target.port()))],
                Host::Ipv6(address) => vec![SocketAddr::from((*address, target.port()))],
            };
            // One that does not answer leaves the others their share of the time.
            let share = limit / u32::try_from(addresses.len()).unwrap_or(u32::MAX);
            let mut last = std::io::Error::from(std::io::ErrorKind::TimedOut);
            for address in addresses {
                match timeout(share, TcpStream::connect(address)).await {
                    Ok(Ok(stream)) => return Ok(stream),
                    Ok(Err(error)) => last = error,
                    Err(_) => last = std::io::ErrorKind::TimedOut.into(),
                }
            }
            Err(OutboundError::Connect { host: host(), source: last })
        };
        let connected = timeout(limit, connecting).await;
        connected.unwrap_or_else(|_| Err(OutboundError::Timeout { host: host(), limit }))
    }

    /// A client for HTTP whose requests end after `limit`.
    pub fn http(&self, limit: Duration) -> Http {
        Http::new(self.clone(), limit)
    }
}
