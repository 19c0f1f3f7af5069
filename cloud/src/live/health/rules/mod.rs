//! What is worth a warning: pure rules over the last seconds of a broadcast.

mod network;
mod picture;
mod sound;
mod stream;

pub(super) use sound::is_silent;

use super::recent::Facts;

/// A rule; its warning's name is part of the API and stays.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rule {
    pub(super) name: &'static str,
    /// Bad seconds in a row before it says anything.
    pub(super) begins_after_s: u8,
    /// What is wrong just now and what helps; nothing if all is well, or nobody can tell yet.
    pub(super) words: fn(&Facts<'_>) -> Option<String>,
}

/// All rules, the gravest first.
pub(super) const RULES: [Rule; 23] = [
    Rule { name: "nothing_arrives", begins_after_s: 1, words: network::nothing_arrives },
    Rule { name: "header_missing", begins_after_s: 1, words: stream::header_missing },
    Rule { name: "no_picture", begins_after_s: 3, words: picture::none },
    Rule { name: "no_sound", begins_after_s: 3, words: sound::none },
    Rule { name: "stream_broken", begins_after_s: 1, words: stream::broken },
    Rule { name: "upload_behind", begins_after_s: 5, words: network::upload_behind },
    Rule { name: "network_unsteady", begins_after_s: 1, words: network::unsteady },
    Rule { name: "frame_rate_low", begins_after_s: 5, words: picture::rate_low },
    Rule { name: "pictures_missing", begins_after_s: 2, words: picture::missing },
    Rule { name: "bitrate_fallen", begins_after_s: 3, words: network::bitrate_fallen },
    Rule { name: "times_jump", begins_after_s: 1, words: stream::times_jump },
    Rule { name: "times_repeat", begins_after_s: 1, words: stream::times_repeat },
    Rule { name: "key_frames_far_apart", begins_after_s: 3, words: picture::key_frames },
    Rule { name: "composition_times_missing", begins_after_s: 3, words: picture::composition_times },
    Rule { name: "picture_format", begins_after_s: 3, words: picture::format },
    Rule { name: "frame_rate_varies", begins_after_s: 5, words: picture::rate_varies },
    Rule { name: "frame_rate_high", begins_after_s: 5, words: picture::rate_high },
    Rule { name: "size_changed", begins_after_s: 1, words: picture::size_changed },
    Rule { name: "picture_changed", begins_after_s: 1, words: picture::changed },
    Rule { name: "sound_changed", begins_after_s: 1, words: sound::changed },
    Rule { name: "sound_clips", begins_after_s: 3, words: sound::clips },
    Rule { name: "silence", begins_after_s: 1, words: sound::silence },
    Rule { name: "reconnects", begins_after_s: 3, words: network::reconnects },
];

/// A bitrate as people say it.
fn rate(kbps: f64) -> String {
    if kbps >= 999.5 { format!("{:.1} Mbit/s", kbps / 1_000.0) } else { format!("{kbps:.0} kbit/s") }
}
