//! Where an output pushes to.

use url::Url;

use crate::config::Secret;
use crate::trust::Trust;

/// A server and the stream key for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub(super) tls: bool,
    pub(super) host: String,
    pub(super) port: u16,
    /// The URL's path without slashes around it, and with its query.
    pub(super) app: String,
    /// As it was given, without user and password.
    pub(super) url: String,
    pub(super) key: Secret,
    /// Whom to believe over RTMPS.
    pub(super) trust: Trust,
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
    pub fn parse(url: &str, key: Secret) -> Result<Self, TargetError> {
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
        Ok(Self { tls, host, port, app, url: parsed.into(), key, trust: Trust::default() })
    }

    /// Believes others than the system does.
    #[must_use]
    pub fn trusting(self, trust: Trust) -> Self {
        Self { trust, ..self }
    }

    /// The address without the key.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        let target = |url: &str| Target::parse(url, Secret::new("key"));
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
        assert_eq!(target("rtmp://host/live").unwrap().port, 1935);
    }

    #[test]
    fn wrong_ones_are_told_what_to_give() {
        let target = |url: &str| Target::parse(url, Secret::new("key")).unwrap_err();
        assert_eq!(target("http://host/live"), TargetError::Scheme("http".to_owned()));
        assert_eq!(target("rtmp://host"), TargetError::App);
        assert!(matches!(target("host/live"), TargetError::Url(_)));
        assert!(matches!(target("rtmp:///live"), TargetError::Host | TargetError::Url(_)));
        assert_eq!(Target::parse("rtmp://host/live", Secret::new("")), Err(TargetError::Key));
    }
}
