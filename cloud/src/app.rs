//! What all slices share: the handles of one running server.

mod addresses;
mod indexes;

pub use addresses::{Addresses, PortsFile};

use crate::access::{Caller, Thing};
use crate::account::{Accounts, Role, Token, User};
use crate::alarm::Alarms;
use crate::clock::Clock;
use crate::cluster::Cluster;
use crate::config::Config;
use crate::device::{Device, Devices};
use crate::event::{Event, Events};
use crate::hook::Hooks;
use crate::http::{ApiError, Counters, Named};
use crate::idempotency::Idempotency;
use crate::item::{Item, Items};
use crate::job::{Job, Jobs};
use crate::live::Live;
use crate::mail::Outbox;
use crate::media::Media;
use crate::outbound::Guard;
use crate::recording::Recording;
use crate::secret::{SecretError, Vault};
use crate::simulcast::{Simulcast, Simulcasts};
use crate::store::{Document, Store, StoreKind};
use crate::tenant::Quotas;
use crate::tls::Tls;
use std::ops::Deref;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Longest id that is looked for.
const MAX_ID: usize = 64;

/// Says which part did not start, and why.
#[derive(Debug, thiserror::Error)]
#[error("cannot start {part}: {source}")]
pub struct StartError {
    part: &'static str,
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl StartError {
    /// Names the part that an error belongs to.
    pub fn of<E>(part: &'static str) -> impl FnOnce(E) -> Self
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        move |error| Self { part, source: error.into() }
    }
}

/// The server's handles; cloned freely.
#[derive(Clone)]
pub struct App(Arc<Parts>);

/// As [`App`], for what the app itself holds: it does not keep the server's parts.
#[derive(Clone)]
pub(crate) struct WeakApp(Weak<Parts>);

impl WeakApp {
    /// The handles, while anybody has them.
    pub(crate) fn upgrade(&self) -> Option<App> {
        self.0.upgrade().map(App)
    }
}

/// What [`App`] holds.
pub struct Parts {
    /// The configuration.
    pub config: Arc<Config>,
    /// The clock.
    pub clock: Clock,
    /// Documents.
    pub store: Store,
    /// Secrets.
    pub vault: Vault,
    /// The certificate of all encrypted listeners, if there are any.
    pub tls: Option<Tls>,
    /// What an operator should know of.
    pub alarms: Alarms,
    /// Media.
    pub media: Media,
    /// Mail that is to be sent.
    pub outbox: Outbox,
    /// Who may do what.
    pub accounts: Accounts,
    /// Events.
    pub events: Events,
    /// Items.
    pub items: Items,
    /// Boxes.
    pub devices: Devices,
    /// Live streams.
    pub live: Live,
    /// Where events are pushed to.
    pub simulcasts: Simulcasts,
    /// The way to addresses that tenants give.
    pub outbound: Guard,
    /// Notifications.
    pub hooks: Hooks,
    /// What is done in the background.
    pub jobs: Jobs,
    /// What accounts may do just now.
    pub(crate) quotas: Quotas,
    /// This process among others.
    pub cluster: Cluster,
    /// Requests that are sent again.
    pub(crate) idempotency: Idempotency,
    /// Bound addresses.
    pub addresses: Arc<Addresses>,
    /// What the HTTP server counts.
    pub http_counters: Arc<Counters>,
    /// Cancelled when the server is to end.
    pub shutdown: CancellationToken,
    ready: AtomicBool,
    started: Instant,
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

/// Opens the store and the secrets that belong to it; the configuration's data directory becomes absolute.
pub async fn open_store(config: &mut Config, clock: &Clock) -> Result<(Store, Vault), StartError> {
    let data = prepare_data_dir(config)?;
    let key = std::path::absolute(config.secrets_key_path()).map_err(StartError::of("the secrets"))?;
    if key.starts_with(&data) {
        return Err(StartError::of("the secrets")(SecretError::Inside(key)));
    }
    let wrong = StartError::of("the secrets");
    let vault = match config.store.kind {
        // Before it is opened: an embedded store that is there is data already. A server must be asked.
        StoreKind::Sled => Some(Vault::open(&key, data.join("store").exists()).map_err(wrong)?),
        StoreKind::Postgres => None,
    };
    let store = open_engine(config, clock).await?;
    match unlock(&store, vault, &key).await {
        Ok(vault) => Ok((store, vault)),
        Err(error) => {
            store.close().await;
            Err(error)
        }
    }
}

/// Makes sure that this is the current store and that the key is its own.
async fn unlock(store: &Store, vault: Option<Vault>, key: &Path) -> Result<Vault, StartError> {
    store.refuse_if_moved().await.map_err(StartError::of("the store"))?;
    let opened = async {
        let vault = match vault {
            Some(vault) => vault,
            None => Vault::open(key, Vault::has_data(store).await?)?,
        };
        vault.check(store).await?;
        Ok::<_, SecretError>(vault)
    };
    opened.await.map_err(StartError::of("the secrets"))
}

/// Opens the store without its secrets, for filling it from a backup.
pub async fn open_bare_store(config: &mut Config, clock: &Clock) -> Result<Store, StartError> {
    prepare_data_dir(config)?;
    open_engine(config, clock).await
}

fn prepare_data_dir(config: &mut Config) -> Result<PathBuf, StartError> {
    let wrong = StartError::of("the data directory (`data_dir`)");
    let data = create_data_dir(&config.data_dir).map_err(wrong)?;
    config.data_dir.clone_from(&data);
    Ok(data)
}

async fn open_engine(config: &Config, clock: &Clock) -> Result<Store, StartError> {
    let store = Store::open(&config.store, &config.data_dir, clock.clone()).await;
    store.map_err(StartError::of("the store"))
}

/// Makes the directory so that only its owner looks into it, and returns its real place.
fn create_data_dir(path: &Path) -> std::io::Result<PathBuf> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    path.canonicalize()
}

impl App {
    /// Opens the store and makes the handles; nothing listens or runs yet.
    pub async fn open(mut config: Config, clock: Clock) -> Result<Self, StartError> {
        let (store, vault) = open_store(&mut config, &clock).await?;
        let tls = match Tls::open(&config, &clock) {
            Ok(tls) => tls,
            Err(error) => {
                store.close().await;
                return Err(StartError::of("TLS")(error));
            }
        };
        let config = Arc::new(config);
        let alarms = Alarms::new(clock.clone());
        let media = Media::open(&config, alarms.clone(), clock.clone());
        let media = media.map_err(StartError::of("the media store"))?;
        let addresses = Arc::new(Addresses::default());
        let shutdown = CancellationToken::new();
        let outbox = Outbox::new(&config.mail, &store);
        let accounts = Accounts::with_mail(store.clone(), vault.clone(), clock.clone(), outbox.clone());
        let events = Events::new(store.clone(), vault.clone(), Arc::clone(&config), Arc::clone(&addresses));
        let items = Items::new(store.clone());
        let devices = Devices::new(&store, &events, &clock);
        let cluster = Cluster::new(&config, &store, &clock);
        let idempotency = Idempotency::new(&store, &vault, &clock, &cluster);
        let quotas = Quotas::default();
        let outbound = Guard::new(&config, Arc::clone(&addresses));
        let simulcasts = Simulcasts::new(&store, &vault, &events, &outbound, &clock);
        let live = Live::new(&config, &events, &items, &media, cluster.owners(), &quotas, &simulcasts);
        let jobs = Jobs::new(&config, store.clone(), shutdown.clone());
        let hooks = Hooks::new(outbound.clone(), store.clone(), vault.clone(), clock.clone());
        Ok(Self(Arc::new(Parts {
            started: clock.instant(),
            config,
            clock,
            store,
            vault,
            tls,
            alarms,
            media,
            outbox,
            accounts,
            events,
            items,
            devices,
            live,
            simulcasts,
            outbound,
            hooks,
            jobs,
            quotas,
            cluster,
            idempotency,
            addresses,
            http_counters: Arc::default(),
            shutdown,
            ready: AtomicBool::new(false),
        })))
    }

    /// Handles that keep nothing.
    pub(crate) fn downgrade(&self) -> WeakApp {
        WeakApp(Arc::downgrade(&self.0))
    }

    /// Finds a thing of the caller's account: another one's is as good as none.
    pub(crate) async fn own(&self, caller: &Caller, thing: Thing, id: &str) -> Result<Named, ApiError> {
        let found = match thing {
            Thing::Device => self.find_own::<Device>(caller, id).await?,
            Thing::Event => self.find_own::<Event>(caller, id).await?,
            Thing::Item => self.find_own::<Item>(caller, id).await?,
            Thing::Job => self.find_own::<Job>(caller, id).await?,
            Thing::Recording => self.find_own::<Recording>(caller, id).await?,
            Thing::Role => self.find_own::<Role>(caller, id).await?,
            Thing::Simulcast => self.find_own::<Simulcast>(caller, id).await?,
            Thing::Token => self.find_own::<Token>(caller, id).await?,
            Thing::User => self.find_own::<User>(caller, id).await?,
        };
        found.ok_or_else(|| {
            let shown: String = id.chars().filter(|c| !c.is_control()).take(40).collect();
            ApiError::not_found(format!("there is no {} {shown}", thing.name()))
        })
    }

    async fn find_own<D: Document>(&self, caller: &Caller, id: &str) -> Result<Option<Named>, ApiError> {
        // Longer than any id, and perhaps than any key may be.
        if id.len() > MAX_ID {
            return Ok(None);
        }
        Ok(self.store.look_at::<D>(caller.account, id).await?.map(Named::new))
    }

    /// Whether requests are answered in full.
    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed) && !self.shutdown.is_cancelled()
    }

    /// Says that all parts have started.
    pub fn set_ready(&self) {
        self.ready.store(true, Ordering::Relaxed);
    }

    /// How long the server has been running.
    pub fn uptime(&self) -> Duration {
        self.clock.instant().saturating_duration_since(self.started)
    }
}
