//! What is shown while an event is started and nothing is broadcast: a clip for each rendition, made beforehand.

use std::collections::BTreeMap;
use std::path::PathBuf;

use stagebox_media::{Frame, Packet, Track, TrackConfig};
use tokio::sync::mpsc;

use super::lane::Packaged;
use super::rendition::Rendition;
use super::segmenter::Segmenter;
use super::silence::Silence;
use super::timeline::{RunStart, Slate};
use crate::transcode::{self, CLIP_RATE, Clip, Still};

/// What an event that has had no broadcast yet is shown in.
const USUAL_SIZE: (u32, u32) = (1280, 720);
/// Clips that may wait to be taken.
const QUEUE: usize = 8;
const PICTURE_NS: i64 = 1_000_000_000 / CLIP_RATE as i64;

/// A clip that is ready, or why there is none.
#[derive(Debug)]
pub(super) struct Made {
    rendition: Rendition,
    size: (u32, u32),
    clip: Result<Clip, transcode::ClipError>,
}

/// The clips of one event.
pub(super) struct Slates {
    /// The program that makes them.
    program: Option<PathBuf>,
    /// The line on them.
    text: String,
    /// Of what came last, so that players need be told little.
    sound: Option<TrackConfig>,
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
        Self { program, text, sound: None, sizes, clips, sender, receiver }
    }

    /// Has the clips made that are not there, the event being watched in `sizes`.
    pub(super) fn prepare(&mut self, sizes: &BTreeMap<Rendition, (u32, u32)>) {
        let usual = BTreeMap::from([(Rendition::Source, USUAL_SIZE)]);
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
            let clip = transcode::clip(&program, still).await;
            // Nobody is there to take it once the event has ended.
            let _ = sender.send(Made { rendition, size, clip }).await;
        });
    }

    /// The next clip that is ready.
    pub(super) async fn next(&mut self) -> Option<Made> {
        self.receiver.recv().await
    }

    /// Takes a clip; whether it is one that is wanted.
    pub(super) fn take(&mut self, made: Made) -> bool {
        let is_wanted = self.sizes.get(&made.rendition) == Some(&made.size);
        match made.clip {
            Ok(clip) if is_wanted => {
                self.clips.insert(made.rendition, clip);
                true
            }
            Ok(_) => false,
            Err(error) => {
                tracing::error!(rendition = %made.rendition, %error, "no slate");
                self.sizes.remove(&made.rendition);
                false
            }
        }
    }

    /// Notes what sound a broadcast has.
    pub(super) fn sounds_like(&mut self, sound: Option<&TrackConfig>) {
        if let Some(sound) = sound {
            self.sound = Some(sound.clone());
        }
    }

    /// The slate of a rendition, once it is there.
    pub(super) fn slate(&self, rendition: Rendition) -> Option<Slate> {
        let (clip, silence) = (self.clips.get(&rendition)?.clone(), Silence::like(self.sound.as_ref()));
        let Silence { config, frame, sample_rate } = silence;
        Slate::new(clip.config, clip.pictures, PICTURE_NS, config, frame, sample_rate)
    }

    /// The slates of the smaller renditions.
    fn smaller(&self) -> Vec<(Rendition, Slate)> {
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
    ) -> Result<Self, stagebox_media::cmaf::CmafError> {
        let smaller = slates.smaller();
        let names: Vec<Rendition> = smaller.iter().map(|(name, _)| *name).collect();
        let run = segmenter.begin(start, &names, out)?;
        for (name, slate) in &smaller {
            segmenter.scaled(*name, Packet::Config(slate.video().clone()), out)?;
        }
        Ok(Self { run, pictures: 0, smaller })
    }

    /// Shows in the smaller renditions what a frame of the slate shows.
    pub(super) fn frame(
        &mut self,
        frame: &Frame,
        segmenter: &mut Segmenter,
        out: &mut Vec<Packaged>,
    ) -> Result<(), stagebox_media::cmaf::CmafError> {
        if frame.track != Track::Video {
            return Ok(());
        }
        for (name, slate) in &self.smaller {
            let picture = slate.picture(self.pictures, frame.pts_ns);
            segmenter.scaled(*name, Packet::Frame(picture), out)?;
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
