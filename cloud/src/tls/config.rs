//! `[tls]`: the certificate of all encrypted listeners.

use super::acme::AcmeConfig;
use crate::config::Config;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;

/// `[tls]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TlsConfig {
    /// The certificate with those that lead to its authority (PEM); one is made if absent.
    pub certificate_file: Option<PathBuf>,
    /// The certificate's private key (PEM).
    pub key_file: Option<PathBuf>,
    /// An authority that gives certificates by itself.
    pub acme: Option<AcmeConfig>,
}

impl TlsConfig {
    /// Finds what makes no sense in the section.
    pub(crate) fn check(&self, config: &Config) -> Result<(), (&'static str, String)> {
        if let Some(acme) = &self.acme {
            check_acme(acme, config)?;
        }
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

fn check_acme(acme: &AcmeConfig, config: &Config) -> Result<(), (&'static str, String)> {
    let wrong = |field, detail: &str| Err((field, detail.to_owned()));
    if config.tls.certificate_file.is_some() {
        return wrong(
            "tls.acme",
            "asks for certificates, but `tls.certificate_file` has one: leave one of them out",
        );
    }
    if !acme.directory.starts_with("https://") || url::Url::parse(&acme.directory).is_err() {
        return wrong("tls.acme.directory", "must be the https:// address of the authority's directory");
    }
    if !acme.agree_to_terms {
        return wrong(
            "tls.acme.agree_to_terms",
            "must be true: the authority asks whether you agree to its terms",
        );
    }
    if config.http.tls_listen.address().is_none() {
        return wrong("http.tls_listen", "is off, but `tls.acme` has names proved there");
    }
    if acme_names(acme, config).is_empty() {
        return wrong("tls.acme.names", "is empty, and no public URL names a host");
    }
    Ok(())
}

/// The names that an authority is asked for.
pub(super) fn acme_names(acme: &AcmeConfig, config: &Config) -> BTreeSet<String> {
    if acme.names.is_empty() {
        return public_hosts(config).collect();
    }
    // As they stand in certificates.
    let written = |name: &String| match name.parse::<IpAddr>() {
        Ok(address) => address.to_string(),
        Err(_) => name.to_ascii_lowercase(),
    };
    acme.names.iter().map(written).collect()
}

fn public_hosts(config: &Config) -> impl Iterator<Item = String> {
    let urls = [&config.http.public_url, &config.rtmp.public_url, &config.mqtt.public_url];
    let hosts = urls.into_iter().filter_map(|url| {
        let url = url::Url::parse(url.as_ref()?).ok()?;
        Some(url.host_str()?.trim_matches(['[', ']']).to_ascii_lowercase())
    });
    // Others than HTTP's may have any characters in them.
    hosts.filter(|host| host.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'%'))
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
    names.extend(public_hosts(config));
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
            ("[tls.acme]\ndirectory = \"http://h/d\"", "tls.acme.directory"),
            ("[tls.acme]\ndirectory = \"https://h/d\"", "tls.acme.agree_to_terms"),
            ("[tls.acme]\ndirectory = \"https://h/d\"\nagree_to_terms = true", "tls.acme.names"),
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
