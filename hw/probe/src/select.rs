//! From a board and a look at the machine to the encoder to use.

use stagebox_hw::{
    Board, Encoder, EncoderCandidate, VideoMode,
    encoder::{Observed, ObservedEncoder, Verdict, assess, next_trial},
    rank,
};

use crate::{Cache, Probe, Trial};

/// Trials encode a second of pictures.
const TRIAL_S: u32 = 1;
/// Software on a small board may take its time.
const LIMIT_MS: u64 = 10_000;

/// What shall be encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    pub mode: VideoMode,
    pub bitrate_kbps: u32,
}

/// The encoder to use, and what became of the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    pub candidate: EncoderCandidate,
    pub assessed: Vec<(Encoder, Verdict)>,
}

/// No encoder of the board is usable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "no encoder of board {board} works at {mode}; install GStreamer's x264enc (gstreamer1.0-plugins-ugly). \
     Tried: {tried}"
)]
pub struct NoEncoder {
    pub board: String,
    pub mode: VideoMode,
    pub tried: String,
}

/// Finds the best encoder that works, with as few trials as that takes.
///
/// # Errors
/// Nothing is installed that works.
pub fn select(
    probe: &dyn Probe,
    board: &Board,
    wanted: Wanted,
    cache: &mut Cache,
) -> Result<Selection, NoEncoder> {
    let installed = probe.installed_encoders();
    let seen =
        installed.iter().map(|found| ObservedEncoder { encoder: found.encoder, trial: None }).collect();
    let mut observed = Observed { mode: wanted.mode, installed: seen };
    loop {
        let ranked = rank(board, &observed);
        let Some(next) = next_trial(&ranked) else {
            let assessed = assess(board, &observed);
            return ranked
                .into_iter()
                .next()
                .map(|candidate| Selection { candidate, assessed: assessed.clone() })
                .ok_or_else(|| NoEncoder {
                    board: board.name.clone(),
                    mode: wanted.mode,
                    tried: told(&assessed),
                });
        };
        let trial = Trial {
            encoder: next.encoder,
            mode: wanted.mode,
            bitrate_kbps: wanted.bitrate_kbps,
            preset: next.preset.clone(),
            frames: (wanted.mode.fps * TRIAL_S).clamp(10, 60),
            limit_ms: LIMIT_MS,
        };
        // What is ranked is installed, so both are there.
        let found = installed.iter().find(|found| found.encoder == trial.encoder);
        let place = observed.installed.iter_mut().find(|found| found.encoder == trial.encoder);
        let (Some(found), Some(place)) = (found, place) else { continue };
        let outcome = match cache.get(found, &trial) {
            Some(kept) => kept.clone(),
            None => {
                let outcome = probe.try_encoder(&trial);
                tracing::info!(encoder = %trial.encoder, mode = %trial.mode, ?outcome, "trial encode");
                cache.put(found, &trial, &outcome);
                outcome
            }
        };
        place.trial = Some(outcome);
    }
}

fn told(assessed: &[(Encoder, Verdict)]) -> String {
    let lines: Vec<String> = assessed
        .iter()
        .map(|(encoder, verdict)| match verdict {
            Verdict::Candidate(_) => format!("{encoder}: usable"),
            Verdict::NotInstalled => format!("{encoder}: not installed"),
            Verdict::BeyondLimit { limit } => format!("{encoder}: does {limit} at most"),
            Verdict::TooSlow { speed_percent } => format!("{encoder}: {speed_percent} % of real time"),
            Verdict::Failed { reason } => format!("{encoder}: {reason}"),
        })
        .collect();
    lines.join("; ")
}
