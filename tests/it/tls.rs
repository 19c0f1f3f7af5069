//! TLS between everything: encoders, boxes and browsers of other makers, a certificate that changes, old versions.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use serde_json::json;
use stagebox_tests::house::probe::{self, Stream};
use stagebox_tests::house::{Agent, AgentOptions, Cloud, CloudOptions, free_port, wait_until};
use tokio::process::Command;

use super::{FRAME_US, STEP, Stage, broadcast, make_event};

/// A cloud that has certificate and key in files, with what follows in its configuration.
fn configured(folder: &Path) -> CloudOptions {
    let [certificate, key] = pair_files(folder);
    let extra =
        format!("[live]\ntranscode = false\n[tls]\ncertificate_file = {certificate:?}\nkey_file = {key:?}\n");
    CloudOptions { extra, ..CloudOptions::default() }
}

fn pair_files(folder: &Path) -> [PathBuf; 2] {
    ["certificate.pem", "key.pem"].map(|name| folder.join(name))
}

/// Has openssl make a pair for this machine, over one that is there.
async fn issue(folder: &Path) -> Result<()> {
    let [certificate, key] = pair_files(folder);
    let mut command = Command::new("openssl");
    command.args(
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 90 -subj /CN=test".split(' '),
    );
    command.args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]);
    command.args(["-addext", "basicConstraints=critical,CA:FALSE", "-keyout"]).arg(key);
    let done = command.arg("-out").arg(certificate).output().await.context("openssl")?;
    ensure!(done.status.success(), "openssl: {}", String::from_utf8_lossy(&done.stderr));
    Ok(())
}

async fn openssl(address: &str, arguments: &[&str]) -> Result<Output> {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-connect", address]).args(arguments).stdin(std::process::Stdio::null());
    tokio::time::timeout(STEP, command.output()).await.context("openssl does not end")?.context("openssl")
}

/// The certificate that is served at an address.
async fn served(address: &str) -> Result<String> {
    let done = openssl(address, &["-showcerts"]).await?;
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    let pem = said.split_once("-----BEGIN").and_then(|(_, rest)| rest.split_once("-----END"));
    Ok(pem.with_context(|| format!("{address} serves no certificate: {said}"))?.0.to_owned())
}

/// The three listeners with TLS.
fn listeners(cloud: &Cloud) -> [&str; 3] {
    [&cloud.ports.https, &cloud.ports.rtmps, &cloud.ports.mqtts]
}

#[tokio::test(flavor = "multi_thread")]
async fn ffmpeg_publishes_over_rtmps_and_plays_over_https() -> Result<()> {
    const FRAMES: u32 = 90;
    let directory = tempfile::tempdir()?;
    let options = CloudOptions { extra: "[live]\ntranscode = false\n".into(), ..CloudOptions::default() };
    let cloud = Cloud::start(directory.path(), &options).await?;
    let event = make_event(&cloud, None).await?;
    let shown = cloud.api.get(&format!("events/{event}")).await?;
    let key = shown["inputs"]["main"]["key"].as_str().context("a key")?;
    let url = format!("rtmps://{}/live/{key}", cloud.ports.rtmps);
    let item = broadcast(&cloud, directory.path(), &event, &url, FRAMES).await?;
    let master = format!(
        "https://{}/vod/public/{}/index.m3u8",
        cloud.ports.https,
        item["id"].as_str().unwrap_or_default()
    );
    let packets = probe::packets(&master, Stream::Video, None).await?;
    let gaps = probe::gaps(&packets, FRAME_US);
    ensure!(packets.len() == FRAMES as usize && gaps.is_empty(), "{} frames, {gaps:?}", packets.len());
    Ok(())
}

/// A cloud that tells boxes to push by RTMPS, and a box that speaks nothing but TLS.
async fn encrypted_stage(directory: tempfile::TempDir, options: CloudOptions, trust: &str) -> Result<Stage> {
    let port = free_port(0);
    let environment = [
        ("STAGEBOX_RTMP__TLS_LISTEN", format!("127.0.0.1:{port}")),
        ("STAGEBOX_RTMP__PUBLIC_URL", format!("rtmps://localhost:{port}/live")),
    ];
    let environment = environment.map(|(name, value)| (name.to_owned(), value.into())).into();
    let options = CloudOptions { environment, ..options };
    let cloud = Cloud::start(directory.path(), &options).await?;
    let agent = AgentOptions { tls: Some(trust.into()), ..AgentOptions::default() };
    let agent = Agent::start(directory.path(), &cloud, &agent).await?;
    let event = make_event(&cloud, Some(&agent.id)).await?;
    Ok(Stage { cloud, agent, event, _directory: directory })
}

async fn goes_live(stage: &Stage) -> Result<()> {
    stage.command("start_stream").await?;
    stage.cloud.api.wait_receiving(&stage.event, "main", STEP).await?;
    let device = stage.cloud.api.get(&format!("devices/{}", stage.agent.id)).await?;
    ensure!(device["online"] == true, "{device}");
    let url = wait_until("the box tells where it pushes to", STEP, || async {
        let device = stage.cloud.api.get(&format!("devices/{}", stage.agent.id)).await?;
        Ok(device["telemetry"]["outputs"][0]["url"].as_str().map(str::to_owned))
    })
    .await?;
    ensure!(url.starts_with("rtmps://localhost:"), "{url}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_box_that_knows_the_print_speaks_tls_alone() -> Result<()> {
    let options = CloudOptions { extra: "[live]\ntranscode = false\n".into(), ..CloudOptions::default() };
    let stage = encrypted_stage(tempfile::tempdir()?, options, "tls_fingerprint = \"PRINT\"").await?;
    goes_live(&stage).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_box_does_not_speak_with_a_stranger() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let cloud = Cloud::start(directory.path(), &CloudOptions::default()).await?;
    let print = format!("tls_fingerprint = \"sha256:{}\"", "00".repeat(32));
    for (name, trust, words) in [
        ("pinned", &*print, "not the one of cloud.tls_fingerprint"),
        ("system", "", "comes from nobody this box trusts"),
    ] {
        let options = AgentOptions { tls: Some(trust.to_owned()), ..AgentOptions::default() };
        let agent = Agent::start(&directory.path().join(name), &cloud, &options).await?;
        wait_until(words, STEP, || async { Ok(agent.process.output().contains(words).then_some(())) })
            .await?;
        let device = cloud.api.get(&format!("devices/{}", agent.id)).await?;
        ensure!(device["online"] == false, "{device}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn all_listeners_show_a_new_certificate_and_nobody_is_cut_off() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let certificates = directory.path().join("pki");
    fs::create_dir(&certificates)?;
    issue(&certificates).await?;
    let [certificate, _] = pair_files(&certificates);
    let trust = format!("ca_file = {:?}", directory.path().join("old.pem"));
    fs::copy(&certificate, directory.path().join("old.pem"))?;
    let stage = encrypted_stage(directory, configured(&certificates), &trust).await?;
    goes_live(&stage).await?;
    let first = served(&stage.cloud.ports.https).await?;
    for address in listeners(&stage.cloud) {
        ensure!(served(address).await? == first, "{address} serves another certificate");
    }

    issue(&certificates).await?;
    stage.cloud.process.signal(Signal::SIGHUP)?;
    let pem = fs::read_to_string(&certificate)?;
    for address in listeners(&stage.cloud) {
        let what = format!("{address} serves the new certificate");
        wait_until(&what, STEP, || async { Ok(pem.contains(&served(address).await?).then_some(())) }).await?;
    }
    // The box trusts the old one alone: what still works goes over the connections that it had.
    stage.agent.command(&stage.cloud, "start_recording").await?;
    let shown = stage.cloud.api.get(&format!("events/{}", stage.event)).await?;
    ensure!(shown["inputs"]["main"]["receiving"] == true, "the box was cut off: {shown}");
    let said = stage.agent.process.output();
    ensure!(!said.contains("output lost") && !said.contains("no broker"), "{said}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_mqtt_clients_are_let_in_with_tls_and_password() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let cloud = Cloud::start(directory.path(), &CloudOptions::default()).await?;
    let device = cloud.api.post("devices", &json!({ "name": "Foreign" })).await?;
    let text = |field: &str| device[field].as_str().unwrap_or_default();
    let (id, port) = (text("id"), cloud.ports.mqtts.rsplit(':').next().unwrap_or_default());
    let own = directory.path().join("cloud/data/tls/certificate.pem");
    let send = async |secret: &str, ca: &Path| {
        let mut command = Command::new("mosquitto_pub");
        command.args(["-h", "localhost", "-p", port, "-V", "mqttv5", "-q", "1", "--cafile"]).arg(ca);
        command.args(["-i", id, "-u", id, "-P", secret, "-m", "{}"]);
        command.args(["-t", &format!("stagebox/v1/{id}/status")]);
        command.output().await.context("mosquitto_pub")
    };
    let done = send(text("secret"), &own).await?;
    ensure!(done.status.success() && done.stderr.is_empty(), "{done:?}");
    ensure!(!send("wrong", &own).await?.status.success(), "a wrong password was taken");
    issue(directory.path()).await?;
    let other = send(text("secret"), &pair_files(directory.path())[0]).await?;
    ensure!(!other.status.success(), "a stranger's certificate was served: {other:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn old_versions_are_refused_by_all_listeners() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let cloud = Cloud::start(directory.path(), &CloudOptions::default()).await?;
    for address in listeners(&cloud) {
        for version in ["-tls1_2", "-tls1_3"] {
            let done = openssl(address, &[version]).await?;
            ensure!(done.status.success(), "{address} {version}: {}", String::from_utf8_lossy(&done.stderr));
        }
        for version in ["-tls1", "-tls1_1"] {
            let done = openssl(address, &[version, "-cipher", "ALL:@SECLEVEL=0"]).await?;
            let said = String::from_utf8_lossy(&done.stderr);
            ensure!(
                !done.status.success() && said.contains("SSL alert number"),
                "{address} {version}: {said}"
            );
        }
        let weak =
            openssl(address, &["-tls1_2", "-cipher", "AES128-SHA:AES256-GCM-SHA384:@SECLEVEL=0"]).await?;
        ensure!(!weak.status.success(), "{address} takes suites without forward secrecy");
    }
    Ok(())
}

/// Mozilla's rules for servers, as sslyze looks at them from outside.
#[tokio::test(flavor = "multi_thread")]
async fn sslyze_finds_nothing_but_that_nobody_vouches_for_the_certificate() -> Result<()> {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools/py/bin/sslyze");
    ensure!(program.is_file(), "{} is not installed: './run deps test' does it", program.display());
    let directory = tempfile::tempdir()?;
    let cloud = Cloud::start(directory.path(), &CloudOptions::default()).await?;
    let mut command = Command::new(program);
    command.arg("--mozilla_config=intermediate").args(listeners(&cloud)).kill_on_drop(true);
    let limit = Duration::from_secs(50);
    let done = tokio::time::timeout(limit, command.output()).await.context("sslyze does not end")?;
    let said = String::from_utf8_lossy(&done.context("sslyze")?.stdout).into_owned();
    let (_, verdicts) =
        said.split_once("COMPLIANCE AGAINST TLS CONFIGURATION").context("sslyze gives no verdict")?;
    for address in listeners(&cloud) {
        ensure!(
            verdicts.contains(&format!("{address}: FAILED - Not compliant.")),
            "{address} was not looked at: {verdicts}"
        );
    }
    let faults = verdicts.lines().filter_map(|line| line.trim().strip_prefix("* "));
    // Mosquitto takes all of OpenSSL's curves: those two are as good as the others, and seldom used.
    let accepted = [
        "certificate_path_validation: ",
        "tls_curves: TLS curves {'secp521r1', 'X448'} ",
        "tls_curves: TLS curves {'X448', 'secp521r1'} ",
    ];
    let faults: Vec<_> =
        faults.filter(|fault| !accepted.iter().any(|start| fault.starts_with(start))).collect();
    ensure!(faults.is_empty(), "{faults:#?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn plaintext_on_the_network_is_refused_at_the_start() -> Result<()> {
    for (key, section) in [("HTTP", "http"), ("RTMP", "rtmp"), ("MQTT", "mqtt")] {
        let directory = tempfile::tempdir()?;
        let environment = vec![(format!("STAGEBOX_{key}__LISTEN"), "0.0.0.0:0".into())];
        let options = CloudOptions { environment, ..CloudOptions::default() };
        let Err(error) = Cloud::start(directory.path(), &options).await else {
            anyhow::bail!("{section}: the cloud speaks plaintext with everybody");
        };
        let said = format!("{error:#}");
        let wanted = [format!("{section}.listen"), format!("{section}.allow_plaintext = true")];
        ensure!(wanted.iter().all(|words| said.contains(words)), "{said}");
    }
    Ok(())
}
