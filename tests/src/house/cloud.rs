//! The cloud as a process.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use tokio::process::Command;

use super::{Api, Process, binary, wait_until};

/// What differs from the defaults.
#[derive(Debug, Clone, Default)]
pub struct CloudOptions {
    /// TOML that comes before all sections.
    pub top: String,
    /// TOML that follows what [`Cloud::start`] writes itself.
    pub extra: String,
    /// HTTP, RTMP and MQTT ports; 0 is any free one.
    pub ports: [u16; 3],
    /// What its environment has beside this process's own.
    pub environment: Vec<(String, OsString)>,
}

/// Where the cloud listens.
#[derive(Debug, Clone, Deserialize)]
pub struct Ports {
    pub http: String,
    /// Empty where the process has no such role; so with `mqtt`.
    #[serde(deserialize_with = "or_empty")]
    pub rtmp: String,
    #[serde(deserialize_with = "or_empty")]
    pub mqtt: String,
    pub https: String,
    #[serde(deserialize_with = "or_empty")]
    pub rtmps: String,
    #[serde(deserialize_with = "or_empty")]
    pub mqtts: String,
}

fn or_empty<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Option::<String>::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// A running cloud.
#[derive(Debug)]
pub struct Cloud {
    pub process: Process,
    pub ports: Ports,
    pub api: Api,
    directory: PathBuf,
    environment: Vec<(String, OsString)>,
}

/// Who may do everything in a cloud that the tests start.
pub const ADMIN: &str = "admin@stagebox.test";

impl Cloud {
    /// Starts the cloud with its data in `directory/cloud`, and waits until it is ready.
    ///
    /// # Errors
    /// When it ends, or is not ready in 30 s; its last lines are in the error.
    pub async fn start(directory: &Path, options: &CloudOptions) -> Result<Self> {
        let key = directory.join("cloud/secrets.key");
        Self::configure(directory, &key, options)?;
        Self::launch(directory, None, options.environment.clone()).await
    }

    /// Starts another process of the same installation in a directory of its own: with `first`'s key and accounts.
    ///
    /// # Errors
    /// As [`Cloud::start`].
    pub async fn start_beside(first: &Self, directory: &Path, options: &CloudOptions) -> Result<Self> {
        Self::configure(directory, &first.directory.join("cloud/secrets.key"), options)?;
        Self::launch(directory, Some(first.api.credentials().1), options.environment.clone()).await
    }

    fn configure(directory: &Path, key: &Path, options: &CloudOptions) -> Result<()> {
        let own = directory.join("cloud");
        fs::create_dir_all(&own).with_context(|| format!("creating {}", own.display()))?;
        let [http, rtmp, mqtt] = options.ports;
        // The tests ask far more than a user may.
        let config = format!(
            "{top}\n\
             data_dir = {data:?}\n\
             secrets_key_file = {key:?}\n\
             [http]\nlisten = \"127.0.0.1:{http}\"\ntls_listen = \"127.0.0.1:0\"\n\
             rates.user = {{ per_s = 0, burst = 1 }}\nrates.account = {{ per_s = 0, burst = 1 }}\n\
             [rtmp]\nlisten = \"127.0.0.1:{rtmp}\"\ntls_listen = \"127.0.0.1:0\"\n\
             [mqtt]\nlisten = \"127.0.0.1:{mqtt}\"\ntls_listen = \"127.0.0.1:0\"\n\
             [admin]\nemail = \"{ADMIN}\"\n{extra}\n",
            data = own.join("data"),
            top = options.top,
            extra = options.extra,
        );
        fs::write(own.join("cloud.toml"), config).context("writing cloud.toml")
    }

    /// Starts the cloud on the configuration and the data that lie in `directory/cloud`.
    ///
    /// # Errors
    /// As [`Cloud::start`].
    pub async fn take_up(directory: &Path) -> Result<Self> {
        Self::launch(directory, None, Vec::new()).await
    }

    /// Starts the cloud again with the data, the ports and the environment that it had.
    ///
    /// # Errors
    /// As [`Cloud::start`].
    pub async fn restart(self) -> Result<Self> {
        let Self { mut process, ports, api, directory, environment } = self;
        let password = api.credentials().1.to_owned();
        // Its ports are free only once it has ended.
        if process.ended().is_none() {
            process.kill().await?;
        }
        drop(process);
        let path = directory.join("cloud/cloud.toml");
        let mut config: toml::Table =
            fs::read_to_string(&path).context("reading cloud.toml")?.parse().context("cloud.toml")?;
        for (name, plain, tls) in [
            ("http", &ports.http, &ports.https),
            ("rtmp", &ports.rtmp, &ports.rtmps),
            ("mqtt", &ports.mqtt, &ports.mqtts),
        ] {
            // Empty where the process has no such role.
            let section = config.get_mut(name).and_then(toml::Value::as_table_mut);
            if let Some(section) = section.filter(|_| !plain.is_empty()) {
                section.insert("listen".into(), plain.clone().into());
                section.insert("tls_listen".into(), tls.clone().into());
            }
        }
        fs::write(&path, config.to_string()).context("writing cloud.toml")?;
        Self::launch(&directory, Some(&password), environment).await
    }

    async fn launch(
        directory: &Path,
        password: Option<&str>,
        environment: Vec<(String, OsString)>,
    ) -> Result<Self> {
        let own = directory.join("cloud");
        let (ports_file, password_file) = (own.join("ports.json"), own.join("password"));
        let _ = fs::remove_file(&ports_file);
        let mut command = Command::new(binary("stagebox-cloud")?);
        command.arg("serve").arg("--config").arg(own.join("cloud.toml"));
        command.arg("--ports-file").arg(&ports_file).arg("--admin-password-file").arg(&password_file);
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        let mut process = Process::start("cloud", &directory.join("logs"), command)?;
        let ports = Self::ready(&mut process, &ports_file).await?;
        let password = match password {
            Some(known) => known.to_owned(),
            None => fs::read_to_string(&password_file).context("reading the administrator's password")?,
        };
        let api = Api::new(&format!("http://{}", ports.http), ADMIN, password.trim());
        Ok(Self { process, ports, api, directory: directory.to_owned(), environment })
    }

    async fn ready(process: &mut Process, ports_file: &Path) -> Result<Ports> {
        // A failure is told by the process itself, faster than the limit does.
        let ended = std::cell::RefCell::new(process);
        wait_until("the cloud is ready", Duration::from_secs(30), || async {
            let status = ended.borrow_mut().ended();
            if let Some(status) = status {
                bail!("the cloud ended with {status}:\n{}", ended.borrow().tail(20));
            }
            let Ok(text) = fs::read_to_string(ports_file) else { return Ok(None) };
            let Ok(ports) = serde_json::from_str::<Ports>(&text) else { return Ok(None) };
            let probe = Api::new(&format!("http://{}", ports.http), "", "");
            Ok(probe.fetch("/readyz").await.ok().map(|_| ports))
        })
        .await
    }

    /// Where data, configuration and logs of this cloud lie.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }
}
