//! The server crashes, hangs, or cuts connections while batches are written: nothing acknowledged is lost.

use super::{Postgres, PostgresEngine, PostgresOptions, Thing, engine, store};
use crate::config::Hidden;
use crate::store::{Account, Scan, Store, StoreConfig, StoreError};
use nix::sys::signal::Signal;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// The longest that anything here waits for.
const LIMIT: Duration = Duration::from_secs(30);

/// What a writer found out.
#[derive(Default)]
struct Told {
    /// Pairs that were acknowledged.
    acknowledged: BTreeSet<String>,
    /// Pairs that the store said were not written, or did not know.
    away: Vec<(String, String)>,
}

/// Writers that write pairs of documents until they are told to stop.
struct Load {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    writers: Vec<JoinHandle<Told>>,
}

impl Load {
    fn start(store: &Store) -> Self {
        let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let writers = (0..8)
            .map(|writer| {
                let (store, stop, done) = (store.clone(), Arc::clone(&stop), Arc::clone(&done));
                tokio::spawn(async move {
                    let mut told = Told::default();
                    for number in 0u64.. {
                        if stop.load(Ordering::Relaxed) {
                            break;
                        }
                        let id = format!("w{writer}n{number}");
                        let (left, right) = (format!("{id}left"), format!("{id}right"));
                        let batch = store
                            .batch()
                            .create(&Thing::new(&left, &left, number))
                            .create(&Thing::new(&right, &right, number));
                        match store.commit(batch).await {
                            Ok(receipt) => {
                                assert_eq!(receipt.versions, [1, 1]);
                                told.acknowledged.insert(id);
                                done.fetch_add(1, Ordering::Relaxed);
                            }
                            Err(error @ StoreError::Away(_)) => told.away.push((id, error.to_string())),
                            // Only an answer that was not the truth leads to a conflict here.
                            Err(error) => panic!("{error}"),
                        }
                    }
                    told
                })
            })
            .collect();
        Self { stop, done, writers }
    }

    /// Waits until this many more pairs are acknowledged.
    async fn more(&self, more: u64) {
        let wanted = self.done.load(Ordering::Relaxed) + more;
        let waiting = async {
            while self.done.load(Ordering::Relaxed) < wanted {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(LIMIT, waiting).await.expect("writing goes on by itself");
    }

    async fn end(self) -> Told {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Told::default();
        for writer in self.writers {
            let told = timeout(LIMIT, writer).await.expect("each write is answered in time").unwrap();
            all.acknowledged.extend(told.acknowledged);
            all.away.extend(told.away);
        }
        all
    }
}

/// Everything acknowledged is there, what is there is whole, and the store said the truth.
async fn all_is_true(store: &Store, told: &Told) {
    let mut found = BTreeSet::new();
    let mut cursor = None;
    loop {
        let page = store.scan::<Thing>(Scan::of("name").after(cursor).limit(1000)).await.unwrap();
        found.extend(page.items.into_iter().map(|thing| thing.document.id));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    for id in &told.acknowledged {
        assert!(
            found.contains(&format!("{id}left")) && found.contains(&format!("{id}right")),
            "{id} is lost"
        );
    }
    for id in &found {
        let pair = id.trim_end_matches("left").trim_end_matches("right");
        let halves = [format!("{pair}left"), format!("{pair}right")];
        assert!(halves.iter().all(|half| found.contains(half)), "half of {pair} is there");
        let unsure = told.away.iter().find(|(away, _)| away == pair);
        assert!(
            told.acknowledged.contains(pair)
                || unsure.is_some_and(|(_, words)| words.contains("not known yet")),
            "{pair} is there, but the store said: {unsure:?}"
        );
    }
    let mut seqs = Vec::new();
    loop {
        let page = store.journal(Account::FIRST, seqs.len() as u64, 1000).await.unwrap();
        if page.entries.is_empty() {
            break;
        }
        seqs.extend(page.entries.iter().map(|entry| entry.seq));
    }
    assert_eq!(seqs, (1..=found.len() as u64).collect::<Vec<_>>());
    assert_eq!(store.engine().check(Arc::new(|_| true)).await.unwrap(), []);
}

/// Waits until the engine says that it takes writes, or that it does not.
async fn healthy(store: &Store, wanted: bool) {
    let waiting = async {
        while store.is_healthy() != wanted {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(LIMIT, waiting).await.expect("the store notices");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_when_the_server_crashes() {
    let mut server = Postgres::start().unwrap();
    let store = store(&engine(&server, "stagebox").await);
    let load = Load::start(&store);
    for _ in 0..3 {
        load.more(100).await;
        server.crash().unwrap();
        healthy(&store, false).await;
        server.start_again().unwrap();
        healthy(&store, true).await;
    }
    load.more(100).await;
    all_is_true(&store, &load.end().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_when_connections_are_cut() {
    let server = Postgres::start().unwrap();
    let store = store(&engine(&server, "stagebox").await);
    let load = Load::start(&store);
    for _ in 0..20 {
        load.more(10).await;
        let cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
            WHERE application_name LIKE 'stagebox-cloud %'";
        server.run("postgres", cut).unwrap();
        // Readers go on as well.
        store.get::<Thing>("w0n0left").await.unwrap();
    }
    load.more(100).await;
    let told = load.end().await;
    // The server was there all the time: nobody had to be told that it was away.
    assert_eq!(told.away, []);
    all_is_true(&store, &told).await;
}

/// Where a connection is cut by the [`proxy`], once each time that it is told to.
const NOWHERE: u8 = 0;
const BEFORE_THE_COMMIT: u8 = 1;
const BEFORE_ITS_ANSWER: u8 = 2;

/// Passes bytes on between the engine and the server, and cuts where it is told to.
async fn proxy(listener: TcpListener, server: String, cut: Arc<AtomicU8>) {
    while let Ok((client, _)) = listener.accept().await {
        let (server, cut) = (TcpStream::connect(server.clone()).await.unwrap(), Arc::clone(&cut));
        tokio::spawn(pass_on(client, server, cut));
    }
}

async fn pass_on(mut client: TcpStream, mut server: TcpStream, cut: Arc<AtomicU8>) -> std::io::Result<()> {
    let (mut asked, mut answered) = (vec![0; 65_536], vec![0; 65_536]);
    let is_commit = |bytes: &[u8]| bytes.windows(7).any(|seven| seven == b"COMMIT\0");
    let mut doomed = false;
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let bytes = &asked[..read?];
                if bytes.is_empty() {
                    return Ok(());
                }
                if is_commit(bytes) {
                    match cut.swap(NOWHERE, Ordering::Relaxed) {
                        BEFORE_THE_COMMIT => return Ok(()),
                        BEFORE_ITS_ANSWER => doomed = true,
                        _ => {}
                    }
                }
                server.write_all(bytes).await?;
            }
            read = server.read(&mut answered) => {
                let bytes = &answered[..read?];
                if bytes.is_empty() || (doomed && is_commit(bytes)) {
                    return Ok(());
                }
                if !doomed {
                    client.write_all(bytes).await?;
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_truth_is_found_out_when_the_answer_to_a_commit_is_lost() {
    let server = Postgres::start().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let url = server.url("postgres");
    let place = url.rsplit_once('@').unwrap().1.split_once('/').unwrap().0;
    let cut = Arc::new(AtomicU8::new(NOWHERE));
    tokio::spawn(proxy(listener, place.to_owned(), Arc::clone(&cut)));
    let url = url.replace(place, &format!("127.0.0.1:{port}"));
    let config = StoreConfig { url: Some(Hidden::new(url)), ..super::config(&server, "stagebox") };
    let engine = PostgresEngine::open(&config, PostgresOptions::default()).await.unwrap();
    let store = store(&Arc::new(engine));
    let load = Load::start(&store);
    for place in [BEFORE_THE_COMMIT, BEFORE_ITS_ANSWER].repeat(10) {
        load.more(5).await;
        cut.store(place, Ordering::Relaxed);
        let cutting = async {
            while cut.load(Ordering::Relaxed) != NOWHERE {
                sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(LIMIT, cutting).await.expect("a commit comes by");
    }
    load.more(100).await;
    let told = load.end().await;
    assert_eq!(told.away, []);
    all_is_true(&store, &told).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_is_told_in_words_and_gone_on_with() {
    let server = Postgres::start().unwrap();
    let store = store(&engine(&server, "stagebox").await);
    let load = Load::start(&store);
    load.more(100).await;
    server.signal_all(Signal::SIGSTOP).unwrap();
    healthy(&store, false).await;
    let read = timeout(LIMIT, store.get::<Thing>("w0n0left")).await.expect("a read is answered in time");
    let words = read.unwrap_err().to_string();
    let place = server.url("").trim_end_matches('/').rsplit('@').next().unwrap_or_default().to_owned();
    for wanted in ["out of reach", &place, "database postgres", "no answer within"] {
        assert!(words.contains(wanted), "{wanted}: {words}");
    }
    let written = timeout(LIMIT, store.create(Thing::new("during", "during", 0))).await;
    let written = written.expect("a write is answered in time");
    assert!(matches!(written, Err(StoreError::Away(_))), "{written:?}");
    server.signal_all(Signal::SIGCONT).unwrap();
    healthy(&store, true).await;
    load.more(100).await;
    let told = load.end().await;
    assert!(!told.away.is_empty());
    // It was refused while the server hung, or is there as a whole: then it may be removed for the count.
    if let Some(during) = store.get::<Thing>("during").await.unwrap() {
        let words = written.unwrap_err().to_string();
        assert!(words.contains("not known yet"), "{during:?}: {words}");
        return;
    }
    all_is_true(&store, &told).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_gone_is_told_with_its_place_and_reason() {
    let mut server = Postgres::start().unwrap();
    let store = store(&engine(&server, "stagebox").await);
    store.create(Thing::new("a", "a", 0)).await.unwrap();
    server.crash().unwrap();
    let (read, written) = timeout(LIMIT, async {
        tokio::join!(store.get::<Thing>("a"), store.create(Thing::new("b", "b", 0)))
    })
    .await
    .expect("both are answered in time");
    for words in [read.unwrap_err().to_string(), written.unwrap_err().to_string()] {
        assert!(words.contains("127.0.0.1:") && words.contains("Connection refused"), "{words}");
    }
    assert!(!store.is_healthy());
    server.start_again().unwrap();
    healthy(&store, true).await;
    assert!(store.get::<Thing>("a").await.unwrap().is_some());
    store.create(Thing::new("b", "b", 0)).await.unwrap();
}
