//! What a request changes of a simulcast.

use super::document::Service;
use super::{Simulcast, SimulcastError};
use crate::http::{Fields, Parsed, line};
use crate::live::Rendition;
use crate::outbound::{Guard, Purpose};
use utoipa::ToSchema;

/// Longest name in characters.
const NAME: usize = 100;
/// Longest stream key in bytes.
const KEY: usize = 500;

/// What is to be changed; what is absent stays.
#[derive(Debug, Clone, Default)]
pub(super) struct SimulcastChange {
    name: Option<String>,
    pub(super) service: Option<Service>,
    url: Option<String>,
    backup_url: Option<Option<String>>,
    pub(super) key: Option<String>,
    rendition: Option<Rendition>,
    enabled: Option<bool>,
}

/// What may be said of a simulcast; what is absent stays, or is as is usual.
#[derive(ToSchema)]
#[schema(as = SimulcastChange)]
#[expect(dead_code, reason = "a schema: bodies are read field by field")]
pub(super) struct SimulcastBody {
    /// What people call it; empty: as the service is called.
    #[schema(required = false, max_length = 100)]
    name: String,
    /// Whose servers.
    #[schema(required = false)]
    service: Service,
    /// The server's RTMP or RTMPS URL, as the service shows it; without it Facebook's and YouTube's usual one.
    #[schema(required = false, format = "uri", pattern = "^[Rr][Tt][Mm][Pp][Ss]?://")]
    url: String,
    /// A second server that gets the same; YouTube's only.
    #[schema(format = "uri", pattern = "^[Rr][Tt][Mm][Pp][Ss]?://")]
    backup_url: Option<String>,
    /// The stream key or stream name, as the service shows it. It is kept encrypted and never shown again.
    #[schema(required = false, write_only, min_length = 1, max_length = 500)]
    key: String,
    /// What is pushed: `source`, or a height such as `720p`; the source where there is no such rendition.
    #[schema(required = false, pattern = "^(source|[1-9][0-9]{2,3}p)$", default = "source")]
    rendition: String,
    /// Whether it is pushed while the event is started.
    #[schema(required = false, default = true)]
    enabled: bool,
}

impl SimulcastChange {
    /// Takes the fields out of a request; what is wrong is noted there.
    pub(super) fn read(outbound: &Guard, fields: &mut Fields) -> Self {
        let url = |text: String| match outbound.target(Purpose::Rtmp, text.trim()) {
            // Without a path there is no application to push to.
            Ok(target) if target.url().path().trim_matches('/').is_empty() => {
                Err("must name the server's application, such as rtmp://live.example.org/app".to_owned())
            }
            Ok(target) => Ok(target.url().to_string()),
            Err(error) => Err(error.to_string()),
        };
        let backup_url = match fields.optional("backup_url", url) {
            Parsed::Absent => None,
            Parsed::Null => Some(None),
            Parsed::Value(url) => Some(Some(url)),
        };
        Self {
            name: fields.present("name", name),
            service: fields.present("service", |text: String| Service::parse(&text)),
            url: fields.present("url", url),
            backup_url,
            key: fields.present("key", |text: String| key(&text)),
            rendition: fields.present("rendition", |text: String| rendition(&text)),
            enabled: fields.present("enabled", Ok::<bool, String>),
        }
    }

    /// Changes all but the key.
    pub(super) fn apply(&self, simulcast: &mut Simulcast) -> Result<(), SimulcastError> {
        let before: Vec<String> = simulcast.urls().filter_map(owner_of).collect();
        self.apply_fields(simulcast)?;
        // A key that is kept goes where it went, and nowhere else: else whoever may change it could read it.
        let is_new = |url: &str| owner_of(url).is_none_or(|owner| !before.contains(&owner));
        if self.key.is_none() && !before.is_empty() && simulcast.urls().any(is_new) {
            return Err(SimulcastError::Field("key", "is needed again where the server is another one"));
        }
        Ok(())
    }

    fn apply_fields(&self, simulcast: &mut Simulcast) -> Result<(), SimulcastError> {
        if let Some(service) = self.service {
            simulcast.service = service;
            if let Some(usual) = service.usual_url().filter(|_| simulcast.url.is_empty()) {
                usual.clone_into(&mut simulcast.url);
            }
        }
        if let Some(name) = &self.name {
            simulcast.name.clone_from(name);
        }
        if let Some(url) = &self.url {
            simulcast.url.clone_from(url);
        }
        if let Some(url) = &self.backup_url {
            simulcast.backup_url.clone_from(url);
        }
        simulcast.rendition = self.rendition.unwrap_or(simulcast.rendition);
        simulcast.enabled = self.enabled.unwrap_or(simulcast.enabled);
        if simulcast.url.is_empty() {
            return Err(SimulcastError::Field("url", "is required"));
        }
        if simulcast.backup_url.is_some() && simulcast.service != Service::Youtube {
            return Err(SimulcastError::Field("backup_url", "is for youtube only: make another simulcast"));
        }
        Ok(())
    }
}

/// Whose server an address leads to: the host, YouTube's many being one.
fn owner_of(url: &str) -> Option<String> {
    let host = url::Url::parse(url).ok()?.host_str()?.to_ascii_lowercase();
    let youtube = ["a.rtmp.youtube.com", "b.rtmp.youtube.com", "a.rtmps.youtube.com", "b.rtmps.youtube.com"];
    Some(if youtube.contains(&host.as_str()) { "youtube.com".to_owned() } else { host })
}

/// A name, which may be empty.
fn name(text: String) -> Result<String, String> {
    if text.trim().is_empty() { Ok(String::new()) } else { line(NAME)(text) }
}

fn key(text: &str) -> Result<String, String> {
    let key = text.trim();
    let fits = (1..=KEY).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
    if fits { Ok(key.to_owned()) } else { Err(format!("must be 1 to {KEY} characters without spaces")) }
}

fn rendition(text: &str) -> Result<Rendition, String> {
    match text.parse::<Rendition>() {
        Ok(rendition) if rendition.is_video() => Ok(rendition),
        _ => Err("must be source or a height such as 720p".to_owned()),
    }
}
