//! Where the server listens, and what it tells others of that.

use crate::config::{Config, Listen};
use serde::Serialize;
use std::net::SocketAddr;
use std::sync::OnceLock;

/// The addresses that were bound; each part sets its own when it starts.
#[derive(Debug, Default)]
pub struct Addresses {
    /// HTTP.
    pub http: OnceLock<SocketAddr>,
    /// HTTPS.
    pub https: OnceLock<SocketAddr>,
    /// RTMP ingest.
    pub rtmp: OnceLock<SocketAddr>,
    /// RTMPS ingest.
    pub rtmps: OnceLock<SocketAddr>,
    /// The broker.
    pub mqtt: OnceLock<SocketAddr>,
    /// The broker with TLS.
    pub mqtts: OnceLock<SocketAddr>,
    /// For other processes of the installation.
    pub cluster: OnceLock<SocketAddr>,
}

/// The addresses as the ports file has them.
#[derive(Debug, Serialize)]
pub struct PortsFile {
    http: Option<SocketAddr>,
    https: Option<SocketAddr>,
    rtmp: Option<SocketAddr>,
    rtmps: Option<SocketAddr>,
    mqtt: Option<SocketAddr>,
    mqtts: Option<SocketAddr>,
}

impl Addresses {
    /// What the ports file says.
    pub fn ports_file(&self) -> PortsFile {
        PortsFile {
            http: self.http.get().copied(),
            https: self.https.get().copied(),
            rtmp: self.rtmp.get().copied(),
            rtmps: self.rtmps.get().copied(),
            mqtt: self.mqtt.get().copied(),
            mqtts: self.mqtts.get().copied(),
        }
    }

    /// All that this server listens at: tenants' addresses must not lead there.
    pub fn listeners(&self) -> Vec<SocketAddr> {
        // Taken apart, so that nothing that is added can be left out.
        let Self { http, https, rtmp, rtmps, mqtt, mqtts, cluster } = self;
        let all = [http, https, rtmp, rtmps, mqtt, mqtts, cluster];
        all.into_iter().filter_map(|address| address.get().copied()).collect()
    }

    /// What browsers and players call this server, without a slash at the end.
    pub fn http_url(&self, config: &Config) -> String {
        let http = &config.http;
        let plain = self.http.get().copied().unwrap_or(http.listen);
        let url = http.public_url.clone().unwrap_or_else(|| {
            let (scheme, address) = reached(plain, &self.https, http.tls_listen, ["http", "https"]);
            format!("{scheme}://{address}")
        });
        url.trim_end_matches('/').to_owned()
    }

    /// What encoders push to, without the stream key.
    pub fn rtmp_url(&self, config: &Config) -> String {
        let rtmp = &config.rtmp;
        let plain = self.rtmp.get().copied().unwrap_or(rtmp.listen);
        let url = rtmp.public_url.clone().unwrap_or_else(|| {
            let (scheme, address) = reached(plain, &self.rtmps, rtmp.tls_listen, ["rtmp", "rtmps"]);
            format!("{scheme}://{address}/live")
        });
        url.trim_end_matches('/').to_owned()
    }

    /// What boxes connect to.
    pub fn mqtt_url(&self, config: &Config) -> String {
        let mqtt = &config.mqtt;
        let plain = self.mqtt.get().copied().unwrap_or(mqtt.listen);
        mqtt.public_url.clone().unwrap_or_else(|| {
            let (scheme, address) = reached(plain, &self.mqtts, mqtt.tls_listen, ["mqtt", "mqtts"]);
            format!("{scheme}://{address}")
        })
    }
}

/// The listener that others are told of: the encrypted one where only that one is reached from elsewhere.
fn reached(
    plain: SocketAddr,
    bound: &OnceLock<SocketAddr>,
    listen: Listen,
    schemes: [&'static str; 2],
) -> (&'static str, SocketAddr) {
    match bound.get().copied().or(listen.address()) {
        Some(tls) if plain.ip().is_loopback() && !tls.ip().is_loopback() => (schemes[1], tls),
        _ => (schemes[0], plain),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_are_told_of_what_they_reach() {
        let parse = |text: &str| Config::parse("test", text, []).unwrap();
        let addresses = Addresses::default();
        assert_eq!(addresses.http_url(&parse("")), "http://127.0.0.1:8080");
        let open = parse("[http]\ntls_listen = \"10.0.0.1:443\"\n[mqtt]\ntls_listen = \"10.0.0.1:8883\"\n");
        assert_eq!(addresses.http_url(&open), "https://10.0.0.1:443");
        assert_eq!(addresses.mqtt_url(&open), "mqtts://10.0.0.1:8883");
        assert_eq!(addresses.rtmp_url(&open), "rtmp://127.0.0.1:1935/live");
        let both = parse(
            "[rtmp]\ntls_listen = \"10.0.0.1:1936\"\nlisten = \"10.0.0.1:1935\"\nallow_plaintext = true",
        );
        assert_eq!(addresses.rtmp_url(&both), "rtmp://10.0.0.1:1935/live");
        let named = parse("[http]\npublic_url = \"https://live.example.org/\"");
        assert_eq!(addresses.http_url(&named), "https://live.example.org");
    }
}
