//! What is wrong with media, in words for the operator.

use super::spool::{Level, Status};

/// Each alarm's name, with its words where it holds.
pub(super) fn alarms(place: &str, status: Status) -> [(&'static str, Option<String>); 4] {
    [
        ("media-store-away", status.away.as_ref().map(|why| away_words(place, why))),
        ("media-spool-half", (status.level == Level::Half).then(|| half_words(&status))),
        ("media-spool-full", (status.level == Level::Full).then(|| full_words(&status))),
        ("media-not-kept", status.refused.map(|words| format!("Media cannot be kept: {words}."))),
    ]
}

fn away_words(place: &str, why: &str) -> String {
    format!(
        "The media store ({place}) does not take media: {why}. They wait on this machine's disk and go there by \
         themselves; what is in the store already cannot be watched until then."
    )
}

fn half_words(status: &Status) -> String {
    format!(
        "What waits for the media store has reached half of the {} MiB that it may take (`media.spool_limit_mib`): \
         bring the store back.",
        status.limit_bytes / 1024 / 1024
    )
}

fn full_words(status: &Status) -> String {
    let lost = match status.given_up {
        0 => "nothing is lost yet".to_owned(),
        1 => "1 segment is lost to viewers who look back".to_owned(),
        segments => format!("{segments} segments are lost to viewers who look back"),
    };
    format!(
        "What waits for the media store has reached the {} MiB that it may take (`media.spool_limit_mib`): {lost}. \
         Recordings are still kept as long as the disk has room. Bring the store back.",
        status.limit_bytes / 1024 / 1024
    )
}
