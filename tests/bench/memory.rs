//! What the agent takes beside its media process, live on two servers and recording.

use std::time::Duration;

use anyhow::{Context, Result};
use stagebox_tests::house::memory::resident_mib;
use tokio::time::{interval, sleep};

use super::figure::{Figure, median, worst};
use super::stand::{SETTLES, Stand, output, server};

const TARGET_MIB: f64 = 40.0;
const SECONDS: usize = 60;

pub(crate) async fn measure() -> Result<Vec<Figure>> {
    let directory = tempfile::tempdir()?;
    let (main, backup) = (server(&directory, "main").await?, server(&directory, "backup").await?);
    let outputs =
        [output("main", "127.0.0.1", main.port), output("backup", "127.0.0.1", backup.port)].concat();
    let mut stand = Stand::with(directory, outputs).await?;
    stand.go_live().await?;
    sleep(SETTLES).await;
    let mut beat = interval(Duration::from_secs(1));
    let mut taken_mib = Vec::new();
    for _ in 0..SECONDS {
        beat.tick().await;
        let id = stand.agent.process.id().context("the box has ended")?;
        taken_mib.push(resident_mib(id).context("the box's memory cannot be read")?);
    }
    Ok(vec![
        Figure::absolute(
            "agent's memory, median",
            median(taken_mib.iter().copied()),
            Some(TARGET_MIB),
            "MiB",
        ),
        Figure::absolute("agent's memory, worst", worst(taken_mib.into_iter()), Some(TARGET_MIB), "MiB"),
    ])
}
