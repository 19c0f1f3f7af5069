//! `[media]`: where media are kept.

use std::net::IpAddr;
use std::path::PathBuf;

use serde::Deserialize;
use url::Url;

use crate::config::Hidden;

/// What the media store is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A directory of this machine.
    #[default]
    Files,
    /// A bucket of a server that speaks S3.
    S3,
}

/// `[media]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MediaConfig {
    /// Files on this machine, or S3.
    pub kind: Kind,
    /// Where the files lie; `media` below `data_dir` if absent.
    pub directory: Option<PathBuf>,
    /// The S3 server, such as `https://s3.example.org`; Amazon's for the region if absent.
    pub endpoint: Option<String>,
    /// The bucket's region; servers that have none take any.
    pub region: String,
    /// The bucket.
    pub bucket: Option<String>,
    /// What all names in the bucket begin with, without slashes at its ends.
    pub prefix: Option<String>,
    /// Which key signs the requests.
    pub access_key_id: Option<String>,
    /// The key; better in a file or in `STAGEBOX_MEDIA__SECRET_ACCESS_KEY`.
    pub secret_access_key: Option<Hidden>,
    /// A file with nothing but the key, which only its owner can read.
    pub secret_access_key_file: Option<PathBuf>,
    /// Whether the bucket is part of the server's name (`bucket.s3.example.org`) instead of the path.
    pub virtual_hosted: bool,
    /// Allows an endpoint without TLS that is not this machine.
    pub allow_http: bool,
    /// How long a connection may take to come about.
    pub connect_timeout_ms: u64,
    /// How long one request may take, with its bytes.
    pub timeout_ms: u64,
    /// What may wait on this machine's disk while the store is away; recordings may go beyond it.
    pub spool_limit_mib: u64,
    /// Sends downloads (never playback) to the S3 server itself, by a signed address.
    pub redirect: bool,
}

impl Default for MediaConfig {
    fn default() -> Self {
        Self {
            kind: Kind::Files,
            directory: None,
            endpoint: None,
            region: "us-east-1".to_owned(),
            bucket: None,
            prefix: None,
            access_key_id: None,
            secret_access_key: None,
            secret_access_key_file: None,
            virtual_hosted: false,
            allow_http: false,
            connect_timeout_ms: 5_000,
            timeout_ms: 60_000,
            spool_limit_mib: 4_096,
            redirect: false,
        }
    }
}

/// A key of `[media]` with what is wrong with it.
type Wrong = (&'static str, String);

impl MediaConfig {
    /// Finds what makes no sense, before anything is opened.
    pub(crate) fn check(&self) -> Result<(), Wrong> {
        let wrong = |field, detail: &str| Err((field, detail.to_owned()));
        if !(1..=16 * 1024 * 1024).contains(&self.spool_limit_mib) {
            return wrong("media.spool_limit_mib", "must be between 1 and 16777216");
        }
        if !(100..=60_000).contains(&self.connect_timeout_ms) {
            return wrong("media.connect_timeout_ms", "must be between 100 and 60000");
        }
        if !(100..=600_000).contains(&self.timeout_ms) {
            return wrong("media.timeout_ms", "must be between 100 and 600000");
        }
        match self.kind {
            Kind::Files => self.check_files(),
            Kind::S3 => self.check_s3(),
        }
    }

    fn check_files(&self) -> Result<(), Wrong> {
        let for_s3 = [
            ("media.endpoint", self.endpoint.is_some()),
            ("media.bucket", self.bucket.is_some()),
            ("media.prefix", self.prefix.is_some()),
            ("media.access_key_id", self.access_key_id.is_some()),
            ("media.secret_access_key", self.secret_access_key.is_some()),
            ("media.secret_access_key_file", self.secret_access_key_file.is_some()),
            ("media.virtual_hosted", self.virtual_hosted),
            ("media.allow_http", self.allow_http),
            ("media.redirect", self.redirect),
        ];
        match for_s3.into_iter().find(|(_, set)| *set) {
            Some((field, _)) => {
                Err((field, "is for S3 only: set `media.kind = \"s3\"`, or leave it out".to_owned()))
            }
            None => Ok(()),
        }
    }

    fn check_s3(&self) -> Result<(), Wrong> {
        let wrong = |field, detail: &str| Err((field, detail.to_owned()));
        if self.directory.is_some() {
            return wrong("media.directory", "is for `media.kind = \"files\"` only: leave it out");
        }
        if !self.bucket.as_deref().is_some_and(is_bucket) {
            let detail = "must name the bucket: 3 to 63 small letters, digits, hyphens and dots";
            return wrong("media.bucket", detail);
        }
        if self.access_key_id.as_deref().is_none_or(str::is_empty) {
            return wrong("media.access_key_id", "is needed: the id of the key that the S3 server gave you");
        }
        match (&self.secret_access_key, &self.secret_access_key_file) {
            (None, None) => {
                let detail = "is needed, or better `media.secret_access_key_file` or STAGEBOX_MEDIA__SECRET_ACCESS_KEY";
                return wrong("media.secret_access_key", detail);
            }
            (Some(_), Some(_)) => {
                return wrong(
                    "media.secret_access_key",
                    "and `media.secret_access_key_file`: one of them is enough",
                );
            }
            (Some(_), None) | (None, Some(_)) => {}
        }
        if self.region.is_empty() {
            return wrong("media.region", "must name a region; servers that have none take `us-east-1`");
        }
        if self.prefix.as_deref().is_some_and(|prefix| !is_prefix(prefix)) {
            let detail = "must be names with single slashes between them, none at the ends";
            return wrong("media.prefix", detail);
        }
        self.endpoint.as_deref().map_or(Ok(()), |endpoint| self.check_endpoint(endpoint))
    }

    fn check_endpoint(&self, endpoint: &str) -> Result<(), Wrong> {
        let wrong = |detail: &str| Err(("media.endpoint", detail.to_owned()));
        let url = Url::parse(endpoint).ok().filter(|url| {
            let plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
            matches!(url.scheme(), "http" | "https") && url.has_host() && plain && url.path() == "/"
        });
        let Some(url) = url else {
            return wrong("must be a server's URL such as https://s3.example.org, without a path or a key");
        };
        if url.scheme() == "http" && !self.allow_http && !is_loopback(&url) {
            let detail = "has no TLS, so that anybody between can read it: use https://, or say `media.allow_http = true`";
            return wrong(detail);
        }
        Ok(())
    }
}

fn is_bucket(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
    (3..=63).contains(&name.len()) && name.bytes().all(fits)
}

fn is_prefix(prefix: &str) -> bool {
    prefix.len() <= 200
        && prefix.split('/').all(|part| {
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
            !part.is_empty() && part != "." && part != ".." && part.bytes().all(fits)
        })
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str =
        "kind = \"s3\"\nbucket = \"media\"\naccess_key_id = \"id\"\nsecret_access_key = \"hush\"\n";

    fn check(text: &str) -> Result<MediaConfig, Wrong> {
        let config: MediaConfig = toml::from_str(text).unwrap();
        config.check().map(|()| config)
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, field) in [
            ("bucket = \"media\"".to_owned(), "media.bucket"),
            ("redirect = true".to_owned(), "media.redirect"),
            ("spool_limit_mib = 0".to_owned(), "media.spool_limit_mib"),
            ("kind = \"s3\"".to_owned(), "media.bucket"),
            (GOOD.replace("bucket = \"media\"", "bucket = \"My Bucket\""), "media.bucket"),
            (GOOD.replace("access_key_id = \"id\"", ""), "media.access_key_id"),
            (GOOD.replace("secret_access_key = \"hush\"", ""), "media.secret_access_key"),
            (format!("{GOOD}secret_access_key_file = \"/x\""), "media.secret_access_key"),
            (format!("{GOOD}directory = \"/x\""), "media.directory"),
            (format!("{GOOD}prefix = \"/a\""), "media.prefix"),
            (format!("{GOOD}prefix = \"a/../b\""), "media.prefix"),
            (format!("{GOOD}endpoint = \"s3.example.org\""), "media.endpoint"),
            (format!("{GOOD}endpoint = \"https://s3.example.org/bucket\""), "media.endpoint"),
            (format!("{GOOD}endpoint = \"http://s3.example.org\""), "media.endpoint"),
            (format!("{GOOD}timeout_ms = 1"), "media.timeout_ms"),
        ] {
            assert_eq!(check(&text).unwrap_err().0, field, "{text}");
        }
        for more in [
            "",
            "endpoint = \"http://127.0.0.1:9000\"",
            "endpoint = \"http://[::1]:9000\"",
            "endpoint = \"http://s3.lan\"\nallow_http = true",
            "endpoint = \"https://s3.example.org\"\nprefix = \"stagebox/main\"",
        ] {
            check(&format!("{GOOD}{more}")).unwrap();
        }
    }

    #[test]
    fn the_key_is_never_shown() {
        let config = check(GOOD).unwrap();
        assert!(!format!("{config:?}").contains("hush"), "{config:?}");
    }
}
