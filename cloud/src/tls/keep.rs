//! Follows the certificate: reads it when its files change and on SIGHUP, renews the server's own, warns before it ends.
#![allow(clippy::disallowed_methods, reason = "a driver: it looks at the files every little while")]

use super::{Origin, Pair, Tls, own};
use crate::alarm::Alarms;
use crate::clock::{Clock, Timestamp};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::Signal;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// A configured certificate that ends within this time is told of.
const WARNED: Duration = Duration::from_secs(14 * 24 * 3600);
/// A new certificate cannot be used.
const BROKEN: &str = "tls-certificate";
/// The certificate ends soon, or has ended.
const ENDS: &str = "tls-certificate-ends";

/// What tells a changed file: a copy over it, a rename onto it, and a link that leads elsewhere.
type Look = [Option<(u64, u64, i64, i64)>; 2];

/// Follows the certificate until `stop` is cancelled.
pub(crate) async fn run(tls: Tls, alarms: Alarms, clock: Clock, mut hangup: Signal, stop: CancellationToken) {
    let mut ticks = interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut seen = tls.look();
    let mut judged = seen;
    loop {
        let asked = tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => false,
            Some(()) = hangup.recv() => true,
        };
        let now = clock.now();
        let looked = tls.look();
        // Certificate and key are written one after the other: they are read once they stand still.
        let is_still = std::mem::replace(&mut seen, looked) == looked;
        if asked || (is_still && looked != judged) || tls.is_due(now) {
            judged = looked;
            tls.replace(&alarms, now);
        }
        if matches!(*tls.0.origin, Origin::Files { .. }) {
            warn(&alarms, &tls.current(), now);
        }
    }
}

fn warn(alarms: &Alarms, pair: &Pair, now: Timestamp) {
    if pair.ends > now.plus(WARNED) {
        return alarms.clear(ENDS);
    }
    let verb = if pair.ends > now { "ends" } else { "has ended" };
    alarms.raise(
        ENDS,
        format!(
            "The certificate {verb} at {}: put a new one and its key into `tls.certificate_file` and \
             `tls.key_file`; they are read by themselves.",
            pair.ends
        ),
    );
}

impl Tls {
    fn look(&self) -> Look {
        let of = |path: &Path| {
            let data = fs::metadata(path).ok()?;
            Some((data.ino(), data.len(), data.mtime(), data.mtime_nsec()))
        };
        match &*self.0.origin {
            Origin::Files { certificate, key } => [of(certificate), of(key)],
            Origin::Own(_) | Origin::Acme(..) => [None, None],
        }
    }

    fn is_due(&self, now: Timestamp) -> bool {
        match &*self.0.origin {
            Origin::Own(_) => own::is_due(&self.current(), now),
            // Once an authority's has ended, the server's own is served again.
            Origin::Acme(..) => self.current().ends <= now,
            Origin::Files { .. } => false,
        }
    }

    /// Takes the certificate that is there now, if it can be used.
    pub(super) fn replace(&self, alarms: &Alarms, now: Timestamp) {
        match self.0.origin.read(now) {
            Ok(pair) => {
                alarms.clear(BROKEN);
                if pair.served.cert != self.current().served.cert {
                    tracing::info!(ends = %pair.ends, fingerprint = pair.fingerprint, "a new certificate is used");
                    self.0.current.pair.send_replace(Arc::new(pair));
                }
            }
            Err(error) => alarms.raise(
                BROKEN,
                format!("The new certificate cannot be used, and the old one stays in use: {error}."),
            ),
        }
    }
}
