//! What is known of a recording beside its length: kept in the index and in the manifest.

use serde::{Deserialize, Serialize};
use stagebox_media::aac::AudioSpecificConfig;
use stagebox_media::h264::AvcConfig;
use stagebox_media::{Codec, TrackConfig};

/// Marks that one file takes.
pub(super) const MOST_MARKS: usize = 1000;
/// Gaps of one file that are noted.
pub(super) const MOST_GAPS: usize = 1000;

/// What is known of a file that its frames do not tell.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Details {
    /// SHA-256 of the closed file, 64 hexadecimal digits; none until it has been read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// What the box was there for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<Label>,
    /// The boot of the box that `started_mono_ms` counts from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub boot_id: Option<String>,
    /// When the file began, in milliseconds since the boot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_mono_ms: Option<u64>,
    /// `avc1.64001f 1280x720`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub video: Option<String>,
    /// `mp4a.40.2 48000 Hz 2 ch`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio: Option<String>,
    /// Where pictures are missing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<Gap>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub marks: Vec<Mark>,
    /// Whether it is to be uploaded once it is closed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub to_upload: bool,
    /// The USB disk it is on; none for the box's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk: Option<String>,
}

/// What recordings are named after: an event, or the box.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    /// Of the event; none for the box itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// In the words of whoever named it.
    pub title: String,
}

/// A hole in the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// From the beginning of the file.
    pub at_ms: u64,
    pub duration_ms: u64,
}

/// A moment that somebody wants to find again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// From the beginning of the file, in nanoseconds of the stream's own time.
    pub at_ns: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The command that made it: one that comes again makes no second one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
}

impl Mark {
    /// From the beginning of the file.
    pub(super) fn at_ms(&self) -> u64 {
        u64::try_from(self.at_ns / 1_000_000).unwrap_or(0)
    }
}

impl Details {
    /// Takes from a second account of the same file what this one does not have.
    pub(super) fn complete(&mut self, other: Self) {
        fn fill<T>(own: &mut Option<T>, other: Option<T>) {
            if own.is_none() {
                *own = other;
            }
        }
        fill(&mut self.sha256, other.sha256);
        fill(&mut self.event, other.event);
        fill(&mut self.boot_id, other.boot_id);
        fill(&mut self.started_mono_ms, other.started_mono_ms);
        fill(&mut self.video, other.video);
        fill(&mut self.audio, other.audio);
        fill(&mut self.disk, other.disk);
        self.to_upload |= other.to_upload;
        for gap in other.gaps {
            if !self.gaps.contains(&gap) {
                self.gaps.push(gap);
            }
        }
        for mark in other.marks {
            if !self.marks.contains(&mark) {
                self.marks.push(mark);
            }
        }
        self.gaps.sort_by_key(|gap| gap.at_ms);
        self.marks.sort_by_key(|mark| mark.at_ns);
        self.gaps.truncate(MOST_GAPS);
        self.marks.truncate(MOST_MARKS);
    }
}

/// How a track is coded, in the words of playlists (RFC 6381), with its size or rate.
pub(super) fn coding(config: &TrackConfig) -> Option<String> {
    match config.codec {
        Codec::H264 => {
            let avc = AvcConfig::parse(&config.data).ok()?;
            let size = avc.first_sps().map(|sps| format!(" {}x{}", sps.width, sps.height));
            Some(avc.codec_string() + &size.unwrap_or_default())
        }
        Codec::Aac => {
            let aac = AudioSpecificConfig::parse(&config.data).ok()?;
            Some(format!("{} {} Hz {} ch", aac.codec_string(), aac.sample_rate, aac.channels))
        }
        Codec::FourCc(code) => Some(code.escape_ascii().to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::state_tests::{audio_config, video_config};

    #[test]
    fn two_accounts_of_a_file_make_one() {
        let mark = |at_ns, label: &str| Mark { at_ns, label: Some(label.to_owned()), command: None };
        let mut details = Details {
            event: Some(Label { id: None, title: "Gala".to_owned() }),
            marks: vec![mark(1, "a"), mark(9, "c")],
            ..Details::default()
        };
        let other = Details {
            sha256: Some("00".to_owned()),
            event: Some(Label { id: None, title: "Other".to_owned() }),
            gaps: vec![Gap { at_ms: 5, duration_ms: 600 }],
            marks: vec![mark(1, "a"), mark(5, "b")],
            ..Details::default()
        };
        details.complete(other.clone());
        assert_eq!(details.marks, [mark(1, "a"), mark(5, "b"), mark(9, "c")]);
        assert_eq!((details.gaps.len(), &*details.event.clone().unwrap().title), (1, "Gala"));
        let before = details.clone();
        details.complete(other);
        assert_eq!(details, before);
    }

    #[test]
    fn coding_is_told_in_words() {
        assert_eq!(coding(&video_config(1)).unwrap(), "avc1.64001f 1280x720");
        assert_eq!(coding(&audio_config(1)).unwrap(), "mp4a.40.2 48000 Hz 2 ch");
        let odd = TrackConfig { codec: Codec::FourCc(*b"hvc1"), ..video_config(1) };
        assert_eq!(coding(&odd).unwrap(), "hvc1");
    }
}
