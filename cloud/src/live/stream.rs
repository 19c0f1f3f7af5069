//! What viewers and the packager share of one live event.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{mpsc, watch};

use super::conformance::FileFacts;
use super::driver::Command;
use super::inspection::Inspected;
use super::lane::Packaged;
use super::rendition::Rendition;
use super::segment::Complete;
use super::timeline::InputId;
use super::vitals::Vitals;
use super::window::{Edge, Found, View, Window};
use crate::clock::Timestamp;
use crate::cluster::Hold;
use crate::event::{EventView, Input, StreamKey, Works};
use crate::http::Text;
use crate::id::EventId;

/// Playlists kept rendered per rendition: plain or not, delta or not, for viewers and in preview.
const MAX_RENDERED: usize = 12;
/// `public_from` while viewers may see nothing.
const NOTHING: u64 = u64::MAX;

/// Who publishes to an input.
#[derive(Debug, Clone)]
pub(super) struct Holder {
    pub(super) id: InputId,
    pub(super) last_seen: Instant,
    /// The stream key that it showed.
    pub(super) key: Option<StreamKey>,
    /// Until when that works.
    pub(super) until: Option<Instant>,
}

#[derive(Debug, Default)]
struct Rendered {
    edge: Edge,
    playlists: BTreeMap<View, Text>,
}

/// A live event as it can be fetched.
pub(crate) struct Stream {
    pub(crate) event: EventId,
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) holders: Mutex<HashMap<Input, Holder>>,
    window: RwLock<Window>,
    edges: RwLock<BTreeMap<Rendition, watch::Sender<Edge>>>,
    rendered: Mutex<BTreeMap<Rendition, Rendered>>,
    public_from: AtomicU64,
    /// How well its inputs arrive.
    pub(super) vitals: Mutex<Vitals>,
    /// What is wrong with what it serves.
    pub(super) inspected: Inspected,
    /// Whether the event is this process's to take in.
    pub(super) hold: Hold,
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stream").field("event", &self.event).finish_non_exhaustive()
    }
}

impl Stream {
    pub(super) fn new(event: EventId, window: Window, commands: mpsc::Sender<Command>, hold: Hold) -> Self {
        let edges = window.renditions().map(|name| (name, watch::Sender::new(window.edge(name)))).collect();
        Self {
            event,
            commands,
            holders: Mutex::default(),
            window: RwLock::new(window),
            edges: RwLock::new(edges),
            rendered: Mutex::default(),
            public_from: AtomicU64::new(NOTHING),
            vitals: Mutex::default(),
            inspected: Inspected::default(),
            hold,
        }
    }

    /// Cuts off those whose stream keys were replaced, once these work no more.
    pub(super) fn follow_keys(&self, event: &EventView, now: Instant, wall: Timestamp) {
        for (input, holder) in lock(&self.holders).iter_mut() {
            let Some(key) = &holder.key else { continue };
            holder.until = match event.input(*input).works_until(key.reveal()) {
                Works::ForGood => None,
                Works::No => Some(now),
                Works::Until(until) => {
                    let left_ms = until.unix_ms().saturating_sub(wall.unix_ms());
                    Some(now + Duration::from_millis(u64::try_from(left_ms).unwrap_or(0)))
                }
            };
        }
    }

    /// The first segment that viewers may see; `None` while they may see none.
    pub(crate) fn public_from(&self) -> Option<u64> {
        Some(self.public_from.load(Ordering::Acquire)).filter(|from| *from != NOTHING)
    }

    pub(super) fn set_public_from(&self, from: Option<u64>) {
        self.public_from.store(from.unwrap_or(NOTHING), Ordering::Release);
    }

    /// Takes in what was packaged; gives back the bytes of a segment that is now complete,
    /// and which segments have left the window.
    pub(super) fn apply(&self, packaged: Packaged) -> (Option<Complete>, Vec<(Rendition, u64)>) {
        let rendition = match &packaged {
            Packaged::Target { .. } => None,
            Packaged::Init { rendition, .. }
            | Packaged::Part { rendition, .. }
            | Packaged::Close { rendition, .. } => Some(*rendition),
        };
        let (applied, edge) = {
            let mut window = self.window.write().unwrap_or_else(PoisonError::into_inner);
            let data = window.apply(packaged);
            ((data, window.take_dropped()), rendition.map(|rendition| window.edge(rendition)))
        };
        if let (Some(rendition), Some(edge)) = (rendition, edge) {
            self.announce(rendition, edge);
        } else {
            self.announce_all();
        }
        applied
    }

    /// A file has a complete segment's bytes.
    pub(super) fn kept(&self, rendition: Rendition, msn: u64, file: File) {
        self.window.write().unwrap_or_else(PoisonError::into_inner).kept(rendition, msn, file);
    }

    /// Nothing will come any more.
    pub(super) fn end(&self) {
        self.window.write().unwrap_or_else(PoisonError::into_inner).end();
        lock(&self.rendered).clear();
        self.announce_all();
    }

    fn announce(&self, rendition: Rendition, edge: Edge) {
        let known = {
            let edges = self.edges.read().unwrap_or_else(PoisonError::into_inner);
            edges.get(&rendition).map(|sender| sender.send_replace(edge)).is_some()
        };
        if !known {
            let mut edges = self.edges.write().unwrap_or_else(PoisonError::into_inner);
            edges.entry(rendition).or_insert_with(|| watch::Sender::new(edge));
        }
    }

    fn announce_all(&self) {
        for sender in self.edges.read().unwrap_or_else(PoisonError::into_inner).values() {
            sender.send_modify(|_| {});
        }
    }

    /// Follows how far a rendition has come; `None` if there is no such rendition.
    pub(crate) fn edge(&self, rendition: Rendition) -> Option<watch::Receiver<Edge>> {
        let edges = self.edges.read().unwrap_or_else(PoisonError::into_inner);
        edges.get(&rendition).map(watch::Sender::subscribe)
    }

    /// A rendition's playlist, rendered once per change.
    pub(crate) fn playlist(&self, rendition: Rendition, view: View) -> Option<Text> {
        let mut rendered = lock(&self.rendered);
        let rendered = rendered.entry(rendition).or_default();
        let window = self.window();
        let edge = window.edge(rendition);
        if rendered.edge != edge {
            rendered.edge = edge;
            rendered.playlists.clear();
        }
        if let Some(known) = rendered.playlists.get(&view) {
            return Some(known.clone());
        }
        let playlist = Text::new(window.playlist(rendition, view)?);
        if rendered.playlists.len() < MAX_RENDERED {
            rendered.playlists.insert(view, playlist.clone());
        }
        Some(playlist)
    }

    pub(super) fn renditions(&self) -> Vec<Rendition> {
        self.window().renditions().collect()
    }

    pub(crate) fn master(&self, plain: bool) -> Option<String> {
        self.window().master(plain)
    }

    pub(crate) fn init(&self, rendition: Rendition, init: u32) -> Option<Bytes> {
        self.window().init(rendition, init)
    }

    /// The pictures' sizes, as far as they are known.
    pub(super) fn sizes(&self) -> BTreeMap<Rendition, (u32, u32)> {
        self.window().sizes().collect()
    }

    pub(super) fn set_peak(&self, rendition: Rendition, peak_bps: u64) {
        self.window.write().unwrap_or_else(PoisonError::into_inner).set_peak(rendition, peak_bps);
    }

    /// What is in one of the newest segments.
    pub(super) fn facts(&self, rendition: Rendition, msn: u64) -> Option<FileFacts> {
        self.window().facts(rendition, msn)
    }

    pub(crate) fn segment(&self, rendition: Rendition, msn: u64) -> Found {
        self.window().segment(rendition, msn)
    }

    pub(crate) fn part(&self, rendition: Rendition, msn: u64, part: u64) -> Found {
        self.window().part(rendition, msn, part)
    }

    fn window(&self) -> RwLockReadGuard<'_, Window> {
        self.window.read().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
