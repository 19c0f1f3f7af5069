//! Source, sound and encoder, as the media process tells of them while they run.
#![allow(clippy::disallowed_methods, reason = "a driver: it waits for what the media process says")]

use std::time::Duration;

use stagebox_hw::Encoder;
use stagebox_protocol::telemetry::{EncoderState, SignalState};
use tokio::sync::watch::Receiver;
use tokio::time::{Instant, timeout};

use super::Finding;
use super::judge::{self, Encoded};
use crate::encode::MediaStatus;

/// A media process that is just starting has so long to run.
const STARTS: Duration = Duration::from_secs(4);
/// A signal that is just coming has so long to lock.
const LOCKS: Duration = Duration::from_secs(2);
/// How long is listened for sound.
const LISTENS: Duration = Duration::from_secs(3);
/// How long the encoder is watched at least.
const WATCHES: Duration = Duration::from_secs(3);
/// A media process that runs says something each second.
const SILENT: Duration = Duration::from_secs(6);

pub(super) async fn source(mut media: Receiver<MediaStatus>) -> Finding {
    let locked = media.wait_for(is_locked);
    // Whatever it is then is judged.
    let _ = timeout(LOCKS, locked).await.map(|seen| seen.map(|_| ()));
    let signal = media.borrow().stats.signal.clone();
    judge::source(&signal)
}

fn is_locked(media: &MediaStatus) -> bool {
    media.state == EncoderState::Running && media.stats.signal.state == SignalState::Locked
}

pub(super) async fn sound(mut media: Receiver<MediaStatus>, is_apart: bool, floor_dbfs: i32) -> Finding {
    let mut peak: Option<f32> = None;
    let mut listen = async || {
        loop {
            let loudest = {
                let media = media.borrow_and_update();
                media.stats.levels.iter().map(|level| level.peak_dbfs).reduce(f32::max)
            };
            peak = peak.into_iter().chain(loudest).reduce(f32::max);
            if peak.is_some_and(|peak| judge::is_heard(peak, floor_dbfs)) || media.changed().await.is_err() {
                return;
            }
        }
    };
    // After that, what was heard so far counts.
    let _ = timeout(LISTENS, listen()).await;
    let signal = media.borrow().stats.signal.clone();
    judge::sound(&signal, is_apart, peak, floor_dbfs, LISTENS)
}

/// What the media process has made so far.
#[derive(Clone, Copy)]
struct Count {
    at: Instant,
    frames: u64,
    dropped_frames: u64,
    restarts: u32,
}

pub(super) async fn encoder(mut media: Receiver<MediaStatus>, wanted_fps: u32, configured: &str) -> Finding {
    let running = media.wait_for(|media| media.state == EncoderState::Running);
    if timeout(STARTS, running).await.map(|seen| seen.map(|_| ())).is_err() {
        return stands_still(&media);
    }
    let Some(first) = next(&mut media).await else { return stands_still(&media) };
    let mut last = first;
    while last.at.duration_since(first.at) < WATCHES && last.restarts == first.restarts {
        match next(&mut media).await {
            Some(count) => last = count,
            None => return stands_still(&media),
        }
    }
    let (name, error, stands_in) = {
        let media = media.borrow();
        (media.stats.encoder.clone(), media.error.clone(), media.degraded.clone())
    };
    let encoder = Encoder::ALL.into_iter().find(|encoder| encoder.element() == name);
    let restarted = last.restarts != first.restarts || last.frames < first.frames;
    judge::encoder(&Encoded {
        is_hardware: encoder.is_some_and(Encoder::is_hardware),
        is_chosen: configured == name,
        name,
        wanted_fps,
        frames: last.frames.saturating_sub(first.frames),
        dropped_frames: last.dropped_frames.saturating_sub(first.dropped_frames),
        stands_in,
        lasted: last.at.duration_since(first.at),
        restarted: restarted.then(|| error.unwrap_or_else(|| "it gave no reason".to_owned())),
    })
}

/// The next count that is told; `None` if none comes.
async fn next(media: &mut Receiver<MediaStatus>) -> Option<Count> {
    let before = {
        let media = media.borrow();
        (media.stats.frames, media.restarts)
    };
    let told = media.wait_for(|media| (media.stats.frames, media.restarts) != before);
    let seen = timeout(SILENT, told).await.ok()?.ok()?;
    let MediaStatus { stats, restarts, .. } = &*seen;
    let (frames, dropped_frames) = (stats.frames, stats.dropped_frames);
    Some(Count { at: Instant::now(), frames, dropped_frames, restarts: *restarts })
}

fn stands_still(media: &Receiver<MediaStatus>) -> Finding {
    let reason = media.borrow().error.clone();
    let said = reason.map_or_else(
        || "no picture comes out of it".to_owned(),
        |reason| format!("it does not run: {reason}"),
    );
    Finding::fail(said, "look at the box's log; `stagebox-agent probe` says which encoders work")
}
