//! Requests over HTTP through the guard.

use super::guard::Guard;
use super::{OutboundError, Target};
use http::Method;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Client, RequestBuilder};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Hosts whose connections are kept for the next request.
const KEPT: usize = 32;

/// Makes requests; cloned freely.
///
/// Each host and port has a client of its own: its resolver knows the port, and connects to nothing else.
#[derive(Clone)]
pub struct Http(Arc<Inner>);

struct Inner {
    guard: Guard,
    limit: Duration,
    /// The longest unused first.
    clients: Mutex<VecDeque<(Place, Client)>>,
}

/// A host's name, or its number as text, and a port.
#[derive(Clone, PartialEq, Eq)]
struct Place {
    host: String,
    port: u16,
}

impl Http {
    pub(super) fn new(guard: Guard, limit: Duration) -> Self {
        Self(Arc::new(Inner { guard, limit, clients: Mutex::default() }))
    }

    /// Begins a request; redirects are not followed, and proxies of the environment not used.
    ///
    /// # Errors
    /// The target is an address that may not be called.
    pub fn request(&self, method: Method, target: &Target) -> Result<RequestBuilder, OutboundError> {
        // The client connects to a number without asking its resolver.
        self.0.guard.check_number(target)?;
        Ok(self.client(target)?.request(method, target.url().clone()))
    }

    fn client(&self, target: &Target) -> Result<Client, OutboundError> {
        let place = Place { host: target.host().to_string(), port: target.port() };
        let mut clients = self.0.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let known = clients.iter().position(|(known, _)| *known == place);
        let (place, client) = match known.and_then(|known| clients.remove(known)) {
            Some(found) => found,
            None => (place.clone(), self.connect_to(place)?),
        };
        clients.push_back((place, client.clone()));
        if clients.len() > KEPT {
            clients.pop_front();
        }
        Ok(client)
    }

    fn connect_to(&self, place: Place) -> Result<Client, OutboundError> {
        let client = Client::builder()
            .dns_resolver(Pinned { guard: self.0.guard.clone(), place })
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(self.0.limit)
            .pool_max_idle_per_host(1)
            .user_agent(concat!("stagebox/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(client)
    }
}

/// Resolves one name, and gives out only what may be called at one port.
struct Pinned {
    guard: Guard,
    place: Place,
}

impl Resolve for Pinned {
    fn resolve(&self, name: Name) -> Resolving {
        let (guard, place) = (self.guard.clone(), self.place.clone());
        Box::pin(async move {
            if name.as_str() != place.host {
                return Err(OutboundError::SpecialName(name.as_str().to_owned()).into());
            }
            let addresses = guard.resolve(&place.host, place.port).await?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}
