//! A PostgreSQL server of our own, in a directory that goes with it.
//!
//! The unit tests of the cloud take this file in by its path: it uses nothing of the house.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid, User, chown};

/// How long the server may take to be ready: after a crash it reads its log first.
const READY: Duration = Duration::from_secs(30);
/// Debian's.
const PROGRAMS: &str = "/usr/lib/postgresql";
/// The database's owner in these servers; everybody on loopback is let in as anybody.
pub const USER: &str = "stagebox";

/// A server on a loopback port.
#[derive(Debug)]
pub struct Postgres {
    programs: PathBuf,
    port: u16,
    child: Option<Child>,
    directory: tempfile::TempDir,
}

impl Postgres {
    /// Makes a server with no data, and waits until it is ready.
    ///
    /// It ends with the thread that started it, whatever happens to that.
    ///
    /// # Errors
    /// When PostgreSQL is not installed or does not start; its log is in the error.
    pub fn start() -> Result<Self> {
        let programs = programs()?;
        let directory = tempfile::tempdir().context("a directory for PostgreSQL")?;
        if let Some(user) = other_user()? {
            chown(directory.path(), Some(user.uid), Some(user.gid))
                .context("giving PostgreSQL its directory")?;
        }
        let socket = TcpListener::bind("127.0.0.1:0").context("a free port")?;
        let port = socket.local_addr().context("a free port")?.port();
        drop(socket);
        let mut server = Self { programs, port, child: None, directory };
        let data = server.data();
        let made = server
            .command("initdb", &[])?
            .args([
                "--auth=trust",
                "--no-sync",
                "--encoding=UTF8",
                "--locale=C",
                "--username",
                USER,
                "--pgdata",
            ])
            .arg(&data)
            .output()
            .context("running initdb")?;
        ensure!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        server.start_again()?;
        Ok(server)
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// A program of PostgreSQL, which refuses to be run by root.
    fn command(&self, program: &str, before: &[&str]) -> Result<Command> {
        let mut command = Command::new("setpriv");
        if let Some(user) = other_user()? {
            command.args(["--reuid", &user.name, "--regid", &user.name, "--clear-groups"]);
        }
        command.args(before).arg(self.programs.join(program)).current_dir("/").stdin(Stdio::null());
        Ok(command)
    }

    /// Starts the server with the data and the port that it had.
    ///
    /// # Errors
    /// As [`Postgres::start`].
    pub fn start_again(&mut self) -> Result<()> {
        let (data, log) = (self.data(), self.directory.path().join("log"));
        let output = File::options().create(true).append(true).open(&log).context("PostgreSQL's log")?;
        // SIGQUIT ends it and all its processes at once; setpriv has the kernel send it when our thread ends.
        let child = self
            .command("postgres", &["--pdeathsig", "QUIT"])?
            .args(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-D"])
            .arg(&data)
            .args(["-p", &self.port.to_string()])
            .stdout(output.try_clone().context("PostgreSQL's log")?)
            .stderr(output)
            .spawn()
            .context("starting postgres")?;
        let id = child.id();
        self.child = Some(child);
        let until = Instant::now() + READY;
        loop {
            let state = fs::read_to_string(data.join("postmaster.pid")).unwrap_or_default();
            let lines: Vec<&str> = state.lines().map(str::trim).collect();
            if lines.first() == Some(&id.to_string().as_str()) && lines.get(7) == Some(&"ready") {
                return Ok(());
            }
            let ended = self.child.as_mut().and_then(|child| child.try_wait().ok().flatten());
            if ended.is_some() || Instant::now() > until {
                bail!("PostgreSQL did not start: {}", fs::read_to_string(&log).unwrap_or_default());
            }
            sleep(Duration::from_millis(20));
        }
    }

    /// Where a database of it is.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{USER}@127.0.0.1:{}/{database}", self.port)
    }

    /// Has the server carry out statements, and returns what it answers.
    ///
    /// # Errors
    /// When it refuses one, or is away.
    pub fn run(&self, database: &str, sql: &str) -> Result<String> {
        let url = self.url(database);
        let answer = Command::new(self.programs.join("psql"))
            .args(["-X", "-At", "-v", "ON_ERROR_STOP=1", "-d", &url, "-c", sql])
            .env("PGCONNECT_TIMEOUT", "5")
            .stdin(Stdio::null())
            .output()
            .context("running psql")?;
        ensure!(answer.status.success(), "{sql}: {}", String::from_utf8_lossy(&answer.stderr));
        Ok(String::from_utf8_lossy(&answer.stdout).trim().to_owned())
    }

    /// Ends the server at once, with nothing written that was not yet: what is on disk must do.
    ///
    /// # Errors
    /// When it has ended already.
    pub fn crash(&mut self) -> Result<()> {
        self.signal_parent(Signal::SIGQUIT)?;
        if let Some(mut child) = self.child.take() {
            child.wait().context("waiting for postgres")?;
        }
        Ok(())
    }

    /// Stops or continues all processes of the server.
    ///
    /// # Errors
    /// When it has ended.
    pub fn signal_all(&self, signal: Signal) -> Result<()> {
        let parent = self.child.as_ref().context("postgres has ended")?.id();
        for id in children(parent) {
            // One that has just ended needs no signal.
            let _ = kill(id, signal);
        }
        self.signal_parent(signal)
    }

    fn signal_parent(&self, signal: Signal) -> Result<()> {
        let parent = self.child.as_ref().context("postgres has ended")?.id();
        kill(Pid::from_raw(parent.cast_signed()), signal).with_context(|| format!("{signal} to postgres"))
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Those that were stopped can end only when they go on.
        let _ = self.signal_all(Signal::SIGCONT);
        let _ = self.crash();
    }
}

/// The newest PostgreSQL that is installed.
fn programs() -> Result<PathBuf> {
    let versions = fs::read_dir(PROGRAMS).with_context(|| format!("no {PROGRAMS}: install `postgresql`"))?;
    let number =
        |path: &PathBuf| path.file_name().and_then(OsStr::to_str).and_then(|name| name.parse::<u32>().ok());
    let newest = versions.flatten().map(|entry| entry.path()).max_by_key(number);
    let programs = newest.map(|path| path.join("bin")).filter(|path| path.join("initdb").is_file());
    programs.with_context(|| format!("no initdb below {PROGRAMS}: install `postgresql`"))
}

/// Whose the server is where we are root.
fn other_user() -> Result<Option<User>> {
    if !Uid::effective().is_root() {
        return Ok(None);
    }
    let user = User::from_name("postgres").context("looking for the user postgres")?;
    user.context("there is no user postgres: install `postgresql`").map(Some)
}

fn children(parent: u32) -> Vec<Pid> {
    let path = format!("/proc/{parent}/task/{parent}/children");
    let ids = fs::read_to_string(Path::new(&path)).unwrap_or_default();
    ids.split_whitespace().filter_map(|id| id.parse().ok()).map(Pid::from_raw).collect()
}
