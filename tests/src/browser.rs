//! `./run test browser`: the whole job in real Chromium, driven by playwright.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use stagebox_tests::house::smtp::{Mode, Smtp};
use stagebox_tests::house::{Agent, AgentOptions, Cloud, CloudOptions, Source, binary};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

/// No file of tests takes longer than this.
const LIMIT: Duration = Duration::from_secs(180);

/// How many tests of each file passed and failed when it was tried last.
type Outcomes = BTreeMap<PathBuf, (u64, u64)>;

/// A shared machine can stop for seconds: files in which something fails are tried once more, against a new server,
/// and both tries are told.
pub(crate) async fn run(only: Option<&str>) -> Result<()> {
    let web = Path::new(env!("CARGO_MANIFEST_DIR")).join("../cloud/web");
    let mut files = test_files(&web.join("e2e"))?;
    files.retain(|file| only.is_none_or(|part| file.to_string_lossy().contains(part)));
    ensure!(
        !files.is_empty(),
        "--only {}: no file of tests in cloud/web/e2e has this in its name",
        only.unwrap_or_default()
    );
    let mut outcomes = Outcomes::new();
    let mut failed = once(&web, files, &mut outcomes).await?;
    if !failed.is_empty() {
        println!("browser: what failed is tried once more");
        failed = once(&web, failed, &mut outcomes).await?;
    }
    let sum = |count: fn(&(u64, u64)) -> u64| outcomes.values().map(count).sum::<u64>();
    println!("ℹ pass {}\nℹ fail {}", sum(|outcome| outcome.0), sum(|outcome| outcome.1));
    ensure!(failed.is_empty(), "the browser tests failed");
    Ok(())
}

/// Runs files of tests against one server and one box; returns those in which something failed.
async fn once(web: &Path, files: Vec<PathBuf>, outcomes: &mut Outcomes) -> Result<Vec<PathBuf>> {
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
    let (email, password) = cloud.api.credentials();
    let mut failed = Vec::new();
    for file in files {
        let mut command = Command::new("node");
        command
            .args(["--test", "--test-reporter=spec"])
            .arg(&file)
            .current_dir(web)
            .env("STAGEBOX_URL", cloud.api.base())
            .env("STAGEBOX_EMAIL", email)
            .env("STAGEBOX_PASSWORD", password)
            .env("STAGEBOX_DEVICE", &agent.id)
            .env("STAGEBOX_PANEL", binary("stagebox-panel")?)
            .env("STAGEBOX_PANEL_SOCKET", agent.socket())
            .env("STAGEBOX_MAILS", &mails)
            .env("STAGEBOX_RECORDINGS", agent.recordings());
        let Tried { passed, counts, lines } = of_file(command, &file).await?;
        outcomes.insert(file.clone(), counts);
        if !passed {
            println!(
                "---- cloud ----\n{}\n---- box ----\n{}",
                cloud.process.tail(40),
                agent.process.tail(15)
            );
            // Again, so that it is what a log ends with.
            println!("---- {} ----\n{}", file.display(), lines.join("\n"));
            failed.push(file);
        }
    }
    Ok(failed)
}

/// How a file of tests went, and what was said of what failed.
struct Tried {
    passed: bool,
    counts: (u64, u64),
    lines: Vec<String>,
}

async fn of_file(mut command: Command, file: &Path) -> Result<Tried> {
    let mut tests = command.kill_on_drop(true).stdout(Stdio::piped()).spawn().context("starting node")?;
    let mut output = BufReader::new(tests.stdout.take().context("node's output")?).lines();
    let (mut counts, mut lines) = ((0, 0), Vec::new());
    let reading = async {
        while let Some(line) = output.next_line().await? {
            let count = |name| line.strip_prefix(name).and_then(|count| count.trim().parse().ok());
            if let Some(passed) = count("ℹ pass ") {
                counts.0 = passed;
            } else if let Some(failed) = count("ℹ fail ") {
                counts.1 = failed;
            } else if !line.starts_with("ℹ ") {
                println!("{line}");
                let of_failure = !lines.is_empty() || line.starts_with("✖ failing tests");
                if of_failure && lines.len() < 40 {
                    lines.push(line);
                }
            }
        }
        tests.wait().await
    };
    let Ok(status) = timeout(LIMIT, reading).await else {
        lines.push(format!("it took over {LIMIT:?}"));
        return Ok(Tried { passed: false, counts: (counts.0, counts.1.max(1)), lines });
    };
    let passed = status.with_context(|| format!("running {}", file.display()))?.success();
    Ok(Tried { passed, counts, lines })
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
