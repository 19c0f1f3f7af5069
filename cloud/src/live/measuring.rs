//! An event's task as it measures: once a second it looks, tells the pages and keeps what is to be kept.
#![allow(clippy::disallowed_methods, reason = "a driver: it looks every second")]

use std::time::{Duration, Instant};

use super::driver::Driver;
use super::stream::lock;
use super::vitals::EventHealth;
use crate::store::StoreError;

const SECOND: Duration = Duration::from_secs(1);

impl Driver {
    /// When a second is over in which something was measured or pushed.
    pub(super) fn next_look(&self) -> Option<Instant> {
        let measured = lock(&self.stream.vitals).next_deadline();
        let pushed = (self.pushes.is_busy() || self.is_started()).then(|| self.looked_at + SECOND);
        measured.into_iter().chain(pushed).min()
    }

    pub(super) async fn look(&mut self) {
        let now = self.now();
        self.looked_at = now.instant;
        let (news, unkept) = {
            let mut vitals = lock(&self.stream.vitals);
            vitals.tick(now);
            (vitals.news(), vitals.take_unkept(false))
        };
        self.listen().await;
        // What could not be read is tried again.
        self.pushes.follow(self.view.simulcasts, self.is_started()).await;
        let tellers = &self.around.tellers;
        if tellers.is_heard() {
            let event = &self.stream.event;
            if let Some(news) = news {
                tellers.tell(self.view.account, event, "health", "inputs", &news);
            }
            if let Some(news) = self.pushes.news() {
                tellers.tell(self.view.account, event, "simulcasts", "simulcasts", &news);
            }
        }
        if let Some(minutes) = unkept {
            self.keep_health(minutes).await;
        }
    }

    /// Keeps all that was measured, as nothing more is to come.
    pub(super) async fn finish_health(&mut self) {
        let now = self.now();
        let unkept = {
            let mut vitals = lock(&self.stream.vitals);
            vitals.finish(now);
            vitals.take_unkept(true)
        };
        if let Some(minutes) = unkept {
            self.keep_health(minutes).await;
        }
    }

    async fn keep_health(&self, minutes: std::collections::BTreeMap<crate::event::Input, String>) {
        if self.stream.hold.is_lost() {
            return;
        }
        let new = EventHealth { event: self.stream.event, account: self.view.account, minutes };
        let kept = async {
            let store = &self.around.store;
            let old = store.get::<EventHealth>(self.stream.event).await?;
            let batch = match &old {
                Some(old) => store.batch().update(old, &new),
                None => store.batch().create(&new),
            };
            store.commit(batch).await?;
            Ok::<_, StoreError>(())
        };
        if let Err(error) = kept.await {
            // What was measured since is kept with the next minutes.
            tracing::warn!(event = %self.stream.event, %error, "cannot keep how well an event's broadcasts arrive");
        }
    }
}
