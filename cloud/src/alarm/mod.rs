//! Conditions that an operator should know of: raised while they last, cleared when they are over.
//!
//! A slice raises one by name, with words that say what is wrong, what it means and
//! what to do. They are kept in memory only: whoever raises one finds out anew after
//! a restart. Pages follow them, `/metrics` counts them, and the log has each one
//! once when it comes and once when it goes.

mod http;
mod listing;

pub use http::{Operations, routes};
pub(crate) use listing::LISTING;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use tokio::sync::watch;
use utoipa::ToSchema;

use crate::clock::{Clock, Timestamp};

/// A condition that lasts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Alarm {
    /// Which condition: short, in lower case, with hyphens.
    pub name: &'static str,
    /// What is wrong, what it means, and what to do.
    pub words: String,
    /// Since when.
    pub since: Timestamp,
}

/// All alarms of the server; cloned freely.
#[derive(Debug, Clone)]
pub struct Alarms(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clock: Clock,
    raised: Mutex<BTreeMap<&'static str, Alarm>>,
    /// Counts changes.
    changes: watch::Sender<u64>,
}

impl Alarms {
    /// Makes the handle; nothing is wrong yet.
    pub fn new(clock: Clock) -> Self {
        Self(Arc::new(Inner { clock, raised: Mutex::default(), changes: watch::Sender::new(0) }))
    }

    /// Says that a condition holds; one that is raised already takes the new words and keeps its time.
    pub fn raise(&self, name: &'static str, words: impl Into<String>) {
        let words = words.into();
        {
            let mut raised = self.raised();
            match raised.get_mut(name) {
                Some(alarm) if alarm.words == words => return,
                Some(alarm) => alarm.words = words,
                None => {
                    tracing::warn!(alarm = name, "{words}");
                    raised.insert(name, Alarm { name, words, since: self.0.clock.now() });
                }
            }
        }
        self.0.changes.send_modify(|changes| *changes += 1);
    }

    /// Says that a condition is over; one that was not raised is left alone.
    pub fn clear(&self, name: &'static str) {
        if self.raised().remove(name).is_some() {
            tracing::info!(alarm = name, "this is over");
            self.0.changes.send_modify(|changes| *changes += 1);
        }
    }

    /// What is wrong now, by name.
    pub fn list(&self) -> Vec<Alarm> {
        self.raised().values().cloned().collect()
    }

    /// Wakes at each change.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }

    fn raised(&self) -> MutexGuard<'_, BTreeMap<&'static str, Alarm>> {
        self.0.raised.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn an_alarm_keeps_its_time_and_wakes_only_at_a_change() {
        let clock = Clock::manual(Timestamp::from_unix_ms(1_000));
        let alarms = Alarms::new(clock.clone());
        let mut changes = alarms.subscribe();
        alarms.clear("disk-full");
        assert!(!changes.has_changed().unwrap());
        alarms.raise("disk-full", "half");
        clock.advance(Duration::from_secs(1));
        alarms.raise("disk-full", "all");
        let [alarm] = &alarms.list()[..] else { panic!("{:?}", alarms.list()) };
        assert_eq!((alarm.words.as_str(), alarm.since.unix_ms()), ("all", 1_000));
        assert_eq!(*changes.borrow_and_update(), 2);
        alarms.raise("disk-full", "all");
        assert!(!changes.has_changed().unwrap());
        alarms.clear("disk-full");
        assert!(changes.has_changed().unwrap() && alarms.list().is_empty());
    }
}
