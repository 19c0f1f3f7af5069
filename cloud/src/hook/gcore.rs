//! Gcore's dialect: journal entries become `broadcast` and `stream` notifications.
//!
//! A *broadcast* is what viewers see: `pending` (waiting or preview), `live`, `paused`, `finished`. A *stream*
//! is what comes in: whether it is `live`, and whether it is being `recording`, which it is while it comes in and
//! the event is started. Both carry the event's number as id.

use crate::event::EventStatus;
use crate::store::Entry;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The dialect's name in the API.
pub(super) const NAME: &str = "gcore";

/// One notification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Notice {
    /// What viewers see has changed.
    Broadcast {
        /// The event's number.
        id: u64,
        /// Gcore's word for the status.
        status: String,
    },
    /// What comes in has changed.
    Stream {
        /// The event's number.
        id: u64,
        /// Whether a broadcast comes in.
        live: bool,
        /// Whether it is recorded.
        recording: bool,
    },
}

impl Notice {
    /// The body that is sent.
    pub fn body(&self) -> Value {
        match self {
            Self::Broadcast { id, status } => {
                json!({ "type": "broadcast", "message": { "broadcast": { "id": id, "status": status } } })
            }
            Self::Stream { id, live, recording } => json!({
                "type": "stream",
                "message": { "stream": { "id": id, "live": live, "recording": recording } },
            }),
        }
    }
}

/// What is known of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Seen {
    pub(super) status: EventStatus,
    pub(super) receiving: bool,
}

impl Seen {
    fn recording(self) -> bool {
        self.receiving && self.status == EventStatus::Started
    }

    /// Whether nothing will be told of it any more.
    pub(super) fn is_over(self) -> bool {
        self.status == EventStatus::Ended && !self.receiving
    }
}

/// What a journal entry says of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Observed {
    /// Its status, before (unless it is new) and after.
    Status { from: Option<EventStatus>, to: EventStatus },
    /// Whether a broadcast comes in, before and after.
    Receiving { from: bool, to: bool },
}

impl Observed {
    /// Reads an entry; the number is the event's. `None` where it says nothing of interest.
    pub(super) fn of(entry: &Entry) -> Option<(u64, Self)> {
        let number = entry.after["number"].as_u64()?;
        let observed = match entry.kind.as_str() {
            "event" => Self::Status { from: status(&entry.before), to: status(&entry.after)? },
            "broadcast" => Self::Receiving { from: receiving(&entry.before), to: receiving(&entry.after) },
            _ => return None,
        };
        Some((number, observed))
    }
}

fn status(view: &Value) -> Option<EventStatus> {
    EventStatus::deserialize(&view["status"]).ok()
}

fn receiving(view: &Value) -> bool {
    view["main"] == true || view["backup"] == true
}

fn word(status: EventStatus) -> &'static str {
    match status {
        EventStatus::Waiting | EventStatus::Preview => "pending",
        EventStatus::Started => "live",
        EventStatus::Paused => "paused",
        EventStatus::Ended => "finished",
    }
}

/// Takes in what an entry says, and returns what is to be told of it, in order.
pub(super) fn notices(seen: &mut Seen, number: u64, observed: Observed) -> Vec<Notice> {
    let mut out = Vec::new();
    let before = *seen;
    match observed {
        Observed::Status { from, to } => {
            seen.status = to;
            if from.map(word) != Some(word(to)) {
                out.push(Notice::Broadcast { id: number, status: word(to).to_owned() });
            }
        }
        Observed::Receiving { to, .. } => seen.receiving = to,
    }
    if (before.receiving, before.recording()) != (seen.receiving, seen.recording()) {
        out.push(Notice::Stream { id: number, live: seen.receiving, recording: seen.recording() });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(steps: &[Observed]) -> Vec<String> {
        let mut seen = Seen { status: EventStatus::Waiting, receiving: false };
        let notices = steps.iter().flat_map(|step| notices(&mut seen, 7, *step));
        notices
            .map(|notice| match notice {
                Notice::Broadcast { status, .. } => status,
                Notice::Stream { live, recording, .. } => format!("live={live} recording={recording}"),
            })
            .collect()
    }

    fn to(from: EventStatus, to: EventStatus) -> Observed {
        Observed::Status { from: Some(from), to }
    }

    #[test]
    fn an_event_from_its_making_to_its_end() {
        use EventStatus::{Ended, Paused, Preview, Started, Waiting};
        let steps = [
            Observed::Status { from: None, to: Waiting },
            to(Waiting, Preview),
            Observed::Receiving { from: false, to: true },
            to(Preview, Started),
            to(Started, Paused),
            to(Paused, Started),
            Observed::Receiving { from: true, to: false },
            Observed::Receiving { from: false, to: true },
            to(Started, Ended),
            Observed::Receiving { from: true, to: false },
        ];
        assert_eq!(
            told(&steps),
            [
                "pending",
                "live=true recording=false",
                "live",
                "live=true recording=true",
                "paused",
                "live=true recording=false",
                "live",
                "live=true recording=true",
                "live=false recording=false",
                "live=true recording=true",
                "finished",
                "live=true recording=false",
                "live=false recording=false",
            ]
        );
    }

    #[test]
    fn a_new_title_tells_nothing() {
        assert!(told(&[to(EventStatus::Waiting, EventStatus::Waiting)]).is_empty());
        assert!(told(&[Observed::Receiving { from: false, to: false }]).is_empty());
    }

    #[test]
    fn the_bodies_have_the_documented_shapes() {
        let broadcast = Notice::Broadcast { id: 12, status: "live".to_owned() };
        assert_eq!(
            broadcast.body().to_string(),
            r#"{"message":{"broadcast":{"id":12,"status":"live"}},"type":"broadcast"}"#
        );
        let stream = Notice::Stream { id: 12, live: true, recording: false };
        assert_eq!(
            stream.body().to_string(),
            r#"{"message":{"stream":{"id":12,"live":true,"recording":false}},"type":"stream"}"#
        );
    }
}
