//! The store on a PostgreSQL server of Debian's configuration: the same work as the embedded one.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, ensure};
use stagebox_cloud::clock::Clock;
use stagebox_cloud::config::Hidden;
use stagebox_cloud::store::{PostgresEngine, PostgresOptions, Store, StoreConfig, StoreKind};
use stagebox_tests::house::postgres::Postgres;

use super::figure::{Figure, median};
use super::store::{DOCUMENTS, Told, WRITERS, fill, peer, rate, reads};

async fn open(server: &Postgres, schema: &str) -> Result<Store> {
    let config = StoreConfig {
        kind: StoreKind::Postgres,
        url: Some(Hidden::new(server.url("postgres"))),
        schema: schema.to_owned(),
        ..StoreConfig::default()
    };
    let engine = PostgresEngine::open(&config, PostgresOptions::default()).await?;
    Ok(Store::new(Arc::new(engine), Clock::system()))
}

/// Durable writes a second, alternating with redb.
pub(crate) async fn writes(runs: usize) -> Result<Vec<Figure>> {
    let server = Postgres::start()?;
    let mut figures = Vec::new();
    for writers in WRITERS {
        let mut pairs = Vec::new();
        for run in 0..runs {
            let store = open(&server, &format!("run{run}_{writers}")).await?;
            let ours = rate(Arc::new(store.clone()), writers).await?;
            store.close().await;
            pairs.push((ours, peer(writers).await?));
        }
        let rates: Vec<_> = pairs.iter().map(|(ours, peer)| (ours.per_second, peer.per_second)).collect();
        let p50: Vec<_> = pairs.iter().map(|(ours, peer)| (ours.p50_ms, peer.p50_ms)).collect();
        let p99: Vec<_> = pairs.iter().map(|(ours, peer)| (ours.p99_ms, peer.p99_ms)).collect();
        let of = format!("{writers} writers");
        figures.push(Figure::higher(&format!("postgres writes, {of}"), &rates, None, "durable writes/s"));
        figures.push(Figure::lower(&format!("postgres p50, {of}"), &p50, None, "ms a write"));
        figures.push(Figure::lower(&format!("postgres p99, {of}"), &p99, None, "ms a write"));
    }
    Ok(figures)
}

/// Reads among a million documents, and how soon it is open after the server crashed.
pub(crate) async fn million(runs: usize) -> Result<Vec<Figure>> {
    let mut server = Postgres::start()?;
    let store = open(&server, "million").await?;
    let begun = Instant::now();
    fill(&store).await?;
    let filled_s = begun.elapsed().as_secs_f64();
    let mut told: Vec<Told> = Vec::new();
    let (mut opened, bytes) = (Vec::new(), store.size_on_disk().await?);
    store.close().await;
    for _ in 0..runs {
        server.crash()?;
        let begun = Instant::now();
        server.start_again()?;
        let store = open(&server, "million").await?;
        opened.push(begun.elapsed().as_secs_f64());
        told.push(reads(&store).await?);
        store.close().await;
    }
    ensure!(bytes > 0, "the tables have no size");
    let of = |pick: fn(&Told) -> f64| median(told.iter().map(pick));
    Ok(vec![
        Figure::absolute("postgres filled with 1 M", filled_s, None, "s, 128 writers"),
        Figure::absolute(
            "postgres bytes a document",
            bytes as f64 / DOCUMENTS as f64,
            None,
            "B, journal too",
        ),
        Figure::absolute("postgres point read, p50", of(|told| told.point_p50_ms), None, "ms of 1 M"),
        Figure::absolute("postgres point read, p99", of(|told| told.point_p99_ms), Some(5.0), "ms of 1 M"),
        Figure::absolute("postgres page of 50, p50", of(|told| told.page_p50_ms), None, "ms of 1 M"),
        Figure::absolute("postgres page of 50, p99", of(|told| told.page_p99_ms), Some(5.0), "ms of 1 M"),
        Figure::absolute("postgres open after crash", median(opened.into_iter()), None, "s, server too"),
    ])
}
