//! `./run test browser`: the whole job in real Chromium, driven by playwright.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use stagebox_tests::house::smtp::{Mode, Smtp};
use stagebox_tests::house::{Agent, AgentOptions, Cloud, CloudOptions, Source, binary};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

/// No browser run takes longer than this.
const LIMIT: Duration = Duration::from_secs(420);

/// A shared machine can stop for seconds: what fails is tried once more from the beginning, and both are told.
pub(crate) async fn run() -> Result<()> {
    let first = once().await?;
    if first.passed {
        return first.told();
    }
    println!("browser: the first try failed, a second one begins");
    once().await?.told()
}

/// How one run went, with the lines that count its tests.
struct Outcome {
    passed: bool,
    counts: Vec<String>,
}

impl Outcome {
    fn told(self) -> Result<()> {
        println!("{}", self.counts.join("\n"));
        ensure!(self.passed, "the browser tests failed");
        Ok(())
    }
}

async fn once() -> Result<Outcome> {
    let directory = tempfile::tempdir().context("making a directory for the run")?;
    let mails = directory.path().join("mails");
    std::fs::create_dir(&mails).context("a folder for mails")?;
    let smtp = Smtp::start(Mode::Plain, false, Some(&mails)).await?;
    // The receivers of notifications and of mail are on this machine.
    let extra = format!(
        "[outbound]\nallow = [\"127.0.0.0/8\"]\n[mail]\nserver = \"127.0.0.1\"\nport = {}\nencryption = \"none\"\n\
         from = \"Stagebox <stagebox@example.org>\"\n",
        smtp.address.port(),
    );
    let options = CloudOptions { extra, ..CloudOptions::default() };
    let cloud = Cloud::start(directory.path(), &options).await?;
    let options = AgentOptions { source: Source::Pattern, ..AgentOptions::default() };
    let agent = Agent::start(directory.path(), &cloud, &options).await?;
    let web = Path::new(env!("CARGO_MANIFEST_DIR")).join("../cloud/web");
    let (email, password) = cloud.api.credentials();
    let mut command = Command::new("node");
    command
        .args(["--test", "--test-concurrency=1", "--test-reporter=spec"])
        .args(test_files(&web.join("e2e"))?)
        .current_dir(&web)
        .env("STAGEBOX_URL", cloud.api.base())
        .env("STAGEBOX_EMAIL", email)
        .env("STAGEBOX_PASSWORD", password)
        .env("STAGEBOX_DEVICE", &agent.id)
        .env("STAGEBOX_PANEL", binary("stagebox-panel")?)
        .env("STAGEBOX_PANEL_SOCKET", agent.socket())
        .env("STAGEBOX_MAILS", &mails)
        .env("STAGEBOX_RECORDINGS", agent.recordings())
        .kill_on_drop(true);
    let mut tests = command.stdout(Stdio::piped()).spawn().context("starting node")?;
    let mut lines = BufReader::new(tests.stdout.take().context("node's output")?).lines();
    let mut counts = Vec::new();
    let reading = async {
        while let Some(line) = lines.next_line().await? {
            if line.starts_with("ℹ ") { counts.push(line) } else { println!("{line}") }
        }
        tests.wait().await
    };
    let status =
        timeout(LIMIT, reading).await.with_context(|| format!("the browser tests took over {LIMIT:?}"))??;
    if !status.success() {
        println!("---- cloud ----\n{}\n---- box ----\n{}", cloud.process.tail(60), agent.process.tail(60));
    }
    Ok(Outcome { passed: status.success(), counts })
}

/// The files by name: what a folder means to node's test runner differs between its versions.
fn test_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("listing {}", folder.display()))?;
    let mut files: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|path| path.to_string_lossy().ends_with(".test.mjs"));
    files.sort();
    let relative = |path: PathBuf| path.file_name().map(|name| Path::new("e2e").join(name));
    Ok(files.into_iter().filter_map(relative).collect())
}
