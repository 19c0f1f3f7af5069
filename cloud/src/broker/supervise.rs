//! Keeps a broker running: starts it, waits until it takes connections, starts it again when it ends.
#![allow(clippy::disallowed_methods, reason = "a driver: it waits until a time that it set itself")]

use super::BrokerError;
use super::access::{Credential, Verifier};
use super::configuration::{self, Encrypted};
use super::process::Process;
use crate::id::random_bytes;
use crate::tls::Pair;
use nix::sys::signal::Signal;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The longest that a start may take.
const START: Duration = Duration::from_secs(10);
/// How long a port may still belong to a broker that is just ending.
const PORT: Duration = Duration::from_secs(3);
/// How long it may take to end when asked.
const END: Duration = Duration::from_secs(2);
/// Waits before it is started again, by how often it ended soon after its start.
const PAUSES_MS: [u64; 5] = [100, 500, 1_000, 2_000, 5_000];
/// A run this long was a good one.
const GOOD_RUN: Duration = Duration::from_secs(30);

/// What the broker is started with.
#[derive(Debug, Clone)]
pub struct BrokerOptions {
    /// Mosquitto.
    pub mosquitto: PathBuf,
    /// Its dynamic-security plugin; looked for in the usual places if absent.
    pub plugin: Option<PathBuf>,
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where it listens with TLS, and the certificate with those that follow it.
    pub encrypted: Option<(SocketAddr, watch::Receiver<Arc<Pair>>)>,
    /// Its configuration and state.
    pub directory: PathBuf,
    /// `stagebox-cloud`, which becomes Mosquitto.
    pub launcher: PathBuf,
}

/// The cloud's own user at the broker.
#[derive(Clone)]
pub struct Login {
    /// User and client id.
    pub user: String,
    /// The password: drawn at each start of the cloud, never written down.
    pub password: String,
}

/// A broker that is kept running; cloned freely.
#[derive(Clone)]
pub struct Broker(Arc<Shared>);

struct Shared {
    address: SocketAddr,
    encrypted: Option<SocketAddr>,
    login: Login,
    /// Counts the starts.
    runs: watch::Receiver<u64>,
}

impl Broker {
    /// Starts it; `credentials` is asked for the boxes' users at each start.
    ///
    /// # Errors
    /// If the program, the plugin, the port or the credentials cannot be used.
    pub async fn start<F, R>(
        options: BrokerOptions,
        credentials: F,
        shutdown: CancellationToken,
    ) -> Result<Self, BrokerError>
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<Vec<Credential>, String>> + Send + 'static,
    {
        let plugin = configuration::plugin(options.plugin.as_deref())?;
        if !options.mosquitto.is_file() {
            let source = std::io::Error::from(std::io::ErrorKind::NotFound);
            return Err(BrokerError::Program { path: options.mosquitto, source });
        }
        let address = free_address("mqtt.listen", options.listen).await?;
        let encrypted = match &options.encrypted {
            // A free port is given back before Mosquitto takes it, and may be found twice.
            Some((wanted, _)) => loop {
                let found = free_address("mqtt.tls_listen", *wanted).await?;
                if found != address || wanted.port() != 0 {
                    break Some(found);
                }
            },
            None => None,
        };
        let login = Login { user: "stagebox-cloud".into(), password: hex::encode(random_bytes::<24>()) };
        let cloud = Credential::of_cloud(login.user.clone(), Verifier::new(&login.password, random_bytes()));
        let keeper = Keeper { options, plugin, address, encrypted, cloud, credentials };
        let process = keeper.run().await?;
        let (runs, seen) = watch::channel(1);
        tokio::spawn(keeper.keep(process, runs, shutdown));
        Ok(Self(Arc::new(Shared { address, encrypted, login, runs: seen })))
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.0.address
    }

    /// Where it listens with TLS.
    pub fn encrypted_address(&self) -> Option<SocketAddr> {
        self.0.encrypted
    }

    /// Where the cloud itself connects.
    pub fn local_address(&self) -> SocketAddr {
        let ip = if self.0.address.ip().is_unspecified() {
            IpAddr::V4(Ipv4Addr::LOCALHOST)
        } else {
            self.0.address.ip()
        };
        SocketAddr::new(ip, self.0.address.port())
    }

    /// Returns when it has ended for good, and its port is free.
    pub async fn ended(&self) {
        let mut runs = self.runs();
        while runs.changed().await.is_ok() {}
    }

    /// The cloud's own user.
    pub fn login(&self) -> Login {
        self.0.login.clone()
    }

    /// How often it was started; wakes at each start.
    pub fn runs(&self) -> watch::Receiver<u64> {
        self.0.runs.clone()
    }
}

struct Keeper<F> {
    options: BrokerOptions,
    plugin: PathBuf,
    address: SocketAddr,
    encrypted: Option<SocketAddr>,
    cloud: Credential,
    credentials: F,
}

impl<F, R> Keeper<F>
where
    F: Fn() -> R + Send + Sync + 'static,
    R: Future<Output = Result<Vec<Credential>, String>> + Send + 'static,
{
    /// Starts it once, and returns when it takes connections.
    async fn run(&self) -> Result<Process, BrokerError> {
        let mut clients = (self.credentials)().await.map_err(BrokerError::Credentials)?;
        clients.push(self.cloud.clone());
        let pair = self.options.encrypted.as_ref().map(|(_, pairs)| Arc::clone(&pairs.borrow()));
        let encrypted =
            self.encrypted.zip(pair.as_deref()).map(|(address, pair)| Encrypted { address, pair });
        let path = configuration::write(
            &self.options.directory,
            self.address,
            encrypted.as_ref(),
            &self.plugin,
            &clients,
        )?;
        let process = Process::start(&self.options.launcher, &self.options.mosquitto, &path).await?;
        let until = Instant::now() + START;
        let address = self.address;
        let takes_connections = async {
            while TcpStream::connect(address).await.is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::select! {
            status = process.ended() => Err(BrokerError::Ended { status, said: process.said() }),
            () = takes_connections => Ok(process),
            () = tokio::time::sleep_until(until) => {
                Err(BrokerError::Silent { address, seconds: START.as_secs(), said: process.said() })
            }
        }
    }

    /// Has the running broker show another certificate; connections that are there go on.
    fn renew(&self, process: &Process, pair: &Pair) {
        match configuration::write_pair(&self.options.directory, pair) {
            Ok(_) => process.signal(Signal::SIGHUP),
            Err(error) => {
                tracing::error!(%error, "the broker keeps its old certificate until its next start");
            }
        }
    }

    async fn keep(self, first: Process, runs: watch::Sender<u64>, shutdown: CancellationToken) {
        let mut process = Some(first);
        let mut short_runs = 0;
        let mut pairs = self.options.encrypted.as_ref().map(|(_, pairs)| pairs.clone());
        loop {
            if let Some(running) = process.take() {
                let began = Instant::now();
                let status = loop {
                    tokio::select! {
                        () = shutdown.cancelled() => return end(running).await,
                        status = running.ended() => break status,
                        pair = next(&mut pairs) => self.renew(&running, &pair),
                    }
                };
                tracing::error!(status, said = running.said(), "the broker ended; it is started again");
                short_runs = if began.elapsed() >= GOOD_RUN { 0 } else { short_runs + 1 };
            }
            let pause = PAUSES_MS[std::cmp::min(short_runs, PAUSES_MS.len() - 1)];
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(Duration::from_millis(pause)) => {}
            }
            match self.run().await {
                Ok(started) => {
                    tracing::info!(address = %self.address, "the broker runs again");
                    runs.send_modify(|runs| *runs += 1);
                    process = Some(started);
                }
                Err(error) => {
                    short_runs += 1;
                    tracing::error!(%error, "the broker does not start");
                }
            }
        }
    }
}

/// Waits for the next certificate.
async fn next(pairs: &mut Option<watch::Receiver<Arc<Pair>>>) -> Arc<Pair> {
    if let Some(pairs) = pairs
        && pairs.changed().await.is_ok()
    {
        return Arc::clone(&pairs.borrow_and_update());
    }
    std::future::pending().await
}

async fn end(process: Process) {
    process.signal(Signal::SIGTERM);
    if tokio::time::timeout(END, process.ended()).await.is_err() {
        process.signal(Signal::SIGKILL);
    }
}

/// The address to listen on: a free port in place of 0; waits a little for one that is just being left.
async fn free_address(field: &'static str, wanted: SocketAddr) -> Result<SocketAddr, BrokerError> {
    let until = Instant::now() + PORT;
    loop {
        match TcpListener::bind(wanted).await.and_then(|listener| listener.local_addr()) {
            Ok(address) => return Ok(address),
            Err(source) if source.kind() == std::io::ErrorKind::AddrInUse && Instant::now() < until => {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Err(source) => return Err(BrokerError::Port { field, address: wanted, source }),
        }
    }
}
