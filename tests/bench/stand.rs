//! A box of 720p30 at 3 Mbit/s with a cloud that commands it, a panel, and servers of nginx.

use std::time::Duration;

use anyhow::Result;
use stagebox_protocol::panel::{Intent, OutputState, Recording, Status};
use stagebox_tests::house::peer::Nginx;
use stagebox_tests::house::{Agent, AgentOptions, Cloud, CloudOptions, Source, free_port, wait_until};
use tempfile::TempDir;

use super::capture;
use super::live::STEP;
use super::panel::Panel;

/// How long a server holds what came before it is asked for something else: a second has only one file of a name.
pub(crate) const SETTLES: Duration = Duration::from_millis(1_500);

/// Everything is ended when it is dropped.
pub(crate) struct Stand {
    pub(crate) panel: Panel,
    pub(crate) agent: Agent,
    pub(crate) cloud: Cloud,
    directory: TempDir,
}

/// The configuration of one output.
pub(crate) fn output(role: &str, host: &str, port: u16) -> String {
    format!("[[outputs]]\nrole = \"{role}\"\nurl = \"rtmp://{host}:{port}/live\"\nkey = \"{role}\"\n")
}

/// A server that keeps what comes.
pub(crate) async fn server(directory: &TempDir, name: &str) -> Result<Nginx> {
    Nginx::rtmp(directory.path(), name, free_port(0), true).await
}

impl Stand {
    /// Waits until the box encodes and its cloud can command it.
    pub(crate) async fn with(directory: TempDir, outputs: String) -> Result<Self> {
        let options = AgentOptions {
            source: Source::File(capture::clip().await?),
            width: 1280,
            height: 720,
            fps: 30,
            bitrate_kbps: 3000,
            extra: outputs,
            ..AgentOptions::default()
        };
        let cloud = Cloud::start(directory.path(), &CloudOptions::default()).await?;
        let agent = Agent::start(directory.path(), &cloud, &options).await?;
        let panel = Panel::at(&agent.socket()).await?;
        wait_until("the box is online", STEP, || async { Ok(agent.command(&cloud, "identify").await.ok()) })
            .await?;
        wait_until("the box encodes", STEP, || async {
            let device = cloud.api.get(&format!("devices/{}", agent.id)).await?;
            let fps = device["telemetry"]["encoder"]["fps"].as_f64();
            Ok(fps.filter(|fps| *fps > 1.0).map(drop))
        })
        .await?;
        Ok(Self { panel, agent, cloud, directory })
    }

    /// Records and pushes, until main's server has the stream.
    pub(crate) async fn go_live(&mut self) -> Result<()> {
        self.panel.ask(Intent::StartRecording).await?;
        self.panel.see("it records", |status| matches!(status.recording, Recording::On { .. })).await?;
        self.panel.ask(Intent::GoLive).await?;
        self.panel.see("main streams", streams).await?;
        Ok(())
    }

    /// Starts a server anew on its port, with the files that it had.
    pub(crate) async fn again(&self, name: &str, port: u16) -> Result<Nginx> {
        Nginx::rtmp(self.directory.path(), name, port, true).await
    }
}

/// Whether main's server has the stream.
pub(crate) fn streams(status: &Status) -> bool {
    status.main.state == OutputState::Streaming
}
