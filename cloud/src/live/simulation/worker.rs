//! Workers that make a smaller rendition, as the packager sees them: late, and gone at times.

use std::collections::VecDeque;

use rand::Rng as _;
use rand::rngs::SmallRng;
use stagebox_media::{Epoch, Frame, Packet, Track, TrackConfig};

use crate::live::lane::Packaged;
use crate::live::rendition::Rendition;
use crate::live::segmenter::Segmenter;
use crate::live::segmenter::tests::video_config;

const MS_NS: u64 = 1_000_000;
/// What an ended run's worker may still deliver is given up after this long.
const DRAIN_NS: u64 = 2_000 * MS_NS;
/// The only rendition that is made.
pub(super) const SMALL: Rendition = Rendition::Scaled(360);

/// The worker of one run.
#[derive(Debug)]
struct Worker {
    run: u64,
    /// When it delivers what, and whether its configuration goes before.
    queue: VecDeque<(u64, Frame)>,
    lag_ns: u64,
    ready_ns: u64,
    is_new: bool,
    /// It goes on at the next key frame only.
    broken: bool,
    over: bool,
    dropped: bool,
}

/// The workers of an event.
#[derive(Debug, Default)]
pub(super) struct Workers {
    workers: VecDeque<Worker>,
    /// Until when the newest ended run is waited for, and the first segment after it.
    drain: Option<(u64, u64)>,
    /// One did not deliver all.
    pub(super) lost: bool,
}

fn config() -> TrackConfig {
    TrackConfig { epoch: Epoch::UNKNOWN, ..video_config() }
}

impl Workers {
    pub(super) fn begin(&mut self, now_ns: u64, run: u64, dice: &mut SmallRng) {
        self.workers.push_back(Worker {
            run,
            queue: VecDeque::new(),
            lag_ns: dice.random_range(5..700) * MS_NS,
            ready_ns: now_ns + dice.random_range(50..1_500) * MS_NS,
            is_new: true,
            broken: false,
            over: false,
            dropped: false,
        });
    }

    pub(super) fn push(&mut self, now_ns: u64, frame: &Frame) {
        let Some(worker) = self.workers.back_mut().filter(|worker| !worker.over && !worker.dropped) else {
            return;
        };
        worker.broken &= !frame.key;
        if frame.track == Track::Video && !worker.broken {
            let made = Frame { dts_ns: frame.pts_ns, epoch: Epoch::UNKNOWN, ..frame.clone() };
            worker.queue.push_back(((now_ns + worker.lag_ns).max(worker.ready_ns), made));
        }
    }

    /// No more pictures of the newest run come.
    pub(super) fn end(&mut self, now_ns: u64, next_msn: u64) {
        if let Some(worker) = self.workers.back_mut().filter(|worker| !worker.over) {
            worker.over = true;
            self.drain = Some((now_ns + DRAIN_NS, next_msn));
        }
    }

    /// The newest worker dies, and another one goes on with the next key frame; or it is given up.
    pub(super) fn die(&mut self, segmenter: &mut Segmenter, for_good: bool, out: &mut Vec<Packaged>) {
        let Some(worker) = self.workers.back_mut().filter(|worker| !worker.over) else { return };
        worker.queue.clear();
        self.lost = true;
        if for_good {
            worker.dropped = true;
            segmenter.scaled_dropped(SMALL, worker.run, out);
        } else {
            worker.broken = true;
            worker.is_new = true;
            segmenter.scaled_lost(SMALL, out);
        }
    }

    /// A slate is to be seen where they would come.
    pub(super) fn abandon(&mut self, segmenter: &mut Segmenter, out: &mut Vec<Packaged>) {
        self.drain = None;
        for worker in self.workers.drain(..) {
            segmenter.scaled_end(SMALL, worker.run, out);
        }
    }

    pub(super) fn next_ns(&self) -> Option<u64> {
        let delivers = self.workers.iter().filter_map(|worker| Some(worker.queue.front()?.0));
        delivers.chain(self.drain.map(|(until_ns, _)| until_ns)).min()
    }

    /// Delivers what is due.
    pub(super) fn tick(&mut self, now_ns: u64, segmenter: &mut Segmenter, out: &mut Vec<Packaged>) {
        for worker in &mut self.workers {
            while let Some((_, frame)) = worker.queue.pop_front_if(|(at_ns, _)| *at_ns <= now_ns) {
                if std::mem::take(&mut worker.is_new) {
                    segmenter.scaled(SMALL, Packet::Config(config()), out).unwrap();
                }
                segmenter.scaled(SMALL, Packet::Frame(frame), out).unwrap();
            }
        }
        while let Some(done) = self.workers.pop_front_if(|worker| worker.over && worker.queue.is_empty()) {
            segmenter.scaled_end(SMALL, done.run, out);
            if self.workers.iter().all(|worker| !worker.over) {
                self.drain = None;
            }
        }
        if let Some((_, next_msn)) = self.drain.take_if(|(until_ns, _)| *until_ns <= now_ns) {
            segmenter.close_before(next_msn, out);
            self.lost = true;
        }
    }
}
