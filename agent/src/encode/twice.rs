//! The recording's own encode, where the machine can do two at once.

use stagebox_hw::encoder::TrialOutcome;
use stagebox_hw::{Encoder, VideoMode};
use stagebox_hw_probe::{Probe, Trial};

use super::choice::Chosen;
use super::pipeline::{Deliver, EncodePipeline};
use super::{EncodeError, MediaSetup};

/// So quick an encoder does two at once beside everything else that the box does, in per cent of real time.
const TWICE_PERCENT: u32 = 250;
/// A second of pictures is enough to know.
const LIMIT_MS: u64 = 5_000;

/// Starts the encoders; the recording's own only if it is wanted and the machine can. Otherwise it says why not.
pub(super) fn start(
    probe: &dyn Probe,
    setup: &MediaSetup,
    chosen: &Chosen,
    deliver: &dyn Fn(u8) -> Deliver,
) -> Result<(EncodePipeline, Option<String>), EncodeError> {
    let MediaSetup { video, audio, recording_kbps, .. } = setup;
    let begin = |kbps| EncodePipeline::start(video, audio, chosen.clone(), kbps, deliver);
    let Some(kbps) = *recording_kbps else { return Ok((begin(None)?, None)) };
    if let Some(Err(refused)) = &setup.twice {
        return Ok((begin(None)?, Some(refused.clone())));
    }
    let judged = match &setup.twice {
        Some(_) => Ok(()),
        None => judge(&probe.try_encoder(&trial(setup, chosen, kbps))),
    };
    let refused = match judged {
        Ok(()) => match begin(Some(kbps)) {
            Ok(pipeline) => return Ok((pipeline, None)),
            // Some hardware has room for one only.
            Err(error) => error.to_string(),
        },
        Err(reason) => reason,
    };
    let refused = refusal(chosen.encoder, &refused);
    tracing::warn!("{refused}");
    Ok((begin(None)?, Some(refused)))
}

/// Why the recording has no encode of its own, in words.
pub(super) fn refusal(encoder: Encoder, reason: &str) -> String {
    format!("record.bitrate_kbps: {encoder} does not encode twice at once: {reason}")
}

fn trial(setup: &MediaSetup, chosen: &Chosen, kbps: u32) -> Trial {
    let video = &setup.video;
    let mode = VideoMode { width: video.width, height: video.height, fps: video.fps };
    Trial {
        encoder: chosen.encoder,
        mode,
        bitrate_kbps: kbps.max(video.bitrate_kbps),
        preset: chosen.preset.clone(),
        frames: video.fps.clamp(10, 60),
        limit_ms: LIMIT_MS,
    }
}

/// Whether an encoder that did so in its trial does two at once.
fn judge(outcome: &TrialOutcome) -> Result<(), String> {
    match outcome {
        TrialOutcome::Works { speed_percent } if *speed_percent >= TWICE_PERCENT => Ok(()),
        TrialOutcome::Works { speed_percent } | TrialOutcome::TooSlow { speed_percent } => {
            Err(format!("it does {speed_percent} % of real time, and {TWICE_PERCENT} % are needed"))
        }
        TrialOutcome::Failed { reason } => Err(reason.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twice_takes_some_room() {
        assert_eq!(judge(&TrialOutcome::Works { speed_percent: 250 }), Ok(()));
        let words = "it does 240 % of real time, and 250 % are needed";
        assert_eq!(judge(&TrialOutcome::Works { speed_percent: 240 }), Err(words.to_owned()));
        assert!(judge(&TrialOutcome::TooSlow { speed_percent: 80 }).unwrap_err().contains("80 %"));
        assert_eq!(judge(&TrialOutcome::Failed { reason: "no device".into() }), Err("no device".to_owned()));
    }
}
