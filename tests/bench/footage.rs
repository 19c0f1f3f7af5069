//! Longer clips of the real footage, made once and kept in `target/bench`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use tokio::process::Command;

/// Seconds of all clips that streams of 3 Mbit/s are made of.
const STEADY_S: u32 = 20;

/// A picture's width and height, and how many there are a second.
pub(crate) type Picture = (u32, u32, u32);

/// A clip of 3 Mbit/s in all, with a key frame every two seconds.
pub(crate) async fn steady() -> Result<PathBuf> {
    let steady = "-b:v 2872k -minrate 2872k -maxrate 2872k -bufsize 2872k -g 60 -b:a 128k";
    let rates: Vec<&str> = steady.split(' ').collect();
    clip("3mbit.flv", (1280, 720, 30), STEADY_S, 12, &rates).await
}

/// `seconds` of the footage with grain of strength `noise`, encoded with `rates`.
pub(crate) async fn clip(
    name: &str,
    (width, height, fps): Picture,
    seconds: u32,
    noise: u32,
    rates: &[&str],
) -> Result<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/bench");
    std::fs::create_dir_all(&folder).context("creating target/bench")?;
    let path = folder.join(name);
    if !path.exists() {
        let part = folder.join(format!("part.{name}"));
        let filter = format!("scale={width}:{height},fps={fps},noise=alls={noise}:allf=t");
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
