//! The stream targets, fetched over the box's authenticated HTTP: stream keys are never in a topic.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use stagebox_protocol::telemetry::OutputRole;

use super::LinkError;
use crate::config::Secret;
use crate::trust::Trust;

/// Where the box pushes to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Targets {
    pub outputs: Vec<Target>,
    #[serde(default)]
    pub event_id: Option<String>,
}

/// One RTMP target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    pub role: OutputRole,
    pub url: String,
    pub key: StreamKey,
}

/// A stream key: kept and sent, never shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StreamKey(String);

impl StreamKey {
    /// The key itself; not for logs.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for StreamKey {
    fn from(key: String) -> Self {
        Self(key)
    }
}

impl fmt::Debug for StreamKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Why the targets could not be fetched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    #[error("fetch the stream targets: {0}")]
    Unreachable(String),
    #[error("fetch the stream targets: the cloud does not accept this box; check cloud.id and cloud.secret")]
    Unauthorized,
    #[error("fetch the stream targets: the cloud answered {status}{detail}")]
    Status { status: u16, detail: String },
    #[error("fetch the stream targets: the answer is not readable: {0}")]
    Unreadable(String),
}

/// The largest answer that is read.
const MAX_ANSWER_BYTES: usize = 64 * 1024;
/// The longest that one fetch may take.
const LIMIT: Duration = Duration::from_secs(5);

/// Fetches the targets of one box.
#[derive(Clone)]
pub(super) struct Fetcher {
    client: reqwest::Client,
    url: reqwest::Url,
    id: String,
    secret: Secret,
}

impl Fetcher {
    pub(super) fn new(cloud_url: &str, id: &str, secret: Secret, trust: &Trust) -> Result<Self, LinkError> {
        let (client, url) = client(cloud_url, "/api/v1/devices/self/targets", trust, LIMIT)?;
        Ok(Self { client, url, id: id.to_owned(), secret })
    }

    pub(super) async fn fetch(&self) -> Result<Targets, FetchError> {
        let request = self.client.get(self.url.clone()).basic_auth(&self.id, Some(self.secret.expose()));
        let mut response = request.send().await.map_err(|error| FetchError::Unreachable(reason(&error)))?;
        let status = response.status();
        let mut body = Vec::new();
        while let Some(chunk) =
            response.chunk().await.map_err(|error| FetchError::Unreachable(reason(&error)))?
        {
            if body.len() + chunk.len() > MAX_ANSWER_BYTES {
                return Err(FetchError::Unreadable(format!("it is larger than {MAX_ANSWER_BYTES} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
        match status.as_u16() {
            200 => serde_json::from_slice(&body).map_err(|error| FetchError::Unreadable(error.to_string())),
            401 | 403 => Err(FetchError::Unauthorized),
            status => {
                let problem: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
                let detail = problem["detail"].as_str().or_else(|| problem["title"].as_str());
                let detail = detail.map(|text| format!(": {}", text.chars().take(200).collect::<String>()));
                Err(FetchError::Status { status, detail: detail.unwrap_or_default() })
            }
        }
    }
}

/// A client for the cloud, of which a request may take so long, and the address of one of its paths.
pub(crate) fn client(
    cloud_url: &str,
    path: &str,
    trust: &Trust,
    limit: Duration,
) -> Result<(reqwest::Client, reqwest::Url), LinkError> {
    let mut url = reqwest::Url::parse(cloud_url)
        .map_err(|error| LinkError::Url(format!("`{cloud_url}` is no URL ({error})")))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(LinkError::Url(format!("`{cloud_url}` must begin with http:// or https:// and a host")));
    }
    let path = format!("{}{path}", url.path().trim_end_matches('/'));
    url.set_path(&path);
    url.set_query(None);
    // Already installed if another part of the daemon came first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut client = reqwest::Client::builder()
        .timeout(limit)
        .connect_timeout(Duration::from_secs(2))
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy();
    if url.scheme() == "https" {
        let tls = trust.client_config().map_err(LinkError::Authorities)?;
        client = client.tls_backend_preconfigured(rustls::ClientConfig::clone(&tls));
    }
    let client = client.build().map_err(|error| LinkError::Http(error.to_string()))?;
    Ok((client, url))
}

/// An error with its causes: reqwest's own text says only that sending failed.
pub(crate) fn reason(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
