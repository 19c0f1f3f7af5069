//! Where the broker is: `mqtt://host:port` or `mqtts://host:port`.

use super::LinkError;

/// A broker's address, read from `cloud.mqtt_url`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerAddress {
    pub host: String,
    pub port: u16,
    pub tls: bool,
}

impl BrokerAddress {
    /// Reads an address; the port is 1883, or 8883 with TLS, if none is given.
    ///
    /// # Errors
    /// If it is no URL, has another scheme, no host, or more than a host and a port.
    pub fn parse(text: &str) -> Result<Self, LinkError> {
        let wrong = |problem: &str| {
            LinkError::Address(format!("`{text}` {problem}; write it like mqtt://cloud.example:1883"))
        };
        let url = url::Url::parse(text).map_err(|error| wrong(&format!("is no URL ({error})")))?;
        let (tls, port) = match url.scheme() {
            "mqtt" => (false, 1883),
            "mqtts" => (true, 8883),
            other => return Err(wrong(&format!("begins with `{other}:`, not with `mqtt:` or `mqtts:`"))),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("names a user: id and secret have keys of their own"));
        }
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err(wrong("has more than a host and a port"));
        }
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| wrong("names no host"))?;
        Ok(Self { host: host.to_owned(), port: url.port().unwrap_or(port), tls })
    }
}

impl std::fmt::Display for BrokerAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}:{}", if self.tls { "mqtts" } else { "mqtt" }, self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_with_their_usual_ports() {
        let address = BrokerAddress::parse("mqtt://cloud.example").unwrap();
        assert_eq!((address.port, address.tls), (1883, false));
        let address = BrokerAddress::parse("mqtts://127.0.0.1:9/").unwrap();
        assert_eq!(address, BrokerAddress { host: "127.0.0.1".into(), port: 9, tls: true });
        assert_eq!(address.to_string(), "mqtts://127.0.0.1:9");
    }

    #[test]
    fn what_is_wrong_is_said_with_an_example() {
        for wrong in ["", "cloud:1883", "http://cloud", "mqtt://", "mqtt://u:p@cloud", "mqtt://cloud/topic"] {
            let error = BrokerAddress::parse(wrong).unwrap_err().to_string();
            assert!(
                error.starts_with("cloud.mqtt_url: ") && error.contains("mqtt://cloud.example"),
                "{error}"
            );
        }
    }
}
