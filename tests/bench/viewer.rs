//! A viewer who reads the clock in the pictures that a player's decoder gives.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use stagebox_agent::capture::{PictureFormat, timecode};
use stagebox_tests::house::Cloud;
use stagebox_tests::house::playlist::source_playlist;
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use super::live::Event;

/// What is watched.
pub(crate) const PICTURE: PictureFormat = PictureFormat { width: 640, height: 360, fps: 25 };
/// The rows in which the clock is.
const ROWS: u32 = PICTURE.height / 12;
/// How far a viewer may be behind.
const BEHIND: Duration = Duration::from_secs(40);

/// Pictures as they are decoded.
pub(crate) struct Viewer {
    pictures: ChildStdout,
    /// Ended with it.
    _player: Child,
    seen: Vec<i64>,
}

impl Viewer {
    /// Watches an event from its first segment on, by whole segments.
    pub(crate) async fn live(cloud: &Cloud, event: &Event) -> Result<Self> {
        let path = source_playlist(cloud, &format!("{}?plain=1", event.master())).await?;
        Self::watch(&["-live_start_index", "0", "-i", &format!("{}{path}", cloud.api.base())])
    }

    fn watch(input: &[&str]) -> Result<Self> {
        let mut command = Command::new("ffmpeg");
        command.args(["-hide_banner", "-nostdin", "-v", "fatal"]).args(input);
        command.args(["-map", "0:v:0", "-vf", &format!("crop=iw:{ROWS}:0:0,format=gray")]);
        command.args(["-fps_mode", "passthrough", "-f", "rawvideo", "pipe:1"]);
        let mut player = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("starting a player")?;
        let pictures = player.stdout.take().context("the player's pictures")?;
        Ok(Self { pictures, _player: player, seen: Vec::new() })
    }

    /// The clock of the next picture that has one; none at the end.
    async fn next(&mut self) -> Result<Option<i64>> {
        let mut luma = vec![0; (PICTURE.width * ROWS) as usize];
        loop {
            match self.pictures.read_exact(&mut luma).await {
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
                Err(error) => return Err(error).context("reading pictures"),
            }
            if let Some(unix_ms) = timecode::read(&luma, PICTURE.width as usize, &PICTURE) {
                self.seen.push(unix_ms);
                return Ok(Some(unix_ms));
            }
        }
    }

    /// Watches until its clock shows this; returns all that it has shown, in order.
    pub(crate) async fn until(mut self, unix_ms: i64) -> Result<Vec<i64>> {
        let watching = async {
            while let Some(now) = self.next().await? {
                if now >= unix_ms {
                    return Ok(true);
                }
            }
            anyhow::Ok(false)
        };
        ensure!(timeout(BEHIND, watching).await.context("the player hangs")??, "the player has ended");
        Ok(self.seen)
    }
}

/// All clocks in a file, in order.
pub(crate) async fn of_file(path: &Path) -> Result<Vec<i64>> {
    let mut viewer = Viewer::watch(&["-i", &path.display().to_string()])?;
    while viewer.next().await?.is_some() {}
    Ok(viewer.seen)
}
