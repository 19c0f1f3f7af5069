//! What is wrong with capture and encoding, as far as the box can do something about it.

use stagebox_protocol::telemetry::{EncoderState, SignalState};

use super::ladder::{Kind, Trouble};
use crate::encode::MediaStatus;

/// What is wrong; nothing where only people can help.
#[must_use]
pub(super) fn trouble(status: &MediaStatus) -> Option<Trouble> {
    let told = |kind, reason: &Option<String>, otherwise: &str| {
        let reason = reason.clone().unwrap_or_else(|| otherwise.to_owned());
        Some(Trouble { kind, reason })
    };
    if status.state != EncoderState::Running {
        // A first start may take its time; an error stays until a process delivers.
        let has_failed = status.error.is_some() && !status.configuration;
        return has_failed.then(|| told(Kind::Encoding, &status.error, "")).flatten();
    }
    if status.stats.trouble.is_some() {
        let kind = if status.stats.device_fails { Kind::Device } else { Kind::Signal };
        return told(kind, &status.stats.trouble, "");
    }
    match status.stats.signal.state {
        SignalState::None => {
            told(Kind::Signal, &status.stats.signal.reason, "nothing comes through the cable")
        }
        SignalState::Unstable => told(Kind::Signal, &status.stats.signal.reason, "the signal is not stable"),
        // No cable to pull, a picture that the box could not take anyway, or one that it must not.
        SignalState::NoCable
        | SignalState::OutOfRange
        | SignalState::Protected
        | SignalState::Locked
        | SignalState::Unknown => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Change = fn(&mut MediaStatus);

    #[test]
    fn each_trouble_has_its_kind() {
        let cases: [(Change, Option<(Kind, &str)>); 11] = [
            (|_| {}, None),
            (|status| status.state = EncoderState::Starting, None),
            (
                |status| (status.state, status.error) = (EncoderState::Starting, Some("it ended".into())),
                Some((Kind::Encoding, "it ended")),
            ),
            (
                |status| {
                    (status.state, status.error) = (EncoderState::Failed, Some("no such element".into()));
                    status.configuration = true;
                },
                None,
            ),
            (
                |status| {
                    (status.stats.trouble, status.stats.device_fails) = (Some("no such device".into()), true);
                },
                Some((Kind::Device, "no such device")),
            ),
            (|status| status.stats.trouble = Some("it sleeps".into()), Some((Kind::Signal, "it sleeps"))),
            (|status| status.stats.sound_trouble = Some("no such device".into()), None),
            (
                |status| status.stats.signal.state = SignalState::None,
                Some((Kind::Signal, "nothing comes through the cable")),
            ),
            (
                |status| {
                    status.stats.signal.state = SignalState::Unstable;
                    status.stats.signal.reason = Some("it comes and goes".into());
                },
                Some((Kind::Signal, "it comes and goes")),
            ),
            (|status| status.stats.signal.state = SignalState::NoCable, None),
            (|status| status.stats.signal.state = SignalState::Protected, None),
        ];
        for (index, (change, expected)) in cases.into_iter().enumerate() {
            let mut status = MediaStatus { state: EncoderState::Running, ..MediaStatus::default() };
            status.stats.signal.state = SignalState::Locked;
            change(&mut status);
            let found = trouble(&status);
            let found = found.as_ref().map(|trouble| (trouble.kind, trouble.reason.as_str()));
            assert_eq!(found, expected, "case {index}");
        }
    }
}
