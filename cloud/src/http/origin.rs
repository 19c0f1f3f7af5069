//! Whom a request comes from and over what, also behind reverse proxies that are trusted.

use super::problem::ApiError;
use crate::outbound::Network;
use http::{HeaderMap, HeaderName, header};
use std::net::{IpAddr, SocketAddr};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Whether the client speaks HTTPS; the server puts it into each request's extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Https(pub(super) bool);

/// Whom a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Origin {
    /// The client; its port is 0 where only a proxy knows it.
    pub(super) client: SocketAddr,
    /// Whether the client speaks HTTPS, to us or to a trusted proxy.
    pub(super) https: bool,
}

/// What one trusted proxy after the other said; the one next to the client comes first.
#[derive(Debug, Default, PartialEq, Eq)]
struct Said {
    clients: Vec<Option<IpAddr>>,
    https: Option<bool>,
}

impl Origin {
    /// Refuses passwords that anybody on the way could read.
    pub(super) fn refuse_open_passwords(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        let is_private = self.https || self.client.ip().to_canonical().is_loopback();
        if is_private || !headers.contains_key(header::AUTHORIZATION) {
            return Ok(());
        }
        let words = "passwords are taken over HTTPS only: use the https:// address, or have `http.trusted_proxies` \
                     name the proxy that speaks HTTPS for this server";
        Err(ApiError::forbidden(words))
    }
}

/// The networks of proxies that are believed.
#[derive(Debug, Clone, Default)]
pub(super) struct Proxies(Vec<Network>);

impl Proxies {
    /// Takes networks that the configuration has checked.
    pub(super) fn new(networks: &[String]) -> Self {
        Self(networks.iter().filter_map(|network| network.parse().ok()).collect())
    }

    /// Whether what an address says of others is believed.
    pub(super) fn trust(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(address))
    }

    /// Whom a request on a connection of `peer` comes from.
    ///
    /// # Errors
    /// A proxy passes on two stories that differ: one of them is the client's own.
    pub(super) fn origin(
        &self,
        headers: &HeaderMap,
        peer: SocketAddr,
        tls: bool,
    ) -> Result<Origin, ApiError> {
        let direct = Origin { client: peer, https: tls };
        if self.0.is_empty() || !self.trust(peer.ip()) {
            return Ok(direct);
        }
        let standard =
            headers.contains_key(header::FORWARDED).then(|| self.behind(direct, &forwarded(headers)));
        let usual = (headers.contains_key(FORWARDED_FOR) || headers.contains_key(FORWARDED_PROTO))
            .then(|| self.behind(direct, &x_forwarded(headers)));
        match (standard, usual) {
            (Some(standard), Some(usual)) if standard != usual => Err(ApiError::bad_request(
                "the proxy passes on Forwarded and X-Forwarded-* that differ: have it remove what it does not set",
            )),
            (Some(said), _) | (None, Some(said)) => Ok(said),
            (None, None) => Ok(direct),
        }
    }

    /// Walks from us to the client for as long as who speaks is trusted.
    fn behind(&self, direct: Origin, said: &Said) -> Origin {
        let mut client = direct.client;
        for named in said.clients.iter().rev() {
            let Some(named) = named else { break };
            client = SocketAddr::new(named.to_canonical(), 0);
            if !self.trust(*named) {
                break;
            }
        }
        Origin { client, https: said.https.unwrap_or(direct.https) }
    }
}

fn lines(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    headers.get_all(name).into_iter().map(|value| value.to_str().unwrap_or("unknown"))
}

/// `X-Forwarded-For` and `X-Forwarded-Proto`.
fn x_forwarded(headers: &HeaderMap) -> Said {
    let clients = lines(headers, FORWARDED_FOR).flat_map(|line| line.split(',')).map(address).collect();
    let protocols = lines(headers, FORWARDED_PROTO).flat_map(|line| line.split(','));
    // The proxy next to us has the last word.
    Said { clients, https: protocols.last().map(|protocol| protocol.trim().eq_ignore_ascii_case("https")) }
}

/// `Forwarded` (RFC 7239).
fn forwarded(headers: &HeaderMap) -> Said {
    let mut said = Said::default();
    for element in lines(headers, header::FORWARDED).flat_map(|line| line.split(',')) {
        let pairs = element.split(';').filter_map(|pair| pair.trim().split_once('='));
        let mut client = None;
        for (name, value) in pairs {
            let value = value.trim().trim_matches('"');
            if name.eq_ignore_ascii_case("for") {
                client = address(value);
            } else if name.eq_ignore_ascii_case("proto") {
                said.https = Some(value.eq_ignore_ascii_case("https"));
            }
        }
        said.clients.push(client);
    }
    said
}

/// An address with or without a port; nothing for names such as `unknown` or `_hidden`.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let plain = text.parse::<IpAddr>().ok();
    let plain = plain.or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()));
    plain.or_else(|| text.strip_prefix('[')?.strip_suffix(']')?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    const PROXY: &str = "10.0.0.2:4000";

    fn proxies() -> Proxies {
        Proxies::new(&["10.0.0.0/24".to_owned(), "fd00::/8".to_owned()])
    }

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        headers
    }

    fn origin(peer: &str, lines: &[(&'static str, &'static str)]) -> (String, bool) {
        let origin = proxies().origin(&headers(lines), peer.parse().unwrap(), false).unwrap();
        (origin.client.ip().to_string(), origin.https)
    }

    #[test]
    fn strangers_are_not_believed() {
        let lies = [
            ("x-forwarded-for", "127.0.0.1"),
            ("x-forwarded-proto", "https"),
            ("forwarded", "for=127.0.0.1;proto=https"),
        ];
        assert_eq!(origin("192.0.2.1:5", &lies), ("192.0.2.1".to_owned(), false));
        let nobody = Proxies::default().origin(&headers(&lies), PROXY.parse().unwrap(), true).unwrap();
        assert_eq!(nobody, Origin { client: PROXY.parse().unwrap(), https: true });
    }

    #[test]
    fn trusted_proxies_name_the_client() {
        for lines in [
            &[("x-forwarded-for", "192.0.2.7"), ("x-forwarded-proto", "https")][..],
            // What the client said itself stands before what the proxies said.
            &[("x-forwarded-for", "127.0.0.1, 192.0.2.7, 10.0.0.9"), ("x-forwarded-proto", "http, https")],
            &[
                ("x-forwarded-for", "127.0.0.1"),
                ("x-forwarded-for", "192.0.2.7:99"),
                ("x-forwarded-proto", "HTTPS"),
            ],
            &[("forwarded", "for=127.0.0.1, For=\"192.0.2.7:4711\"; Proto=https;by=10.0.0.2")],
            &[("forwarded", "for=192.0.2.7;proto=https, for=\"[fd00::1]\"")],
            &[
                ("forwarded", "for=192.0.2.7;proto=https"),
                ("x-forwarded-for", "192.0.2.7"),
                ("x-forwarded-proto", "https"),
            ],
        ] {
            assert_eq!(origin(PROXY, lines), ("192.0.2.7".to_owned(), true), "{lines:?}");
        }
        assert_eq!(origin("[::ffff:10.0.0.2]:1", &[("x-forwarded-for", "2001:db8::1")]).0, "2001:db8::1");
        // A client that is not named, or no address, leaves the last one that is known.
        assert_eq!(origin(PROXY, &[("forwarded", "for=_hidden;proto=http")]), ("10.0.0.2".to_owned(), false));
        assert_eq!(origin(PROXY, &[("x-forwarded-for", "192.0.2.7, nonsense, 10.0.0.9")]).0, "10.0.0.9");
        assert_eq!(origin(PROXY, &[]), ("10.0.0.2".to_owned(), false));
    }

    #[test]
    fn two_stories_are_refused() {
        let both = headers(&[("forwarded", "for=127.0.0.1"), ("x-forwarded-for", "192.0.2.7")]);
        let refused = proxies().origin(&both, PROXY.parse().unwrap(), true).unwrap_err();
        assert_eq!(refused.status(), 400);
    }

    #[test]
    fn passwords_go_over_https_or_stay_on_this_machine() {
        let shown = headers(&[("authorization", "Basic eDp5")]);
        let may = |client: &str, https, headers: &HeaderMap| {
            Origin { client: client.parse().unwrap(), https }.refuse_open_passwords(headers).is_ok()
        };
        assert!(may("127.0.0.1:1", false, &shown) && may("[::1]:1", false, &shown));
        assert!(may("[::ffff:127.0.0.1]:1", false, &shown) && may("192.0.2.1:1", true, &shown));
        assert!(!may("192.0.2.1:1", false, &shown));
        assert!(may("192.0.2.1:1", false, &HeaderMap::new()));
    }
}
