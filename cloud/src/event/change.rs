//! What a request changes of an event.

use super::details::{Details, Message, Record};
use super::{Event, EventError, EventView, Events, NewEvent};
use crate::app::App;
use crate::clock::Timestamp;
use crate::http::{ApiError, Fields, Line, Parsed, line};
use crate::id::{BoxId, UserId};
use crate::include;
use crate::store::Account;
use utoipa::ToSchema;

/// Longest title in characters.
pub(super) const TITLE: usize = 200;
/// Longest message in characters.
const MESSAGE: usize = 300;
/// Most renditions.
const RENDITIONS: usize = 6;
/// The heights of pictures that renditions may have.
const HEIGHTS: [u16; 8] = [2160, 1440, 1080, 720, 540, 480, 360, 240];

/// What is to be changed; what is absent stays.
#[derive(Debug, Clone, Default)]
pub struct EventChange {
    /// A new title.
    pub title: Option<String>,
    /// Another box, or none.
    pub device_id: Option<Option<BoxId>>,
    starts_at: Option<Option<Timestamp>>,
    ends_at: Option<Option<Timestamp>>,
    automatic: Option<bool>,
    countdown: Option<bool>,
    messages: [MessageChange; 3],
    images: [Option<Option<String>>; 4],
    service_message: Option<String>,
    transcode: Option<bool>,
    resolutions: Option<Option<Vec<u16>>>,
    record: Option<Record>,
}

#[derive(Debug, Clone, Default)]
struct MessageChange {
    title: Option<Option<String>>,
    text: Option<Option<String>>,
}

type Title = Line<TITLE>;

/// What may be said of a live event; what is absent stays, or is as is usual.
#[derive(ToSchema)]
#[schema(as = EventChange)]
#[expect(dead_code, reason = "a schema: bodies are read field by field")]
pub(super) struct EventBody {
    /// The title that viewers see; where the account's setting `event_title` is one, a new event may have none.
    #[schema(required = false)]
    title: Title,
    /// The box that is to push to it; `null`: none.
    device_id: Option<BoxId>,
    /// When it is announced to begin; `null`: not said.
    starts_at: Option<Timestamp>,
    /// When it is announced to be over; `null`: not said.
    ends_at: Option<Timestamp>,
    /// Whether the server starts and ends it then by itself.
    #[schema(required = false)]
    automatic: bool,
    /// Whether viewers see how long it is until `starts_at`, until it is started.
    #[schema(required = false)]
    countdown: bool,
    /// What viewers read instead of the picture; what is absent stays, `null` is what the account's settings say.
    #[schema(required = false)]
    messages: MessagesBody,
    /// Names of include files that are pictures, shown instead of messages; `null`: none.
    #[schema(required = false)]
    images: ImagesBody,
    /// What viewers read over the picture while the event is started; empty: nothing.
    #[schema(required = false, max_length = 300)]
    service_message: String,
    /// Whether smaller renditions are made. Takes effect with the next broadcast.
    #[schema(required = false)]
    transcode: bool,
    /// The heights of the renditions: of 2160, 1440, 1080, 720, 540, 480, 360 and 240; `null`: the server's choice.
    /// Takes effect with the next broadcast.
    #[schema(max_items = 6)]
    resolutions: Option<Vec<u16>>,
    /// What is recorded.
    #[schema(required = false)]
    record: Record,
}

/// The messages that are to be changed.
#[derive(ToSchema)]
#[schema(as = EventMessagesChange)]
#[expect(dead_code, reason = "a schema: bodies are read field by field")]
struct MessagesBody {
    /// Before it is started.
    #[schema(required = false)]
    waiting: MessageBody,
    /// While it is paused.
    #[schema(required = false)]
    paused: MessageBody,
    /// After it.
    #[schema(required = false)]
    ended: MessageBody,
}

/// What is to be changed of a message.
#[derive(ToSchema)]
#[schema(as = EventMessageChange)]
#[expect(dead_code, reason = "a schema: bodies are read field by field")]
struct MessageBody {
    /// Its heading; `null`: the account's.
    #[schema(max_length = 300)]
    title: Option<String>,
    /// Its text; `null`: the account's.
    #[schema(max_length = 300)]
    text: Option<String>,
}

/// The pictures that are to be changed.
#[derive(ToSchema)]
#[schema(as = EventImagesChange)]
#[expect(dead_code, reason = "a schema: bodies are read field by field")]
struct ImagesBody {
    /// For every status that has none of its own.
    general: Option<String>,
    /// Before it is started.
    waiting: Option<String>,
    /// While it is paused.
    paused: Option<String>,
    /// After it.
    ended: Option<String>,
}

impl EventChange {
    /// Takes the fields out of a request; what is wrong is noted there.
    pub(super) async fn read(app: &App, account: Account, fields: &mut Fields) -> Result<Self, ApiError> {
        let title = fields.present("title", line(TITLE));
        let device_id = kept(fields.optional("device_id", |text: String| device(&text)));
        let starts_at = kept(fields.optional("starts_at", |text: String| text.parse::<Timestamp>()));
        let ends_at = kept(fields.optional("ends_at", |text: String| text.parse::<Timestamp>()));
        let automatic = fields.present("automatic", Ok::<bool, String>);
        let countdown = fields.present("countdown", Ok::<bool, String>);
        let service_message = fields.present("service_message", |text: String| words(&text));
        let transcode = fields.present("transcode", Ok::<bool, String>);
        let resolutions = kept(fields.optional("resolutions", |wanted: Vec<u16>| heights(&wanted)));
        let record = fields.present("record", |text: String| Record::parse(&text));
        let mut all = fields.inner("messages");
        let messages = ["waiting", "paused", "ended"].map(|status| {
            let mut one = all.inner(status);
            let title = kept(one.optional("title", |text: String| words(&text)));
            let text = kept(one.optional("text", |text: String| words(&text)));
            all.absorb(status, one);
            MessageChange { title, text }
        });
        fields.absorb("messages", all);
        let mut all = fields.inner("images");
        let images = ["general", "waiting", "paused", "ended"]
            .map(|status| (status, kept(all.optional(status, line(100)))));
        for (status, name) in &images {
            if let Some(Some(name)) = name
                && !include::is_picture(&app.store, account, name).await?
            {
                all.wrong(*status, "must name an include file that is a picture: upload it first");
            }
        }
        fields.absorb("images", all);
        Ok(Self {
            title,
            device_id,
            starts_at,
            ends_at,
            automatic,
            countdown,
            messages,
            images: images.map(|(_, name)| name),
            service_message,
            transcode,
            resolutions,
            record,
        })
    }

    /// Changes an event.
    pub(super) fn apply(&self, event: &mut Event) -> Result<(), EventError> {
        set(&mut event.title, &self.title);
        set(&mut event.device_id, &self.device_id);
        self.apply_details(&mut event.details);
        event.details.check().map_err(|(field, words)| EventError::Field(field, words))
    }

    fn apply_details(&self, details: &mut Details) {
        set(&mut details.starts_at, &self.starts_at);
        set(&mut details.ends_at, &self.ends_at);
        set(&mut details.automatic, &self.automatic);
        set(&mut details.countdown, &self.countdown);
        set(&mut details.service_message, &self.service_message);
        set(&mut details.transcode, &self.transcode);
        set(&mut details.resolutions, &self.resolutions);
        set(&mut details.record, &self.record);
        let messages = &mut details.messages;
        let all: [&mut Message; 3] = [&mut messages.waiting, &mut messages.paused, &mut messages.ended];
        for (message, change) in all.into_iter().zip(&self.messages) {
            set(&mut message.title, &change.title);
            set(&mut message.text, &change.text);
        }
        let images = &mut details.images;
        let all = [&mut images.general, &mut images.waiting, &mut images.paused, &mut images.ended];
        for (image, change) in all.into_iter().zip(&self.images) {
            set(image, change);
        }
        if self.starts_at == Some(None) {
            // What cannot be without it goes with it, unless somebody asks for it in the same breath.
            details.countdown = self.countdown.unwrap_or(false);
        }
        if details.starts_at.is_none() && details.ends_at.is_none() {
            details.automatic = self.automatic.unwrap_or(false);
        }
    }
}

impl Events {
    /// Makes an event as a request wants it.
    pub(super) async fn create_as(
        &self,
        account: Account,
        title: String,
        change: &EventChange,
        by: Option<UserId>,
    ) -> Result<EventView, EventError> {
        let device_id = change.device_id.flatten();
        self.create_with(NewEvent { account, title, device_id }, |event| change.apply(event), by).await
    }
}

fn set<T: Clone>(value: &mut T, change: &Option<T>) {
    if let Some(change) = change {
        value.clone_from(change);
    }
}

/// A field whose `null` is a value.
fn kept<T>(parsed: Parsed<T>) -> Option<Option<T>> {
    match parsed {
        Parsed::Absent => None,
        Parsed::Null => Some(None),
        Parsed::Value(value) => Some(Some(value)),
    }
}

fn device(text: &str) -> Result<BoxId, String> {
    text.parse::<BoxId>().map_err(|error| error.to_string())
}

/// A text that may be empty, with line breaks.
fn words(text: &str) -> Result<String, String> {
    let trimmed = text.trim();
    let broken = trimmed.chars().any(|char| char.is_control() && char != '\n');
    if broken || trimmed.chars().count() > MESSAGE {
        return Err(format!("must be a text of at most {MESSAGE} characters"));
    }
    Ok(trimmed.to_owned())
}

fn heights(wanted: &[u16]) -> Result<Vec<u16>, String> {
    if wanted.is_empty() || wanted.len() > RENDITIONS || wanted.iter().any(|height| !HEIGHTS.contains(height))
    {
        let known: Vec<_> = HEIGHTS.iter().map(u16::to_string).collect();
        return Err(format!(
            "must be 1 to {RENDITIONS} of {}; without any, turn `transcode` off",
            known.join(", ")
        ));
    }
    // The largest first, each once.
    Ok(HEIGHTS.into_iter().filter(|height| wanted.contains(height)).collect())
}
