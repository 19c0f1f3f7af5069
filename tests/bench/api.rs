//! The API: an authenticated answer against nginx with a fixed body, idle event streams, a storm of wrong passwords.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use stagebox_cloud::access;
use stagebox_tests::house::peer::Nginx;
use stagebox_tests::house::{Cloud, CloudOptions, Process, free_port};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::cpu;
use super::figure::Figure;
use super::http::{Ask, hammer};

const CONNECTIONS: usize = 8;
/// Enough that the kernel's ticks of 10 ms do not show.
const REQUESTS: usize = 40_000;
/// Routes that a lookup must not notice.
const OTHERS: usize = 300;
const LOOKUPS: u32 = 1_000_000;
const STREAMS: usize = 1000;
/// Wrong passwords a second, and for how long.
const STORM: u64 = 1000;
const STORM_LASTS: Duration = Duration::from_secs(20);
/// Requests a second whose times are looked at meanwhile.
const OTHERS_RATE: u64 = 200;

/// A cloud that asks nobody to slow down, with the quotas at work.
async fn start(directory: &Path, trusted: &str) -> Result<Cloud> {
    let unlimited = || "{ per_s = 1000000, burst = 10000000 }".into();
    let mut environment = vec![
        ("STAGEBOX_HTTP__TRUSTED_PROXIES".to_owned(), trusted.into()),
        ("STAGEBOX_HTTP__MAX_CONNECTIONS_PER_ADDRESS".to_owned(), "5000".into()),
    ];
    for of in ["USER", "ACCOUNT", "ADDRESS"] {
        environment.push((format!("STAGEBOX_HTTP__RATES__{of}"), unlimited()));
    }
    Cloud::start(directory, &CloudOptions { environment, ..CloudOptions::default() }).await
}

/// Milliseconds of the server's processor a request.
async fn cost(server: &Process, ask: &Ask) -> Result<f64> {
    hammer(ask, CONNECTIONS, REQUESTS / 10).await?;
    let before = cpu::so_far(server.id())?;
    hammer(ask, CONNECTIONS, REQUESTS).await?;
    Ok((cpu::so_far(server.id())? - before) * 1000.0 / REQUESTS as f64)
}

fn basic(email: &str, password: &str) -> String {
    format!("Authorization: Basic {}\r\n", STANDARD.encode(format!("{email}:{password}")))
}

/// One event by token and by Basic, each against nginx with its body; and what a lookup among more routes costs.
pub(crate) async fn answers(runs: usize) -> Result<Vec<Figure>> {
    let directory = tempfile::tempdir()?;
    let cloud = start(directory.path(), "[]").await?;
    let event = cloud.api.post("events", &json!({ "title": "Bench" })).await?;
    let path = format!("/api/v1/events/{}", event["id"].as_str().context("the event has an id")?);
    let token = cloud.api.post("tokens", &json!({ "name": "bench" })).await?;
    let token = token["token"].as_str().context("the token is shown")?;
    let (email, password) = cloud.api.credentials();
    let address = &cloud.ports.http;
    let by_token = Ask::new(address, &path).with(&format!("Authorization: Bearer {token}\r\n"));
    let by_basic = Ask::new(address, &path).with(&basic(email, password));

    let body = serde_json::to_string(&cloud.api.get(path.trim_start_matches("/api/v1/")).await?)?;
    let nginx = Nginx::fixed(directory.path(), "nginx-fixed", free_port(0), &body).await?;
    let fixed = Ask::new(&format!("127.0.0.1:{}", nginx.port), "/");
    let (mut tokens, mut basics) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        let peer = cost(&nginx.process, &fixed).await?;
        tokens.push((cost(&cloud.process, &by_token).await?, peer));
        basics.push((cost(&cloud.process, &by_basic).await?, peer));
    }
    let answered = tokens.iter().map(|pair| pair.0).fold(f64::INFINITY, f64::min);
    let mut figures = vec![
        Figure::lower("api cpu, token", &tokens, Some(4.0), "CPU-ms an event as JSON"),
        Figure::lower("api cpu, basic", &basics, Some(4.5), "CPU-ms an event as JSON"),
    ];
    figures.push(lookups(runs, &path, answered)?);
    Ok(figures)
}

/// A whole answer with the routes that there are, and with 300 more in front: the lookup is all that they share.
fn lookups(runs: usize, path: &str, answer_ms: f64) -> Result<Figure> {
    let mut more = String::new();
    // The hardest way: all in the same slice, and as long as the one that is asked for.
    for number in 0..OTHERS {
        writeln!(more, "GET /api/v1/events/other{number} events:read")?;
    }
    more.push_str(access::TEXT);
    let here = access::Table::parse(access::TEXT).map_err(anyhow::Error::msg)?;
    // A table is there as long as the program.
    let behind = access::Table::parse(more.leak()).map_err(anyhow::Error::msg)?;
    let pairs: Vec<(f64, f64)> = (0..runs)
        .map(|_| {
            let (with, without) = (lookup_ms(&behind, path), lookup_ms(&here, path));
            (answer_ms - without + with, answer_ms)
        })
        .collect();
    Ok(Figure::lower("api cpu, 300 more routes", &pairs, Some(1.1), "CPU-ms an event as JSON"))
}

fn lookup_ms(table: &access::Table, path: &str) -> f64 {
    let begun = Instant::now();
    for _ in 0..LOOKUPS {
        std::hint::black_box(table.find(&::http::Method::GET, std::hint::black_box(path)));
    }
    begun.elapsed().as_secs_f64() * 1000.0 / f64::from(LOOKUPS)
}

/// What one more idle event stream costs the server.
pub(crate) async fn streams() -> Result<Vec<Figure>> {
    let directory = tempfile::tempdir()?;
    let cloud = start(directory.path(), "[]").await?;
    let token = cloud.api.post("tokens", &json!({ "name": "bench" })).await?;
    let token = token["token"].as_str().context("the token is shown")?;
    let ask =
        Ask::new(&cloud.ports.http, "/api/v1/stream").with(&format!("Authorization: Bearer {token}\r\n"));
    // The first ones pay for what all share.
    let mut open = follow(&ask, STREAMS / 10).await?;
    sleep(Duration::from_secs(2)).await;
    let before = cpu::resident_mib(cloud.process.id())?;
    open.extend(follow(&ask, STREAMS).await?);
    // Past a heartbeat, so that each has been looked at again.
    sleep(Duration::from_secs(12)).await;
    let after = cpu::resident_mib(cloud.process.id())?;
    let kib = (after - before) * 1024.0 / STREAMS as f64;
    drop(open);
    Ok(vec![Figure::absolute("memory of an idle event stream", kib, Some(24.0), "KiB a stream, of 1000")])
}

/// Opens streams, and sees the first event of each.
async fn follow(ask: &Ask, count: usize) -> Result<Vec<TcpStream>> {
    let mut open = Vec::with_capacity(count);
    for _ in 0..count {
        let mut stream = TcpStream::connect(&ask.address).await?;
        stream.write_all(ask.head().as_bytes()).await?;
        let (mut seen, mut piece) = (Vec::new(), [0; 1024]);
        while !seen.windows(11).any(|window| window == b"event:alive") {
            let read =
                timeout(Duration::from_secs(10), stream.read(&mut piece)).await.context("no event")??;
            ensure!(read > 0, "the stream ended: {}", String::from_utf8_lossy(&seen));
            seen.extend_from_slice(&piece[..read]);
        }
        open.push(stream);
    }
    Ok(open)
}

/// The 99th percentile of other requests while a thousand wrong passwords a second come, from as many addresses.
pub(crate) async fn storm(runs: usize) -> Result<Vec<Figure>> {
    let directory = tempfile::tempdir()?;
    let environment = vec![("STAGEBOX_HTTP__TRUSTED_PROXIES".to_owned(), "[\"127.0.0.0/8\"]".into())];
    let cloud =
        Cloud::start(directory.path(), &CloudOptions { environment, ..CloudOptions::default() }).await?;
    let token = cloud.api.post("tokens", &json!({ "name": "bench" })).await?;
    let token = token["token"].as_str().context("the token is shown")?;
    let ask =
        Ask::new(&cloud.ports.http, "/api/v1/events").with(&format!("Authorization: Bearer {token}\r\n"));
    let mut pairs = Vec::new();
    for _ in 0..runs {
        let calm = percentile(&ask).await?;
        let (over, tried) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let storming = tokio::spawn(wrong_passwords(cloud.ports.http.clone(), over.clone(), tried.clone()));
        sleep(Duration::from_secs(1)).await;
        let stormy = percentile(&ask).await?;
        over.store(true, Ordering::Relaxed);
        storming.await??;
        let rate = tried.load(Ordering::Relaxed) as f64 / (STORM_LASTS.as_secs_f64() + 1.0);
        ensure!(rate > STORM as f64 * 0.8, "only {rate:.0} wrong passwords a second were sent");
        pairs.push((stormy, calm));
    }
    Ok(vec![Figure::lower("p99 under 1000 bad logins/s", &pairs, Some(2.0), "ms, against the same without")])
}

/// Asks at an even rate, and takes the time of each from when it was to begin: a late one is not forgiven.
async fn percentile(ask: &Ask) -> Result<f64> {
    let every = Duration::from_secs(1) / OTHERS_RATE as u32;
    let count = (STORM_LASTS.as_millis() / every.as_millis()) as u32;
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for lane in 0..CONNECTIONS as u32 {
        let ask = ask.clone();
        tasks.spawn(async move {
            let mut times = Vec::new();
            let mut connection = ask.connect().await?;
            for turn in (lane..count).step_by(CONNECTIONS) {
                let due = begun + every * turn;
                tokio::time::sleep_until(due.into()).await;
                connection.once().await?;
                times.push(due.elapsed().as_secs_f64() * 1000.0);
            }
            anyhow::Ok(times)
        });
    }
    let mut times = Vec::new();
    while let Some(done) = tasks.join_next().await {
        times.extend(done??);
    }
    times.sort_by(f64::total_cmp);
    times.get(times.len() * 99 / 100).copied().context("nothing was asked")
}

/// Logs in wrongly at [`STORM`] a second until it is over, each time from another address as somebody else.
async fn wrong_passwords(address: String, over: Arc<AtomicBool>, tried: Arc<AtomicU64>) -> Result<()> {
    let every = Duration::from_secs(1) / STORM as u32;
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    // As many connections as answers that are waited for: those that wait for their turn hold up no other.
    for lane in 0..128u32 {
        let (address, over, tried) = (address.clone(), over.clone(), tried.clone());
        tasks.spawn(async move {
            let mut connection = Ask::new(&address, "/api/v1/session").connect().await?;
            let mut turn = lane;
            while !over.load(Ordering::Relaxed) {
                tokio::time::sleep_until((begun + every * turn).into()).await;
                connection.post(&forged(turn)).await?;
                tried.fetch_add(1, Ordering::Relaxed);
                turn += 128;
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(())
}

/// A login that is wrong, through a proxy that is believed.
fn forged(number: u32) -> String {
    let [_, high, middle, low] = number.to_be_bytes();
    let body = format!("{{\"email\":\"nobody{number}@example.org\",\"password\":\"not this one {number}\"}}");
    format!(
        "POST /api/v1/session HTTP/1.1\r\nHost: stagebox\r\nX-Forwarded-For: 100.{high}.{middle}.{low}\r\n\
         X-Forwarded-Proto: https\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}
