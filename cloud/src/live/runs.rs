//! An event's task as runs of its timeline begin, go on and end.

use std::mem::take;

use stagebox_media::cmaf::{CmafError, TrackFormat};
use stagebox_media::{Frame, Track};

use super::driver::Driver;
use super::lane::Packaged;
use super::rendition::Rendition;
use super::scaling::Plan;
use super::segmenter::Spacing;
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
        self.run_start = Some(start.clone());
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
        let is_far = matches!(start.source, Source::Input(input) if self.far_keys.contains(&input));
        let keys = Some(self.segmenter.grid()).filter(|_| is_far && self.view.details.transcode);
        let plan = start.video.as_ref().and_then(|config| Plan::of(workshop, &ladder, config, keys));
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
        self.is_made = renditions.contains(&Rendition::Source);
        self.scaling.begin(run, plan);
        Ok(())
    }

    /// Encodes a source anew whose key frames are too far apart, and not any more once they are not: from this key
    /// frame on, if it says so.
    pub(super) async fn follow_keys(&mut self, frame: &Frame, out: &mut Vec<Packaged>) {
        let is_far = match self.segmenter.spacing(frame) {
            Some(Spacing::TooFar) => true,
            Some(Spacing::Fine) => false,
            None => return,
        };
        let Some(RunStart { source: Source::Input(input), .. }) = self.run_start else { return };
        let was_far = self.far_keys.contains(&input);
        let can_change = self.around.workshop.is_some() && self.view.details.transcode;
        if is_far == was_far || !can_change {
            return;
        }
        if is_far {
            self.far_keys.insert(input);
        } else {
            self.far_keys.remove(&input);
        }
        tracing::warn!(event = %self.stream.event, %input, is_far, "the source is encoded anew, or not any more");
        let Some(start) = self.run_start.clone() else { return };
        let start_unix_ms = self.segmenter.unix_ms_at(frame.pts_ns).unwrap_or(start.start_unix_ms);
        let beyond = self.end_run(out);
        self.drain_source(out).await;
        self.begin(&RunStart { start_unix_ms, ..start }, out);
        for frame in beyond {
            self.segmenter.frame(frame, out);
        }
        self.warn(self.pause()).await;
    }

    /// What the worker has of the source's own rendition comes before anything else is in it.
    pub(super) async fn drain_source(&mut self, out: &mut Vec<Packaged>) {
        if take(&mut self.is_made) {
            self.publish(take(out)).await;
            self.drain().await;
        }
    }

    /// Why the source is not shown as it is broadcast.
    pub(super) fn made_anew(&self) -> Option<String> {
        self.is_made.then(|| {
            "The source is encoded anew: its key frames are farther apart than a segment may be long. Set a key frame \
             every 2 s in the encoder"
                .to_owned()
        })
    }

    /// Gives back the frames that lie beyond the run's end.
    pub(super) fn end_run(&mut self, out: &mut Vec<Packaged>) -> Vec<Frame> {
        let beyond = self.segmenter.end(out);
        if let Some(slate) = self.slate_run.take() {
            slate.end(&mut self.segmenter, out);
        }
        self.scaling.end(self.segmenter.next_msn());
        beyond
    }
}
