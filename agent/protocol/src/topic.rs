//! The topics below `stagebox/v1/<box>/`.

use crate::id::{BoxId, IdError};

/// What every topic of this version of the contract begins with.
pub const PREFIX: &str = "stagebox/v1/";
/// The topic on which Home Assistant says that it came back.
pub const HOME_ASSISTANT_STATUS: &str = "homeassistant/status";
/// The longest name of a command, event kind or requester in a topic.
pub const LONGEST_NAME: usize = 64;

/// A topic of one box.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BoxTopic {
    pub device: BoxId,
    pub kind: TopicKind,
}

/// What is published on a topic of a box, with its last level where it has one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum TopicKind {
    /// `status`: retained, the box's last will.
    Status,
    /// `desired`: retained, written by the cloud.
    Desired,
    /// `reported`: retained, written by the box.
    Reported,
    /// `command/<name>`: never retained.
    Command(String),
    /// `response/<requester>`.
    Response(String),
    /// `event/<kind>`.
    Event(String),
    /// `ack`: the cloud has the events up to there.
    Ack,
    /// `telemetry`: once a second, QoS 0.
    Telemetry,
}

/// Why a topic is none of this contract.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TopicError {
    #[error("the topic `{0}` does not begin with `{PREFIX}`")]
    Foreign(String),
    #[error("the topic `{topic}` names no box")]
    Box { topic: String, source: IdError },
    #[error("the topic `{0}` is unknown to version 1 of the contract")]
    Unknown(String),
}

impl BoxTopic {
    /// Reads a topic's name, as it stands in a PUBLISH (no wildcards).
    ///
    /// # Errors
    /// If it is outside the prefix, names no box, or is unknown.
    pub fn parse(topic: &str) -> Result<Self, TopicError> {
        let rest = topic.strip_prefix(PREFIX).ok_or_else(|| TopicError::Foreign(topic.to_owned()))?;
        let (device, rest) = rest.split_once('/').unwrap_or((rest, ""));
        let device = device.parse().map_err(|source| TopicError::Box { topic: topic.to_owned(), source })?;
        let kind = match rest.split_once('/') {
            None => match rest {
                "status" => Some(TopicKind::Status),
                "desired" => Some(TopicKind::Desired),
                "reported" => Some(TopicKind::Reported),
                "ack" => Some(TopicKind::Ack),
                "telemetry" => Some(TopicKind::Telemetry),
                _ => None,
            },
            Some((branch, name)) if is_name(name) => match branch {
                "command" => Some(TopicKind::Command(name.to_owned())),
                "response" => Some(TopicKind::Response(name.to_owned())),
                "event" => Some(TopicKind::Event(name.to_owned())),
                _ => None,
            },
            Some(_) => None,
        };
        kind.map(|kind| Self { device, kind }).ok_or_else(|| TopicError::Unknown(topic.to_owned()))
    }
}

impl std::fmt::Display for BoxTopic {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{PREFIX}{}/", self.device)?;
        match &self.kind {
            TopicKind::Status => formatter.write_str("status"),
            TopicKind::Desired => formatter.write_str("desired"),
            TopicKind::Reported => formatter.write_str("reported"),
            TopicKind::Command(name) => write!(formatter, "command/{name}"),
            TopicKind::Response(requester) => write!(formatter, "response/{requester}"),
            TopicKind::Event(kind) => write!(formatter, "event/{kind}"),
            TopicKind::Ack => formatter.write_str("ack"),
            TopicKind::Telemetry => formatter.write_str("telemetry"),
        }
    }
}

/// Whether a text may be the last level of a command, response or event topic.
#[must_use]
pub fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= LONGEST_NAME
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

impl BoxId {
    /// The topic of this box for `kind`.
    #[must_use]
    pub fn topic(&self, kind: TopicKind) -> String {
        BoxTopic { device: self.clone(), kind }.to_string()
    }

    /// What a box subscribes to, and all that it may read.
    #[must_use]
    pub fn subscriptions(&self) -> [String; 4] {
        [
            self.topic(TopicKind::Desired),
            format!("{PREFIX}{self}/command/#"),
            self.topic(TopicKind::Ack),
            HOME_ASSISTANT_STATUS.to_owned(),
        ]
    }

    /// The topics and filters that a box may publish to, and nothing else.
    #[must_use]
    pub fn publications(&self) -> [String; 6] {
        [
            self.topic(TopicKind::Status),
            self.topic(TopicKind::Reported),
            self.topic(TopicKind::Telemetry),
            format!("{PREFIX}{self}/response/#"),
            format!("{PREFIX}{self}/event/#"),
            format!("homeassistant/device/{self}/config"),
        ]
    }

    /// Whether a Response Topic is one that this box may answer on.
    #[must_use]
    pub fn answers_on(&self, response_topic: &str) -> bool {
        matches!(
            BoxTopic::parse(response_topic),
            Ok(BoxTopic { device, kind: TopicKind::Response(_) }) if device == *self
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_topic_reads_back_as_it_was_written() {
        let device: BoxId = "box_7".parse().unwrap();
        let kinds = [
            TopicKind::Status,
            TopicKind::Desired,
            TopicKind::Reported,
            TopicKind::Command("start_stream".into()),
            TopicKind::Response("cloud-1".into()),
            TopicKind::Event("signal_lost".into()),
            TopicKind::Ack,
            TopicKind::Telemetry,
        ];
        for kind in kinds {
            let topic = BoxTopic { device: device.clone(), kind };
            assert_eq!(BoxTopic::parse(&topic.to_string()), Ok(topic));
        }
    }

    #[test]
    fn other_topics_are_named_as_what_they_are() {
        let unknown = [
            "stagebox/v1/box_7",
            "stagebox/v1/box_7/",
            "stagebox/v1/box_7/command/",
            "stagebox/v1/box_7/x/y",
        ];
        for topic in unknown {
            assert!(matches!(BoxTopic::parse(topic), Err(TopicError::Unknown(_))), "{topic}");
        }
        assert!(matches!(BoxTopic::parse("stagebox/v2/box_7/ack"), Err(TopicError::Foreign(_))));
        assert!(matches!(BoxTopic::parse("stagebox/v1/+/ack"), Err(TopicError::Box { .. })));
        assert!(matches!(BoxTopic::parse("stagebox/v1/box_7/command/a/b"), Err(TopicError::Unknown(_))));
    }

    #[test]
    fn a_box_answers_below_its_own_response_topic_only() {
        let device: BoxId = "box_7".parse().unwrap();
        assert!(device.answers_on("stagebox/v1/box_7/response/cloud"));
        for elsewhere in [
            "stagebox/v1/box_8/response/cloud",
            "stagebox/v1/box_7/desired",
            "stagebox/v1/box_7/response/",
            "stagebox/v1/box_7/response/a/b",
            "stagebox/v1/box_7/response/#",
            "homeassistant/status",
            "",
        ] {
            assert!(!device.answers_on(elsewhere), "{elsewhere}");
        }
    }
}
