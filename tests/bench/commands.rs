//! From a command to its effect: at the server, on the disk, at the panel; over the cloud's API and MQTT, and from the panel.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use stagebox_protocol::panel::{Intent, Recording};
use stagebox_tests::house::probe;
use tokio::time::{Instant, sleep};

use super::door::Door;
use super::figure::Figure;
use super::flv::LOOK;
use super::live::STEP;
use super::stand::{Stand, output, server, streams};
use super::store::percentile;

/// Of each way.
const COMMANDS: usize = 200;
const TARGET_MS: f64 = 150.0;

/// In turn.
const ORDER: [(&str, Intent); 4] = [
    ("start_stream", Intent::GoLive),
    ("start_recording", Intent::StartRecording),
    ("stop_stream", Intent::Stop),
    ("stop_recording", Intent::StopRecording),
];

#[derive(Debug, Clone, Copy)]
enum Way {
    Cloud,
    Panel,
}

/// Gives a command and waits for what it does, in ms.
async fn carried_out(
    stand: &mut Stand,
    door: &Door,
    way: Way,
    (name, intent): (&str, Intent),
) -> Result<f64> {
    let Stand { panel, agent, cloud, .. } = stand;
    let (before, folder) = (door.passed(), agent.recordings());
    let files = probe::recordings(&folder).len();
    let mut eyes = panel.eyes();
    let begun = Instant::now();
    let ask = async {
        match way {
            Way::Cloud => agent.command(cloud, name).await.map(drop),
            Way::Panel => panel.ask(intent).await,
        }
    };
    let effect = async {
        match intent {
            Intent::GoLive => door.see("the box connects", |passed| passed.came > before.came).await,
            Intent::Stop => door.see("the box hangs up", |passed| passed.went == passed.came).await,
            Intent::StartRecording => {
                while probe::recordings(&folder).len() == files {
                    ensure!(begun.elapsed() < STEP, "there is no file");
                    sleep(LOOK).await;
                }
                Ok(Instant::now())
            }
            _ => eyes.see("it does not record", |status| status.recording == Recording::Off).await,
        }
    };
    let ((), at) = tokio::try_join!(ask, effect).with_context(|| format!("{name}, {way:?}"))?;
    Ok((at - begun).as_secs_f64() * 1000.0)
}

pub(crate) async fn measure() -> Result<Vec<Figure>> {
    let directory = tempfile::tempdir()?;
    let nginx = server(&directory, "main").await?;
    let door = Door::before(nginx.port).await?;
    let mut stand = Stand::with(directory, output("main", "127.0.0.1", door.port)).await?;
    let mut figures = Vec::new();
    for (way, what) in [(Way::Cloud, "cloud and MQTT"), (Way::Panel, "panel")] {
        let mut took_ms: [Vec<f64>; 4] = Default::default();
        for number in 0..COMMANDS {
            let order = ORDER[number % ORDER.len()];
            took_ms[number % ORDER.len()].push(carried_out(&mut stand, &door, way, order).await?);
            match order.1 {
                Intent::GoLive => drop(stand.panel.see("main streams", streams).await?),
                Intent::StartRecording => {
                    let is_on = |recording| matches!(recording, Recording::On { .. });
                    stand.panel.see("it records", |status| is_on(status.recording)).await?;
                }
                _ => {}
            }
            // At any moment of what the box does twice a second.
            sleep(Duration::from_millis(100 + number as u64 * 37 % 500)).await;
        }
        for ((name, _), took_ms) in ORDER.iter().zip(&mut took_ms) {
            figures.push(Figure::absolute(&format!("{name}, p50"), percentile(took_ms, 0.5), None, "ms"));
        }
        let mut all_ms = took_ms.concat();
        for (part, target) in [(0.5, None), (0.99, Some(TARGET_MS))] {
            let name = format!("{what}, p{:.0}", part * 100.0);
            figures.push(Figure::absolute(&name, percentile(&mut all_ms, part), target, "ms to the effect"));
        }
    }
    Ok(figures)
}
