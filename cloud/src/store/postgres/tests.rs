//! The engine on a real server: the suite, the model, several processes, and a server that goes away.

#[path = "../../../../tests/src/house/postgres.rs"]
#[allow(unreachable_pub, reason = "the house shows it to others")]
mod server;

mod outages;
mod room;
mod sharing;

use super::{PostgresEngine, PostgresOptions};
use crate::clock::{Clock, Timestamp};
use crate::config::Hidden;
use crate::store::config::{StoreConfig, StoreKind};
use crate::store::{Account, Store, StoreError, conformance, model};
use conformance::Thing;
use proptest::prelude::*;
use server::Postgres;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

fn config(server: &Postgres, schema: &str) -> StoreConfig {
    StoreConfig {
        kind: StoreKind::Postgres,
        url: Some(Hidden::new(server.url("postgres"))),
        schema: schema.to_owned(),
        ..StoreConfig::default()
    }
}

async fn engine(server: &Postgres, schema: &str) -> Arc<PostgresEngine> {
    let options = PostgresOptions::default();
    Arc::new(PostgresEngine::open(&config(server, schema), options).await.unwrap())
}

fn store(engine: &Arc<PostgresEngine>) -> Store {
    Store::new(Arc::clone(engine) as Arc<_>, Clock::manual(Timestamp::from_unix_ms(1_000_000)))
}

async fn open(server: &Postgres, schema: &str) -> Store {
    store(&engine(server, schema).await)
}

/// An id that no other call gives.
fn fresh() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    format!("s{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

#[tokio::test]
async fn postgres_does_what_every_engine_must() {
    let server = Postgres::start().unwrap();
    conformance::run(|| async { open(&server, &fresh()).await }).await;
}

#[test]
fn the_store_does_what_a_map_does() {
    let server = Postgres::start().unwrap();
    proptest!(ProptestConfig::with_cases(12), |(steps in model::steps())| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let schema = fresh();
        runtime.block_on(model::follow(steps, || open(&server, &schema)));
    });
}

#[tokio::test]
async fn a_newer_servers_tables_and_wrong_credentials_are_refused_in_words() {
    let server = Postgres::start().unwrap();
    let store = open(&server, "stagebox").await;
    store.create(Thing::new("a", "x", 1)).await.unwrap();
    store.close().await;
    assert!(matches!(store.create(Thing::new("b", "y", 1)).await, Err(StoreError::Closed)));
    assert!(matches!(store.get::<Thing>("a").await, Err(StoreError::Closed)));
    let refused = async |config: StoreConfig| {
        PostgresEngine::open(&config, PostgresOptions::default()).await.err().unwrap().to_string()
    };
    server.run("postgres", "INSERT INTO stagebox.migration VALUES (99, 'later')").unwrap();
    let newer = refused(config(&server, "stagebox")).await;
    assert!(newer.contains("newer server") && newer.contains("99"), "{newer}");
    let url = Some(Hidden::new(server.url("nowhere")));
    let missing = refused(StoreConfig { url, ..config(&server, "stagebox") }).await;
    assert!(missing.contains("nowhere") && missing.contains("store.url"), "{missing}");
    server.run("postgres", "CREATE ROLE small LOGIN").unwrap();
    let url = Some(Hidden::new(server.url("postgres").replace("stagebox@", "small:hunter2@")));
    let weak = refused(StoreConfig { url, ..config(&server, "other") }).await;
    assert!(weak.contains("permission denied") && !weak.contains("hunter2"), "{weak}");
}

#[tokio::test]
async fn a_reader_that_slept_too_long_is_told_to_begin_anew() {
    let server = Postgres::start().unwrap();
    let options = PostgresOptions { journal_keep: 10 };
    let engine = Arc::new(PostgresEngine::open(&config(&server, "stagebox"), options).await.unwrap());
    let store = store(&engine);
    for number in 0..100 {
        store.create(Thing::new(&format!("t{number}"), &format!("n{number}"), number)).await.unwrap();
    }
    let page = store.journal(Account::FIRST, 3, 1000).await.unwrap();
    assert!(page.reset);
    let seqs: Vec<_> = page.entries.iter().map(|entry| entry.seq).collect();
    assert_eq!(seqs, (91..=100).collect::<Vec<_>>());
    let page = store.journal(Account::FIRST, 95, 1000).await.unwrap();
    assert!(!page.reset && page.entries.len() == 5);
    assert_eq!(store.engine().check(Arc::new(|_| true)).await.unwrap(), []);
}

#[tokio::test]
async fn what_does_not_fit_together_is_found() {
    let server = Postgres::start().unwrap();
    let store = open(&server, "stagebox").await;
    for number in 0..5 {
        store.create(Thing::new(&format!("t{number}"), &format!("n{number}"), number)).await.unwrap();
    }
    assert!(store.size_on_disk().await.unwrap() > 0);
    for damage in [
        "DELETE FROM document WHERE id = 't0'",
        "DELETE FROM document_index WHERE id = 't1' AND name = 'name'",
        "UPDATE document SET body = '{' WHERE id = 't2'",
        "DELETE FROM journal WHERE seq = 3",
        "UPDATE journal_head SET seq = 9",
    ] {
        server.run("postgres", &format!("SET search_path TO stagebox; {damage}")).unwrap();
    }
    let faults = store.engine().check(Arc::new(|_| true)).await.unwrap();
    let told: Vec<String> = faults.iter().map(|fault| format!("{}: {}", fault.place, fault.detail)).collect();
    let told = told.join("\n");
    for wanted in [
        "thing t0: the index name has a place",
        "thing t0: the index rank has a place",
        "thing t1: is missing in its index name",
        "thing t2: is no JSON",
        "journal 1: after entry 2 comes 4",
        "journal 1: its head says 1–9",
    ] {
        assert!(told.contains(wanted), "{wanted} is not in\n{told}");
    }
    assert_eq!(faults.len(), 6, "{told}");
}

/// The plan that a statement gets on tables that are empty yet.
fn plan(server: &Postgres, text: &str) -> String {
    let setup = include_str!("session.sql").replace("SCHEMA_NAME", "stagebox");
    let values = (1..10).take_while(|number| text.contains(&format!("${number}"))).map(|_| "NULL");
    let values = values.collect::<Vec<_>>().join(", ");
    let sql = format!("{setup}; PREPARE p AS {text}; EXPLAIN EXECUTE p({values})");
    let answer = server.run("postgres", &sql).unwrap();
    answer.split_once("PREPARE\n").unwrap().1.to_owned()
}

#[tokio::test]
async fn every_statement_goes_along_a_primary_key() {
    let server = Postgres::start().unwrap();
    open(&server, "stagebox").await.close().await;
    for text in super::statements::TEXTS.iter().chain(&super::reading::TEXTS) {
        let plan = plan(&server, text);
        for bad in ["Seq Scan", "Bitmap", "Hash", "Merge", "Sort", "Filter"] {
            assert!(!plan.contains(bad) || is_harmless(&plan, bad), "{bad} in\n{text}\n{plan}");
        }
        // Every index is used with its whole key, or with a range at its end.
        for condition in plan.lines().filter(|line| line.contains("Index Cond")) {
            let keys = ["kind = ", "account = ", "name = $1", "node", "id = $1"];
            assert!(keys.iter().any(|key| condition.contains(key)), "{condition} in\n{plan}");
            assert!(!condition.contains("kind = ") || condition.contains(" AND "), "{condition} in\n{plan}");
        }
        let scans = plan.matches("Index Scan").count() + plan.matches("Index Only Scan").count();
        assert_eq!(scans, plan.matches("Index Cond").count(), "{plan}");
    }
    for text in [super::reading::TEXTS[1], super::reading::TEXTS[2]] {
        assert!(plan(&server, text).contains("Index Only Scan"), "{text}");
    }
}

/// A place may belong to another document by now: that is looked at after the whole key has been found.
fn is_harmless(plan: &str, bad: &str) -> bool {
    let filters: Vec<&str> = plan.lines().filter(|line| line.contains("Filter")).collect();
    bad == "Filter"
        && plan.contains("Delete on document_index")
        && filters.len() == 1
        && filters[0].contains("id = ")
}
