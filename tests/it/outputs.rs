//! An output's trouble is its own: the recording loses no frame, the other output does not notice.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use stagebox_tests::house::line::Line;
use stagebox_tests::house::peer::Nginx;
use stagebox_tests::house::probe::{self, Stream};
use stagebox_tests::house::{
    Agent, AgentOptions, Cloud, CloudOptions, Process, binary, free_port, wait_until,
};
use tokio::net::UnixDatagram;
use tokio::process::Command;
use tokio::time::{sleep, timeout};

use super::{FRAME_US, STEP, Stage, wait_segments};

/// The panel's button, over the panel's own socket.
pub(crate) async fn press(agent: &Agent) -> Result<()> {
    panel(agent, "--press").await
}

/// The button held: stop.
pub(crate) async fn hold(agent: &Agent) -> Result<()> {
    panel(agent, "--hold").await
}

async fn panel(agent: &Agent, action: &str) -> Result<()> {
    wait_until("the panel's socket is there", STEP, || async { Ok(agent.socket().exists().then_some(())) })
        .await?;
    let mut command = Command::new(binary("stagebox-panel")?);
    command.args(["--shell", "terminal", "--socket"]).arg(agent.socket()).arg(action);
    let output = command.output().await.context("starting stagebox-panel")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "stagebox-panel {action}: {said}");
    Ok(())
}

struct Outputs {
    main: u16,
    backup: Nginx,
    agent: Agent,
    /// Gives the box's commands; it receives nothing.
    cloud: Cloud,
    directory: tempfile::TempDir,
}

/// A box with two servers, of which only the backup is there, live and recording.
async fn set() -> Result<Outputs> {
    let directory = tempfile::tempdir()?;
    let main = free_port(0);
    let backup = Nginx::rtmp(directory.path(), "backup", free_port(0), true).await?;
    let extra = format!(
        "[[outputs]]\nrole = \"main\"\nurl = \"rtmp://127.0.0.1:{main}/live\"\nkey = \"a\"\n\
         [[outputs]]\nrole = \"backup\"\nurl = \"rtmp://127.0.0.1:{}/live\"\nkey = \"b\"\n",
        backup.port
    );
    // Enough bits that a hung server fills every buffer on the way within the test.
    let options = AgentOptions { extra, bitrate_kbps: 3000, ..AgentOptions::default() };
    let cloud = Cloud::start(directory.path(), &CloudOptions::default()).await?;
    let agent = Agent::start(directory.path(), &cloud, &options).await?;
    wait_until("start_recording", STEP, || async { Ok(agent.command(&cloud, "start_recording").await.ok()) })
        .await?;
    press(&agent).await?;
    Ok(Outputs { main, backup, agent, cloud, directory })
}

async fn main_receives(nginx: &Nginx, files: usize) -> Result<()> {
    wait_until("the main server receives", STEP, || async {
        let recorded = nginx.recorded();
        let grown = recorded
            .last()
            .and_then(|file| file.metadata().ok())
            .is_some_and(|metadata| metadata.len() > 100_000);
        Ok((recorded.len() >= files && grown).then_some(()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_main_server_refuses_dies_hangs_and_comes_back() -> Result<()> {
    let mut stage = set().await?;
    // Refused at first: nobody listens.
    wait_until("the backup receives", STEP, || async {
        Ok((!stage.backup.recorded().is_empty()).then_some(()))
    })
    .await?;
    let mut main = Nginx::rtmp(stage.directory.path(), "main", stage.main, true).await?;
    main_receives(&main, 1).await?;
    // Dies, and comes back.
    main.process.kill().await?;
    sleep(Duration::from_secs(2)).await;
    let main = Nginx::rtmp(stage.directory.path(), "main", stage.main, true).await?;
    main_receives(&main, 2).await?;
    // Hangs: takes the bytes of the kernel's buffers and answers nothing, until the box gives it up.
    let losses = |agent: &Agent| agent.process.output().matches("output lost").count();
    let before = losses(&stage.agent);
    main.process.signal(Signal::SIGSTOP)?;
    wait_until("the box notices that its server hangs", STEP, || async {
        Ok((losses(&stage.agent) > before).then_some(()))
    })
    .await?;
    main.process.signal(Signal::SIGCONT)?;
    main_receives(&main, 3).await?;
    hold(&stage.agent).await?;
    stage.agent.command(&stage.cloud, "stop_recording").await?;
    stage.agent.process.stop(Duration::from_secs(5)).await?;

    let backup = stage.backup.recorded();
    ensure!(backup.len() == 1, "the backup noticed: {} publishes", backup.len());
    let streamed = whole(&backup[0].display().to_string(), "backup").await?;
    let recordings = probe::recordings(&stage.agent.recordings());
    ensure!(recordings.len() == 1, "the recording noticed: {recordings:?}");
    let recorded = whole(&recordings[0].display().to_string(), "recording").await?;
    // It began before the stream and ended after it.
    ensure!(recorded >= streamed, "{recorded} frames recorded, {streamed} streamed");
    Ok(())
}

/// No frame is missing between the first and the last; gives their number.
async fn whole(input: &str, what: &str) -> Result<usize> {
    let packets = probe::packets(input, Stream::Video, None).await?;
    let gaps = probe::gaps(&packets, FRAME_US);
    ensure!(packets.len() > 60 && gaps.is_empty(), "{what}: {} frames, gaps: {gaps:?}", packets.len());
    Ok(packets.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn stop_does_not_wait_for_a_hung_server() -> Result<()> {
    let mut stage = set().await?;
    let main = Nginx::rtmp(stage.directory.path(), "main", stage.main, false).await?;
    wait_until("the backup receives", STEP, || async {
        Ok((!stage.backup.recorded().is_empty()).then_some(()))
    })
    .await?;
    main.process.signal(Signal::SIGSTOP)?;
    stage.backup.process.signal(Signal::SIGSTOP)?;
    sleep(Duration::from_secs(2)).await;
    hold(&stage.agent).await?;
    stage
        .agent
        .process
        .stop(Duration::from_secs(5))
        .await
        .context("the box does not end while its servers hang")?;
    main.process.signal(Signal::SIGCONT)?;
    stage.backup.process.signal(Signal::SIGCONT)?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_folder_of_recordings_the_box_streams() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let nginx = Nginx::rtmp(directory.path(), "nginx", free_port(0), true).await?;
    let extra = format!(
        "[[outputs]]\nrole = \"main\"\nurl = \"rtmp://127.0.0.1:{}/live\"\nkey = \"a\"\n",
        nginx.port
    );
    // What should be the folder is a file: the disk is not mounted, or somebody has tidied up.
    std::fs::create_dir_all(directory.path().join("box"))?;
    std::fs::write(directory.path().join("box/recordings"), "no folder")?;
    let options = AgentOptions { extra, ..AgentOptions::default() };
    let mut agent = Agent::start_alone(directory.path(), &options)?;
    press(&agent).await?;
    main_receives(&nginx, 1).await?;
    hold(&agent).await?;
    agent.process.stop(Duration::from_secs(5)).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn systemd_hears_that_the_box_lives() -> Result<()> {
    let directory = tempfile::tempdir()?;
    // Its configuration; the box itself is started as systemd does.
    let mut written = Agent::start_alone(directory.path(), &AgentOptions::default())?;
    written.process.kill().await?;
    let path = directory.path().join("notify");
    let systemd = UnixDatagram::bind(&path)?;
    let mut command = Command::new(binary("stagebox-agent")?);
    command.arg("--config").arg(directory.path().join("box/agent.toml"));
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "1000000");
    let mut agent = Process::start("supervised", &directory.path().join("logs"), command)?;
    let next = async |limit: Duration| {
        let mut told = [0; 64];
        match timeout(limit, systemd.recv(&mut told)).await {
            Ok(length) => Ok(Some(String::from_utf8_lossy(&told[..length?]).into_owned())),
            Err(_) => anyhow::Ok(None),
        }
    };
    ensure!(next(STEP).await?.as_deref() == Some("READY=1"), "it does not say that it is ready");
    for _ in 0..3 {
        let beat = next(STEP).await?;
        ensure!(beat.as_deref() == Some("WATCHDOG=1"), "{beat:?}");
    }
    agent.signal(Signal::SIGSTOP)?;
    // What was on its way, and then nothing.
    while next(Duration::from_millis(200)).await?.is_some() {}
    let beat = next(Duration::from_millis(1500)).await?;
    ensure!(beat.is_none(), "a process that is stopped says {beat:?}");
    agent.signal(Signal::SIGCONT)?;
    ensure!(next(STEP).await?.as_deref() == Some("WATCHDOG=1"), "it does not go on");
    agent.signal(Signal::SIGTERM)?;
    let ends = async {
        while next(STEP).await?.context("it says nothing of its end")? != "STOPPING=1" {}
        anyhow::Ok(())
    };
    ends.await?;
    ensure!(agent.wait(STEP).await?.success(), "{}", agent.tail(10));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bitrate_follows_a_line_that_is_too_thin() -> Result<()> {
    thin_line(None).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_of_its_own_keeps_its_quality() -> Result<()> {
    thin_line(Some("3000")).await
}

/// A line that is too thin for a while, and a recording with an encode of its own or without.
async fn thin_line(own_kbps: Option<&str>) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let nginx = Nginx::rtmp(directory.path(), "nginx", free_port(0), true).await?;
    let line = Line::to(nginx.port).await?;
    let extra =
        format!("[[outputs]]\nrole = \"main\"\nurl = \"rtmp://127.0.0.1:{}/live\"\nkey = \"a\"\n", line.port);
    let protect = if own_kbps.is_some() { "recording" } else { "stream" };
    let video = format!("protect = \"{protect}\"\nfloor_kbps = 200");
    let environment = own_kbps.map(|kbps| ("STAGEBOX_RECORD__BITRATE_KBPS".to_owned(), kbps.into()));
    let environment = environment.into_iter().collect();
    let options = AgentOptions { extra, video, environment, bitrate_kbps: 2000, ..AgentOptions::default() };
    let cloud = Cloud::start(directory.path(), &CloudOptions::default()).await?;
    let mut agent = Agent::start(directory.path(), &cloud, &options).await?;
    wait_until("start_recording", STEP, || async { Ok(agent.command(&cloud, "start_recording").await.ok()) })
        .await?;
    press(&agent).await?;
    main_receives(&nginx, 1).await?;
    let lowered = async |what: &str, is: &dyn Fn(u64) -> bool| {
        wait_until(what, STEP, || async {
            let device = cloud.api.get(&format!("devices/{}", agent.id)).await?;
            let kbps = device["telemetry"]["encoder"]["lowered_to_kbps"].as_u64().unwrap_or(2000);
            Ok(is(kbps).then_some(kbps))
        })
        .await
    };
    // 480 kbit/s, of which sound takes 128.
    line.slow(0, 60_000);
    lowered("the picture takes less", &|kbps| kbps <= 500).await?;
    line.open(0);
    let low = lowered("it is low", &|kbps| kbps <= 500).await?;
    lowered("it comes back by steps", &|kbps| kbps > low).await?;
    let device = cloud.api.get(&format!("devices/{}", agent.id)).await?;
    let encoder = &device["telemetry"]["encoder"];
    ensure!(encoder["recording_kbps"].is_u64() == own_kbps.is_some(), "{encoder}");
    hold(&agent).await?;
    agent.command(&cloud, "stop_recording").await?;
    agent.process.stop(Duration::from_secs(5)).await?;
    // Nobody was told anything new: one connection, one file, and the recording has all of it.
    ensure!(line.count() == 1 && nginx.recorded().len() == 1, "{} connections", line.count());
    let recordings = probe::recordings(&agent.recordings());
    ensure!(recordings.len() == 1, "{recordings:?}");
    whole(&recordings[0].display().to_string(), "recording").await?;
    let bytes = [recordings[0].metadata()?.len(), nginx.recorded()[0].metadata()?.len()];
    ensure!((bytes[0] > bytes[1] * 3 / 2) == own_kbps.is_some(), "recorded and pushed bytes: {bytes:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cold_backup_pushes_while_main_does_not() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let mut main = Nginx::rtmp(directory.path(), "main", free_port(0), true).await?;
    let backup = Nginx::rtmp(directory.path(), "backup", free_port(0), true).await?;
    let output = |role: &str, port: u16| {
        format!("[[outputs]]\nrole = \"{role}\"\nurl = \"rtmp://127.0.0.1:{port}/live\"\nkey = \"a\"\n")
    };
    let extra = format!(
        "{}{}[backup]\npush = \"cold\"\nmain_back_s = 2\n",
        output("main", main.port),
        output("backup", backup.port)
    );
    let mut agent = Agent::start_alone(directory.path(), &AgentOptions { extra, ..AgentOptions::default() })?;
    press(&agent).await?;
    main_receives(&main, 1).await?;
    // Long enough for a backup that does not stand by.
    sleep(Duration::from_secs(3)).await;
    ensure!(backup.recorded().is_empty(), "the backup pushes beside main: {:?}", backup.recorded());

    let port = main.port;
    main.process.kill().await?;
    main_receives(&backup, 1).await?;
    let main = Nginx::rtmp(directory.path(), "main", port, true).await?;
    main_receives(&main, 2).await?;
    let length = || backup.recorded()[0].metadata().map(|metadata| metadata.len());
    wait_until("the backup stands by again", STEP, || async {
        let before = length()?;
        sleep(Duration::from_secs(1)).await;
        Ok((length()? == before).then_some(()))
    })
    .await?;
    ensure!(backup.recorded().len() == 1, "{:?}", backup.recorded());
    hold(&agent).await?;
    agent.process.stop(Duration::from_secs(5)).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_third_server_is_the_boxs_own() -> Result<()> {
    let servers = tempfile::tempdir()?;
    let mut third = Nginx::rtmp(servers.path(), "third", free_port(0), true).await?;
    let extra = format!(
        "[[outputs]]\nrole = \"third\"\nurl = \"rtmp://127.0.0.1:{}/live\"\nkey = \"c\"\n",
        third.port
    );
    let options = AgentOptions { extra, ..AgentOptions::default() };
    // The cloud names main and backup all the same.
    let cloud = CloudOptions { extra: "[live]\ntranscode = false\n".into(), ..CloudOptions::default() };
    let stage = Stage::set(&cloud, &options).await?;
    stage.command("start_stream").await?;
    stage.cloud.api.wait_receiving(&stage.event, "main", STEP).await?;
    stage.cloud.api.set_status(&stage.event, "started").await?;
    let end = wait_segments(&stage.cloud, &stage.event, 0, 2).await?;
    main_receives(&third, 1).await?;
    let path = format!("devices/{}", stage.agent.id);
    let live = async |state: &str, third: &str| {
        wait_until(&format!("{state}, and the third server {third}"), STEP, || async {
            let telemetry = stage.cloud.api.get(&path).await?["telemetry"].clone();
            let outputs = telemetry["outputs"].as_array().cloned().unwrap_or_default();
            let roles: Vec<_> = outputs.iter().filter_map(|output| output["role"].as_str()).collect();
            ensure!(!roles.contains(&"fourth"), "{roles:?}");
            let is_so = |role: &str, state: &str| {
                outputs.iter().any(|output| output["role"] == role && output["state"] == state)
            };
            let all = is_so("main", "sending") && is_so("backup", "sending") && is_so("third", third);
            Ok((telemetry["live"]["state"] == state && all).then_some(()))
        })
        .await
    };
    live("live", "sending").await?;
    let file = third.recorded()[0].display().to_string();
    third.process.kill().await?;
    let packets = probe::packets(&file, Stream::Video, None).await?;
    ensure!(packets[0].dts_us < 1_000_000, "its times begin at {} us", packets[0].dts_us);
    ensure!(probe::gaps(&packets, FRAME_US).is_empty(), "{packets:?}");

    live("degraded", "waiting").await?;
    wait_segments(&stage.cloud, &stage.event, end, 2).await?;
    let publishes = stage.cloud.process.output().matches("publishing").count();
    ensure!(publishes <= 2, "main or backup began again: {publishes} publishes");
    Ok(())
}
