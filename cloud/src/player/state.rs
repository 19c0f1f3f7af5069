//! What a viewer's page may know of an event: no keys, no addresses.

use super::look::{self, Words};
use crate::app::App;
use crate::clock::Timestamp;
use crate::event::{EventStatus, EventView, Message};
use crate::http::ApiError;
use crate::id::{EventId, ItemId};
use crate::settings;
use serde::Serialize;

/// Something for each status in which there is no picture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct BeforeAndAfter<T> {
    waiting: T,
    paused: T,
    ended: T,
}

/// An event as its viewers see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct PublicState {
    id: EventId,
    title: String,
    status: EventStatus,
    /// Goes up with each change, so that a page can tell a late answer from a new one.
    version: u64,
    /// Whether there is something to see: a broadcast, or the slate in its place.
    receiving: bool,
    /// The server's clock, for viewers whose own is wrong.
    now: Timestamp,
    /// When it begins, where viewers are to see how long that is.
    #[serde(skip_serializing_if = "Option::is_none")]
    starts_at: Option<Timestamp>,
    /// What is to be read over the picture; empty: nothing.
    service_message: String,
    messages: BeforeAndAfter<Words>,
    images: BeforeAndAfter<Option<String>>,
    /// The recordings to watch afterwards, the oldest first; only of an ended event.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    items: Vec<ItemId>,
}

impl PublicState {
    /// Leaves out of an event what is not for viewers, and says what its account's settings say where it says nothing.
    pub(super) async fn of(app: &App, event: &EventView, items: Vec<ItemId>) -> Result<Self, ApiError> {
        let settings = settings::of(&app.store, event.account).await?;
        let details = &event.details;
        let (messages, images) = (&details.messages, &details.images);
        let picture = async |name: Option<&str>| match name {
            Some(name) => look::picture(app, event.account, name).await,
            None => Ok(None),
        };
        let images = BeforeAndAfter {
            waiting: picture(images.of(|images| &images.waiting)).await?,
            paused: picture(images.of(|images| &images.paused)).await?,
            ended: picture(images.of(|images| &images.ended)).await?,
        };
        let own = |message: &Message, title: String, text: String| Words {
            title: message.title.clone().unwrap_or(title),
            text: message.text.clone().unwrap_or(text),
        };
        let is_ahead = matches!(event.status, EventStatus::Waiting | EventStatus::Preview);
        Ok(Self {
            now: app.clock.now(),
            starts_at: details.starts_at.filter(|_| details.countdown && is_ahead),
            service_message: details.service_message.clone(),
            messages: BeforeAndAfter {
                waiting: own(&messages.waiting, settings.waiting_title, settings.waiting_text),
                paused: own(&messages.paused, settings.paused_title, settings.paused_text),
                ended: own(&messages.ended, settings.ended_title, settings.ended_text),
            },
            images,
            id: event.id,
            title: event.title.clone(),
            status: event.status,
            version: event.version + event.activity_version,
            receiving: event.is_receiving() || event.on_air.is_some(),
            items,
        })
    }
}
