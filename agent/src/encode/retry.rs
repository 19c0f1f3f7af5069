//! Tries encoders that failed once more, in processes of their own, while another one encodes.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use stagebox_hw::encoder::TrialOutcome;
use stagebox_hw::{Encoder, VideoMode};
use stagebox_hw_probe::{Probe, Trial};
use tokio::sync::{Notify, watch};

use super::fallback::Fallback;
use super::{MediaSetup, MediaStatus};
use crate::config::VideoConfig;
use crate::probe::ChildProbe;

/// Three seconds of pictures: more than what it failed after, where it did so soon.
const TRIAL_S: u32 = 3;
const LIMIT_MS: u64 = 15_000;

/// What it takes to try again.
pub(super) struct Retry {
    pub(super) program: PathBuf,
    pub(super) setup: watch::Receiver<(u64, MediaSetup)>,
    pub(super) fallback: Arc<Mutex<Fallback>>,
    /// Somebody wants it.
    pub(super) asked: Arc<Notify>,
    /// Told when the encoder is to be chosen anew.
    pub(super) restart: Arc<Notify>,
    pub(super) publish: watch::Sender<MediaStatus>,
}

/// Tries whenever that is asked for; without an end.
pub(super) async fn retry(retry: Retry) {
    loop {
        retry.asked.notified().await;
        let mut is_any_proven = false;
        let avoided = retry.fallback().avoided();
        for encoder in avoided {
            let outcome = retry.outcome(encoder).await;
            tracing::info!(%encoder, ?outcome, "tried again");
            match outcome {
                TrialOutcome::Works { .. } => {
                    retry.fallback().proven(encoder);
                    is_any_proven = true;
                }
                TrialOutcome::TooSlow { speed_percent } => {
                    let reason = format!("it does {speed_percent} % of real time");
                    retry.fallback().not_proven(encoder, &reason);
                }
                TrialOutcome::Failed { reason } => retry.fallback().not_proven(encoder, &reason),
            }
        }
        let degraded = retry.fallback().degraded();
        retry.publish.send_modify(|status| status.degraded = degraded);
        if is_any_proven {
            retry.restart.notify_one();
        }
    }
}

impl Retry {
    fn fallback(&self) -> std::sync::MutexGuard<'_, Fallback> {
        self.fallback.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn outcome(&self, encoder: Encoder) -> TrialOutcome {
        let VideoConfig { width, height, fps, bitrate_kbps, .. } = self.setup.borrow().1.video;
        let trial = Trial {
            encoder,
            mode: VideoMode { width, height, fps },
            bitrate_kbps,
            preset: None,
            frames: (fps * TRIAL_S).max(10),
            limit_ms: LIMIT_MS,
        };
        let probe = ChildProbe::new(self.program.clone());
        let tried = tokio::task::spawn_blocking(move || probe.try_encoder(&trial));
        tried.await.unwrap_or_else(|error| TrialOutcome::Failed { reason: error.to_string() })
    }
}
