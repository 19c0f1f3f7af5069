//! `./run panel`: the front panel in this terminal.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use stagebox_tests::house::binary;
use tokio::process::Command;

use super::demo::Running;

pub(crate) async fn run(socket: Option<PathBuf>, rest: &[String]) -> Result<()> {
    let socket = match socket {
        Some(socket) => socket,
        None => {
            Running::read()
                .context(
                    "no demo is running: start ./run demo in another terminal, or name a box's --socket",
                )?
                .socket
        }
    };
    let mut command = Command::new(binary("stagebox-panel")?);
    command.arg("--shell").arg("terminal").arg("--socket").arg(&socket).args(rest);
    let status = command.status().await.context("starting stagebox-panel")?;
    if !status.success() {
        bail!("stagebox-panel ended with {status}");
    }
    Ok(())
}
