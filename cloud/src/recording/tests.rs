//! Items are made by an event's owner alone, and once.

use super::{Manifest, Recording, RecordingError, RecordingKind, Track};
use crate::app::App;
use crate::clock::{Clock, Timestamp};
use crate::cluster::{Cluster, Hold};
use crate::config::Config;
use crate::event::NewEvent;
use crate::id::{EventId, RecordingId};
use crate::live::{Description, Rendition, Segment};
use crate::store::{StoreError, StoreKind};

/// A list of one segment of two seconds.
pub(super) fn manifest(event_id: EventId, init: u32) -> Manifest {
    let segment = Segment {
        msn: 0,
        duration_us: 2_000_000,
        start_unix_ms: 0,
        discontinuity: false,
        discontinuity_sequence: 0,
        independent: true,
        gap: false,
        init,
        bytes: 1,
        key_bytes: None,
        frames: 1,
        end_ns: 0,
        parts: Vec::new(),
    };
    let description =
        Description { codec: "avc1.64001f".to_owned(), resolution: None, frame_rate: None, channels: None };
    let track = Track { rendition: Rendition::Source, description, segments: vec![segment] };
    Manifest { event_id, target_duration_s: 2, tracks: vec![track] }
}

/// A span of some event.
pub(super) fn recording(from_segment: u64, to_segment: Option<u64>) -> Recording {
    Recording {
        account: crate::store::Account::FIRST,
        id: RecordingId::random(),
        number: 1,
        event_id: EventId::random(),
        kind: RecordingKind::Recording,
        shown_from: None,
        started_at: Timestamp::default(),
        ended_at: None,
        from_segment,
        to_segment,
        duration_ms: None,
        name: None,
        gaps: Vec::new(),
        removed_at: None,
        removal: None,
    }
}

/// A server with an event that is over and was recorded.
struct Ground {
    app: App,
    event: EventId,
    _directory: tempfile::TempDir,
}

impl Ground {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let config = format!("data_dir = {:?}\n", directory.path().join("data"));
        let config = Config::parse("of the test", &config, []).unwrap();
        let app = App::open(config, Clock::system()).await.unwrap();
        let new =
            NewEvent { account: crate::store::Account::FIRST, title: "Evening".to_owned(), device_id: None };
        let event = app.events.create(new, None).await.unwrap().id;
        Self { app, event, _directory: directory }
    }

    /// The event taken from whoever has it, as by a process that finds the lease at its end.
    async fn take(&self) -> Hold {
        let mut config = Config::clone(&self.app.config);
        config.store.kind = StoreKind::Postgres;
        let other = Cluster::new(&config, &self.app.store, &self.app.clock);
        other.owners().take(&self.event, true).await.unwrap()
    }

    async fn recorded(&self, hold: &Hold) -> Recording {
        let recordings = self.app.live.recordings();
        let recording = recordings.begin(self.event, 0, RecordingKind::Recording, hold).await.unwrap();
        recordings.end(&recording.id, 1, hold).await.unwrap();
        recording
    }

    async fn titles(&self) -> Vec<String> {
        let items = self.app.items.of_event(&self.event).await.unwrap();
        items.into_iter().map(|item| item.item.title).collect()
    }
}

fn is_refused(made: &Result<(), RecordingError>) -> bool {
    matches!(made, Err(RecordingError::Store(StoreError::Conflict { kind: "ingest_owner", .. })))
}

#[tokio::test]
async fn an_owner_that_was_replaced_makes_no_item() {
    let ground = Ground::new().await;
    let (recordings, manifest) = (ground.app.live.recordings(), manifest(ground.event, 0));
    let old = ground.take().await;
    let id = ground.recorded(&old).await.id;
    let new = ground.take().await;
    assert!(new.token() > old.token());
    // It has not heard of it yet, and is past all that is looked at before.
    assert!(!old.is_lost());
    let made = recordings.try_make_item(&id, Some("Old"), &manifest, &old).await;
    assert!(is_refused(&made) && old.is_lost(), "{made:?}");
    assert!(ground.titles().await.is_empty());
    assert_eq!(recordings.get(&id).await.unwrap().unwrap().document.duration_ms, None);

    let made = recordings.make_item(&id, Some("Old"), &manifest, &old).await;
    assert!(is_refused(&made), "{made:?}");
    assert!(recordings.manifest(&id).await.unwrap().is_none(), "it has listed segments");

    for title in ["New", "New again"] {
        recordings.make_item(&id, Some(title), &manifest, &new).await.unwrap();
    }
    assert_eq!(ground.titles().await, ["New"]);
    assert_eq!(recordings.get(&id).await.unwrap().unwrap().document.duration_ms, Some(2_000));
    assert_eq!(recordings.manifest(&id).await.unwrap(), Some(manifest));
}

/// Its item is gone again, so that nothing but the token is in the way of a second one.
#[tokio::test]
async fn an_owner_that_was_replaced_does_not_bring_an_item_back() {
    let ground = Ground::new().await;
    let (recordings, manifest) = (ground.app.live.recordings(), manifest(ground.event, 0));
    let old = ground.take().await;
    let id = ground.recorded(&old).await.id;
    let new = ground.take().await;
    recordings.make_item(&id, Some("New"), &manifest, &new).await.unwrap();
    let item = ground.app.items.of_event(&ground.event).await.unwrap().remove(0);
    let item = ground.app.store.get::<crate::item::Item>(item.item.id).await.unwrap().unwrap();
    ground.app.store.commit(ground.app.store.batch().delete(&item)).await.unwrap();
    let made = recordings.try_make_item(&id, Some("Old"), &manifest, &old).await;
    assert!(is_refused(&made), "{made:?}");
    assert!(ground.titles().await.is_empty());
}

#[tokio::test]
async fn two_that_make_the_same_item_make_one() {
    let ground = Ground::new().await;
    let (recordings, manifest) = (ground.app.live.recordings(), manifest(ground.event, 0));
    let hold = ground.take().await;
    let id = ground.recorded(&hold).await.id;
    let make = || recordings.make_item(&id, Some("Evening"), &manifest, &hold);
    let (one, other, third) = tokio::join!(make(), make(), make());
    assert!(one.is_ok() && other.is_ok() && third.is_ok(), "{one:?} {other:?} {third:?}");
    assert_eq!(ground.titles().await, ["Evening"]);
    // What a user has removed is not made again.
    let removed = recordings.get(&id).await.unwrap().unwrap();
    let now = Some(ground.app.clock.now());
    let gone = Recording { removed_at: now, ..removed.document.clone() };
    ground.app.store.commit(ground.app.store.batch().update(&removed, &gone)).await.unwrap();
    recordings.make_item(&id, Some("Evening"), &manifest, &hold).await.unwrap();
    assert_eq!(ground.titles().await, ["Evening"]);
}
