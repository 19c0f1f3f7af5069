//! What a tenant gave, read once: scheme, host, port.

use super::OutboundError;
use std::fmt;
use url::{Host, Url};

/// Longest URL.
const MAX_URL: usize = 2048;

/// What a connection is for, and so which schemes it may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Hooks, workflow posts, buckets: `http` and `https`.
    Http,
    /// Simulcast: `rtmp` and `rtmps`.
    Rtmp,
    /// Mail: `smtp` and `smtps`.
    Smtp,
}

impl Purpose {
    /// The schemes with the ports that they have by themselves, and whether the connection is encrypted from its first byte.
    ///
    /// RFC 9110 (http, https); Adobe's RTMP specification (1935) and practice (rtmps at 443); RFC 6409 (submission) and RFC 8314
    /// (submissions).
    const fn schemes(self) -> [(&'static str, u16, bool); 2] {
        match self {
            Self::Http => [("http", 80, false), ("https", 443, true)],
            Self::Rtmp => [("rtmp", 1935, false), ("rtmps", 443, true)],
            Self::Smtp => [("smtp", 587, false), ("smtps", 465, true)],
        }
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [(plain, ..), (encrypted, ..)] = self.schemes();
        write!(f, "a URL that begins with {plain}:// or {encrypted}://,")
    }
}

/// A URL that a tenant gave; only a [`super::Guard`] makes one. It shows itself without its path and query.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    url: Url,
    host: Host,
    port: u16,
    encrypted: bool,
}

impl Target {
    /// Reads a URL; nothing is said yet of whether it may be called.
    pub(super) fn parse(purpose: Purpose, text: &str) -> Result<Self, OutboundError> {
        let form = || OutboundError::Form(purpose);
        if text.len() > MAX_URL {
            return Err(form());
        }
        let url = Url::parse(text).map_err(|_| form())?;
        let schemes = purpose.schemes();
        let (_, usual, encrypted) =
            schemes.into_iter().find(|(scheme, ..)| *scheme == url.scheme()).ok_or_else(form)?;
        let plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
        // A URL of a scheme that browsers do not know keeps its host as text: numbers in it are read here.
        let host = url.host_str().and_then(|host| Host::parse(host).ok()).filter(|_| plain);
        let (host, port) = (host.ok_or_else(form)?, url.port().unwrap_or(usual));
        if port == 0 || matches!(&host, Host::Domain(name) if name.is_empty()) {
            return Err(form());
        }
        Ok(Self { url, host, port, encrypted })
    }

    /// The URL as a whole; its path and query may be a secret.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The host: a number in whatever form is an address here.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The port, of the scheme if the URL has none.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether TLS is spoken from the first byte.
    pub fn is_encrypted(&self) -> bool {
        self.encrypted
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({}://{}:{})", self.url.scheme(), self.host, self.port)
    }
}
