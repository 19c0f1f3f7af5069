//! `[tls]`: the certificate of all encrypted listeners.

use crate::config::Config;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// `[tls]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TlsConfig {
    /// The certificate with those that lead to its authority (PEM); one is made if absent.
    pub certificate_file: Option<PathBuf>,
    /// The certificate's private key (PEM).
    pub key_file: Option<PathBuf>,
}

impl TlsConfig {
    /// Finds what makes no sense in the section.
    pub(crate) fn check(&self) -> Result<(), (&'static str, String)> {
        match (&self.certificate_file, &self.key_file) {
            (Some(_), None) => {
                Err(("tls.key_file", "must name the key of `tls.certificate_file`".to_owned()))
            }
            (None, Some(_)) => {
                Err(("tls.certificate_file", "must name the certificate of `tls.key_file`".to_owned()))
            }
            _ => Ok(()),
        }
    }
}

/// Whether anything of this process is encrypted.
pub(super) fn is_needed(config: &Config) -> bool {
    let mqtt = config.mqtt.enabled && config.mqtt.tls_listen.address().is_some();
    mqtt || config.http.tls_listen.address().is_some() || config.rtmp.tls_listen.address().is_some()
}

/// What clients may call this server: the names of a certificate that it makes itself.
pub(super) fn names(config: &Config, host: Option<String>) -> BTreeSet<String> {
    let mut names = BTreeSet::from(["localhost", "127.0.0.1", "::1"].map(str::to_owned));
    names.extend(host);
    for url in [&config.http.public_url, &config.rtmp.public_url, &config.mqtt.public_url] {
        let url = url.as_ref().and_then(|url| url::Url::parse(url).ok());
        let host = url.and_then(|url| Some(url.host_str()?.trim_matches(['[', ']']).to_ascii_lowercase()));
        // Others than HTTP's may have any characters in them.
        names.extend(host.filter(|host| host.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'%')));
    }
    for listen in [config.http.tls_listen, config.rtmp.tls_listen, config.mqtt.tls_listen] {
        let ip = listen.address().map(|address| address.ip()).filter(|ip| !ip.is_unspecified());
        names.extend(ip.map(|ip| ip.to_string()));
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_file_needs_the_other() {
        for (text, named) in [
            ("[tls]\nkey_file = \"/k\"", "tls.certificate_file"),
            ("[tls]\ncertificate_file = \"/c\"", "tls.key_file"),
        ] {
            let error = Config::parse("test", text, []).unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
    }

    #[test]
    fn a_self_made_certificate_has_all_names() {
        let text = "[http]\npublic_url = \"https://live.example.org/\"\ntls_listen = \"10.1.2.3:443\"\n\
                    [mqtt]\npublic_url = \"mqtts://[2001:db8::1]:8883\"\n[rtmp]\ntls_listen = \"[::]:1936\"";
        let config = Config::parse("test", text, []).unwrap();
        let names = names(&config, Some("rack".to_owned()));
        let wanted = ["10.1.2.3", "127.0.0.1", "2001:db8::1", "::1", "live.example.org", "localhost", "rack"];
        assert_eq!(names, wanted.map(str::to_owned).into());
    }
}
