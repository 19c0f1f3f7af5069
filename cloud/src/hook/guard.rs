//! The guard of outgoing connections: no address of a private network, by name or by number.
//!
//! Names are resolved here, each address is checked, and the connection is made to the checked ones only.

use super::network::{Network, canonical, is_public};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use url::{Host, Url};

/// Longest URL.
const MAX_URL: usize = 2048;

/// Says why a URL may not be called.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GuardError {
    /// It is not of the wanted form.
    #[error(
        "must be an http or https URL with a host, without user, password and fragment, 2048 characters at most"
    )]
    Form,
    /// Its host is an address that may not be called.
    #[error(
        "{0} is an address of a private network, which may not be called; `[hooks] allow` in the server's configuration lifts this"
    )]
    Private(IpAddr),
    /// All of its name's addresses may not be called.
    #[error("{0} has addresses of private networks only, which may not be called")]
    PrivateName(String),
}

/// Decides which addresses may be called; cloned freely.
#[derive(Debug, Clone)]
pub struct Guard {
    allow: Arc<[Network]>,
}

impl Guard {
    /// Lets public addresses pass, and those of the networks given.
    pub fn new(allow: Vec<Network>) -> Self {
        Self { allow: allow.into() }
    }

    /// Whether an address may be called.
    pub fn allows(&self, address: IpAddr) -> bool {
        let real = canonical(address);
        is_public(address) || self.allow.iter().any(|network| network.contains(real))
    }

    /// Reads a URL and checks what can be seen of it without resolving.
    pub fn check(&self, text: &str) -> Result<Url, GuardError> {
        if text.len() > MAX_URL {
            return Err(GuardError::Form);
        }
        let url = Url::parse(text).map_err(|_| GuardError::Form)?;
        let plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
        if !matches!(url.scheme(), "http" | "https") || !plain {
            return Err(GuardError::Form);
        }
        self.check_host(&url)?;
        Ok(url)
    }

    /// Checks a host that is a number; the resolver never sees these.
    pub fn check_host(&self, url: &Url) -> Result<(), GuardError> {
        let address = match url.host().ok_or(GuardError::Form)? {
            Host::Domain(_) => return Ok(()),
            Host::Ipv4(address) => IpAddr::V4(address),
            Host::Ipv6(address) => IpAddr::V6(address),
        };
        if self.allows(address) { Ok(()) } else { Err(GuardError::Private(address)) }
    }

    /// A client that connects to what the guard lets pass only, follows no redirect and knows no proxy.
    pub fn client(&self, timeout: Duration) -> Result<reqwest::Client, reqwest::Error> {
        reqwest::Client::builder()
            .dns_resolver(self.clone())
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(timeout)
            .pool_max_idle_per_host(1)
            .user_agent(concat!("stagebox/", env!("CARGO_PKG_VERSION")))
            .build()
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let allowed: Vec<SocketAddr> = found.filter(|address| guard.allows(address.ip())).collect();
            if allowed.is_empty() {
                return Err(GuardError::PrivateName(name.as_str().to_owned()).into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_urls_are_refused() {
        let guard = Guard::new(Vec::new());
        for url in [
            "",
            "x",
            "ftp://example.org/",
            "file:///etc/passwd",
            "http://",
            "http://user:password@example.org/",
            "http://example.org/#fragment",
            "http://127.0.0.1/",
            "http://127.1/",
            "http://2130706433/",
            "http://0x7f.0.0.1/",
            "http://0177.0.0.1/",
            "http://[::1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://[64:ff9b::7f00:1]/",
            "http://169.254.169.254/latest",
            "http://10.0.0.1:8080/",
            "http://0.0.0.0/",
            &format!("http://example.org/{}", "x".repeat(MAX_URL)),
        ] {
            assert!(guard.check(url).is_err(), "{url}");
        }
        for url in ["http://example.org/hook?x=1", "https://8.8.8.8:8443/"] {
            assert!(guard.check(url).is_ok(), "{url}");
        }
    }

    #[test]
    fn a_network_can_be_allowed() {
        let guard = Guard::new(vec!["127.0.0.0/8".parse().unwrap()]);
        assert!(guard.check("http://127.0.0.1:9/").is_ok());
        assert!(guard.check("http://[::ffff:127.0.0.1]:9/").is_ok());
        assert!(guard.check("http://10.0.0.1/").is_err());
    }

    #[tokio::test]
    async fn a_name_that_leads_inside_is_refused_after_resolution() {
        let guard = Guard::new(Vec::new());
        let name: Name = "localhost".parse().unwrap();
        let error = guard.resolve(name).await.err().unwrap().to_string();
        assert!(error.contains("private"), "{error}");
    }
}
