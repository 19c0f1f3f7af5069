//! The media process crashes: how long the server is without a picture, on a connection that stays.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use stagebox_media::Epoch;
use stagebox_tests::house::child_of;
use tokio::time::{Instant, sleep};

use super::figure::{Figure, median, worst};
use super::flv::{Flv, LOOK};
use super::live::STEP;
use super::stand::{SETTLES, Stand, output, server, streams};

const BOXES: usize = 2;
/// Of each box.
const CRASHES: usize = 6;
const TARGET_S: f64 = 2.0;
/// One that ran this long was well.
const APART: Duration = Duration::from_secs(11);

/// The encoder's run that the newest key frame is of.
fn newest(flv: &mut Flv) -> Result<Option<Epoch>> {
    Ok(flv.pictures()?.into_iter().rev().find_map(|picture| picture.epoch))
}

/// Waits until there is a picture of another run of the encoder; says when.
async fn back(flv: &mut Flv, before: Epoch) -> Result<Instant> {
    let begun = Instant::now();
    while newest(flv)?.is_none_or(|epoch| epoch == before) {
        ensure!(begun.elapsed() < STEP, "the picture does not come back");
        sleep(LOOK).await;
    }
    Ok(Instant::now())
}

/// Has a process die of SIGSEGV; says when.
///
/// The handler that Rust's runtime has for overflowing stacks returns from the first one that no memory access caused.
async fn crash(id: Pid) -> Result<Instant> {
    let begun = Instant::now();
    // A signal to one that has ended, and that its parent has not heard of, is no failure.
    while kill(id, Signal::SIGSEGV).is_ok() && !has_ended(id) {
        ensure!(begun.elapsed() < STEP, "the media process does not crash");
        sleep(LOOK).await;
    }
    Ok(begun)
}

fn has_ended(id: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with(['Z', 'X']))
}

/// Crashes of one box, in s, and how many connections they cost.
async fn of_a_box(random: &mut StdRng) -> Result<(Vec<f64>, usize)> {
    let directory = tempfile::tempdir()?;
    let nginx = server(&directory, "main").await?;
    let mut stand = Stand::with(directory, output("main", "127.0.0.1", nginx.port)).await?;
    stand.go_live().await?;
    sleep(SETTLES).await;
    let file = nginx.recorded().pop().context("the server has no file")?;
    let (mut flv, mut took_s) = (Flv::open(&file)?, Vec::new());
    for _ in 0..CRASHES {
        sleep(APART + Duration::from_millis(random.random_range(0..2_000))).await;
        let told = || stand.agent.process.tail(10);
        let before =
            newest(&mut flv)?.with_context(|| format!("no key frame came to the server:\n{}", told()))?;
        let begun = crash(Pid::from_raw(child_of(stand.agent.process.id(), " media")?)).await?;
        took_s.push((back(&mut flv, before).await.with_context(told)? - begun).as_secs_f64());
        stand.panel.see("main streams", streams).await?;
    }
    Ok((took_s, nginx.recorded().len() - 1))
}

pub(crate) async fn measure() -> Result<Vec<Figure>> {
    let mut random = StdRng::seed_from_u64(3);
    let (mut took_s, mut connections) = (Vec::new(), 0);
    for _ in 0..BOXES {
        let (took, new) = of_a_box(&mut random).await?;
        took_s.extend(took);
        connections += new;
    }
    Ok(vec![
        Figure::absolute("media crash, back, p50", median(took_s.iter().copied()), None, "s"),
        Figure::absolute("media crash, back, worst", worst(took_s.into_iter()), Some(TARGET_S), "s"),
        Figure::absolute("media crash, new connections", connections as f64, Some(0.0), "connections"),
    ])
}
