//! An event's task as runs of its timeline begin, go on and end.

use stagebox_media::cmaf::{CmafError, TrackFormat};
use stagebox_media::{Frame, Track};

use super::driver::Driver;
use super::lane::Packaged;
use super::rendition::Rendition;
use super::scaling::Plan;
use super::slates::SlateRun;
use super::timeline::{RunStart, Source};

impl Driver {
    /// The heights of the renditions that are wanted of the next broadcast.
    pub(super) fn ladder(&self) -> &[u16] {
        let usual = self.around.workshop.as_ref().map_or(&[][..], |workshop| &workshop.ladder);
        let details = &self.view.details;
        if details.transcode { details.resolutions.as_deref().unwrap_or(usual) } else { &[] }
    }

    pub(super) fn frame(&mut self, frame: Frame, out: &mut Vec<Packaged>) {
        self.pushes.frame(&frame);
        if let Some(slate) = &mut self.slate_run {
            let pushes = &mut self.pushes;
            let shown =
                slate.frame(frame, &mut self.segmenter, out, |name, packet| pushes.scaled(name, packet));
            if let Err(error) = shown {
                tracing::error!(event = %self.stream.event, %error, "a slate cannot be packaged");
            }
            return;
        }
        if frame.track == Track::Video {
            self.scaling.push(&frame);
        }
        self.segmenter.frame(frame, out);
    }

    pub(super) fn begin(&mut self, start: &RunStart, out: &mut Vec<Packaged>) {
        let event = self.stream.event;
        let began = match start.source {
            Source::Slate => {
                self.scaling.abandon(&mut self.segmenter, out);
                let begun = SlateRun::begin(&self.slates, start, &mut self.segmenter, out);
                begun.map(|run| {
                    self.pushes.begin(start.video.as_ref(), start.audio.as_ref(), run.renditions());
                    run.configs().for_each(|(name, config)| self.pushes.scaled(name, &config));
                    self.slate_run = Some(run);
                })
            }
            Source::Input(_) => self.begin_broadcast(start, out),
        };
        match began {
            Ok(()) => {
                let (video, audio) = (start.video.is_some(), start.audio.is_some());
                tracing::info!(%event, source = ?start.source, video, audio, "the picture comes from here");
            }
            Err(error) => tracing::warn!(%event, %error, "a broadcast cannot be packaged"),
        }
    }

    fn begin_broadcast(&mut self, start: &RunStart, out: &mut Vec<Packaged>) -> Result<(), CmafError> {
        let ladder = self.ladder().to_vec();
        let workshop = self.around.workshop.as_ref();
        let plan = start.video.as_ref().and_then(|config| Plan::of(workshop, &ladder, config));
        let scaled: Vec<_> = plan.iter().flat_map(Plan::renditions).collect();
        let renditions: Vec<Rendition> = scaled.iter().map(|(rendition, _)| *rendition).collect();
        let run = self.segmenter.begin(start, &renditions, out)?;
        self.pushes.begin(start.video.as_ref(), start.audio.as_ref(), renditions.iter().copied());
        self.sizes.clear();
        let shown = start.video.as_ref().and_then(|config| TrackFormat::parse(config).ok()?.resolution());
        self.sizes.extend(shown.map(|size| (Rendition::Source, size)));
        self.sizes.extend(scaled);
        for (rendition, peak_bps) in plan.iter().flat_map(|plan| plan.peaks(self.segmenter.segment_ms())) {
            self.stream.set_peak(rendition, peak_bps);
        }
        self.slates.follows(start);
        if self.is_slated {
            self.prepare_slates();
            self.timeline.replace_slate(self.slates.whole());
        }
        self.scaling.begin(run, plan);
        Ok(())
    }

    pub(super) fn end_run(&mut self, out: &mut Vec<Packaged>) {
        self.segmenter.end(out);
        if let Some(slate) = self.slate_run.take() {
            slate.end(&mut self.segmenter, out);
        }
        self.scaling.end(self.segmenter.next_msn());
    }
}
