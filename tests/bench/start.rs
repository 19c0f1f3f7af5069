//! Start to first frame: how long somebody who waits on the event's page in Chromium waits for the picture.

use std::time::Duration;

use anyhow::{Context, Result};
use serde::Deserialize;
use tokio::time::sleep;

use super::figure::{Figure, median};
use super::glass::Viewed;

/// How far apart a box's are.
const KEY_FRAMES: Duration = Duration::from_secs(2);

#[derive(Debug, Deserialize)]
struct Seen {
    first_frame_ms: f64,
}

pub(crate) async fn measure(runs: usize) -> Result<Vec<Figure>> {
    let mut waited_ms = Vec::new();
    for run in 0..runs {
        let viewed = Viewed::receiving().await?;
        // Anywhere between two key frames.
        sleep(KEY_FRAMES * run as u32 / runs as u32).await;
        let seen: Seen = viewed.watch("e2e/start.mjs").await.context("reading what the viewer saw")?;
        waited_ms.push(seen.first_frame_ms);
    }
    let seconds = median(waited_ms.into_iter()) / 1000.0;
    Ok(vec![Figure::absolute("Start to first frame", seconds, Some(3.0), "s")])
}
