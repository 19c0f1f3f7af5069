//! One run of Mosquitto, from its start to its end, on a thread of its own.

use super::BrokerError;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::VecDeque;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{oneshot, watch};

/// Lines of its log that an error shows.
const LAST_LINES: usize = 4;

/// A running Mosquitto.
pub(super) struct Process {
    /// Its pid until it was waited for, so that no other process is ever signalled.
    pid: Arc<Mutex<Option<Pid>>>,
    ended: watch::Receiver<Option<String>>,
    last: Arc<Mutex<VecDeque<String>>>,
}

impl Process {
    /// Starts it, by way of `launcher`, which ends it with this process.
    pub(super) async fn start(
        launcher: &Path,
        mosquitto: &Path,
        configuration: &Path,
    ) -> Result<Self, BrokerError> {
        let mut command = Command::new(launcher);
        command
            .arg("broker-exec")
            .args(["--parent", &std::process::id().to_string()])
            .arg("--program")
            .arg(mosquitto)
            .arg("--configuration")
            .arg(configuration)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let program = mosquitto.to_owned();
        let failed = move |source| BrokerError::Program { path: program.clone(), source };
        let pid = Arc::new(Mutex::new(None));
        let last = Arc::new(Mutex::new(VecDeque::new()));
        let (say_ended, ended) = watch::channel(None);
        let (say_started, started) = oneshot::channel();
        let (its_pid, its_last) = (Arc::clone(&pid), Arc::clone(&last));
        // The kernel ends the child with the thread that started it: this one lives as long as the child.
        std::thread::Builder::new()
            .name("broker".into())
            .spawn(move || {
                let child = match command.spawn() {
                    Ok(child) => child,
                    Err(error) => {
                        let _ = say_started.send(Err(error));
                        return;
                    }
                };
                *lock(&its_pid) = Some(Pid::from_raw(child.id().cast_signed()));
                let _ = say_started.send(Ok(()));
                let status = attend(child, &its_pid, &its_last);
                say_ended.send_replace(Some(status));
            })
            .map_err(&failed)?;
        match started.await {
            Ok(Ok(())) => Ok(Self { pid, ended, last }),
            Ok(Err(error)) => Err(failed(error)),
            Err(_) => Err(failed(std::io::Error::other("its thread ended"))),
        }
    }

    /// Waits for its end; says how it ended.
    pub(super) async fn ended(&self) -> String {
        let mut ended = self.ended.clone();
        match ended.wait_for(Option::is_some).await {
            Ok(status) => status.clone().unwrap_or_default(),
            Err(_) => "its thread ended".into(),
        }
    }

    /// Asks it to end, or makes it.
    pub(super) fn signal(&self, signal: Signal) {
        if let Some(pid) = *lock(&self.pid) {
            // It may have ended by itself just now.
            let _ = kill(pid, signal);
        }
    }

    /// Its last lines.
    pub(super) fn said(&self) -> String {
        let last = lock(&self.last);
        if last.is_empty() {
            "it said nothing".into()
        } else {
            last.iter().cloned().collect::<Vec<_>>().join("; ")
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL);
    }
}

/// Reads its log until it ends, and waits for it.
fn attend(mut child: Child, pid: &Mutex<Option<Pid>>, last: &Mutex<VecDeque<String>>) -> String {
    if let Some(log) = child.stderr.take() {
        for line in BufReader::new(log).split(b'\n') {
            let Ok(line) = line else { break };
            let line = String::from_utf8_lossy(&line).into_owned();
            // Mosquitto begins each line with seconds since 1970.
            let line = line.split_once(": ").map_or(line.as_str(), |(_, text)| text).trim().to_owned();
            tracing::debug!(target: "mosquitto", "{line}");
            let mut last = lock(last);
            last.push_back(line.chars().take(300).collect());
            if last.len() > LAST_LINES {
                last.pop_front();
            }
        }
    }
    // Between the end and the wait the pid cannot be anybody else's.
    let status = child.wait();
    *lock(pid) = None;
    status.map_or_else(|error| error.to_string(), |status: ExitStatus| status.to_string())
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
