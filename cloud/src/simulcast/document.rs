//! What the store keeps of a simulcast.

use crate::clock::Timestamp;
use crate::id::{EventId, SimulcastId};
use crate::live::Rendition;
use crate::secret::{HoldsSecrets, Sealed, Sealing, SecretError};
use crate::store::{Account, Document, Index, IndexKey, Owner};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

/// The index of all simulcasts by account and number.
pub(super) const BY_NUMBER: &str = "number";
/// The index of an account's simulcasts by event, then number.
pub(super) const BY_OWN_EVENT: &str = "account_event";
/// The index by event, then number.
pub(super) const BY_EVENT: &str = "event";

/// Whose servers an event is pushed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = SimulcastService)]
pub enum Service {
    /// Facebook Live.
    Facebook,
    /// YouTube Live, which takes a backup too.
    Youtube,
    /// Any server that takes RTMP or RTMPS.
    Custom,
}

impl Service {
    /// Reads its name; the error says what would be right.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        match text {
            "facebook" => Ok(Self::Facebook),
            "youtube" => Ok(Self::Youtube),
            "custom" => Ok(Self::Custom),
            _ => Err("must be facebook, youtube or custom".to_owned()),
        }
    }

    /// What it is called.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Facebook => "Facebook",
            Self::Youtube => "YouTube",
            Self::Custom => "Simulcast",
        }
    }

    /// The address that it has for everybody.
    pub(super) fn usual_url(self) -> Option<&'static str> {
        match self {
            Self::Facebook => Some("rtmps://live-api-s.facebook.com:443/rtmp"),
            Self::Youtube => Some("rtmps://a.rtmps.youtube.com:443/live2"),
            Self::Custom => None,
        }
    }
}

/// Where an event is pushed to while viewers see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Simulcast {
    /// Its id.
    pub id: SimulcastId,
    /// Whose.
    pub account: Account,
    /// Its number, which lists are sorted by.
    pub number: u64,
    /// The event.
    pub event_id: EventId,
    /// What people call it.
    pub name: String,
    /// Whose servers.
    pub service: Service,
    /// The server.
    pub url: String,
    /// A second server that gets the same.
    pub backup_url: Option<String>,
    /// The stream key.
    pub(super) key: Sealed,
    /// The key's last characters, which tell it from others.
    pub(super) key_end: String,
    /// What is pushed.
    pub(crate) rendition: Rendition,
    /// Whether it is pushed at all.
    pub enabled: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl Simulcast {
    /// The servers, the first one first.
    pub(super) fn urls(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.url.as_str()).chain(self.backup_url.as_deref())
    }
}

/// What a key is sealed for, so that one simulcast's key cannot be put in another's place.
pub(super) fn context(id: &SimulcastId) -> String {
    id.to_string()
}

impl HoldsSecrets for Simulcast {
    fn reseal(&mut self, sealing: &Sealing<'_>) -> Result<bool, SecretError> {
        let old = sealing.open_old(&context(&self.id), &self.key)?;
        if let Some(key) = &old {
            self.key = sealing.seal::<Self>(&context(&self.id), key);
        }
        Ok(old.is_some())
    }
}

impl Document for Simulcast {
    const KIND: &'static str = "simulcast";

    fn owner(&self) -> Owner {
        Owner::Account(self.account)
    }

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn indexes(&self) -> Vec<Index> {
        let own = || IndexKey::of(self.account);
        vec![
            Index::unique(BY_NUMBER, own().number(self.number)),
            Index::many(BY_OWN_EVENT, own().text(self.event_id).number(self.number)),
            Index::many(BY_EVENT, IndexKey::new().text(self.event_id).number(self.number)),
        ]
    }

    fn journal_view(&self) -> Value {
        json!({
            "id": self.id,
            "event_id": self.event_id,
            "name": self.name,
            "service": self.service,
            "rendition": self.rendition,
            "enabled": self.enabled,
            "created_at": self.created_at,
            "updated_at": self.updated_at,
        })
    }
}
