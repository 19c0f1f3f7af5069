//! Media over a store that fails when it is told to.
#![allow(clippy::disallowed_methods, reason = "tests wait for what happens by itself")]

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt as _, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::spool::Spool;
use super::upload::PIECE_BYTES;
use super::{Media, Worth, drain};
use crate::alarm::Alarms;
use crate::clock::Clock;

const LIMIT_BYTES: u64 = 64 * 1024 * 1024;

/// A store in memory that can be away.
#[derive(Debug, Default)]
struct Frail {
    store: InMemory,
    away: AtomicBool,
    puts: AtomicUsize,
    multiparts: AtomicUsize,
    /// Reads that were begun.
    gets: AtomicUsize,
    /// Bytes that were read from it.
    read: AtomicUsize,
    /// Reads wait for whoever holds it.
    held: tokio::sync::Mutex<()>,
}

impl std::fmt::Display for Frail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Frail")
    }
}

impl Frail {
    fn there(&self) -> Result<()> {
        if self.away.load(Ordering::SeqCst) {
            let source = std::io::Error::new(std::io::ErrorKind::ConnectionRefused, "connection refused");
            return Err(object_store::Error::Generic { store: "frail", source: Box::new(source) });
        }
        Ok(())
    }
}

#[async_trait::async_trait]
impl ObjectStore for Frail {
    async fn put_opts(&self, path: &Path, data: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.there()?;
        self.puts.fetch_add(1, Ordering::SeqCst);
        self.store.put_opts(path, data, options).await
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.there()?;
        self.multiparts.fetch_add(1, Ordering::SeqCst);
        self.store.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        self.gets.fetch_add(1, Ordering::SeqCst);
        self.there()?;
        let found = self.store.get_opts(path, options).await;
        let _held = self.held.lock().await;
        let found = found?;
        let Range { start, end } = found.range;
        self.read.fetch_add((end - start) as usize, Ordering::SeqCst);
        Ok(found)
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        match self.there() {
            Ok(()) => self.store.delete_stream(paths),
            Err(error) => Box::pin(futures_util::stream::once(async { Err(error) })),
        }
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.store.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.there()?;
        self.store.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.store.copy_opts(from, to, options).await
    }
}

struct Stage {
    store: Arc<Frail>,
    media: Media,
    alarms: Alarms,
    directory: TempDir,
    stop: CancellationToken,
}

impl Stage {
    fn set() -> Self {
        Self::on(Arc::default(), tempfile::tempdir().unwrap(), false)
    }

    fn on(store: Arc<Frail>, directory: TempDir, local: bool) -> Self {
        let clock = Clock::system();
        let alarms = Alarms::new(clock.clone());
        let spool = Spool::open(directory.path(), LIMIT_BYTES, clock.instant()).unwrap();
        let over = Arc::clone(&store) as Arc<dyn ObjectStore>;
        let root = local.then(|| directory.path().join("media"));
        let media =
            Media::over(over, None, root, "a store of tests".to_owned(), spool, alarms.clone(), clock);
        let stop = CancellationToken::new();
        tokio::spawn(drain::run(media.clone(), stop.clone()));
        Self { store, media, alarms, directory, stop }
    }

    /// Another server over the same disk and store, after a kill -9.
    fn again(self) -> Self {
        self.stop.cancel();
        Self::on(self.store, self.directory, false)
    }

    fn set_away(&self, away: bool) {
        self.store.away.store(away, Ordering::SeqCst);
    }

    fn raised(&self) -> Vec<&'static str> {
        self.alarms.list().into_iter().map(|alarm| alarm.name).collect()
    }

    async fn drained(&self) {
        until("all is in the store", || self.media.status().objects == 0).await;
    }

    /// Files in the spool's directory.
    fn files(&self) -> usize {
        std::fs::read_dir(self.directory.path()).unwrap().count()
    }
}

async fn until(what: &str, mut look: impl FnMut() -> bool) {
    for _ in 0..1500 {
        if look() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{what}: not in 30 s");
}

fn bytes(length: usize) -> Bytes {
    (0..length).map(|index| (index % 251) as u8).collect()
}

#[tokio::test]
async fn what_is_put_while_the_store_is_away_is_read_and_goes_there_by_itself() {
    let stage = Stage::set();
    stage.set_away(true);
    let paths: Vec<Path> = (0..6).map(|number| Path::from(format!("live/e/source/{number}.m4s"))).collect();
    for (number, path) in paths.iter().enumerate() {
        stage.media.put(path, bytes(1000 + number), Worth::Recorded).await.unwrap();
    }
    until("the alarm", || stage.raised() == ["media-store-away"]).await;
    let [alarm] = &stage.alarms.list()[..] else { panic!("one alarm") };
    assert!(
        alarm.words.contains("a store of tests") && alarm.words.contains("connection refused"),
        "{alarm:?}"
    );
    assert_eq!(stage.media.get(&paths[3]).await.unwrap(), Some(bytes(1003)));
    assert_eq!(stage.media.range(&paths[3], 10..20).await.unwrap(), Some(bytes(1003).slice(10..20)));
    assert_eq!(stage.media.length(&paths[3]).await.unwrap(), Some(1003));
    assert!(stage.media.get(&Path::from("other")).await.is_err(), "nobody can know");

    let stage = stage.again();
    assert_eq!(stage.media.status().objects, 6, "a restart forgets nothing");
    assert_eq!(stage.media.get(&paths[5]).await.unwrap(), Some(bytes(1005)));
    stage.set_away(false);
    stage.drained().await;
    until("the alarm goes", || stage.raised().is_empty()).await;
    for (number, path) in paths.iter().enumerate() {
        let stored = stage.store.store.get(path).await.unwrap().bytes().await.unwrap();
        assert_eq!(stored, bytes(1000 + number));
    }
    until("the files go", || stage.files() == 0).await;
    assert_eq!(stage.media.get(&Path::from("other")).await.unwrap(), None);
}

#[tokio::test]
async fn what_is_deleted_is_gone_at_once_and_in_the_store_later() {
    let stage = Stage::set();
    let path = Path::from("live/e/source/1.m4s");
    stage.media.put(&path, bytes(10), Worth::LookBack).await.unwrap();
    stage.drained().await;
    assert!(stage.media.get(&path).await.unwrap().is_some());
    stage.set_away(true);
    stage.media.delete(&path).await.unwrap();
    assert_eq!(stage.media.get(&path).await.unwrap(), None);
    assert_eq!(stage.media.length(&path).await.unwrap(), None);
    let stage = stage.again();
    assert_eq!(stage.media.get(&path).await.unwrap(), None, "a restart forgets no deletion");
    stage.set_away(false);
    stage.drained().await;
    assert!(stage.store.store.get(&path).await.is_err());
    // What is put again after that is there again.
    stage.media.put(&path, bytes(20), Worth::LookBack).await.unwrap();
    stage.drained().await;
    assert_eq!(stage.media.get(&path).await.unwrap(), Some(bytes(20)));
}

#[tokio::test]
async fn the_newest_of_several_versions_wins() {
    let stage = Stage::set();
    let path = Path::from("recordings/rec.json");
    for round in 0..20 {
        stage.set_away(round % 3 == 0);
        stage.media.put(&path, bytes(100 + round), Worth::Recorded).await.unwrap();
        assert_eq!(stage.media.get_anew(&path).await.unwrap(), Some(bytes(100 + round)));
    }
    stage.set_away(false);
    stage.drained().await;
    assert_eq!(stage.store.store.get(&path).await.unwrap().bytes().await.unwrap(), bytes(119));
    until("the files go", || stage.files() == 0).await;
}

#[tokio::test]
async fn large_objects_go_in_pieces_and_parts_of_them_are_read_alone() {
    let stage = Stage::set();
    let length = PIECE_BYTES as usize * 2 + 12_345;
    let (large, small) = (Path::from("large"), Path::from("small"));
    stage.media.put(&large, bytes(length), Worth::Recorded).await.unwrap();
    stage.media.put(&small, bytes(PIECE_BYTES as usize), Worth::Recorded).await.unwrap();
    stage.drained().await;
    let count = |counter: &AtomicUsize| counter.load(Ordering::SeqCst);
    assert_eq!((count(&stage.store.multiparts), count(&stage.store.puts)), (1, 1));
    assert_eq!(count(&stage.store.read), 0);
    let from = PIECE_BYTES - 10;
    let part = stage.media.range(&large, from..from + 100).await.unwrap().unwrap();
    assert_eq!(part, bytes(length).slice(from as usize..from as usize + 100));
    assert_eq!(count(&stage.store.read), 100, "no more than what was asked for");
    assert_eq!(stage.media.get(&large).await.unwrap(), Some(bytes(length)));
}

#[tokio::test]
async fn look_back_gives_way_when_the_spool_is_full_and_the_alarms_say_so() {
    let stage = Stage::set();
    stage.set_away(true);
    let mib = 1024 * 1024;
    let path = |name: &str, number: usize| Path::from(format!("{name}/{number}"));
    for number in 0..8 {
        stage.media.put(&path("view", number), bytes(4 * mib), Worth::LookBack).await.unwrap();
    }
    assert!(stage.raised().contains(&"media-spool-half"), "{:?}", stage.raised());
    for number in 0..15 {
        stage.media.put(&path("record", number), bytes(4 * mib), Worth::Recorded).await.unwrap();
    }
    let full = stage.alarms.list().into_iter().find(|alarm| alarm.name == "media-spool-full").unwrap();
    assert!(full.words.contains("lost to viewers who look back"), "{}", full.words);
    assert!(!stage.raised().contains(&"media-spool-half"));
    for number in 0..3 {
        stage.media.put(&path("more", number), bytes(4 * mib), Worth::Recorded).await.unwrap();
    }
    let refused = stage.media.put(&path("view", 9), bytes(4 * mib), Worth::LookBack).await;
    assert!(refused.unwrap_err().to_string().contains("look-back"));
    stage.set_away(false);
    stage.drained().await;
    until("the alarms go", || stage.raised().is_empty()).await;
    for number in 0..15 {
        assert!(stage.store.store.head(&path("record", number)).await.is_ok(), "record {number} is lost");
    }
}

#[tokio::test]
async fn a_store_on_this_machine_is_written_to_at_once_and_the_spool_helps_out() {
    let stage = Stage::on(Arc::default(), tempfile::tempdir().unwrap(), true);
    let path = |number: usize| Path::from(format!("live/e/source/{number}.m4s"));
    stage.media.put(&path(1), bytes(10), Worth::Recorded).await.unwrap();
    assert_eq!(stage.store.puts.load(Ordering::SeqCst), 1, "it is there when that is said");
    assert_eq!((stage.files(), stage.media.status().objects), (0, 0));
    stage.set_away(true);
    stage.media.put(&path(2), bytes(20), Worth::Recorded).await.unwrap();
    stage.media.put(&path(1), bytes(11), Worth::Recorded).await.unwrap();
    stage.media.delete(&path(3)).await.unwrap();
    until("the alarm", || stage.raised() == ["media-store-away"]).await;
    stage.set_away(false);
    // An older version that waits must not come after a newer one.
    stage.media.put(&path(1), bytes(12), Worth::Recorded).await.unwrap();
    assert_eq!(stage.media.get(&path(1)).await.unwrap(), Some(bytes(12)));
    stage.drained().await;
    for (number, length) in [(1, 12), (2, 20)] {
        let stored = stage.store.store.get(&path(number)).await.unwrap().bytes().await.unwrap();
        assert_eq!(stored.len(), length);
    }
    stage.media.delete(&path(1)).await.unwrap();
    assert!(stage.store.store.head(&path(1)).await.is_err());
    assert_eq!(stage.files(), 0);
}

/// Asks for an object with so many viewers at once, and returns when all of them wait for the store.
async fn crowd(stage: &Stage, path: &Path, viewers: usize) -> Vec<JoinHandle<Option<Bytes>>> {
    let waiting: Vec<_> = (0..viewers)
        .map(|_| {
            let (media, path) = (stage.media.clone(), path.clone());
            tokio::spawn(async move { media.get(&path).await.unwrap() })
        })
        .collect();
    // One thread for all of them: each has come as far as it can.
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    assert!(waiting.iter().all(|viewer| !viewer.is_finished()));
    waiting
}

#[tokio::test]
async fn a_crowd_that_wants_the_same_reads_it_once() {
    let stage = Stage::set();
    let path = Path::from("live/e/source/1.m4s");
    stage.store.store.put(&path, bytes(1000).into()).await.unwrap();
    let gets = || stage.store.gets.load(Ordering::SeqCst);
    let before = gets();
    let held = stage.store.held.lock().await;
    let mut waiting = crowd(&stage, &path, 300).await;
    assert_eq!(gets(), before + 1);
    // The first one goes away, and nobody else notices.
    waiting.swap_remove(0).abort();
    drop(held);
    for viewer in waiting {
        assert_eq!(viewer.await.unwrap(), Some(bytes(1000)));
    }
    assert_eq!(stage.media.get(&path).await.unwrap(), Some(bytes(1000)));
    assert_eq!((gets(), stage.store.read.load(Ordering::SeqCst)), (before + 1, 1000));
}

#[tokio::test]
async fn a_read_that_began_before_a_write_hides_it_from_nobody() {
    let stage = Stage::set();
    let path = Path::from("live/e/source/1.m4s");
    let held = stage.store.held.lock().await;
    let early = crowd(&stage, &path, 2).await;
    stage.media.put(&path, bytes(70), Worth::Recorded).await.unwrap();
    stage.drained().await;
    let late = crowd(&stage, &path, 2).await;
    drop(held);
    for viewer in early {
        viewer.await.unwrap();
    }
    for viewer in late {
        assert_eq!(viewer.await.unwrap(), Some(bytes(70)));
    }
    assert_eq!(stage.media.get(&path).await.unwrap(), Some(bytes(70)));
}
