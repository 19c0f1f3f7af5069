//! The box as a process.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tokio::process::Command;

use super::{Cloud, Process, binary, footage};

/// What the box sees on its input.
#[derive(Debug, Clone)]
pub enum Source {
    /// Real footage with sound, looped.
    File(PathBuf),
    /// The test pattern: tone, click and flash, timecode.
    Pattern,
    /// A capture device, there or not.
    Device(PathBuf),
}

/// What differs from a small picture.
#[derive(Debug, Clone)]
pub struct AgentOptions {
    pub source: Source,
    pub width: u32,
    pub height: u32,
    pub fps: u32,
    pub bitrate_kbps: u32,
    pub preset: String,
    /// TOML that ends the section `[video]`.
    pub video: String,
    /// Has the box speak TLS with the cloud: what its configuration says of whom to trust, with `PRINT` for the
    /// print that the cloud told.
    pub tls: Option<String>,
    /// What the process and its children find in their environment.
    pub environment: Vec<(String, OsString)>,
    /// A program with its words that becomes the box's process, `nsenter` for instance.
    pub within: Vec<OsString>,
    /// TOML that follows what [`Agent::start`] writes itself.
    pub extra: String,
}

impl Default for AgentOptions {
    fn default() -> Self {
        Self {
            source: Source::File(footage()),
            width: 640,
            height: 360,
            fps: 15,
            bitrate_kbps: 800,
            preset: "veryfast".into(),
            video: String::new(),
            tls: None,
            environment: Vec::new(),
            within: Vec::new(),
            extra: String::new(),
        }
    }
}

/// A running box.
#[derive(Debug)]
pub struct Agent {
    pub process: Process,
    pub id: String,
    directory: PathBuf,
    environment: Vec<(String, OsString)>,
    within: Vec<OsString>,
}

impl Agent {
    /// Makes a device in the cloud and starts a box with its id and secret, data in `directory/box`.
    ///
    /// # Errors
    /// When the cloud refuses or the process cannot be started.
    pub async fn start(directory: &Path, cloud: &Cloud, options: &AgentOptions) -> Result<Self> {
        let device =
            cloud.api.post("devices", &json!({ "name": "Stage left" })).await.context("making a device")?;
        let text = |name: &str| device[name].as_str().unwrap_or_default().to_owned();
        let (url, mqtt_url, trust) = match &options.tls {
            None => (format!("http://{}", cloud.ports.http), text("mqtt_url"), String::new()),
            Some(trust) => (
                format!("https://{}", cloud.ports.https),
                format!("mqtts://{}", cloud.ports.mqtts),
                trust.replace("PRINT", &text("tls_fingerprint")),
            ),
        };
        let section = format!(
            "[cloud]\nurl = {url:?}\nmqtt_url = {mqtt_url:?}\nid = {:?}\nsecret = {:?}\n{trust}\n",
            text("id"),
            text("secret"),
        );
        Self::write(directory, options, &section)?;
        Self::launch(directory, &text("id"), &options.environment, &options.within)
    }

    /// Starts a box that knows no cloud.
    ///
    /// # Errors
    /// When the process cannot be started.
    pub fn start_alone(directory: &Path, options: &AgentOptions) -> Result<Self> {
        Self::write(directory, options, "")?;
        Self::launch(directory, "", &options.environment, &options.within)
    }

    /// Starts the box again with the data that it had.
    ///
    /// # Errors
    /// When the process cannot be started.
    pub fn restart(self) -> Result<Self> {
        let Self { process, id, directory, environment, within } = self;
        drop(process);
        Self::launch(&directory, &id, &environment, &within)
    }

    fn write(directory: &Path, options: &AgentOptions, section: &str) -> Result<()> {
        let own = directory.join("box");
        fs::create_dir_all(&own).with_context(|| format!("creating {}", own.display()))?;
        let source = match &options.source {
            Source::File(path) => format!("kind = \"file\"\npath = {path:?}"),
            Source::Pattern => "kind = \"pattern\"".to_owned(),
            Source::Device(path) => format!("kind = \"v4l2\"\ndevice = {path:?}"),
        };
        let AgentOptions { width, height, fps, bitrate_kbps, preset, video, extra, .. } = options;
        let config = format!(
            "data_dir = {data:?}\n\
             [source]\n{source}\n\
             [video]\nwidth = {width}\nheight = {height}\nfps = {fps}\nbitrate_kbps = {bitrate_kbps}\npreset = \"{preset}\"\n{video}\n\
             [record]\ndir = {recordings:?}\n\
             [panel]\nsocket = {socket:?}\n{section}{extra}\n",
            data = own.join("data"),
            recordings = own.join("recordings"),
            socket = own.join("panel.sock"),
        );
        fs::write(own.join("agent.toml"), config).context("writing agent.toml")
    }

    fn launch(
        directory: &Path,
        id: &str,
        environment: &[(String, OsString)],
        within: &[OsString],
    ) -> Result<Self> {
        let program = binary("stagebox-agent")?;
        let mut command = match within {
            [] => Command::new(program),
            [first, words @ ..] => {
                let mut command = Command::new(first);
                command.args(words).arg(program);
                command
            }
        };
        command.arg("--config").arg(directory.join("box/agent.toml"));
        command.envs(environment.iter().cloned());
        let process = Process::start("box", &directory.join("logs"), command)?;
        let (environment, within) = (environment.to_vec(), within.to_vec());
        Ok(Self { process, id: id.to_owned(), directory: directory.to_owned(), environment, within })
    }

    /// The panel's socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.directory.join("box/panel.sock")
    }

    /// Where the box records.
    #[must_use]
    pub fn recordings(&self) -> PathBuf {
        self.directory.join("box/recordings")
    }

    /// Gives the box a command through the cloud.
    ///
    /// # Errors
    /// When the cloud or the box refuses.
    pub async fn command(&self, cloud: &Cloud, name: &str) -> Result<Value> {
        cloud.api.post(&format!("devices/{}/commands/{name}", self.id), &json!({})).await
    }
}
