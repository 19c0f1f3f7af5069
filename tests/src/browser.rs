//! `./run test browser`: the whole job in real Chromium, driven by playwright.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use stagebox_tests::house::{Agent, AgentOptions, Cloud, CloudOptions, Source, binary};
use tokio::process::Command;
use tokio::time::timeout;

/// No browser run takes longer than this.
const LIMIT: Duration = Duration::from_secs(280);

pub(crate) async fn run() -> Result<()> {
    let directory = tempfile::tempdir().context("making a directory for the run")?;
    // The receiver of notifications is on this machine.
    let options =
        CloudOptions { extra: "[hooks]\nallow = [\"127.0.0.0/8\"]".into(), ..CloudOptions::default() };
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
        .env("STAGEBOX_RECORDINGS", agent.recordings())
        .kill_on_drop(true);
    let mut tests = command.spawn().context("starting node")?;
    let status = timeout(LIMIT, tests.wait())
        .await
        .with_context(|| format!("the browser tests took over {LIMIT:?}"))??;
    if !status.success() {
        eprintln!("---- cloud ----\n{}\n---- box ----\n{}", cloud.process.tail(60), agent.process.tail(60));
        bail!("the browser tests failed ({status})");
    }
    Ok(())
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
