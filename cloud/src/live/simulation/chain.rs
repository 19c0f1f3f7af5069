//! Switcher, packager and window put together as an event's task does it, with virtual time.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::rngs::SmallRng;
use stagebox_media::Packet;

use super::ledger::Ledger;
use super::player::{Marred, Player};
use super::product::Product;
use super::worker::{SMALL, Workers};
use crate::event::Input;
use crate::live::lane::Packaged;
use crate::live::recovery::Index;
use crate::live::rendition::Rendition;
use crate::live::segment::Segment;
use crate::live::segmenter::{Lengths, Resume, Segmenter};
use crate::live::slates::{SlateRun, Slates};
use crate::live::spool::Entry;
use crate::live::timeline::{InputId, Now, Policy, RunStart, Source, Timed, Timeline};
use crate::live::window::{Keep, Window};

const LENGTHS: Lengths = Lengths { part_ms: 500, segment_ms: 2_000 };
/// Parts of frames that came at an uneven pace are listed for so long, at most.
const UNEVEN_NS: u64 = 60_000_000_000;
/// Virtual time begins here.
const EPOCH_MS: i64 = 1_700_000_000_000;

/// What differs from run to run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settings {
    pub(super) policy: Policy,
    pub(super) window_us: u64,
    /// Smaller renditions are made.
    pub(super) transcodes: bool,
    /// All that is made is read back, which takes time.
    pub(super) reads_back: bool,
}

pub(super) struct Chain {
    settings: Settings,
    began: Instant,
    now_ns: u64,
    timeline: Timeline,
    segmenter: Segmenter,
    slates: Slates,
    slate_run: Option<SlateRun>,
    is_slated: bool,
    workers: Workers,
    pub(super) window: Window,
    /// What is on disk: complete segments, and those that grow.
    entries: Vec<Entry>,
    growing: BTreeMap<Rendition, Segment>,
    pub(super) ledger: Ledger,
    pub(super) product: Product,
    pub(super) player: Player,
}

fn keep(settings: &Settings) -> Keep {
    Keep { part_us: u64::from(LENGTHS.part_ms) * 1000, window_us: settings.window_us, memory_us: 30_000_000 }
}

fn slates(settings: &Settings) -> Slates {
    let names: &[Rendition] =
        if settings.transcodes { &[Rendition::Source, SMALL] } else { &[Rendition::Source] };
    Slates::ready(names)
}

impl Chain {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            settings,
            began: Instant::now(),
            now_ns: 0,
            timeline: Timeline::new(0, settings.policy),
            segmenter: Segmenter::new(LENGTHS, Resume::default()),
            slates: slates(&settings),
            slate_run: None,
            is_slated: false,
            workers: Workers::default(),
            window: Window::new(keep(&settings)),
            entries: Vec::new(),
            growing: BTreeMap::new(),
            ledger: Ledger::new(settings.policy),
            product: Product::new(LENGTHS.part_ms),
            player: Player::default(),
        }
    }

    fn now(&self) -> Now {
        let instant = self.began + Duration::from_nanos(self.now_ns);
        Now { instant, unix_ms: EPOCH_MS + (self.now_ns / 1_000_000) as i64 }
    }

    /// Does what is due before a moment or at it, when it is due, as a driver does.
    pub(super) fn run_until(&mut self, until_ns: u64, dice: &mut SmallRng) {
        loop {
            let due = self.timeline.next_deadline(self.now().instant);
            let due_ns = due.map(|at| at.saturating_duration_since(self.began).as_nanos() as u64);
            let next_ns = due_ns.into_iter().chain(self.workers.next_ns()).min();
            let Some(next_ns) = next_ns.filter(|next| *next <= until_ns) else { break };
            assert!(due_ns.is_none_or(|due| due > self.now_ns), "a driver would spin");
            self.now_ns = self.now_ns.max(next_ns);
            self.tick(dice);
        }
        self.now_ns = until_ns;
    }

    fn tick(&mut self, dice: &mut SmallRng) {
        let (mut timed, mut out) = (Vec::new(), Vec::new());
        self.timeline.tick(self.now(), &mut timed);
        self.package(timed, dice);
        self.workers.tick(self.now_ns, &mut self.segmenter, &mut out);
        self.publish(out);
    }

    pub(super) fn join(&mut self, id: InputId, role: Input, encoder: u32) {
        self.timeline.join(id, role);
        self.ledger.join(self.now_ns, id, encoder);
    }

    pub(super) fn leave(&mut self, id: InputId, dice: &mut SmallRng) {
        let mut timed = Vec::new();
        self.ledger.leave(id);
        self.timeline.leave(self.now(), id, &mut timed);
        self.package(timed, dice);
    }

    pub(super) fn packet(&mut self, id: InputId, packet: Packet, dice: &mut SmallRng) {
        let mut timed = Vec::new();
        self.timeline.tick(self.now(), &mut timed);
        self.package(timed, dice);
        if let Packet::Frame(frame) = &packet {
            self.ledger.arrive(self.now_ns, id, frame);
        }
        let mut timed = Vec::new();
        self.timeline.handle(self.now(), id, packet, &mut timed);
        self.package(timed, dice);
    }

    /// Whether something is to be shown while nobody broadcasts.
    pub(super) fn want_slate(&mut self, wanted: bool, dice: &mut SmallRng) {
        let mut timed = Vec::new();
        self.is_slated = wanted;
        let slate = wanted.then(|| self.slates.whole()).flatten();
        self.timeline.set_slate(self.now(), slate, &mut timed);
        self.package(timed, dice);
    }

    pub(super) fn lose_worker(&mut self, for_good: bool) {
        let mut out = Vec::new();
        self.workers.die(&mut self.segmenter, for_good, &mut out);
        self.publish(out);
    }

    fn package(&mut self, timed: Vec<Timed>, dice: &mut SmallRng) {
        let mut out = Vec::new();
        for timed in timed {
            self.ledger.timed(self.now_ns, &timed);
            self.product.timed(self.now_ns, &timed);
            match timed {
                Timed::Begin(start) => {
                    self.product.begin(&start);
                    self.begin(&start, &mut out, dice);
                }
                Timed::Frame(frame) => {
                    if let Some(slate) = &mut self.slate_run {
                        slate.frame(frame, &mut self.segmenter, &mut out, |_, _| {}).unwrap();
                    } else {
                        self.workers.push(self.now_ns, &frame);
                        self.segmenter.frame(frame, &mut out);
                    }
                }
                Timed::End => {
                    self.segmenter.end(&mut out);
                    if let Some(slate) = self.slate_run.take() {
                        slate.end(&mut self.segmenter, &mut out);
                    }
                    self.workers.end(self.now_ns, self.segmenter.next_msn());
                    self.publish(std::mem::take(&mut out));
                    self.product.end();
                }
            }
        }
        self.publish(out);
    }

    fn begin(&mut self, start: &RunStart, out: &mut Vec<Packaged>, dice: &mut SmallRng) {
        if start.source == Source::Slate {
            self.workers.abandon(&mut self.segmenter, out);
            self.slate_run = Some(SlateRun::begin(&self.slates, start, &mut self.segmenter, out).unwrap());
            return;
        }
        let scaled = self.settings.transcodes && start.video.is_some();
        let run = self.segmenter.begin(start, if scaled { &[SMALL] } else { &[] }, out).unwrap();
        self.slates.follows(start);
        if self.is_slated {
            self.timeline.replace_slate(self.slates.whole());
        }
        if scaled {
            self.workers.begin(self.now_ns, run, dice);
        }
    }

    fn publish(&mut self, out: Vec<Packaged>) {
        for packaged in out {
            if self.settings.reads_back {
                self.product.packaged(&packaged);
            }
            self.note(&packaged);
            self.window.apply(packaged);
            self.window.take_dropped();
        }
    }

    /// What the storage task puts on disk.
    fn note(&mut self, packaged: &Packaged) {
        match packaged.clone() {
            Packaged::Target { target_duration_s } => self.entries.push(Entry::Target { target_duration_s }),
            Packaged::Init { rendition, init, data, description } => {
                self.entries.push(Entry::Init { rendition, init, description, data: Some(data) });
            }
            Packaged::Part { rendition, segment, .. } => {
                self.growing.insert(rendition, segment);
            }
            Packaged::Close { rendition, segment } => {
                self.growing.remove(&rendition);
                // The index says nothing of parts.
                let segment = Segment { parts: Vec::new(), ..segment };
                self.entries.push(Entry::Segment { rendition, segment });
            }
        }
    }

    /// kill -9, and a new process that takes the event up.
    pub(super) fn restart(&mut self, dice: &mut SmallRng) {
        let growing = std::mem::take(&mut self.growing);
        self.entries.extend(growing.iter().map(|(rendition, segment)| {
            let (rendition, segment) = (*rendition, segment.clone());
            Entry::Segment { rendition, segment }
        }));
        let mut window = Window::new(keep(&self.settings));
        let mut inits: BTreeMap<Rendition, (u32, Bytes)> = BTreeMap::new();
        for entry in &self.entries {
            if let Entry::Init { rendition, init, description, data: Some(data) } = entry {
                let (rendition, init, data) = (*rendition, *init, data.clone());
                let newest = inits.entry(rendition).or_insert_with(|| (init, data.clone()));
                if newest.0 < init {
                    *newest = (init, data.clone());
                }
                window.apply(Packaged::Init { rendition, init, data, description: description.clone() });
            }
        }
        let index = Index::of(self.entries.clone());
        let end_ns = index.end_ns;
        let resume = index.fill(&mut window, inits.clone());
        let sections = inits.iter().map(|(rendition, (_, data))| (rendition, data));
        self.ledger.forget();
        self.product.forget(growing.iter(), sections, resume.next_msn);
        self.window = window;
        self.timeline = Timeline::new(end_ns, self.settings.policy);
        self.segmenter = Segmenter::new(LENGTHS, resume);
        self.slates = slates(&self.settings);
        // What grew is complete in no rendition.
        (self.slate_run, self.workers) = (None, Workers::default());
        self.workers.lost = true;
        self.product.uneven_ns = Some(self.now_ns);
        self.want_slate(self.is_slated, dice);
    }

    /// A player looks at all that is served.
    pub(super) fn look(&mut self) {
        let uneven = self.product.uneven_ns.is_some_and(|at_ns| self.now_ns - at_ns < UNEVEN_NS);
        let marred = Marred { uneven, long: self.product.dependent, lost: self.workers.lost };
        self.player.look(&self.window, self.now_ns / 1_000_000, marred);
    }

    /// The event is over: all comes to rest.
    pub(super) fn finish(&mut self, dice: &mut SmallRng) {
        self.run_until(self.now_ns + 5_000_000_000, dice);
        let mut out = Vec::new();
        self.segmenter.end(&mut out);
        if let Some(slate) = self.slate_run.take() {
            slate.end(&mut self.segmenter, &mut out);
        }
        self.workers.end(self.now_ns, self.segmenter.next_msn());
        self.publish(out);
        self.product.end();
        let mut out = Vec::new();
        self.workers.tick(u64::MAX, &mut self.segmenter, &mut out);
        self.segmenter.close_before(self.segmenter.next_msn(), &mut out);
        self.publish(out);
        self.window.end();
        self.look();
    }
}
