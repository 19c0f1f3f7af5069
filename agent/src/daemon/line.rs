//! The picture's bitrate follows main's line, where the stream is to be protected; a backup never lowers it.

use std::sync::Arc;

use stagebox_protocol::telemetry::OutputRole;
use tokio::sync::watch;

use crate::clock::Clock;
use crate::config::{Config, Protect};
use crate::encode::MediaStatus;
use crate::push::{Output, Rate};

/// Follows main for as long as there is one, as the configuration that holds says.
pub(super) fn follow(
    mut held: watch::Receiver<Arc<Config>>,
    bitrate: watch::Sender<Option<u32>>,
    media: watch::Receiver<MediaStatus>,
    outputs: &[Output],
    clock: Clock,
) {
    let Some(main) = outputs.iter().find(|output| output.role == OutputRole::Main) else { return };
    let mut status = main.handle.status();
    let rates = |config: &Config| (config.video.bitrate_kbps, config.rates());
    let mut known = rates(&held.borrow_and_update());
    let mut rate = known.1.map(Rate::new);
    let mut lowers = false;
    tokio::spawn(async move {
        loop {
            tokio::select! {
                changed = status.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    // A recording that should have its own encode and has none may be what is to be protected.
                    let protect = held.borrow().video.protect;
                    let may_lower = protect == Protect::Stream || media.borrow().stats.recording_kbps.is_some();
                    if std::mem::replace(&mut lowers, may_lower) && !may_lower {
                        // What was the stream's alone is the recording's too from now on.
                        rate = known.1.map(Rate::new);
                        bitrate.send_if_modified(|told| told.is_some() && told.replace(known.0) != Some(known.0));
                    }
                    let look = |rate: &mut Rate| rate.look(clock.now(), &status.borrow_and_update());
                    let lowered = rate.as_mut().filter(|_| may_lower).and_then(look);
                    if lowered.is_some() {
                        bitrate.send_replace(lowered);
                    }
                }
                changed = held.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let now = rates(&held.borrow_and_update());
                    if now == known {
                        continue;
                    }
                    rate = now.1.map(Rate::new);
                    // What was told of another range does not hold any more.
                    bitrate.send_if_modified(|told| told.is_some() && told.replace(now.0) != Some(now.0));
                    known = now;
                }
            }
        }
    });
}
