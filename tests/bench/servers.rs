//! A server that is slow to come: Start, a server that hangs, and one that comes back.

use std::time::Duration;

use anyhow::Result;
use nix::sys::signal::Signal;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use stagebox_protocol::panel::{Intent, OutputState};
use tokio::time::{Instant, sleep};

use super::figure::{Figure, median, worst};
use super::flv::{files, first_picture};
use super::stand::{SETTLES, Stand, output, server, streams};

const STARTS: usize = 20;
const START_S: f64 = 1.0;
const FAULTS: usize = 12;
const NOTICED_S: f64 = 3.0;
const BACK_S: f64 = 2.0;

fn random_pause(random: &mut StdRng, ms: std::ops::Range<u64>) -> Duration {
    Duration::from_millis(random.random_range(ms))
}

/// From Start to the first picture in the server's file.
pub(crate) async fn starts() -> Result<Vec<Figure>> {
    let directory = tempfile::tempdir()?;
    let nginx = server(&directory, "main").await?;
    let mut stand = Stand::with(directory, output("main", "127.0.0.1", nginx.port)).await?;
    let (mut random, mut took_s) = (StdRng::seed_from_u64(1), Vec::new());
    for _ in 0..STARTS {
        // Anywhere between two key frames.
        sleep(SETTLES + random_pause(&mut random, 0..2_000)).await;
        let known = files(&nginx);
        let begun = Instant::now();
        let ((), at) = tokio::try_join!(stand.panel.ask(Intent::GoLive), first_picture(&nginx, &known))?;
        took_s.push((at - begun).as_secs_f64());
        stand.panel.ask(Intent::Stop).await?;
        stand.panel.see("it is off", |status| status.main.state == OutputState::Idle).await?;
    }
    Ok(vec![
        Figure::absolute("Start to server, median", median(took_s.iter().copied()), Some(START_S), "s"),
        Figure::absolute("Start to server, worst", worst(took_s.into_iter()), Some(START_S), "s"),
    ])
}

/// How long it takes until the box sees that its server hangs, and until a server that is there again has a picture.
pub(crate) async fn faults() -> Result<Vec<Figure>> {
    let directory = tempfile::tempdir()?;
    let mut nginx = server(&directory, "main").await?;
    let mut stand = Stand::with(directory, output("main", "127.0.0.1", nginx.port)).await?;
    stand.go_live().await?;
    let mut random = StdRng::seed_from_u64(2);
    let (mut noticed_s, mut resumed_s, mut restarted_s) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..FAULTS {
        // Long enough that it counts as a steady stream.
        sleep(Duration::from_secs(4) + random_pause(&mut random, 0..2_000)).await;
        let known = files(&nginx);
        nginx.process.signal(Signal::SIGSTOP)?;
        let begun = Instant::now();
        let noticed = stand.panel.see("main is lost", |status| !streams(status)).await?;
        noticed_s.push((noticed - begun).as_secs_f64());
        sleep(random_pause(&mut random, 0..3_000)).await;
        nginx.process.signal(Signal::SIGCONT)?;
        let begun = Instant::now();
        resumed_s.push((first_picture(&nginx, &known).await? - begun).as_secs_f64());

        sleep(Duration::from_secs(4) + random_pause(&mut random, 0..2_000)).await;
        let known = files(&nginx);
        nginx.process.kill().await?;
        stand.panel.see("main is lost", |status| !streams(status)).await?;
        sleep(SETTLES + random_pause(&mut random, 0..6_000)).await;
        let begun = Instant::now();
        nginx = stand.again("main", nginx.port).await?;
        restarted_s.push((first_picture(&nginx, &known).await? - begun).as_secs_f64());
        stand.panel.see("main streams", streams).await?;
    }
    let mut figures = Vec::new();
    for (what, took_s, target) in [
        ("server hangs, noticed", noticed_s, NOTICED_S),
        ("server goes on, back", resumed_s, BACK_S),
        ("server restarted, back", restarted_s, BACK_S),
    ] {
        let middle = median(took_s.iter().copied());
        figures.push(Figure::absolute(&format!("{what}, p50"), middle, None, "s"));
        figures.push(Figure::absolute(
            &format!("{what}, worst"),
            worst(took_s.into_iter()),
            Some(target),
            "s",
        ));
    }
    Ok(figures)
}
