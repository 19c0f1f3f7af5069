//! What a key promises, also when the server ends between what was done and its answer.

use super::document::{KeyedRequest, Mark, State};
use super::sweep::forget_answers;
use super::{Claim, Idempotency, Key, print};
use crate::access::{Caller, Permissions, Via};
use crate::clock::{Clock, Timestamp};
use crate::cluster::Cluster;
use crate::config::Config;
use crate::http::{ApiError, Response};
use crate::id::UserId;
use crate::secret::{Rotation, Vault};
use crate::store::rider::{self, Ride};
use crate::store::{Account, Document, Owner, Progress, Store};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use http_body_util::BodyExt as _;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tempfile::TempDir;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Thing {
    id: String,
}

impl Document for Thing {
    const KIND: &'static str = "thing";

    fn owner(&self) -> Owner {
        Owner::Account(Account::FIRST)
    }

    fn id(&self) -> String {
        self.id.clone()
    }
}

struct Stage {
    directory: TempDir,
    clock: Clock,
    store: Store,
    vault: Vault,
    caller: Caller,
    made: AtomicU32,
}

fn key(text: &str) -> Key {
    let mut headers = HeaderMap::new();
    headers.insert("idempotency-key", HeaderValue::from_str(text).unwrap());
    Key::of(&headers).unwrap().unwrap()
}

fn made(number: u32) -> Response {
    let mut response = Response::new(format!("{{\"secret\":\"shown-once-{number}\"}}").into());
    *response.status_mut() = StatusCode::CREATED;
    response.headers_mut().insert(header::LOCATION, HeaderValue::from_static("/things/1"));
    response.headers_mut().insert(header::SET_COOKIE, HeaderValue::from_static("a=b"));
    response
}

async fn body(response: Response) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

impl Stage {
    fn set() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clock = Clock::manual(Timestamp::from_unix_ms(1_000_000));
        let store = Store::open_sled(&directory.path().join("store"), clock.clone()).unwrap();
        let vault = Vault::open(&directory.path().join("key"), false).unwrap();
        let (user, account) = (UserId::random(), Account::FIRST);
        let caller = Caller { user, account, permissions: Permissions::all(), via: Via::Token };
        Self { directory, clock, store, vault, caller, made: AtomicU32::new(0) }
    }

    /// As a process that starts on what is there.
    fn process(&self) -> Idempotency {
        let cluster = Cluster::new(&Config::default(), &self.store, &self.clock);
        Idempotency::new(&self.store, &self.vault, &self.clock, &cluster)
    }

    /// Makes a thing, as a handler does.
    async fn make(&self) -> Response {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        self.store.create(Thing { id: format!("t{number}") }).await.unwrap();
        made(number)
    }

    async fn ask(&self, process: &Idempotency, text: &str) -> Result<Response, ApiError> {
        let print = print(&Method::POST, "/things", b"{}");
        process.once(&self.caller, &key(text), print, self.make()).await
    }

    fn made(&self) -> u32 {
        self.made.load(Ordering::Relaxed)
    }
}

#[tokio::test]
async fn a_repeat_is_answered_alike_and_does_nothing() {
    let stage = Stage::set();
    let process = stage.process();
    assert_eq!(stage.ask(&process, "a").await.unwrap().status(), 201);
    for process in [&process, &stage.process()] {
        let again = stage.ask(process, "\"a\"").await.unwrap();
        assert_eq!(again.status(), 201);
        assert_eq!(again.headers()["location"], "/things/1");
        assert_eq!(again.headers()["idempotency-replayed"], "true");
        assert!(!again.headers().contains_key("set-cookie"));
        assert_eq!(body(again).await, "{\"secret\":\"shown-once-0\"}");
    }
    assert_eq!(stage.made(), 1);
    let other = print(&Method::POST, "/things", b"{ }");
    let refused = process.once(&stage.caller, &key("a"), other, stage.make()).await.unwrap_err();
    assert_eq!(refused.status(), 422);
    let somebody = Caller { user: UserId::random(), ..stage.caller };
    let theirs = print(&Method::POST, "/things", b"{}");
    assert!(process.once(&somebody, &key("a"), theirs, stage.make()).await.is_ok());
    assert_eq!(stage.made(), 2, "another user's keys are others");
    stage.clock.advance(Duration::from_secs(24 * 3600));
    assert!(!stage.ask(&process, "a").await.unwrap().headers().contains_key("idempotency-replayed"));
    assert_eq!(stage.made(), 3);
}

#[tokio::test]
async fn what_is_shown_once_is_not_kept_in_the_clear_and_survives_a_change_of_keys() {
    let stage = Stage::set();
    let process = stage.process();
    stage.vault.check(&stage.store).await.unwrap();
    stage.ask(&process, "a").await.unwrap();
    let kept = stage.store.get::<KeyedRequest>(key("a").id(&stage.caller)).await.unwrap().unwrap();
    let kept = serde_json::to_string(&kept.document).unwrap();
    assert!(!kept.contains("shown-once") && kept.contains("sealed:"), "{kept}");
    let rotation = Rotation { vault: &stage.vault, store: &stage.store, clock: &stage.clock, node: "" };
    rotation.run(&Progress::unwatched()).await.unwrap();
    let again = stage.ask(&process, "a").await.unwrap();
    assert_eq!(body(again).await, "{\"secret\":\"shown-once-0\"}");
    assert_eq!(stage.made(), 1);
    drop(stage.directory);
}

#[tokio::test]
async fn of_many_at_once_one_is_done() {
    let stage = Stage::set();
    let process = stage.process();
    let all = (0..20).map(|_| stage.ask(&process, "a"));
    let answers = futures_util::future::join_all(all).await;
    assert_eq!(stage.made(), 1);
    for answer in answers {
        match answer {
            Ok(answer) => assert_eq!(answer.status(), 201),
            Err(refused) => {
                let refused = refused.into_response();
                assert_eq!(
                    (refused.status().as_u16(), &refused.headers()["retry-after"]),
                    (409, &"1".parse().unwrap())
                );
            }
        }
    }
}

/// Takes the key, does the work as far as it is polled, and ends as after kill -9.
async fn die_midway(stage: &Stage, work: impl Future<Output = Response>) {
    let process = stage.process();
    let print = print(&Method::POST, "/things", b"{}");
    let (caller, key) = (stage.caller, key("a"));
    let once = process.once(&caller, &key, print, work);
    let died = tokio::time::timeout(Duration::from_millis(300), once).await;
    assert!(died.is_err(), "it ended by itself");
}

#[tokio::test]
async fn what_a_dead_process_had_not_done_is_done() {
    let stage = Stage::set();
    die_midway(&stage, std::future::pending()).await;
    let process = stage.process();
    assert_eq!(stage.ask(&process, "a").await.unwrap().status(), 201);
    assert_eq!(stage.made(), 1);
}

#[tokio::test]
async fn what_a_dead_process_had_done_is_not_done_again() {
    let stage = Stage::set();
    let half = async {
        let _lost = stage.make().await;
        std::future::pending().await
    };
    die_midway(&stage, half).await;
    for process in [stage.process(), stage.process()] {
        let refused = stage.ask(&process, "a").await.unwrap_err();
        assert_eq!(refused.status(), 409);
        assert!(refused.detail().contains("was carried out"), "{refused:?}");
    }
    assert_eq!(stage.made(), 1);
}

#[tokio::test]
async fn a_failure_is_not_kept_but_what_it_did_is_known() {
    let stage = Stage::set();
    let process = stage.process();
    let print = || print(&Method::POST, "/things", b"{}");
    let failed = || ApiError::unavailable("away").into_response();
    let answer = process.once(&stage.caller, &key("a"), print(), async { failed() }).await.unwrap();
    assert_eq!(answer.status(), 503);
    let slow = async { ApiError::too_many("wait", 1).into_response() };
    assert_eq!(process.once(&stage.caller, &key("a"), print(), slow).await.unwrap().status(), 429);
    let panics = async { panic!("a handler that fails") };
    assert_eq!(process.once(&stage.caller, &key("a"), print(), panics).await.unwrap().status(), 500);
    assert_eq!(stage.ask(&process, "a").await.unwrap().status(), 201);
    let half = async {
        stage.make().await;
        failed()
    };
    assert_eq!(process.once(&stage.caller, &key("b"), print(), half).await.unwrap().status(), 503);
    assert_eq!(stage.ask(&process, "b").await.unwrap_err().status(), 409);
    assert_eq!(stage.made(), 2);
    let wrong = async { ApiError::field("title", "is required").into_response() };
    assert_eq!(process.once(&stage.caller, &key("c"), print(), wrong).await.unwrap().status(), 422);
    assert_eq!(stage.ask(&process, "c").await.unwrap().status(), 422, "what is wrong stays wrong");
}

#[tokio::test]
async fn what_a_process_gave_up_is_done_at_the_next_try() {
    let stage = Stage::set();
    let process = stage.process();
    let print = print(&Method::POST, "/things", b"{}");
    let id = key("a").id(&stage.caller);
    // As it is when the store goes away before it could be kept what came of it.
    let Ok(Claim::Do(_, flight)) = process.claim(&stage.caller, &id, print).await else {
        panic!("it is free")
    };
    assert_eq!(stage.ask(&process, "a").await.unwrap_err().status(), 409, "somebody is about it");
    drop(flight);
    assert_eq!(stage.ask(&process, "a").await.unwrap().status(), 201);
    assert_eq!(stage.made(), 1);
    // Whoever was taken for dead and wakes finds the mark of who did it.
    assert!(stage.store.get::<Mark>(&id).await.unwrap().is_some());
    let (_, ride) = rider::with(stage.store.batch().create(&Mark { id }), async {
        stage.store.create(Thing { id: "late".into() }).await.unwrap_err()
    })
    .await
    .unwrap();
    assert_eq!(ride, Ride::Waited);
}

#[tokio::test]
async fn keys_go_with_their_day_and_an_account_has_so_many() {
    let stage = Stage::set();
    let mut process = stage.process();
    Arc::get_mut(&mut process.0).unwrap().most = 10;
    for number in 0..30 {
        stage.ask(&process, &format!("k{number}")).await.unwrap();
        stage.clock.advance(Duration::from_secs(1));
    }
    let left = count(&stage.store).await;
    assert!(left <= 10, "{left}");
    assert!(stage.ask(&process, "k29").await.unwrap().headers().contains_key("idempotency-replayed"));
    stage.clock.advance(Duration::from_secs(24 * 3600));
    assert_eq!(process.forget_the_old().await.unwrap(), left);
    assert_eq!(count(&stage.store).await, 0);
    assert!(stage.store.get::<Mark>(key("k29").id(&stage.caller)).await.unwrap().is_none());
}

#[tokio::test]
async fn answers_that_may_name_somebody_are_forgotten_and_nothing_is_done_twice() {
    let stage = Stage::set();
    let process = stage.process();
    stage.ask(&process, "a").await.unwrap();
    forget_answers(&stage.store, Account::FIRST, UserId::random()).await.unwrap();
    let told = stage.ask(&process, "a").await.unwrap_err();
    assert_eq!((told.status(), stage.made()), (StatusCode::CONFLICT, 1));
    forget_answers(&stage.store, Account::FIRST, stage.caller.user).await.unwrap();
    assert_eq!(count(&stage.store).await, 0, "their own keys go");
}

async fn count(store: &Store) -> usize {
    let scan = crate::store::Scan::of(super::document::BY_AGE).limit(200);
    let page = store.scan::<KeyedRequest>(scan).await.unwrap();
    assert!(page.items.iter().all(|found| !matches!(found.document.state, State::Running { .. })));
    page.items.len()
}
