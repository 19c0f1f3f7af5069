//! Footage for the recorder: encoded frames of both tracks in the order of their decoding.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use stagebox_media::cmaf::CmafReader;
use stagebox_media::{Epoch, Frame, Packet, Track, TrackConfig, h264};
use tokio::process::Command;

/// Pictures a second of the clip.
pub(super) const FPS: f64 = 15.0;

/// Makes a clip in a folder: twelve seconds, a keyframe a second.
pub(super) async fn make(folder: &Path) -> Result<PathBuf> {
    std::fs::create_dir_all(folder).context("making a folder")?;
    let path = folder.join("clip.mp4");
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-f", "lavfi", "-i", &format!("testsrc2=s=320x180:r={FPS}:d=12")]);
    command.args(["-f", "lavfi", "-i", "sine=r=48000:d=12", "-c:v", "libx264", "-preset", "ultrafast"]);
    command.args(["-tune", "zerolatency", "-g", "15", "-pix_fmt", "yuv420p", "-c:a", "aac", "-b:a", "64k"]);
    command.args(["-movflags", "frag_keyframe+empty_moov+default_base_moof"]).arg(&path);
    let made = command.output().await.context("starting ffmpeg")?;
    ensure!(made.status.success(), "ffmpeg: {}", String::from_utf8_lossy(&made.stderr));
    Ok(path)
}

/// The clip's configurations and frames.
pub(super) struct Clip {
    configs: Vec<TrackConfig>,
    pub(super) frames: Vec<Frame>,
}

impl Clip {
    pub(super) fn read(path: &Path) -> Result<Self> {
        let mut reader = CmafReader::new();
        reader.push(std::fs::read(path).context("reading the clip")?);
        let mut clip = Self { configs: Vec::new(), frames: Vec::new() };
        while let Some(packet) = reader.next().context("reading the clip")? {
            match packet {
                Packet::Config(config) => clip.configs.push(config),
                Packet::Frame(frame) => clip.frames.push(frame),
            }
        }
        clip.frames.sort_by_key(|frame| (frame.dts_ns, frame.track));
        Ok(clip)
    }

    /// The configurations as an encoder run gives them.
    pub(super) fn configs(&self, epoch: Epoch) -> impl Iterator<Item = Packet> {
        self.configs.iter().cloned().map(move |config| Packet::Config(TrackConfig { epoch, ..config }))
    }

    /// A frame as an encoder run gives it: keyframes carry the run's name.
    pub(super) fn frame(&self, number: usize, epoch: Epoch) -> Option<Frame> {
        let mut frame = self.frames.get(number)?.clone();
        frame.epoch = epoch;
        if frame.track == Track::Video && frame.key {
            frame.data = h264::write_epoch(&frame.data, epoch);
        }
        Some(frame)
    }
}
