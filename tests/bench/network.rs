//! A network of its own for a box, whose cable can be pulled; where the kernel allows it without being root.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use stagebox_tests::house::{Process, wait_until};
use tokio::process::Command;

/// Where servers are, for the box (RFC 1918).
pub(crate) const HERE: &str = "10.77.0.1";
const THERE: &str = "10.77.0.2";

/// A cable to the box's network; to be made by a process that runs in [`own`].
pub(crate) struct Cable {
    /// The box's network is there for as long as it runs.
    holder: Process,
}

/// Has `command` run in a network of its own, of which it is root.
pub(crate) fn own(command: &std::ffi::OsStr) -> Command {
    let mut own = Command::new("unshare");
    own.args(["--map-root-user", "--net"]).arg(command);
    own
}

/// Whether there can be such networks.
pub(crate) async fn can_be() -> bool {
    let script = "ip link add stagebox0 type veth peer name stagebox1 && unshare --net true";
    let tried = own("sh".as_ref()).args(["-c", script]).output().await;
    tried.is_ok_and(|tried| tried.status.success())
}

async fn ip(words: &[&str]) -> Result<()> {
    run("ip", words).await
}

async fn run(program: &str, words: &[&str]) -> Result<()> {
    let output = Command::new(program).args(words).output().await.with_context(|| program.to_owned())?;
    ensure!(output.status.success(), "{program} {words:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

impl Cable {
    pub(crate) async fn lay(logs: &Path) -> Result<Self> {
        let mut command = Command::new("unshare");
        command.args(["--net", "sleep", "infinity"]);
        let cable = Self { holder: Process::start("network", logs, command)? };
        let own = fs::read_link("/proc/self/ns/net").context("reading the own network's name")?;
        wait_until("the box's network is there", Duration::from_secs(10), || async {
            Ok(fs::read_link(cable.path()?).ok().filter(|its| *its != own).map(drop))
        })
        .await?;
        ip(&["link", "set", "lo", "up"]).await?;
        let id = cable.id()?;
        ip(&["link", "add", "here", "type", "veth", "peer", "name", "there", "netns", &id]).await?;
        ip(&["addr", "add", &format!("{HERE}/30"), "dev", "here"]).await?;
        cable.plug(true).await?;
        cable.inside(&["link", "set", "lo", "up"]).await?;
        cable.inside(&["addr", "add", &format!("{THERE}/30"), "dev", "there"]).await?;
        cable.inside(&["link", "set", "there", "up"]).await?;
        Ok(cable)
    }

    fn id(&self) -> Result<String> {
        Ok(self.holder.id().context("the box's network is gone")?.to_string())
    }

    fn path(&self) -> Result<String> {
        Ok(format!("/proc/{}/ns/net", self.id()?))
    }

    /// What becomes a process in the box's network.
    pub(crate) fn within(&self) -> Result<Vec<OsString>> {
        Ok(vec!["nsenter".into(), format!("--net={}", self.path()?).into(), "--".into()])
    }

    async fn inside(&self, words: &[&str]) -> Result<()> {
        let net = format!("--net={}", self.path()?);
        run("nsenter", &[&[net.as_str(), "--", "ip"], words].concat()).await
    }

    /// At the far end: packets are dropped while it is pulled, and the box's own interface stays as it is.
    pub(crate) async fn plug(&self, is_in: bool) -> Result<()> {
        ip(&["link", "set", "here", if is_in { "up" } else { "down" }]).await
    }

    /// At the box: its interface goes down and comes back with its address.
    pub(crate) async fn plug_at_box(&self, is_in: bool) -> Result<()> {
        self.inside(&["link", "set", "there", if is_in { "up" } else { "down" }]).await
    }
}
