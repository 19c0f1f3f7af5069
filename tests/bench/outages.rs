//! Minutes of outages of the main server, in random order: what the recording and the other output lose by them.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};
use stagebox_protocol::panel::{Intent, Recording};
use stagebox_tests::house::peer::Nginx;
use stagebox_tests::house::{Agent, AgentOptions, Source, free_port, probe};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use super::figure::Figure;
use super::network::{self, Cable, HERE};
use super::panel::Panel;
use super::stand::{output, streams};
use super::viewer::{self, PICTURE};

const SEED: u64 = 1;
const LOOPBACK: &str = "127.0.0.1";

/// What happens to the main server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outage {
    /// Nobody listens for some seconds.
    Refuses,
    /// It is killed, and started again at once.
    Dies,
    /// It is stopped by a signal.
    Hangs,
    /// All packets are dropped, also those to the other server.
    Drops,
    /// The box's own interface is down.
    Unplugged,
}

/// What came of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Outcome {
    outages: usize,
    with_network: bool,
    recorded: usize,
    /// Pictures that a server got and the recording has not.
    recording_lost: usize,
    /// Pictures that nobody got: the machine was too slow for the encoder.
    left_out: usize,
    /// Pictures that the recording has and the other server has not.
    backup_lost: usize,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let network = if self.with_network { "" } else { "; no network of its own could be made" };
        write!(f, "{} outages, seed {SEED}, {} pictures recorded{network}", self.outages, self.recorded)
    }
}

struct Outages {
    main: Nginx,
    backup: Nginx,
    cable: Option<Cable>,
    panel: Panel,
    agent: Agent,
    directory: TempDir,
}

fn applications(directory: &TempDir, name: &str, port: u16, on_cable: bool) -> Result<String> {
    let folder = directory.path().join(name).join("flv");
    std::fs::create_dir_all(&folder).context("creating the server's folder")?;
    let listen = if on_cable { format!("listen {HERE}:{port};") } else { String::new() };
    let record = format!("record all; record_path {}; record_unique on;", folder.display());
    Ok(format!("{listen} application live {{ live on; {record} }}"))
}

async fn server(directory: &TempDir, name: &str, port: u16, on_cable: bool) -> Result<Nginx> {
    let applications = applications(directory, name, port, on_cable)?;
    Nginx::rtmp_with(directory.path(), name, port, &applications).await
}

impl Outages {
    async fn set(with_network: bool) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let cable = if with_network { Some(Cable::lay(&directory.path().join("logs")).await?) } else { None };
        let main = server(&directory, "main", free_port(0), with_network).await?;
        let backup = server(&directory, "backup", free_port(0), with_network).await?;
        let host = if with_network { HERE } else { LOOPBACK };
        let options = AgentOptions {
            source: Source::Pattern,
            width: PICTURE.width,
            height: PICTURE.height,
            fps: PICTURE.fps,
            bitrate_kbps: 3000,
            within: cable.as_ref().map(Cable::within).transpose()?.unwrap_or_default(),
            extra: output("main", host, main.port) + &output("backup", host, backup.port),
            ..AgentOptions::default()
        };
        let agent = Agent::start_alone(directory.path(), &options)?;
        let panel = Panel::at(&agent.socket()).await?;
        Ok(Self { main, backup, cable, panel, agent, directory })
    }

    async fn happen(&mut self, outage: Outage, random: &mut StdRng) -> Result<()> {
        let lasts = Duration::from_millis(random.random_range(300..7_000));
        match outage {
            Outage::Refuses | Outage::Dies => {
                self.main.process.kill().await?;
                if outage == Outage::Refuses {
                    sleep(lasts).await;
                }
                self.main = server(&self.directory, "main", self.main.port, self.cable.is_some()).await?;
            }
            Outage::Hangs => {
                self.main.process.signal(Signal::SIGSTOP)?;
                sleep(lasts).await;
                self.main.process.signal(Signal::SIGCONT)?;
            }
            Outage::Drops | Outage::Unplugged => {
                let cable = self.cable.as_ref().context("there is no cable")?;
                let is_far = outage == Outage::Drops;
                for is_in in [false, true] {
                    if is_far {
                        cable.plug(is_in).await?;
                    } else {
                        cable.plug_at_box(is_in).await?;
                    }
                    if !is_in {
                        sleep(lasts).await;
                    }
                }
            }
        }
        // What the box has not noticed yet it notices by then.
        sleep(Duration::from_millis(random.random_range(500..4_000))).await;
        self.panel.see("main streams", streams).await?;
        Ok(())
    }
}

/// The clocks of all pictures in these files.
async fn pictures(files: &[PathBuf]) -> Result<BTreeSet<i64>> {
    let mut clocks = BTreeSet::new();
    for file in files {
        clocks.extend(viewer::of_file(file).await?);
    }
    Ok(clocks)
}

/// How many of `others` are not among `those`, from the first to the last of them.
fn lost(those: &BTreeSet<i64>, others: &BTreeSet<i64>) -> usize {
    let (Some(first), Some(last)) = (those.first(), those.last()) else { return others.len() };
    others.range(first..=last).filter(|picture| !those.contains(picture)).count()
}

/// How many steps of a picture there are too few between the first and the last.
fn left_out(clocks_ms: &BTreeSet<i64>) -> usize {
    let frame_ms = 1000.0 / f64::from(PICTURE.fps);
    let steps = |from: &i64, to: &i64| ((to - from) as f64 / frame_ms).round() as usize;
    let pairs = clocks_ms.iter().zip(clocks_ms.iter().skip(1));
    pairs.map(|(from, to)| steps(from, to).saturating_sub(1)).sum()
}

/// Has outages happen for so many minutes.
pub(crate) async fn inside(minutes: u32, with_network: bool) -> Result<Outcome> {
    let mut outages = Outages::set(with_network).await?;
    outages.panel.ask(Intent::StartRecording).await?;
    let is_on = |recording| matches!(recording, Recording::On { .. });
    outages.panel.see("it records", |status| is_on(status.recording)).await?;
    outages.panel.ask(Intent::GoLive).await?;
    outages.panel.see("main streams", streams).await?;
    let mut kinds = vec![Outage::Refuses, Outage::Dies, Outage::Hangs];
    if with_network {
        kinds.extend([Outage::Drops, Outage::Unplugged]);
    }
    let mut random = StdRng::seed_from_u64(SEED);
    let (begun, lasts) = (Instant::now(), Duration::from_secs(u64::from(minutes) * 60));
    let mut count = 0;
    while begun.elapsed() < lasts {
        kinds.shuffle(&mut random);
        for outage in &kinds {
            outages.happen(*outage, &mut random).await.with_context(|| format!("{outage:?}"))?;
            count += 1;
        }
    }
    outages.panel.ask(Intent::Stop).await?;
    outages.panel.ask(Intent::StopRecording).await?;
    outages.panel.see("it does not record", |status| status.recording == Recording::Off).await?;
    outages.agent.process.stop(Duration::from_secs(10)).await?;
    let recorded = pictures(&probe::recordings(&outages.agent.recordings())).await?;
    let main = pictures(&outages.main.recorded()).await?;
    let backup = pictures(&outages.backup.recorded()).await?;
    let of_servers: BTreeSet<i64> = main.union(&backup).copied().collect();
    ensure!(!recorded.is_empty() && !backup.is_empty(), "nothing was recorded, or streamed");
    Ok(Outcome {
        outages: count,
        with_network,
        recorded: recorded.len(),
        recording_lost: lost(&recorded, &of_servers),
        left_out: left_out(&of_servers.union(&recorded).copied().collect()),
        backup_lost: lost(&backup, &recorded),
    })
}

/// In a network of its own, where there can be one.
pub(crate) async fn measure(minutes: u32) -> Result<Vec<Figure>> {
    let outcome = if network::can_be().await {
        let itself = std::env::current_exe().context("finding the running program")?;
        let mut command = network::own(itself.as_os_str());
        command.args(["--outages-inside", "--minutes", &minutes.to_string()]).kill_on_drop(true);
        let output = command.output().await.context("starting in a network of its own")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{said}");
        serde_json::from_slice(&output.stdout).context("reading what came of it")?
    } else {
        inside(minutes, false).await?
    };
    eprintln!("{outcome}");
    let name = format!("recording, {minutes} min outages");
    Ok(vec![
        Figure::absolute(&name, outcome.recording_lost as f64, Some(0.0), "pictures lost"),
        Figure::absolute("outages", outcome.outages as f64, None, "of main's server"),
        Figure::absolute("left out by the encoder", outcome.left_out as f64, None, "pictures"),
        Figure::absolute("backup, pictures lost", outcome.backup_lost as f64, None, "pictures"),
    ])
}
