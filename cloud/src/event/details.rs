//! What users decide about an event besides its title: when it is, what is said around it, how it is made.

use super::EventStatus;
use crate::clock::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use utoipa::ToSchema;

/// An event ends by itself so long after it was first started, and no recording is longer.
pub(crate) const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// What is said and made of an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Details {
    /// When it is announced to begin.
    pub starts_at: Option<Timestamp>,
    /// When it is announced to be over.
    pub ends_at: Option<Timestamp>,
    /// Whether the server starts and ends it then.
    pub automatic: bool,
    /// Whether viewers see how long it is until it begins.
    pub countdown: bool,
    /// What viewers read instead of the picture.
    pub messages: Messages,
    /// What viewers see instead of the picture.
    pub images: Images,
    /// What viewers read over the picture; empty: nothing.
    pub service_message: String,
    /// Whether smaller renditions are made.
    pub transcode: bool,
    /// The heights of the renditions that are made; the server's choice if absent.
    pub resolutions: Option<Vec<u16>>,
    /// What is recorded.
    pub record: Record,
}

impl Default for Details {
    fn default() -> Self {
        Self {
            starts_at: None,
            ends_at: None,
            automatic: false,
            countdown: false,
            messages: Messages::default(),
            images: Images::default(),
            service_message: String::new(),
            transcode: true,
            resolutions: None,
            record: Record::default(),
        }
    }
}

/// What is recorded of an event.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = EventRecord)]
pub enum Record {
    /// What the account's settings say.
    #[default]
    Account,
    /// Each span between Start and another status.
    Recording,
    /// All from the beginning of the broadcast to the event's end, also what viewers did not see live: before the start
    /// and in pauses.
    Dvr,
    /// Nothing.
    None,
}

impl Record {
    /// Reads its name; the error says what would be right.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        match text {
            "account" => Ok(Self::Account),
            "recording" => Ok(Self::Recording),
            "dvr" => Ok(Self::Dvr),
            "none" => Ok(Self::None),
            _ => Err("must be account, recording, dvr or none".to_owned()),
        }
    }
}

/// A message of an event's own; what is absent is as the account's settings say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = EventMessage)]
pub struct Message {
    /// Its heading; `null`: the account's.
    #[schema(required)]
    pub title: Option<String>,
    /// Its text; `null`: the account's.
    #[schema(required)]
    pub text: Option<String>,
}

/// The messages of an event's own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = EventMessages)]
pub struct Messages {
    /// Before it is started.
    #[schema(required)]
    pub waiting: Message,
    /// While it is paused.
    #[schema(required)]
    pub paused: Message,
    /// After it.
    #[schema(required)]
    pub ended: Message,
}

/// The pictures that are shown instead of messages: names of the account's include files.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = EventImages)]
pub struct Images {
    /// For every status that has none of its own.
    #[schema(required)]
    pub general: Option<String>,
    /// Before it is started.
    #[schema(required)]
    pub waiting: Option<String>,
    /// While it is paused.
    #[schema(required)]
    pub paused: Option<String>,
    /// After it.
    #[schema(required)]
    pub ended: Option<String>,
}

impl Images {
    /// What is shown in place of a status' message.
    pub fn of(&self, own: impl FnOnce(&Self) -> &Option<String>) -> Option<&str> {
        own(self).as_deref().or(self.general.as_deref())
    }
}

impl Details {
    /// Says which field does not fit to another.
    pub(super) fn check(&self) -> Result<(), (&'static str, &'static str)> {
        if self.starts_at.zip(self.ends_at).is_some_and(|(from, to)| to <= from) {
            return Err(("ends_at", "must be after starts_at"));
        }
        if self.automatic && self.starts_at.is_none() && self.ends_at.is_none() {
            return Err(("automatic", "needs starts_at or ends_at"));
        }
        if self.countdown && self.starts_at.is_none() {
            return Err(("countdown", "needs starts_at"));
        }
        Ok(())
    }

    /// What the server does with the event by itself next, and when.
    pub(crate) fn due(
        &self,
        status: EventStatus,
        started_at: Option<Timestamp>,
    ) -> Option<(Timestamp, EventStatus)> {
        match status {
            EventStatus::Waiting | EventStatus::Preview => {
                let at = self.starts_at.filter(|_| self.automatic)?;
                Some((at, EventStatus::Started))
            }
            EventStatus::Started | EventStatus::Paused => {
                // One that was over before it was started was meant for another time.
                let wanted =
                    self.ends_at.filter(|at| self.automatic && started_at.is_none_or(|began| *at > began));
                let limit = started_at.map(|at| at.plus(LONGEST));
                let at = wanted.into_iter().chain(limit).min()?;
                Some((at, EventStatus::Ended))
            }
            EventStatus::Ended => None,
        }
    }

    /// The same for another event: with nothing that belongs to its day.
    pub(super) fn for_another(&self) -> Self {
        Self {
            starts_at: None,
            ends_at: None,
            automatic: false,
            countdown: false,
            service_message: String::new(),
            ..self.clone()
        }
    }
}

/// What whoever runs an event should do about its status now.
pub(super) fn advice(status: EventStatus, is_receiving: bool) -> Option<&'static str> {
    match (status, is_receiving) {
        (EventStatus::Waiting | EventStatus::Preview, false) => {
            Some("Begin to broadcast a few minutes before the event: only you see it until you start it.")
        }
        (EventStatus::Waiting | EventStatus::Preview, true) => Some(
            "Start two minutes before the first thing happens: players need time to load, and nobody misses the beginning.",
        ),
        (EventStatus::Started, _) => Some(
            "After the last thing has happened wait two minutes before you pause or end: viewers see it later than you.",
        ),
        (EventStatus::Paused, _) => {
            Some("Start two minutes before it goes on, so that players have time to load.")
        }
        (EventStatus::Ended, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_unix_ms(minute * 60_000)
    }

    #[test]
    fn what_is_due_follows_from_schedule_and_status() {
        let details = Details { starts_at: Some(at(10)), ends_at: Some(at(70)), ..Details::default() };
        assert_eq!(details.due(EventStatus::Waiting, None), None, "only announced");
        let limit = at(10 + 24 * 60);
        assert_eq!(details.due(EventStatus::Paused, Some(at(10))), Some((limit, EventStatus::Ended)));
        let details = Details { automatic: true, ..details };
        assert_eq!(details.due(EventStatus::Preview, None), Some((at(10), EventStatus::Started)));
        assert_eq!(details.due(EventStatus::Started, Some(at(5))), Some((at(70), EventStatus::Ended)));
        let details = Details { ends_at: Some(at(10_000)), ..details };
        assert_eq!(details.due(EventStatus::Started, Some(at(10))), Some((limit, EventStatus::Ended)));
        assert_eq!(details.due(EventStatus::Ended, Some(at(10))), None);
    }

    #[test]
    fn fields_that_do_not_fit_are_named() {
        let ok =
            Details { starts_at: Some(at(1)), ends_at: Some(at(2)), countdown: true, ..Details::default() };
        assert_eq!(ok.check(), Ok(()));
        let field = |details: Details| details.check().unwrap_err().0;
        assert_eq!(field(Details { ends_at: Some(at(1)), ..ok.clone() }), "ends_at");
        assert_eq!(field(Details { starts_at: None, ..ok.clone() }), "countdown");
        assert_eq!(field(Details { automatic: true, ..Details::default() }), "automatic");
    }

    #[test]
    fn what_older_servers_kept_is_read() {
        let details: Details = serde_json::from_str("{}").unwrap();
        assert_eq!(details, Details::default());
        assert!(details.transcode);
    }

    #[test]
    fn a_picture_of_a_status_goes_before_the_general_one() {
        let images =
            Images { general: Some("all.png".into()), ended: Some("end.png".into()), ..Images::default() };
        assert_eq!(images.of(|images| &images.ended), Some("end.png"));
        assert_eq!(images.of(|images| &images.paused), Some("all.png"));
        assert_eq!(Images::default().of(|images| &images.waiting), None);
    }
}
