//! `[http]`, `[rtmp]` and `[mqtt]`: where the server listens, encrypted and not.

use super::Config;
use crate::http::{BodyLimits, Rates};
use crate::outbound::Network;
use serde::Deserialize;
use serde::de::Error as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Where an encrypted listener is, or that there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listen {
    /// Nowhere.
    Off,
    /// Address and port; port 0 takes a free one.
    At(SocketAddr),
}

impl Listen {
    /// The address, if there is one.
    pub fn address(self) -> Option<SocketAddr> {
        match self {
            Self::Off => None,
            Self::At(address) => Some(address),
        }
    }

    const fn local(port: u16) -> Self {
        Self::At(SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), port))
    }
}

impl<'de> Deserialize<'de> for Listen {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == "off" {
            return Ok(Self::Off);
        }
        let wrong = || D::Error::custom(format!("`{text}` is neither address and port nor \"off\""));
        text.parse().map(Self::At).map_err(|_| wrong())
    }
}

/// `[http]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    /// Address and port to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where HTTPS is.
    pub tls_listen: Listen,
    /// Allows a `listen` that is not this machine, although it is not encrypted.
    pub allow_plaintext: bool,
    /// Networks of reverse proxies that are believed what they say of the client.
    pub trusted_proxies: Vec<String>,
    /// What browsers and players call this server, such as `https://live.example.org`; from the listeners if absent.
    pub public_url: Option<String>,
    /// Largest request body of the API in bytes.
    pub max_body_bytes: u64,
    /// What a request's body may take beyond its size.
    pub body_wait_ms: u64,
    /// Bytes a second that a request's body must come with after that.
    pub body_bytes_per_s: u64,
    /// How long a request's header may take to come, and an HTTP/1.1 connection may wait for one.
    pub header_ms: u64,
    /// How long a connection without a request is kept, or one whose client takes nothing of what is there for it.
    pub idle_ms: u64,
    /// Connections at a time.
    pub max_connections: usize,
    /// Connections at a time of one address that is no trusted proxy.
    pub max_connections_per_address: usize,
    /// How much of the API may be asked.
    pub rates: Rates,
    /// How long requests may go on after a stop was asked for.
    pub drain_ms: u64,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            tls_listen: Listen::local(8443),
            allow_plaintext: false,
            trusted_proxies: Vec::new(),
            public_url: None,
            max_body_bytes: 1024 * 1024,
            body_wait_ms: 10_000,
            body_bytes_per_s: 1024,
            header_ms: 20_000,
            idle_ms: 120_000,
            max_connections: 10_000,
            max_connections_per_address: 1_000,
            rates: Rates::default(),
            drain_ms: 2_000,
        }
    }
}

impl Http {
    /// What is asked of a request's body.
    pub(crate) fn body_limits(&self) -> BodyLimits {
        BodyLimits {
            bytes: self.max_body_bytes,
            wait: Duration::from_millis(self.body_wait_ms),
            bytes_per_s: self.body_bytes_per_s,
        }
    }
}

/// `[rtmp]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rtmp {
    /// Address and port to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where RTMPS is.
    pub tls_listen: Listen,
    /// Allows a `listen` that is not this machine, although it is not encrypted.
    pub allow_plaintext: bool,
    /// What encoders are told to push to, such as `rtmps://live.example.org:1936/live`; from the listeners if absent.
    pub public_url: Option<String>,
}

impl Default for Rtmp {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 1935)),
            tls_listen: Listen::local(1936),
            allow_plaintext: false,
            public_url: None,
        }
    }
}

/// `[mqtt]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mqtt {
    /// Whether the cloud starts a Mosquitto of its own.
    pub enabled: bool,
    /// Address and port the broker listens on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where MQTTS is.
    pub tls_listen: Listen,
    /// Allows a `listen` that is not this machine, although it is not encrypted.
    pub allow_plaintext: bool,
    /// What boxes are told to connect to, such as `mqtts://live.example.org:8883`; from the listeners if absent.
    pub public_url: Option<String>,
    /// The Mosquitto program.
    pub mosquitto: PathBuf,
    /// Mosquitto's dynamic-security plugin; looked for in the usual places if absent.
    pub dynamic_security_plugin: Option<PathBuf>,
}

impl Default for Mqtt {
    fn default() -> Self {
        Self {
            enabled: true,
            listen: SocketAddr::from(([127, 0, 0, 1], 1883)),
            tls_listen: Listen::local(8883),
            allow_plaintext: false,
            public_url: None,
            mosquitto: PathBuf::from("/usr/sbin/mosquitto"),
            dynamic_security_plugin: None,
        }
    }
}

/// A key with what is wrong with it.
type Wrong = (&'static str, String);

/// Finds what makes no sense in the servers' sections.
pub(super) fn check(config: &Config) -> Result<(), Wrong> {
    let Config { http, rtmp, mqtt, .. } = config;
    if http.max_body_bytes < 1024 {
        return Err(("http.max_body_bytes", "must be at least 1024".to_owned()));
    }
    if http.max_connections < 2 {
        return Err(("http.max_connections", "must be at least 2, one for each listener".to_owned()));
    }
    if http.max_connections_per_address == 0 {
        return Err(("http.max_connections_per_address", "must be at least 1".to_owned()));
    }
    for (field, ms) in [
        ("http.body_wait_ms", http.body_wait_ms),
        ("http.header_ms", http.header_ms),
        ("http.idle_ms", http.idle_ms),
    ] {
        if !(100..=3_600_000).contains(&ms) {
            return Err((field, "must be between 100 and 3600000".to_owned()));
        }
    }
    if http.body_bytes_per_s == 0 {
        return Err(("http.body_bytes_per_s", "must be at least 1".to_owned()));
    }
    for (field, rate) in [
        ("http.rates.user", http.rates.user),
        ("http.rates.account", http.rates.account),
        ("http.rates.address", http.rates.address),
    ] {
        rate.check().map_err(|detail| (field, detail))?;
    }
    for proxy in &http.trusted_proxies {
        proxy.parse::<Network>().map_err(|detail| ("http.trusted_proxies", detail))?;
    }
    for (field, listen, allowed, section) in [
        ("http.listen", http.listen, http.allow_plaintext, "http"),
        ("rtmp.listen", rtmp.listen, rtmp.allow_plaintext, "rtmp"),
        ("mqtt.listen", mqtt.listen, mqtt.allow_plaintext, "mqtt"),
    ] {
        if !listen.ip().is_loopback() && !allowed {
            let detail = format!(
                "{listen} is not of this machine, and what is said there is not encrypted: use \
                 `{section}.tls_listen` for it, or say `{section}.allow_plaintext = true`"
            );
            return Err((field, detail));
        }
    }
    for (field, url, schemes) in [
        ("http.public_url", &http.public_url, ["http", "https"]),
        ("rtmp.public_url", &rtmp.public_url, ["rtmp", "rtmps"]),
        ("mqtt.public_url", &mqtt.public_url, ["mqtt", "mqtts"]),
    ] {
        let Some(url) = url else { continue };
        let fits = url::Url::parse(url)
            .is_ok_and(|url| schemes.contains(&url.scheme()) && url.has_host() && url.query().is_none());
        if !fits {
            return Err((field, format!("must be a URL that begins with {}://", schemes.join(":// or "))));
        }
    }
    Ok(())
}
