//! Live streams from ingest to playlists.
//!
//! A publisher's packets go to the event's task ([`driver`]), which chooses among
//! the event's inputs and lays them on one timeline ([`timeline`]), cuts them into
//! parts and segments ([`segmenter`], [`lane`]), shows them to viewers
//! ([`window`], [`stream`]) and has them kept ([`storage`], [`spool`]).

mod allowance;
mod asked;
mod begun;
mod conformance;
mod conformance_http;
mod dates;
mod driver;
mod error;
mod faults;
mod health;
mod health_http;
mod http;
mod index;
mod inspection;
mod judging;
mod lane;
mod master;
mod measuring;
mod news;
mod on_air;
mod playlist;
mod publisher;
mod rates;
mod recovery;
mod relayed;
mod rendition;
mod runs;
mod scaling;
mod scans;
mod segment;
mod segmenter;
mod silence;
#[cfg(test)]
mod simulation;
mod slates;
mod span;
mod spool;
mod start;
mod storage;
mod stream;
mod takeover;
#[cfg(test)]
mod tests;
mod timeline;
mod vitals;
mod window;

pub(crate) use asked::{Known, answer_known, of_owner};
pub(crate) use conformance_http::{Operations as ConformanceOperations, routes as conformance_routes};
pub use error::LiveError;
pub(crate) use health_http::{Operations as HealthOperations, routes as health_routes};
pub(crate) use http::{answer, answer_inside};
pub(crate) use index::shared_entries;
pub(crate) use news::follow as follow_news;
pub(crate) use playlist::{IFRAMES_URI, MediaPlaylist, PlaylistKind};
pub use publisher::{Publisher, SourceInfo};
pub(crate) use rates::{Rates, master};
pub(crate) use recovery::align;
pub(crate) use rendition::Rendition;
pub(crate) use scans::{Block, SEGMENTS_OF_BLOCK, scans_of};
pub(crate) use segment::{Description, Segment};
pub(crate) use spool::{Entry, read_index};
pub use start::start;
pub(crate) use stream::Stream;

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::cluster::{Hold, HoldError, Owners};
use crate::config::Config;
use crate::event::{EventStatus, EventView, Events, Input};
use crate::id::EventId;
use crate::item::Items;
use crate::media::Media;
use crate::recording::Recordings;
use crate::settings;
use crate::simulcast::{Pushes, Simulcasts};
use crate::store::Store;
use crate::tenant::Quotas;
use crate::transcode::{self, Looker};
use crate::viewing::Titles;
use driver::{Driver, Surroundings};
use faults::{Faults, Limits};
use index::SharedIndex;
use news::Tellers;
use scaling::{Scaling, Workshop};
use segmenter::{Lengths, Segmenter};
use slates::Slates;
use span::Span;
use timeline::{InputId, Policy, Timeline};
use vitals::{EventHealth, Vitals};
use window::{Keep, Window};

/// Packets that may wait for an event's task.
const QUEUE: usize = 128;
/// What is served from memory: most of what an event takes there. Who is further behind is served from the store.
const MEMORY_US: u64 = 8_000_000;

/// The live slice's handle; cloned freely.
#[derive(Clone)]
pub struct Live(Arc<Inner>);

struct Inner {
    config: Arc<Config>,
    events: Events,
    recordings: Recordings,
    media: Media,
    store: Store,
    owners: Owners,
    quotas: Quotas,
    clock: Clock,
    shutdown: CancellationToken,
    streams: RwLock<HashMap<EventId, Arc<Stream>>>,
    /// Held while an event is being opened, so that none is opened twice.
    opening: tokio::sync::Mutex<()>,
    next_input: AtomicU64,
    tasks: TaskTracker,
    titles: Titles,
    simulcasts: Simulcasts,
    tellers: Tellers,
}

impl Live {
    /// Makes the handle.
    pub(crate) fn new(
        config: &Arc<Config>,
        events: &Events,
        items: &Items,
        media: &Media,
        owners: &Owners,
        quotas: &Quotas,
        simulcasts: &Simulcasts,
    ) -> Self {
        let store = events.store();
        let recordings = Recordings::new(store.clone(), events.clone(), items.clone(), media.clone());
        Self(Arc::new(Inner {
            config: Arc::clone(config),
            events: events.clone(),
            recordings,
            media: media.clone(),
            store: store.clone(),
            owners: owners.clone(),
            quotas: quotas.clone(),
            clock: Clock::system(),
            shutdown: CancellationToken::new(),
            streams: RwLock::default(),
            opening: tokio::sync::Mutex::default(),
            next_input: AtomicU64::new(1),
            tasks: TaskTracker::new(),
            titles: Titles::default(),
            simulcasts: simulcasts.clone(),
            tellers: Tellers::default(),
        }))
    }

    /// Ends all streams and returns once what they have is on disk; the next start goes on from there.
    pub async fn stop(&self) {
        self.0.shutdown.cancel();
        // One that is just being opened is waited for too.
        drop(self.0.opening.lock().await);
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }

    /// All recordings.
    pub fn recordings(&self) -> &Recordings {
        &self.0.recordings
    }

    /// What is being watched on demand.
    pub(crate) fn titles(&self) -> &Titles {
        &self.0.titles
    }

    /// Takes a broadcast in; the event's other input may be taken at the same time.
    ///
    /// # Errors
    /// The event is not there or has ended, somebody publishes to this input already, or nothing
    /// of it could be kept.
    pub async fn publish(
        &self,
        event: &EventId,
        input: Input,
        source: SourceInfo,
    ) -> Result<Publisher, LiveError> {
        self.0.media.check_room()?;
        let stream = self.open(event, true).await?;
        let id = InputId(self.0.next_input.fetch_add(1, Ordering::Relaxed));
        let publisher = Publisher::claim(stream, input, id, &source, self.0.clock.clone())?;
        tracing::info!(%event, %input, encoder = source.encoder, address = source.address, "a publisher joins");
        publisher.join(source).await?;
        Ok(publisher)
    }

    /// A live event that can be watched.
    pub(crate) fn stream(&self, event: &EventId) -> Option<Arc<Stream>> {
        self.0.streams.read().unwrap_or_else(PoisonError::into_inner).get(event).cloned()
    }

    /// The event's running task, started if it does not run.
    ///
    /// `publishes` if an encoder asks for it.
    async fn open(&self, event: &EventId, publishes: bool) -> Result<Arc<Stream>, LiveError> {
        if let Some(stream) = self.stream(event) {
            return Ok(stream);
        }
        let _one_at_a_time = self.0.opening.lock().await;
        if let Some(stream) = self.stream(event) {
            return Ok(stream);
        }
        if self.0.shutdown.is_cancelled() {
            return Err(LiveError::Stopping);
        }
        let watched = self.0.events.watch(event).await?.ok_or(LiveError::NotFound(*event))?;
        let ended = watched.borrow().status == EventStatus::Ended;
        let dir = self.spool_dir(event);
        let shared = self.0.owners.is_shared();
        if ended && !dir.exists() && (!shared || publishes) {
            return Err(LiveError::Ended);
        }
        let hold = match self.0.owners.take(event, publishes).await {
            Ok(hold) => hold,
            Err(error @ HoldError::Finished) => {
                // Another process has brought it to its end; what lies here is of no use.
                let _ = tokio::fs::remove_dir_all(&dir).await;
                return Err(error.into());
            }
            Err(error) => return Err(error.into()),
        };
        match self.take_up(event, &hold, watched, dir).await {
            Ok(_) if ended => Err(LiveError::Ended),
            Ok(stream) => Ok(stream),
            Err(error) => {
                hold.give_back(false).await;
                Err(error)
            }
        }
    }

    /// Goes on with an event where it was left, and starts its task.
    async fn take_up(
        &self,
        event: &EventId,
        hold: &Hold,
        watched: watch::Receiver<EventView>,
        dir: PathBuf,
    ) -> Result<Arc<Stream>, LiveError> {
        if self.0.owners.is_shared() {
            // Whatever came in, came to another process or to this one's last run.
            self.0.events.quiet(event).await?;
        }
        let live = &self.0.config.live;
        let account = watched.borrow().account;
        let settings = settings::of(&self.0.store, account).await?;
        let mut window = Window::new(Keep {
            part_us: u64::from(live.part_ms) * 1000,
            window_us: u64::from(live.dvr_window_s).min(settings.lookback_s) * 1_000_000,
            memory_us: MEMORY_US,
        });
        let index = SharedIndex::new(*event, self.0.store.clone(), hold.clone());
        let span = Span::open(*event, self.0.recordings.clone(), dir.clone(), hold.clone()).await?;
        let recovered = recovery::recover(event, &dir, &self.0.media, &index, &span, &mut window).await?;
        let (commands, received) = mpsc::channel(QUEUE);
        let stream = Arc::new(Stream::new(*event, window, commands, hold.clone()));
        let kept = self.0.store.get::<EventHealth>(event).await?;
        *stream::lock(&stream.vitals) = Vitals::after(kept.as_ref().map(|kept| &kept.document));
        stream.set_public_from(span.first_shown());
        let limits = Limits::of(&settings);
        let looker = transcode::program().filter(|_| limits.is_seen()).map(Looker::start);
        let storage =
            storage::start(Arc::clone(&stream), recovered.spool, self.0.media.clone(), index.clone());
        let driver = Driver {
            stream: Arc::clone(&stream),
            around: self.surroundings(),
            timeline: Timeline::new(recovered.end_ns, Policy::of(&settings)),
            segmenter: Segmenter::new(
                Lengths { part_ms: live.part_ms, segment_ms: live.segment_ms },
                recovered.resume,
            ),
            storage,
            index,
            span,
            scaling: Scaling::new(),
            slates: Slates::new(transcode::program(), settings.slate_text.clone()),
            slate_run: None,
            slate_wanted: settings.slate,
            view: watched.borrow().clone(),
            pushes: Pushes::new(*event, self.0.simulcasts.clone()),
            looked_at: self.0.clock.instant(),
            run_start: None,
            far_keys: BTreeSet::new(),
            is_made: false,
            faults: Faults::new(limits),
            looker,
            is_slated: false,
            on_air: watched.borrow().on_air,
            sizes: stream.sizes(),
        };
        self.0.streams.write().unwrap_or_else(PoisonError::into_inner).insert(*event, Arc::clone(&stream));
        self.0.tasks.spawn(inspection::run(
            Arc::downgrade(&stream),
            self.0.clock.clone(),
            self.0.shutdown.clone(),
        ));
        let inner = Arc::clone(&self.0);
        let event = *event;
        self.0.tasks.spawn(async move {
            driver.run(received, watched).await;
            inner.streams.write().unwrap_or_else(PoisonError::into_inner).remove(&event);
        });
        Ok(stream)
    }

    /// Takes an event up without an encoder, if no other process has it.
    async fn take_if_free(&self, event: &EventId) {
        match self.open(event, false).await {
            Ok(_) | Err(LiveError::Ended | LiveError::Elsewhere(_) | LiveError::Stopping) => {}
            // One event's broken files must not keep the others from the air.
            Err(error) => tracing::error!(%event, %error, "cannot take a live event up again"),
        }
    }

    fn surroundings(&self) -> Surroundings {
        let program = transcode::program().filter(|_| self.0.config.live.transcode);
        let workshop = program.map(|program| Workshop {
            program,
            trials: self.0.config.data_dir.join("encoder-trials.json"),
            ladder: self.0.config.live.ladder.clone(),
        });
        Surroundings {
            clock: self.0.clock.clone(),
            events: self.0.events.clone(),
            quotas: self.0.quotas.clone(),
            store: self.0.store.clone(),
            tellers: self.0.tellers.clone(),
            workshop,
            shutdown: self.0.shutdown.clone(),
        }
    }

    fn spool_dir(&self, event: &EventId) -> PathBuf {
        self.0.config.data_dir.join("spool").join(event.to_string())
    }
}
