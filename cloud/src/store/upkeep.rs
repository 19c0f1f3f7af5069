//! Looks after the store while it is in use: tells what is wrong, has it mended, and rewrites it when that is worth it.
#![allow(clippy::disallowed_methods, reason = "a driver: it comes round every little while")]

use super::{Progress, Store, StoreError};
use crate::alarm::Alarms;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// How often it is looked whether the store takes what is new.
const LOOK: Duration = Duration::from_secs(1);
/// How often it is looked whether the embedded store has grown far beyond what it holds.
const REWRITE: Duration = Duration::from_secs(600);
/// The disk has no room for what is new.
const DISK_FULL: &str = "store-disk-full";
/// The store fails for another reason.
const FAILED: &str = "store-failed";

/// Looks after a store until `stop` is cancelled; the store is closed after that.
pub async fn run(store: Store, alarms: Alarms, stop: CancellationToken) {
    let work = async { tokio::join!(look(&store, &alarms), rewrite(&store, &stop)) };
    tokio::select! {
        () = stop.cancelled() => {}
        ((), ()) = work => {}
    }
}

async fn look(store: &Store, alarms: &Alarms) {
    let mut ticks = interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        // Where writers stay away since they hear that it is not ready, nobody else would have it tried.
        if store.trouble().is_some() && !store.is_healthy() {
            store.mend().await;
        }
        tell(alarms, store.trouble().as_ref());
    }
}

/// Raises what holds now and clears what does not.
fn tell(alarms: &Alarms, trouble: Option<&StoreError>) {
    let now = trouble.map(|trouble| match trouble {
        // Without the numbers that change all the time.
        StoreError::Full { reserve_mib, .. } => (
            DISK_FULL,
            format!(
                "The disk of the store has less than {reserve_mib} MiB free (`store.reserve_mib`): nothing new is \
                 taken in, events can still be ended. Free some space."
            ),
        ),
        StoreError::OverLimit { max_mib, .. } => (
            DISK_FULL,
            format!(
                "The store has reached its limit of {max_mib} MiB (`store.max_mib`): nothing new is taken in, events \
                 can still be ended. Raise the limit if the database server has room, or remove what is not needed \
                 and have the tables made smaller there (VACUUM FULL)."
            ),
        ),
        StoreError::NoRoom => (DISK_FULL, StoreError::NoRoom.to_string()),
        other => (FAILED, format!("{other}; it is opened again, and nothing is written until then")),
    });
    for name in [DISK_FULL, FAILED] {
        match &now {
            Some((held, words)) if *held == name => alarms.raise(name, words.clone()),
            _ => alarms.clear(name),
        }
    }
}

/// Rewrites the embedded store whenever that is worth it.
async fn rewrite(store: &Store, stop: &CancellationToken) {
    loop {
        tokio::time::sleep(REWRITE).await;
        // What is broken shows what is not on disk, and one that has no room cannot hold a second copy.
        if store.trouble().is_some() {
            continue;
        }
        let progress = Progress::new(|_, _| {}, stop.clone());
        match store.rewrite_if_due(&progress).await {
            // Tried again in its turn: an operator copies or rewrites it just now.
            Ok(_) | Err(StoreError::Busy | StoreError::Cancelled) => {}
            Err(error) => tracing::warn!(%error, "the store could not be rewritten; it is used as it is"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, Timestamp};

    #[test]
    fn an_alarm_holds_as_long_as_its_trouble() {
        let alarms = Alarms::new(Clock::manual(Timestamp::from_unix_ms(0)));
        let names = || alarms.list().iter().map(|alarm| alarm.name).collect::<Vec<_>>();
        tell(&alarms, None);
        assert!(names().is_empty());
        tell(&alarms, Some(&StoreError::Full { free_mib: 7, reserve_mib: 256 }));
        let first = alarms.list();
        assert!(
            first[0].words.contains("256 MiB") && first[0].words.contains("store.reserve_mib"),
            "{first:?}"
        );
        let mut changes = alarms.subscribe();
        tell(&alarms, Some(&StoreError::Full { free_mib: 6, reserve_mib: 256 }));
        assert!(!changes.has_changed().unwrap(), "pages are told of each MiB");
        tell(&alarms, Some(&StoreError::OverLimit { size_mib: 41, max_mib: 40 }));
        let words = alarms.list()[0].words.clone();
        assert!(words.contains("40 MiB (`store.max_mib`)"), "{words}");
        changes.mark_unchanged();
        tell(&alarms, Some(&StoreError::NoRoom));
        assert!(changes.has_changed().unwrap());
        changes.mark_unchanged();
        tell(&alarms, Some(&StoreError::Engine("no such device".to_owned())));
        assert_eq!(names(), [FAILED]);
        tell(&alarms, None);
        assert!(names().is_empty());
    }
}
