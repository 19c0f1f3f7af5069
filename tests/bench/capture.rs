//! The box: 720p30, x264 veryfast and AAC, a file and two RTMP outputs, against gst-launch-1.0 with the same elements.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use stagebox_tests::house::peer::Nginx;
use stagebox_tests::house::{
    Agent, AgentOptions, Cloud, CloudOptions, Process, Source, free_port, wait_until,
};
use tokio::process::Command;

use super::cpu;
use super::figure::{self, Figure};
use super::footage;

const WINDOW: Duration = Duration::from_secs(15);
const START: Duration = Duration::from_secs(20);

/// Forty seconds of real footage in 720p30, made once.
pub(crate) async fn clip() -> Result<PathBuf> {
    footage::clip("720p30.mp4", (1280, 720, 30), 40, 4, &["-b:v", "5M"]).await
}

async fn receives(nginx: &Nginx, streams: usize) -> Result<()> {
    wait_until("both servers receive", START, || async {
        let files = nginx.recorded();
        let grown = files
            .iter()
            .filter(|file| file.metadata().is_ok_and(|metadata| metadata.len() > 500_000))
            .count();
        Ok((grown >= streams).then_some(()))
    })
    .await
}

async fn ours(clip: &Path) -> Result<f64> {
    let directory = tempfile::tempdir()?;
    let nginx = Nginx::rtmp(directory.path(), "nginx", free_port(0), true).await?;
    let output = |role: &str| {
        format!(
            "[[outputs]]\nrole = \"{role}\"\nurl = \"rtmp://127.0.0.1:{}/live\"\nkey = \"{role}\"\n",
            nginx.port
        )
    };
    let options = AgentOptions {
        source: Source::File(clip.to_owned()),
        width: 1280,
        height: 720,
        fps: 30,
        bitrate_kbps: 3000,
        extra: output("main") + &output("backup"),
        ..AgentOptions::default()
    };
    // The cloud only gives the commands; its processor time is not the box's.
    let cloud = Cloud::start(directory.path(), &CloudOptions::default()).await?;
    let mut agent = Agent::start(directory.path(), &cloud, &options).await?;
    for name in ["start_recording", "start_stream"] {
        wait_until(name, START, || async { Ok(agent.command(&cloud, name).await.ok()) }).await?;
    }
    receives(&nginx, 2).await?;
    let used = cpu::during(agent.process.id(), WINDOW).await?;
    agent.process.stop(Duration::from_secs(10)).await?;
    Ok(used / WINDOW.as_secs_f64())
}

async fn peer(clip: &Path) -> Result<f64> {
    let directory = tempfile::tempdir()?;
    let nginx = Nginx::rtmp(directory.path(), "nginx", free_port(0), true).await?;
    let file = directory.path().join("recording.mp4");
    let pipeline = format!(
        "filesrc location={clip} ! decodebin name=d \
         d. ! queue ! videoconvert ! videoscale ! videorate ! video/x-raw,format=I420,width=1280,height=720,framerate=30/1 ! clocksync \
         ! x264enc speed-preset=veryfast bitrate=3000 key-int-max=60 bframes=0 ! video/x-h264,profile=high ! h264parse ! tee name=v \
         d. ! queue ! audioconvert ! audioresample ! audio/x-raw,rate=48000,channels=2 ! clocksync ! avenc_aac bitrate=128000 ! aacparse ! tee name=a \
         mp4mux name=m fragment-duration=500 streamable=true ! filesink location={file} \
         v. ! queue ! m. a. ! queue ! m. \
         flvmux name=f1 streamable=true ! rtmp2sink location=rtmp://127.0.0.1:{port}/live/main async-connect=false \
         v. ! queue ! f1. a. ! queue ! f1. \
         flvmux name=f2 streamable=true ! rtmp2sink location=rtmp://127.0.0.1:{port}/live/backup async-connect=false \
         v. ! queue ! f2. a. ! queue ! f2.",
        clip = clip.display(),
        file = file.display(),
        port = nginx.port,
    );
    let mut command = Command::new("gst-launch-1.0");
    command.args(pipeline.split_whitespace());
    let mut launch = Process::start("gst-launch", &directory.path().join("logs"), command)?;
    receives(&nginx, 2).await.with_context(|| launch.tail(10))?;
    let used = cpu::during(launch.id(), WINDOW).await?;
    launch.kill().await?;
    Ok(used / WINDOW.as_secs_f64())
}

pub(crate) async fn measure(runs: usize) -> Result<Vec<Figure>> {
    let clip = clip().await?;
    let pairs = figure::alternating(runs, async || ours(&clip).await, async || peer(&clip).await).await?;
    Ok(vec![Figure::lower("box 720p30 cpu", &pairs, Some(1.05), "CPU-s a second")])
}
