//! What an event shows and records, by its status: one of its inputs or the slate, and word of it.

use super::driver::Driver;
use super::slates::Made;
use super::stream::lock;
use super::timeline::Source;
use crate::event::{EventStatus, EventView, Input, LONGEST, OnAir, Record};
use crate::recording::RecordingKind;

impl Driver {
    /// Brings what is recorded and shown in line with the event's status.
    pub(super) async fn follow_status(&mut self, view: &EventView) {
        self.stream.follow_keys(view, self.around.clock.instant(), self.around.clock.now());
        self.view = view.clone();
        let (is_started, has_ended) = (self.is_started(), self.has_ended());
        let mut out = Vec::new();
        if self.timeline.source().is_some() && !has_ended {
            self.record().await;
        }
        if !is_started {
            self.stream.set_public_from(None);
        }
        if self.span.is_running() && !is_started && (has_ended || !self.span.is_dvr()) {
            let to = if has_ended {
                self.end_run(&mut out);
                self.segmenter.next_msn()
            } else {
                self.segmenter.cut_now(&mut out)
            };
            self.publish(out).await;
            self.span.end(to).await;
            self.warn(None).await;
        }
        self.follow_slate(is_started).await;
        self.note_on_air().await;
        self.show().await;
        lock(&self.stream.vitals).set_running(self.now(), is_started);
        self.pushes.follow(view.simulcasts, is_started).await;
    }

    /// Whether viewers see the event.
    pub(super) fn is_started(&self) -> bool {
        self.view.status == EventStatus::Started
    }

    /// Whether it is over: what is still packaged belongs to it.
    fn has_ended(&self) -> bool {
        self.view.status == EventStatus::Ended
    }

    /// Begins the recording of a started event, or a DVR of any, with the first thing that there is to see.
    pub(super) async fn record(&mut self) {
        let is_dvr = self.view.details.record == Record::Dvr;
        if !self.span.is_running() && (self.is_started() || is_dvr) {
            let kind = if is_dvr { RecordingKind::Dvr } else { RecordingKind::Recording };
            let from = self.segmenter.cut_at_key();
            self.span.begin(from, kind).await;
            self.show().await;
        }
    }

    /// Ends a recording that is as long as one may be; what comes is another one.
    pub(super) async fn limit_recording(&mut self) {
        let now = self.around.clock.now();
        if self.has_ended() || self.span.began_at().is_none_or(|began| began.plus(LONGEST) > now) {
            return;
        }
        let shown_from = self.span.first_shown();
        let to = self.segmenter.cut_at_key();
        self.span.end(to).await;
        self.record().await;
        // Viewers go on seeing what they could see.
        if self.is_started() && shown_from.is_some() {
            self.span.show(shown_from).await;
            self.stream.set_public_from(shown_from);
        }
    }

    /// Lets viewers see what is recorded, or what will be.
    async fn show(&mut self) {
        if !self.is_started() {
            self.span.show(None).await;
            self.stream.set_public_from(None);
            return;
        }
        if self.span.is_dvr() && self.span.first_shown().is_none() {
            let from = self.segmenter.cut_at_key();
            self.span.show(Some(from)).await;
        }
        self.stream.set_public_from(self.span.first_shown().or(Some(self.segmenter.next_msn())));
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
        let ladder = self.ladder().to_vec();
        self.slates.prepare(&self.sizes, &ladder);
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
