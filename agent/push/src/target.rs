//! Where an output pushes to.

use std::fmt;

use url::Url;

use crate::StreamKey;

/// A server and the stream key for it.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    tls: bool,
    host: String,
    port: u16,
    /// The URL's path without slashes around it, and with its query.
    app: String,
    /// As it was given, without user and password.
    url: String,
    key: StreamKey,
}

/// Why an address cannot be pushed to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    #[error("target `url` is no address: {0}; give rtmp://host[:port]/app")]
    Url(#[from] url::ParseError),
    #[error("target `url` begins with `{0}:`; give rtmp:// or rtmps://")]
    Scheme(String),
    #[error("target `url` names no host; give rtmp://host[:port]/app")]
    Host,
    #[error("target `url` names no application; give rtmp://host[:port]/app")]
    App,
    #[error("target `key` is empty; give the server's stream key")]
    Key,
}

impl Target {
    /// Reads an address such as `rtmps://live.example.org/app`.
    ///
    /// # Errors
    /// When it is none, or the key is missing.
    pub fn parse(url: &str, key: StreamKey) -> Result<Self, TargetError> {
        let mut parsed = Url::parse(url.trim())?;
        let (tls, port) = match parsed.scheme() {
            "rtmp" => (false, 1935),
            "rtmps" => (true, 443),
            other => return Err(TargetError::Scheme(other.to_owned())),
        };
        let host = parsed.host_str().filter(|host| !host.is_empty()).ok_or(TargetError::Host)?;
        let host = host.trim_matches(['[', ']']).to_owned();
        let port = parsed.port().unwrap_or(port);
        let mut app = parsed.path().trim_matches('/').to_owned();
        if app.is_empty() {
            return Err(TargetError::App);
        }
        if let Some(query) = parsed.query() {
            app = format!("{app}?{query}");
        }
        if key.expose().is_empty() {
            return Err(TargetError::Key);
        }
        // Neither can fail for an address with a host.
        let _ = parsed.set_username("");
        let _ = parsed.set_password(None);
        Ok(Self { tls, host, port, app, url: parsed.into(), key })
    }

    /// The address without the stream key.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A name, or an address without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether TLS is spoken from the first byte.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.tls
    }

    /// Scheme, host and port, for logs: services put secrets into paths and queries.
    pub(crate) fn server(&self) -> String {
        let scheme = if self.tls { "rtmps" } else { "rtmp" };
        let (open, close) = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        format!("{scheme}://{open}{}{close}:{}", self.host, self.port)
    }

    pub(crate) fn app(&self) -> &str {
        &self.app
    }

    pub(crate) fn key(&self) -> &StreamKey {
        &self.key
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({})", self.server())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        let target = |url: &str| Target::parse(url, StreamKey::new("key"));
        let plain = target("rtmp://127.0.0.1:19350/live").unwrap();
        assert_eq!(
            (plain.tls, plain.host.as_str(), plain.port, plain.app.as_str()),
            (false, "127.0.0.1", 19350, "live")
        );
        let secure = target("rtmps://user:word@[::1]/app/instance/?a=b").unwrap();
        assert_eq!(
            (secure.tls, secure.host.as_str(), secure.port, secure.app.as_str()),
            (true, "::1", 443, "app/instance?a=b")
        );
        assert!(!secure.url().contains("word"));
        assert_eq!(format!("{secure:?}"), "Target(rtmps://[::1]:443)");
        assert_eq!(target("rtmp://host/live").unwrap().port, 1935);
    }

    #[test]
    fn wrong_ones_are_told_what_to_give() {
        let target = |url: &str| Target::parse(url, StreamKey::new("key")).unwrap_err();
        assert_eq!(target("http://host/live"), TargetError::Scheme("http".to_owned()));
        assert_eq!(target("rtmp://host"), TargetError::App);
        assert!(matches!(target("host/live"), TargetError::Url(_)));
        assert!(matches!(target("rtmp:///live"), TargetError::Host | TargetError::Url(_)));
        assert_eq!(Target::parse("rtmp://host/live", StreamKey::new("")), Err(TargetError::Key));
    }
}
