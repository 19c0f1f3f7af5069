//! Looks at the media process once a second, and does what the ladder says.
#![allow(clippy::disallowed_methods, reason = "a driver: it looks once a second")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use stagebox_protocol::telemetry::{LiveState, RecordingState};
use stagebox_protocol::{BoxStatus, EventBody, HealingStep};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::ladder::{Action, Circumstances, Ladder, Now, Rules, Taken, Trouble};
use super::trouble::trouble;
use crate::capture::Mend;
use crate::clock::Clock;
use crate::config::HealingConfig;
use crate::durable::{self, Kept};
use crate::encode::{Care, MediaStatus};

const PERIOD: Duration = Duration::from_secs(1);
/// What an event of a restart may take to reach the disk.
const TELL: Duration = Duration::from_millis(500);

/// The steps that were taken, oldest first.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct History(Vec<Taken>);

impl durable::Record for History {
    const TREE: &'static str = "healing";
}

/// What the ladder moves.
pub struct Parts {
    pub media: watch::Receiver<MediaStatus>,
    /// Whether the box is live or records.
    pub status: watch::Receiver<BoxStatus>,
    pub care: Care,
    /// What was done so far, over restarts.
    pub kept: Kept<History>,
    /// A file whose appearance has the machine start anew; without it, nothing does.
    pub reboot_file: Option<PathBuf>,
    /// Whoever notes what happens.
    pub tell: mpsc::UnboundedSender<EventBody>,
    /// Told when the agent is to start anew.
    pub restart: Arc<Notify>,
    pub clock: Clock,
}

/// Begins to look after the box, for as long as the runtime runs.
pub fn spawn(config: &HealingConfig, parts: Parts) {
    if config.after_s == 0 {
        return;
    }
    let after = Duration::from_secs(config.after_s.into());
    let rules = Rules { after, may_reboot: parts.reboot_file.is_some() };
    let taken = parts.kept.load().unwrap_or_else(|error| {
        tracing::warn!(%error, "what was done before about troubles is not known");
        History::default()
    });
    let ladder = Ladder::resume(now(&parts.clock), rules, taken.0);
    tokio::spawn(run(ladder, parts));
}

async fn run(mut ladder: Ladder, parts: Parts) {
    let mut period = interval(PERIOD);
    period.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        period.tick().await;
        let found = trouble(&parts.media.borrow());
        let event = match ladder.look(now(&parts.clock), circumstances(&parts), found.as_ref()) {
            None => continue,
            Some(Action::Healed { step }) => {
                tracing::info!(?step, "the trouble is over");
                EventBody::SelfHealed { step }
            }
            Some(Action::GiveUp { reason }) => {
                tracing::error!(reason, "the box has nothing left to try");
                EventBody::SelfHealingExhausted { reason }
            }
            Some(Action::Take { step, trouble, keep }) => {
                let reason = trouble.reason.clone();
                tracing::warn!(?step, reason, "the box helps itself");
                // Without a memory of it the box could start anew for ever.
                if let Err(error) = parts.kept.keep(&History(keep)).await
                    && matches!(step, HealingStep::RestartAgent | HealingStep::Reboot)
                {
                    tracing::error!(%error, ?step, "not done: it cannot be remembered");
                    continue;
                }
                // Whoever noted events has ended with the box.
                let _ = parts.tell.send(EventBody::SelfHealing { step, reason });
                take(step, &trouble, &parts).await;
                continue;
            }
        };
        let _ = parts.tell.send(event);
    }
}

async fn take(step: HealingStep, trouble: &Trouble, parts: &Parts) {
    let reason = &trouble.reason;
    match step {
        HealingStep::RestartCapture => parts.care.mend(Mend::Reopen),
        HealingStep::ToggleEdid => parts.care.mend(Mend::Replug),
        HealingStep::NextEncoder => parts.care.give_way(reason),
        HealingStep::RestartAgent => {
            sleep(TELL).await;
            parts.restart.notify_one();
        }
        HealingStep::Reboot => {
            sleep(TELL).await;
            let Some(file) = &parts.reboot_file else { return };
            if let Err(error) = tokio::fs::write(file, reason).await {
                tracing::error!(%error, file = %file.display(), "cannot ask for a reboot (healing.reboot_file)");
            }
        }
        HealingStep::Unknown => {}
    }
}

fn circumstances(parts: &Parts) -> Circumstances {
    let status = parts.status.borrow();
    Circumstances {
        on_air: status.live.state != LiveState::Off || status.recording.state != RecordingState::Off,
        can_give_way: parts.care.can_give_way(),
    }
}

fn now(clock: &Clock) -> Now {
    Now { instant: clock.now(), unix_ms: clock.unix_ms() }
}
