//! What an event shows and records, by its status: one of its inputs or the slate, and word of it.

use super::driver::Driver;
use super::slates::Made;
use super::timeline::Source;
use crate::event::{EventStatus, EventView, Input, OnAir};

impl Driver {
    /// Brings what is recorded and shown in line with the event's status.
    pub(super) async fn follow_status(&mut self, view: &EventView) {
        self.is_started = view.status == EventStatus::Started;
        let mut out = Vec::new();
        if self.timeline.source().is_some() {
            self.record().await;
        }
        if !self.is_started && self.span.is_running() {
            self.stream.set_public_from(None);
            let to = if view.status == EventStatus::Ended {
                self.end_run(&mut out);
                self.segmenter.next_msn()
            } else {
                self.segmenter.cut_now(&mut out)
            };
            self.publish(out).await;
            self.span.end(to).await;
            self.warn(None).await;
        }
        self.follow_slate(self.is_started).await;
        self.note_on_air().await;
        self.show();
    }

    /// Begins the recording of a started event with the first thing that there is to see.
    pub(super) async fn record(&mut self) {
        if self.is_started && !self.span.is_running() {
            let from = self.segmenter.cut_at_key();
            self.span.begin(from).await;
            self.show();
        }
    }

    /// Lets viewers see what is recorded, or what will be.
    fn show(&self) {
        let coming = self.is_started.then(|| self.segmenter.next_msn());
        self.stream.set_public_from(self.span.first_segment().or(coming));
    }

    /// Takes a clip that is ready.
    pub(super) async fn slate_made(&mut self, made: Made) {
        if self.slates.take(made) && self.is_slated {
            self.set_slate().await;
        }
    }

    /// Has a started event show the slate while nothing is broadcast, and no other.
    pub(super) async fn follow_slate(&mut self, is_started: bool) {
        let is_slated = is_started && self.slate_wanted;
        if self.is_slated == is_slated {
            return;
        }
        self.is_slated = is_slated;
        if is_slated {
            self.prepare_slates();
        }
        self.set_slate().await;
    }

    pub(super) fn prepare_slates(&mut self) {
        let ladder = self.around.workshop.as_ref().map_or(&[][..], |workshop| &workshop.ladder);
        self.slates.prepare(&self.sizes, ladder);
    }

    async fn set_slate(&mut self) {
        let slate = self.slates.whole().filter(|_| self.is_slated);
        let mut timed = Vec::new();
        self.timeline.set_slate(self.now(), slate, &mut timed);
        self.package(timed).await;
    }

    /// Says in the event what is shown, where that has changed.
    pub(super) async fn note_on_air(&mut self) {
        let on_air = self.timeline.source().map(|source| match source {
            Source::Input(Input::Main) => OnAir::Main,
            Source::Input(Input::Backup) => OnAir::Backup,
            Source::Slate => OnAir::Slate,
        });
        if on_air == self.on_air || self.stream.hold.is_lost() {
            return;
        }
        let event = &self.stream.event;
        match self.around.events.set_on_air(event, on_air).await {
            Ok(()) => self.on_air = on_air,
            Err(error) => tracing::error!(%event, %error, "cannot say in the event what is shown"),
        }
    }
}
