//! Two encoders of others that see the same pictures, each with the time at which it was taken.

use std::process::Stdio;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use bytes::Bytes;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use stagebox_agent::capture::timecode;
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::mpsc;
use tokio::time::interval;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::viewer::PICTURE;

/// Pictures that may wait for an encoder; one that hangs gets no more.
const WAITING: usize = 8;

/// The wall clock.
pub(crate) fn unix_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Two encoders that nothing but what they see connects.
pub(crate) struct Encoders {
    main: Child,
    _backup: Child,
    _until_dropped: DropGuard,
}

impl Encoders {
    /// Starts them, with a key frame every two seconds each, not at the same pictures.
    pub(crate) async fn start(main: &str, backup: &str) -> Result<Self> {
        let ((main, main_pictures), (backup, backup_pictures)) = (encoder(main, 50)?, encoder(backup, 47)?);
        let end = CancellationToken::new();
        let drawing = draw([main_pictures, backup_pictures]);
        tokio::spawn(end.clone().run_until_cancelled_owned(drawing));
        Ok(Self { main, _backup: backup, _until_dropped: end.drop_guard() })
    }

    /// Has main die (`SIGKILL`) or hang (`SIGSTOP`).
    pub(crate) fn lose_main(&self, how: Signal) -> Result<()> {
        let id = self.main.id().context("main has ended")?;
        kill(Pid::from_raw(id.cast_signed()), how).context("main cannot be lost")
    }
}

fn encoder(url: &str, key_every: u32) -> Result<(Child, mpsc::Sender<Bytes>)> {
    let mut command = Command::new("ffmpeg");
    let (size, rate) = (format!("{}x{}", PICTURE.width, PICTURE.height), PICTURE.fps.to_string());
    command.args("-hide_banner -v error -f rawvideo -pix_fmt yuv420p".split(' '));
    command.args(["-s", &size, "-r", &rate, "-i", "pipe:0", "-g", &key_every.to_string()]);
    command.args("-c:v libx264 -preset ultrafast -tune zerolatency -b:v 800k -f flv".split(' ')).arg(url);
    let mut child =
        command.stdin(Stdio::piped()).kill_on_drop(true).spawn().context("starting an encoder")?;
    let input = child.stdin.take().context("an encoder's input")?;
    let (pictures, waiting) = mpsc::channel(WAITING);
    tokio::spawn(feed(input, waiting));
    Ok((child, pictures))
}

async fn feed(mut input: ChildStdin, mut waiting: mpsc::Receiver<Bytes>) {
    while let Some(picture) = waiting.recv().await {
        // One that was killed reads no more.
        if input.write_all(&picture).await.is_err() {
            return;
        }
    }
}

/// Draws the time for both, evenly.
async fn draw(encoders: [mpsc::Sender<Bytes>; 2]) {
    let (width, height) = (PICTURE.width as usize, PICTURE.height as usize);
    let frame_ms = 1000 / i64::from(PICTURE.fps);
    let mut beat = interval(Duration::from_millis(frame_ms.unsigned_abs()));
    let begun_ms = unix_ms();
    for index in 0.. {
        beat.tick().await;
        let mut picture = vec![128; width * height * 3 / 2];
        // Something that moves, so that each picture differs from the last.
        let left = (index as usize * 8) % (width - 32);
        for row in picture[..width * height].chunks_mut(width).skip(height / 2) {
            row[left..left + 32].fill(220);
        }
        timecode::draw(&mut picture, width, &PICTURE, begun_ms + index * frame_ms);
        let picture = Bytes::from(picture);
        for encoder in &encoders {
            let _ = encoder.try_send(picture.clone());
        }
    }
}
