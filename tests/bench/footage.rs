//! Longer clips of the real footage, made once and kept in `target/bench`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use tokio::process::Command;

/// `seconds` of the footage in 720p30 with grain of strength `noise`, encoded with `rates`.
pub(crate) async fn clip(name: &str, seconds: u32, noise: u32, rates: &[&str]) -> Result<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/bench");
    std::fs::create_dir_all(&folder).context("creating target/bench")?;
    let path = folder.join(name);
    if !path.exists() {
        let part = folder.join(format!("part.{name}"));
        let filter = format!("scale=1280:720,fps=30,noise=alls={noise}:allf=t");
        let mut command = Command::new("ffmpeg");
        command.args("-hide_banner -nostdin -v error -y -stream_loop -1 -i".split(' '));
        command.arg(stagebox_tests::house::footage()).args(["-t", &seconds.to_string(), "-vf", &filter]);
        command.args("-c:v libx264 -preset veryfast -pix_fmt yuv420p -c:a aac -ac 2 -ar 48000".split(' '));
        command.args(rates).arg(&part);
        ensure!(command.status().await.context("starting ffmpeg")?.success(), "ffmpeg could not make {name}");
        std::fs::rename(part, &path).context("keeping the clip")?;
    }
    Ok(path)
}
