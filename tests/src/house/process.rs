//! One process of ours or of a peer: started, watched, and ended by its id.

use std::fs::{self, File};
use std::future::Future;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

/// The path of one of our binaries or libraries, built beside the program that asks.
///
/// # Errors
/// When it was not built yet.
pub fn binary(name: &str) -> Result<PathBuf> {
    let own = std::env::current_exe().context("finding the running program")?;
    let folders = own.ancestors().skip(1).take(2);
    for folder in folders {
        let path = folder.join(name);
        if path.is_file() {
            return Ok(path);
        }
    }
    bail!("{name} is not built: run `cargo build --workspace` first")
}

/// A running process with its output in a file.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command`, both outputs into `<logs>/<name>.log`, appended.
    ///
    /// # Errors
    /// When the log cannot be opened or the program cannot be started.
    pub fn start(name: &str, logs: &Path, mut command: Command) -> Result<Self> {
        fs::create_dir_all(logs).with_context(|| format!("creating {}", logs.display()))?;
        let log = logs.join(format!("{name}.log"));
        let file = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .with_context(|| format!("opening {}", log.display()))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone().context("sharing the log")?)
            .stderr(file)
            // A Ctrl-C in the terminal reaches the parent alone, which ends its children in order.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting {name}"))?;
        Ok(Self { name: name.to_owned(), child, log })
    }

    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// All that the process has printed so far.
    #[must_use]
    pub fn output(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The exit status if the process has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let id = self.id().with_context(|| format!("{} has ended", self.name))?;
        kill(Pid::from_raw(id.cast_signed()), signal).with_context(|| format!("{signal} to {}", self.name))
    }

    /// kill -9, and waits for the end.
    ///
    /// # Errors
    /// When the process cannot be waited for.
    pub async fn kill(&mut self) -> Result<()> {
        self.child.kill().await.with_context(|| format!("killing {}", self.name))
    }

    /// Waits for the process to end by itself.
    ///
    /// # Errors
    /// When it does not end in `limit`.
    pub async fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        match timeout(limit, self.child.wait()).await {
            Ok(status) => status.with_context(|| format!("waiting for {}", self.name)),
            Err(_) => bail!("{} did not end in {limit:?}:\n{}", self.name, self.tail(30)),
        }
    }

    /// SIGTERM, and after `limit` kill -9; says which it took.
    ///
    /// # Errors
    /// When it had to be killed, or cannot be waited for.
    pub async fn stop(&mut self, limit: Duration) -> Result<ExitStatus> {
        if let Some(status) = self.ended() {
            return Ok(status);
        }
        self.signal(Signal::SIGTERM)?;
        let ended = self.wait(limit).await;
        if ended.is_err() {
            self.kill().await?;
        }
        ended
    }

    /// The last lines of the output.
    #[must_use]
    pub fn tail(&self, lines: usize) -> String {
        let text = self.output();
        let all: Vec<&str> = text.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("---- {} ----\n{}", self.name, self.tail(60));
        }
    }
}

/// Asks again and again until there is an answer.
///
/// # Errors
/// When there is none in `limit`; `what` says what was waited for.
pub async fn wait_until<T, F>(what: &str, limit: Duration, mut ask: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<Option<T>>>,
{
    let asking = async {
        loop {
            if let Some(answer) = ask().await? {
                return Ok(answer);
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(limit, asking).await.unwrap_or_else(|_| bail!("{what}: not in {limit:?}"))
}

/// The ids of a process's children whose command line contains `words`.
fn children(parent: u32, words: &str) -> Vec<i32> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        let status = fs::read_to_string(entry.path().join("status")).unwrap_or_default();
        let of = status
            .lines()
            .find_map(|line| line.strip_prefix("PPid:"))
            .and_then(|id| id.trim().parse::<u32>().ok());
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        if of == Some(parent) {
            if line.contains(words) {
                found.push(id);
            }
            found.extend(children(id.unsigned_abs(), words));
        }
    }
    found
}

/// The id of the first descendant of `parent` whose command line contains `words`.
///
/// # Errors
/// When the parent has ended or has no such descendant.
pub fn child_of(parent: Option<u32>, words: &str) -> Result<i32> {
    let parent = parent.context("the parent runs")?;
    children(parent, words).first().copied().with_context(|| format!("no child '{words}' of {parent}"))
}
