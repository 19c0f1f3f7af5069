//! An event as slices see it, and as the API shows it.

use super::details::{self, Details, Images, Messages, Record};
use super::{EventStatus, Input, OnAir, Source, StreamKey};
use crate::clock::Timestamp;
use crate::html::escaped;
use crate::id::{BoxId, EventId, RecordingId};
use crate::store::Account;
use serde::Serialize;
use utoipa::ToSchema;

/// An event with what is happening to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventView {
    /// Its id.
    pub id: EventId,
    /// Whose.
    pub account: Account,
    /// Its number.
    pub number: u64,
    /// Its title.
    pub title: String,
    /// Where it stands.
    pub status: EventStatus,
    /// Goes up with each change that a user makes.
    pub version: u64,
    /// Goes up with each change that happens by itself.
    pub activity_version: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When a user last changed it.
    pub updated_at: Timestamp,
    /// The box that pushes to it.
    pub device_id: Option<BoxId>,
    /// When it was first started.
    pub started_at: Option<Timestamp>,
    /// What else users decide about it.
    pub details: Details,
    /// Its two inputs.
    pub inputs: Inputs,
    /// Its recordings so far, the oldest first.
    pub recordings: Vec<RecordingId>,
    /// What whoever runs it should know, in words.
    pub warning: Option<String>,
    /// What it shows.
    pub on_air: Option<OnAir>,
    /// Goes up with each change of its simulcasts.
    pub simulcasts: u64,
}

/// An event's inputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inputs {
    /// The broadcast itself.
    pub main: InputView,
    /// The one that takes over.
    pub backup: InputView,
}

/// One input of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputView {
    /// The key to push with.
    pub key: StreamKey,
    /// Keys before it, and until when they work still.
    pub old_keys: Vec<(StreamKey, Timestamp)>,
    /// Whether a broadcast comes in.
    pub receiving: bool,
    /// Where to push to, without the key.
    pub url: String,
    /// Who broadcasts.
    pub source: Option<Source>,
}

impl InputView {
    /// Until when a key works: for good, until then, or not at all any more.
    pub fn works_until(&self, key: &str) -> Works {
        if self.key.reveal() == key {
            return Works::ForGood;
        }
        let old = self.old_keys.iter().find(|(old, _)| old.reveal() == key);
        old.map_or(Works::No, |(_, until)| Works::Until(*until))
    }
}

/// How long a stream key works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Works {
    /// Until another one is drawn.
    ForGood,
    /// It was replaced.
    Until(Timestamp),
    /// No more.
    No,
}

impl EventView {
    /// One of the inputs.
    pub fn input(&self, input: Input) -> &InputView {
        match input {
            Input::Main => &self.inputs.main,
            Input::Backup => &self.inputs.backup,
        }
    }

    /// Whether any broadcast comes in.
    pub fn is_receiving(&self) -> bool {
        self.inputs.main.receiving || self.inputs.backup.receiving
    }

    /// The event as the API shows it to administrators: with its keys, or with what tells them apart.
    ///
    /// `site` is the address of the server's pages.
    pub fn admin(&self, with_keys: bool, site: &str) -> AdminView {
        let key = |key: &StreamKey| if with_keys { key.reveal().to_owned() } else { key.masked() };
        let input = |input: &InputView| AdminInput {
            key: key(&input.key),
            old_key_until: input.old_keys.iter().map(|(_, until)| *until).max(),
            receiving: input.receiving,
            url: input.url.clone(),
            source: input.source.as_ref().map(|source| AdminSource {
                address: source.address.clone(),
                encoder: source.encoder.clone(),
                since: source.since,
            }),
        };
        let details = self.details.clone();
        AdminView {
            id: self.id,
            number: self.number,
            title: self.title.clone(),
            status: self.status,
            allowed_statuses: self.status.next(),
            version: self.version,
            created_at: self.created_at,
            updated_at: self.updated_at,
            device_id: self.device_id,
            started_at: self.started_at,
            starts_at: details.starts_at,
            ends_at: details.ends_at,
            automatic: details.automatic,
            countdown: details.countdown,
            messages: details.messages,
            images: details.images,
            service_message: details.service_message,
            transcode: details.transcode,
            resolutions: details.resolutions,
            record: details.record,
            advice: details::advice(self.status, self.is_receiving()),
            embed: Embed::of(site, &self.id, &self.title),
            inputs: AdminInputs { main: input(&self.inputs.main), backup: input(&self.inputs.backup) },
            recordings: self.recordings.clone(),
            warning: self.warning.clone(),
            on_air: self.on_air,
        }
    }
}

/// A live event.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Event)]
pub struct AdminView {
    /// The event's id.
    id: EventId,
    /// Its number, for receivers that want numbers.
    number: u64,
    /// Its title, which viewers see.
    title: String,
    /// Where it stands.
    status: EventStatus,
    /// What its status can become next.
    allowed_statuses: &'static [EventStatus],
    /// Goes up with each change that a user makes; also the ETag.
    version: u64,
    /// When it was made.
    created_at: Timestamp,
    /// When a user last changed it.
    updated_at: Timestamp,
    /// The box that pushes to it.
    #[schema(required)]
    device_id: Option<BoxId>,
    /// When it was first started; a day later it ends by itself.
    #[schema(required)]
    started_at: Option<Timestamp>,
    /// When it is announced to begin.
    #[schema(required)]
    starts_at: Option<Timestamp>,
    /// When it is announced to be over.
    #[schema(required)]
    ends_at: Option<Timestamp>,
    /// Whether the server starts and ends it then by itself.
    automatic: bool,
    /// Whether viewers see how long it is until `starts_at`, until it is started.
    countdown: bool,
    /// What viewers read instead of the picture, where it is not as the account's settings say.
    messages: Messages,
    /// Names of include files that are shown instead of messages.
    images: Images,
    /// What viewers read over the picture while the event is started; empty: nothing.
    service_message: String,
    /// Whether smaller renditions are made.
    transcode: bool,
    /// The heights of the renditions; `null`: the server's choice.
    #[schema(required)]
    resolutions: Option<Vec<u16>>,
    /// What is recorded.
    record: Record,
    /// What whoever runs it should do about its status next; `null` after its end.
    #[schema(required)]
    advice: Option<&'static str>,
    /// How to show it on another site.
    embed: Embed,
    /// Where to push to.
    inputs: AdminInputs,
    /// The ids of its recordings so far, the oldest first.
    recordings: Vec<RecordingId>,
    /// What whoever runs it should know, such as why it is not recorded; `null` if all is well.
    #[schema(required)]
    warning: Option<String>,
    /// What it shows: one of its inputs, or the slate; `null` while nothing has come, or the event does not run.
    #[schema(required)]
    on_air: Option<OnAir>,
}

/// The two inputs of an event.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EventInputs)]
struct AdminInputs {
    /// The broadcast itself.
    main: AdminInput,
    /// The one that takes over when the main one fails.
    backup: AdminInput,
}

/// Where to push a broadcast to.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EventInput)]
struct AdminInput {
    /// The stream key: a secret. Whoever may not change events sees its last four characters only.
    key: String,
    /// Until when the key before works still; `null` where it does not.
    #[schema(required)]
    old_key_until: Option<Timestamp>,
    /// Whether a broadcast comes in.
    receiving: bool,
    /// The RTMP or RTMPS URL without the key.
    url: String,
    /// Who broadcasts; `null` while nobody does.
    #[schema(required)]
    source: Option<AdminSource>,
}

/// An encoder that broadcasts.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EventSource)]
struct AdminSource {
    /// Its network address and port.
    address: String,
    /// What it calls itself.
    encoder: String,
    /// Since when it broadcasts.
    since: Timestamp,
}

/// How to show a player on another site.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EmbedCode)]
struct Embed {
    /// The player's page.
    url: String,
    /// HTML of a player of 1280 × 720 pixels.
    fixed: String,
    /// HTML of a player that is as wide as the place that it is put in.
    responsive: String,
}

impl Embed {
    fn of(site: &str, id: &EventId, title: &str) -> Self {
        let url = format!("{site}/embed/events/{id}");
        let frame = |more: &str| {
            format!(
                "<iframe src=\"{url}\" title=\"{}\" allow=\"autoplay; fullscreen; picture-in-picture\" {more}></iframe>",
                escaped(title)
            )
        };
        let fixed = frame("width=\"1280\" height=\"720\" style=\"border:0\"");
        let filling = frame("style=\"border:0;position:absolute;inset:0;width:100%;height:100%\"");
        let responsive = format!("<div style=\"position:relative;aspect-ratio:16/9\">{filling}</div>");
        Self { url, fixed, responsive }
    }
}
