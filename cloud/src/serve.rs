//! `stagebox-cloud serve`: starts every part, waits for the end, and stops in order.

use crate::account::{Accounts, FirstPassword};
use crate::app::{App, StartError};
use crate::batch::{Anywhere, AtBroker, Batches};
use crate::clock::Clock;
use crate::cluster::Role;
use crate::config::Config;
use crate::http::{Router, Server};
use crate::recording::{self, DeleteMedia};
use crate::store::upkeep;
use crate::tenant::{self, DeleteAccount};
use crate::{
    account, app, broker, cluster, control, device, event, hook, idempotency, ingest, job, live, mail, media,
    personal, tls, transcode,
};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;

/// More files than this are never open at once.
const MOST_FILES: u64 = 65_536;

/// What the command line adds to the configuration.
#[derive(Debug, Clone, Default)]
pub struct ServeOptions {
    /// Where to write the bound addresses.
    pub ports_file: Option<PathBuf>,
    /// Where to write the first administrator's password.
    pub admin_password_file: Option<PathBuf>,
}

/// A server with all its parts running.
pub struct Running {
    /// Its handles.
    pub app: App,
    http: JoinHandle<()>,
    upkeep: JoinHandle<()>,
}

impl Running {
    /// Stops what runs and returns once all is written.
    pub async fn stop(self) {
        self.app.shutdown.cancel();
        if let Err(error) = self.http.await {
            tracing::error!(%error, "the HTTP server failed");
        }
        self.app.live.stop().await;
        self.app.jobs.stop().await;
        if let Err(error) = tenant::note(&self.app).await {
            tracing::warn!(%error, "what came to the media store at last is counted with the next count of all");
        }
        if let Err(error) = self.upkeep.await {
            tracing::error!(%error, "the store's upkeep failed");
        }
        self.app.cluster.stop().await;
        self.app.store.close().await;
    }
}

/// Starts every part of the server.
///
/// `tell` passes on the administrator's password if this start makes it.
pub async fn start(
    config: Config,
    clock: Clock,
    tell: impl FnOnce(&FirstPassword) -> std::io::Result<()>,
) -> Result<Running, StartError> {
    // Refused only if a provider is there already, which then serves as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let server = Server::bind(&config.http).await.map_err(StartError::of("HTTP"))?;
    let app = App::open(config, clock).await?;
    server.tell(&app.addresses);
    app.complete_indexes().await?;
    follow_certificate(&app)?;
    let upkeep = upkeep::run(app.store.clone(), app.alarms.clone(), app.shutdown.clone());
    let upkeep = tokio::spawn(upkeep);
    media::start(&app).await.map_err(StartError::of("the media store"))?;
    cluster::start(&app).await.map_err(StartError::of("this process's part"))?;
    start_roles(&app, tell).await?;
    cluster::announce(&app).await.map_err(StartError::of("this process's part"))?;
    let router = Router::new(&app);
    let http = tokio::spawn(server.run(app.clone(), router));
    control::start(&app);
    app.set_ready();
    if let Some(tls) = app.tls.clone() {
        tokio::spawn(tls::acquire(app.clone(), tls));
    }
    Ok(Running { app, http, upkeep })
}

/// Has the certificate replaced while the server runs.
fn follow_certificate(app: &App) -> Result<(), StartError> {
    let Some(tls) = app.tls.clone() else { return Ok(()) };
    let hangup = signal(SignalKind::hangup()).map_err(StartError::of("signals"))?;
    tokio::spawn(tls::run(tls, app.alarms.clone(), app.clock.clone(), hangup, app.shutdown.clone()));
    Ok(())
}

/// Starts what the process's roles ask for.
async fn start_roles(
    app: &App,
    tell: impl FnOnce(&FirstPassword) -> std::io::Result<()>,
) -> Result<(), StartError> {
    let has = |role| app.config.roles.has(role);
    if has(Role::Api) {
        app.accounts.start(&app.config.admin.email, tell).await.map_err(StartError::of("accounts"))?;
        tokio::spawn(idempotency::sweep(app.idempotency.clone(), app.shutdown.clone()));
    }
    if app.cluster.owners().is_shared() {
        app.events.follow(app.shutdown.clone());
    }
    if has(Role::Broker) {
        broker::start(app.clone()).await.map_err(StartError::of("the broker"))?;
        tokio::spawn(device::go_together(app.clone()));
    }
    if has(Role::Api) {
        device::follow_telemetry(app);
        live::follow_news(app);
        account::start_upkeep(app);
        tokio::spawn(event::follow_schedules(app.events.clone(), app.shutdown.clone()));
        mail::start(app).map_err(StartError::of("mail"))?;
    }
    // Before broadcasts come in: they ask whether they are recorded.
    tenant::start_watching(app).await;
    if has(Role::Ingest) {
        live::start(app.clone()).await.map_err(StartError::of("live"))?;
        ingest::start(app.clone()).await.map_err(StartError::of("RTMP ingest"))?;
    }
    if has(Role::Hooks) {
        hook::start(app.clone());
    }
    if has(Role::Transcode) {
        app.jobs.register(DeleteMedia::new(app));
        app.jobs.register(DeleteAccount::new(app));
        app.jobs.register(Batches::<Anywhere>::new(app));
        personal::register(app);
        recording::start_resuming(app.clone());
        tenant::start_resuming(app.clone());
        tenant::start_expiring(app.clone());
    }
    if has(Role::Broker) {
        app.jobs.register(Batches::<AtBroker>::new(app));
    }
    if has(Role::Transcode) || has(Role::Broker) {
        job::start(app.clone()).await.map_err(StartError::of("jobs"))?;
    }
    Ok(())
}

/// Gives a user, or the administrator, a new password and ends their sessions; the server must not be running.
pub async fn reset_password(
    mut config: Config,
    email: Option<&str>,
    second_factor_off: bool,
    file: Option<&Path>,
) -> Result<(), StartError> {
    let clock = Clock::system();
    let (store, vault) = app::open_store(&mut config, &clock).await?;
    let accounts = Accounts::new(store.clone(), vault, clock);
    let reset =
        accounts.reset_password(email, second_factor_off, |password| tell_password(password, file)).await;
    store.close().await;
    reset.map_err(StartError::of("the password's reset"))
}

/// Runs the server until it is told to stop by SIGTERM or SIGINT.
pub async fn run(config: Config, options: ServeOptions) -> Result<(), StartError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(StartError::of("signals"))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(StartError::of("signals"))?;
    allow_files();
    transcode::work_by_this_program().map_err(StartError::of("the workers"))?;
    let file = options.admin_password_file;
    let running = start(config, Clock::system(), |password| tell_password(password, file.as_deref())).await?;
    if let Some(path) = &options.ports_file {
        write_ports(&running.app, path).map_err(StartError::of("the ports file (`--ports-file`)"))?;
    }
    tracing::info!(url = running.app.addresses.http_url(&running.app.config), "ready");
    println!("ready");
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = running.app.shutdown.cancelled() => {}
    }
    tracing::info!("stopping");
    running.stop().await;
    Ok(())
}

/// Lets this process have as many files and connections as it may: shells and services begin with 1024.
fn allow_files() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE).and_then(|(soft, hard)| {
        let wanted = hard.min(MOST_FILES);
        if soft < wanted { setrlimit(Resource::RLIMIT_NOFILE, wanted, hard) } else { Ok(()) }
    });
    if let Err(error) = raised {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
}

fn tell_password(password: &FirstPassword, file: Option<&Path>) -> std::io::Result<()> {
    match file {
        None => {
            println!("administrator: {} password: {}", password.email, password.password);
            Ok(())
        }
        Some(path) => {
            let mut file =
                std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
            writeln!(file, "{}", password.password)?;
            file.sync_all()?;
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            std::fs::File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
        }
    }
}

/// Writes beside and renames, so that whoever waits for the file reads it whole.
fn write_ports(app: &App, path: &Path) -> std::io::Result<()> {
    let text = serde_json::to_string(&app.addresses.ports_file()).map_err(std::io::Error::other)?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    let beside = path.with_file_name(name);
    std::fs::write(&beside, text)?;
    std::fs::rename(beside, path)
}
