//! What is shown while an event is started and nothing is broadcast: a clip for each rendition, made beforehand.
#![allow(clippy::disallowed_methods, reason = "a driver: it waits before it tries again")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use stagebox_media::cmaf::CmafError;
use stagebox_media::{Frame, Packet, Track, TrackConfig};
use tokio::sync::mpsc;

use super::lane::Packaged;
use super::rendition::Rendition;
use super::segmenter::Segmenter;
use super::timeline::{RunStart, Silence, Slate};
use crate::transcode::{self, CLIP_RATE, Clip, SourceSize, Still};

/// What an event that has had no broadcast yet is shown in.
const USUAL_SIZE: (u32, u32) = (1280, 720);
/// After a clip could not be made.
const AGAIN: Duration = Duration::from_secs(10);
/// Clips that may wait to be taken.
const QUEUE: usize = 8;
const PICTURE_NS: i64 = 1_000_000_000 / CLIP_RATE as i64;

/// A clip that is ready.
#[derive(Debug)]
pub(super) struct Made {
    rendition: Rendition,
    size: (u32, u32),
    clip: Clip,
}

/// What a broadcast consists of.
struct Tracks {
    has_pictures: bool,
    /// So that players need be told little.
    sound: Option<TrackConfig>,
}

/// The clips of one event.
pub(super) struct Slates {
    /// The program that makes them.
    program: Option<PathBuf>,
    /// The line on them.
    text: String,
    /// What the newest broadcast had; unknown before the first one.
    tracks: Option<Tracks>,
    /// What is ready or being made.
    sizes: BTreeMap<Rendition, (u32, u32)>,
    clips: BTreeMap<Rendition, Clip>,
    sender: mpsc::Sender<Made>,
    receiver: mpsc::Receiver<Made>,
}

impl Slates {
    pub(super) fn new(program: Option<PathBuf>, text: String) -> Self {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let (sizes, clips) = (BTreeMap::new(), BTreeMap::new());
        Self { program, text, tracks: None, sizes, clips, sender, receiver }
    }

    /// Has the clips made that are not there, the event being watched in `sizes`; before its first broadcast, in the
    /// usual size and those of the `ladder` below it, so that whoever waits has them when it comes.
    pub(super) fn prepare(&mut self, sizes: &BTreeMap<Rendition, (u32, u32)>, ladder: &[u16]) {
        let (width, height) = USUAL_SIZE;
        let usual = SourceSize { width, height, pixel_aspect: (1, 1), frame_rate: None };
        let smaller = transcode::ladder(usual, ladder).into_iter();
        let smaller = smaller.map(|one| (Rendition::Scaled(one.lines()), (one.width, one.height)));
        let usual = smaller.chain([(Rendition::Source, USUAL_SIZE)]).collect();
        let sizes = if sizes.is_empty() { &usual } else { sizes };
        for (rendition, size) in sizes {
            if self.sizes.insert(*rendition, *size) != Some(*size) {
                self.make(*rendition, *size);
            }
        }
    }

    fn make(&self, rendition: Rendition, size: (u32, u32)) {
        let Some(program) = self.program.clone() else { return };
        // Even sides, as 4:2:0 needs.
        let still = Still { width: size.0 & !1, height: size.1 & !1, text: self.text.clone() };
        let sender = self.sender.clone();
        tokio::spawn(async move {
            loop {
                match transcode::clip(&program, still.clone()).await {
                    Ok(clip) => {
                        // Nobody is there to take it once the event has ended.
                        let _ = sender.send(Made { rendition, size, clip }).await;
                        return;
                    }
                    Err(error) => tracing::error!(%rendition, %error, "no slate yet"),
                }
                tokio::select! {
                    () = tokio::time::sleep(AGAIN) => {}
                    () = sender.closed() => return,
                }
            }
        });
    }

    /// The next clip that is ready.
    pub(super) async fn next(&mut self) -> Option<Made> {
        self.receiver.recv().await
    }

    /// Takes a clip; whether it is one that is wanted.
    pub(super) fn take(&mut self, made: Made) -> bool {
        let is_wanted = self.sizes.get(&made.rendition) == Some(&made.size);
        if is_wanted {
            self.clips.insert(made.rendition, made.clip);
        }
        is_wanted
    }

    /// Notes what a broadcast consists of.
    pub(super) fn follows(&mut self, start: &RunStart) {
        let (has_pictures, sound) = (start.video.is_some(), start.audio.clone());
        self.tracks = Some(Tracks { has_pictures, sound });
    }

    /// The slate of the event, once there is one for each of its renditions; none for one that is only heard.
    pub(super) fn whole(&self) -> Option<Slate> {
        let is_heard_only = self.tracks.as_ref().is_some_and(|tracks| !tracks.has_pictures);
        let is_whole = self.sizes.keys().all(|rendition| self.clips.contains_key(rendition));
        if is_heard_only || !is_whole { None } else { self.slate(Rendition::Source) }
    }

    fn slate(&self, rendition: Rendition) -> Option<Slate> {
        let clip = self.clips.get(&rendition)?.clone();
        let silence = match &self.tracks {
            None => Some(Silence::like(None)),
            Some(tracks) => tracks.sound.as_ref().map(|sound| Silence::like(Some(sound))),
        };
        Slate::new(clip.config, clip.pictures, PICTURE_NS, silence)
    }

    /// The slates of the smaller renditions.
    fn smaller(&self) -> Vec<(Rendition, Slate)> {
        // Those of an earlier broadcast too: viewers may be on them.
        let smaller = self.clips.keys().filter(|name| matches!(name, Rendition::Scaled(_)));
        smaller.filter_map(|name| Some((*name, self.slate(*name)?))).collect()
    }
}

/// A run in which the slate is shown, in all renditions.
#[derive(Debug)]
pub(super) struct SlateRun {
    run: u64,
    pictures: u64,
    smaller: Vec<(Rendition, Slate)>,
}

impl SlateRun {
    /// Begins it: no decoder and no encoder runs for it.
    pub(super) fn begin(
        slates: &Slates,
        start: &RunStart,
        segmenter: &mut Segmenter,
        out: &mut Vec<Packaged>,
    ) -> Result<Self, CmafError> {
        let smaller = slates.smaller();
        let names: Vec<Rendition> = smaller.iter().map(|(name, _)| *name).collect();
        let run = segmenter.begin(start, &names, out)?;
        for (name, slate) in &smaller {
            segmenter.scaled(*name, Packet::Config(slate.video().clone()), out)?;
        }
        Ok(Self { run, pictures: 0, smaller })
    }

    /// What it is shown in beside the source.
    pub(super) fn renditions(&self) -> impl Iterator<Item = Rendition> {
        self.smaller.iter().map(|(name, _)| *name)
    }

    /// What decoders of these have to know.
    pub(super) fn configs(&self) -> impl Iterator<Item = (Rendition, Packet)> {
        self.smaller.iter().map(|(name, slate)| (*name, Packet::Config(slate.video().clone())))
    }

    /// Shows a frame of the slate in all renditions, and to `also` in the smaller ones: the source first, which decides where segments begin.
    pub(super) fn frame(
        &mut self,
        frame: Frame,
        segmenter: &mut Segmenter,
        out: &mut Vec<Packaged>,
        mut also: impl FnMut(Rendition, &Packet),
    ) -> Result<(), CmafError> {
        let (track, pts_ns) = (frame.track, frame.pts_ns);
        segmenter.frame(frame, out);
        if track != Track::Video {
            return Ok(());
        }
        for (name, slate) in &self.smaller {
            let picture = Packet::Frame(slate.picture(self.pictures, pts_ns));
            also(*name, &picture);
            segmenter.scaled(*name, picture, out)?;
        }
        self.pictures += 1;
        Ok(())
    }

    /// Ends it, after the source has ended.
    pub(super) fn end(self, segmenter: &mut Segmenter, out: &mut Vec<Packaged>) {
        for (name, _) in self.smaller {
            segmenter.scaled_end(name, self.run, out);
        }
    }
}

#[cfg(test)]
impl Slates {
    /// Clips of two seconds that are ready.
    pub(super) fn ready(renditions: &[Rendition]) -> Self {
        let mut slates = Self::new(None, String::new());
        for rendition in renditions {
            let pictures = (0..50).map(|_| bytes::Bytes::from_static(b"\0\0\0\x01x")).collect();
            let config = super::segmenter::tests::video_config();
            slates.sizes.insert(*rendition, USUAL_SIZE);
            slates.clips.insert(*rendition, Clip { config, pictures });
        }
        slates
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::segmenter::tests::video_config;
    use crate::live::segmenter::{Lengths, Resume};
    use crate::live::timeline::{Now, Policy, Timed, Timeline};

    const SMALL: Rendition = Rendition::Scaled(360);

    #[test]
    fn every_segment_of_every_rendition_begins_with_a_key_frame() {
        let slates = Slates::ready(&[Rendition::Source, SMALL]);
        let lengths = Lengths { part_ms: 500, segment_ms: 2_000 };
        let mut segmenter = Segmenter::new(lengths, Resume::default());
        let mut timeline = Timeline::new(0, Policy::default());
        let start = std::time::Instant::now();
        let now = |ms: u64| Now { instant: start + Duration::from_millis(ms), unix_ms: ms as i64 };
        let (mut timed, mut out, mut run) = (Vec::new(), Vec::new(), None);
        timeline.set_slate(now(0), slates.whole(), &mut timed);
        (0..150).for_each(|step| timeline.tick(now(step * 100), &mut timed));
        for timed in timed {
            match timed {
                Timed::Begin(start) => {
                    run = Some(SlateRun::begin(&slates, &start, &mut segmenter, &mut out).unwrap());
                }
                Timed::Frame(frame) => {
                    run.as_mut().unwrap().frame(frame, &mut segmenter, &mut out, |_, _| {}).unwrap();
                }
                Timed::End => panic!("it ends"),
            }
        }
        for rendition in [Rendition::Source, SMALL] {
            let closed = out.iter().filter_map(|packaged| match packaged {
                Packaged::Close { rendition: name, segment } if *name == rendition => Some(segment),
                _ => None,
            });
            let closed: Vec<_> = closed.collect();
            assert!(closed.len() >= 5, "{rendition}: {}", closed.len());
            assert!(closed.iter().all(|segment| segment.independent && segment.frames == 50), "{closed:?}");
        }
    }

    #[test]
    fn a_slate_is_shown_once_there_is_one_for_each_rendition_and_never_instead_of_sound_alone() {
        let mut slates = Slates::ready(&[Rendition::Source]);
        assert!(slates.whole().is_some());
        slates.sizes.insert(SMALL, (640, 360));
        assert!(slates.whole().is_none());
        slates.sizes.remove(&SMALL);
        let start = |video| RunStart {
            source: crate::live::timeline::Source::Slate,
            video,
            audio: None,
            start_unix_ms: 0,
        };
        slates.follows(&start(None));
        assert!(slates.whole().is_none());
        slates.follows(&start(Some(video_config())));
        assert!(slates.whole().unwrap().audio().is_none(), "no sound was broadcast");
    }
}
