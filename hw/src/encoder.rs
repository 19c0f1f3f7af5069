//! H.264 encoders: what each wants to be told, and which comes first.

mod settings;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::{Board, VideoMode};

pub use settings::{EncodeTarget, Setting};

/// An encoder, named as GStreamer names its element.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoder {
    /// A codec driver of the kernel (Raspberry Pi 4 and other small boards).
    V4l2h264enc,
    /// VA-API (Intel, AMD).
    Vah264enc,
    /// Intel Quick Sync through oneVPL.
    Qsvh264enc,
    /// NVIDIA graphics cards.
    Nvh264enc,
    /// NVIDIA Jetson.
    Nvv4l2h264enc,
    /// Rockchip.
    Mpph264enc,
    /// Software, everywhere.
    X264enc,
}

impl Encoder {
    pub const ALL: [Self; 7] = [
        Self::V4l2h264enc,
        Self::Vah264enc,
        Self::Qsvh264enc,
        Self::Nvh264enc,
        Self::Nvv4l2h264enc,
        Self::Mpph264enc,
        Self::X264enc,
    ];

    /// The element's name.
    #[must_use]
    pub fn element(self) -> &'static str {
        match self {
            Self::V4l2h264enc => "v4l2h264enc",
            Self::Vah264enc => "vah264enc",
            Self::Qsvh264enc => "qsvh264enc",
            Self::Nvh264enc => "nvh264enc",
            Self::Nvv4l2h264enc => "nvv4l2h264enc",
            Self::Mpph264enc => "mpph264enc",
            Self::X264enc => "x264enc",
        }
    }

    #[must_use]
    pub fn is_hardware(self) -> bool {
        self != Self::X264enc
    }
}

impl std::fmt::Display for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.element())
    }
}

/// How a trial encode at the real size and rate went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case", deny_unknown_fields)]
pub enum TrialOutcome {
    /// Every frame came out; `speed_percent` of real time, 100 just keeps up.
    Works {
        speed_percent: u32,
    },
    /// Frames came out right, but slower than they come in.
    TooSlow {
        speed_percent: u32,
    },
    Failed {
        reason: String,
    },
}

/// An encoder that is installed on the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedEncoder {
    pub encoder: Encoder,
    /// `None` until a trial at [`Observed::mode`] was made.
    pub trial: Option<TrialOutcome>,
}

/// What was seen on the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// The mode to be encoded; limits and trials are about it.
    pub mode: VideoMode,
    pub installed: Vec<ObservedEncoder>,
}

/// An encoder that can be used, or tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncoderCandidate {
    pub encoder: Encoder,
    /// Speed preset from the board, for encoders in software.
    pub preset: Option<String>,
    pub proof: Proof,
}

/// How sure it is that a candidate works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    Tried {
        speed_percent: u32,
    },
    Untried,
    /// Nothing better is there: a slow encoder still shows something.
    LastResort,
}

/// Why an encoder is, or is not, a candidate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Candidate(Proof),
    NotInstalled,
    /// The board cannot encode this mode with it.
    BeyondLimit {
        limit: VideoMode,
    },
    TooSlow {
        speed_percent: u32,
    },
    Failed {
        reason: String,
    },
}

/// Says for each encoder of the board, best first, whether it will do and why not.
#[must_use]
pub fn assess(board: &Board, observed: &Observed) -> Vec<(Encoder, Verdict)> {
    let verdict = |rule: &crate::board::EncoderRule| {
        let Some(found) = observed.installed.iter().find(|found| found.encoder == rule.element) else {
            return Verdict::NotInstalled;
        };
        match (&found.trial, rule.max) {
            (Some(TrialOutcome::Works { speed_percent }), _) => {
                Verdict::Candidate(Proof::Tried { speed_percent: *speed_percent })
            }
            (Some(TrialOutcome::Failed { reason }), _) => Verdict::Failed { reason: reason.clone() },
            (Some(TrialOutcome::TooSlow { speed_percent }), _) if rule.element.is_hardware() => {
                Verdict::TooSlow { speed_percent: *speed_percent }
            }
            (Some(TrialOutcome::TooSlow { .. }), _) => Verdict::Candidate(Proof::LastResort),
            (None, Some(limit)) if !within(observed.mode, limit) => {
                if rule.element.is_hardware() {
                    Verdict::BeyondLimit { limit }
                } else {
                    Verdict::Candidate(Proof::LastResort)
                }
            }
            (None, _) => Verdict::Candidate(Proof::Untried),
        }
    };
    board.encoders.iter().map(|rule| (rule.element, verdict(rule))).collect()
}

/// The encoders worth using on this board, best first.
///
/// What failed its trial is left out, what was not tried yet keeps its place
/// (see [`next_trial`]), and software that is too slow comes last of all.
#[must_use]
pub fn rank(board: &Board, observed: &Observed) -> Vec<EncoderCandidate> {
    let mut candidates: Vec<EncoderCandidate> = assess(board, observed)
        .into_iter()
        .filter_map(|(encoder, verdict)| match verdict {
            Verdict::Candidate(proof) => {
                Some(EncoderCandidate { encoder, preset: board.preset(encoder), proof })
            }
            _ => None,
        })
        .collect();
    candidates.sort_by_key(|candidate| candidate.proof == Proof::LastResort);
    candidates
}

/// The encoder to try next: an untried one that stands before every proven one.
///
/// `None` says that the first candidate is the one to use. Software that is the only
/// one left needs no trial: there is nothing to fall back to.
#[must_use]
pub fn next_trial(candidates: &[EncoderCandidate]) -> Option<&EncoderCandidate> {
    let worth_it = |first: &EncoderCandidate| candidates.len() > 1 || first.encoder.is_hardware();
    candidates.first().filter(|first| first.proof == Proof::Untried && worth_it(first))
}

fn within(mode: VideoMode, limit: VideoMode) -> bool {
    // Portrait pictures cost what landscape ones do.
    mode.width.max(mode.height) <= limit.width.max(limit.height)
        && mode.width.min(mode.height) <= limit.width.min(limit.height)
        && mode.macroblocks_per_s() <= limit.macroblocks_per_s()
}
