//! The real Mosquitto under the cloud's rules: who reads and writes what, and how it ends and comes back.
#![allow(clippy::disallowed_methods, reason = "a driver: it waits for processes")]
#![allow(clippy::unwrap_used, reason = "a test: what is wrong in it may stop it")]

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Packet, PubAckReason, SubscribeReasonCode};
use rumqttc::v5::{AsyncClient, Event, EventLoop, MqttOptions};
use stagebox_cloud::broker::{AdminCommand, Broker, BrokerError, BrokerOptions, Credential, Verifier};
use stagebox_protocol::BoxId;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

const STEP: Duration = Duration::from_secs(10);

fn device(id: &str) -> BoxId {
    id.parse().unwrap()
}

fn options(directory: &Path, listen: &str) -> BrokerOptions {
    BrokerOptions {
        mosquitto: "/usr/sbin/mosquitto".into(),
        plugin: None,
        listen: listen.parse().unwrap(),
        encrypted: None,
        directory: directory.join("broker"),
        launcher: env!("CARGO_BIN_EXE_stagebox-cloud").into(),
    }
}

/// A broker with the boxes `box_a` and `box_b`, whose secrets are their ids.
async fn broker(directory: &Path, shutdown: &CancellationToken) -> Result<Broker, BrokerError> {
    let credentials = || async {
        Ok(["box_a", "box_b"]
            .map(|id| Credential::of_box(device(id), Verifier::new(id, [1; 12]), true))
            .to_vec())
    };
    Broker::start(options(directory, "127.0.0.1:0"), credentials, shutdown.clone()).await
}

fn client(address: SocketAddr, id: &str, user: &str, password: &str) -> (AsyncClient, EventLoop) {
    let mut options = MqttOptions::new(id, address.ip().to_string(), address.port());
    options.set_credentials(user, password).set_keep_alive(Duration::from_secs(5));
    options.set_outgoing_inflight_upper_limit(16);
    AsyncClient::new(options, 64)
}

/// Polls until a packet is the one that is looked for; `None` if the connection ends first.
async fn until<T>(events: &mut EventLoop, mut found: impl FnMut(Packet) -> Option<T>) -> Option<T> {
    timeout(STEP, async {
        loop {
            match events.poll().await {
                Ok(Event::Incoming(packet)) => {
                    if let Some(found) = found(packet) {
                        return Some(found);
                    }
                }
                Ok(Event::Outgoing(_)) => {}
                Err(_) => return None,
            }
        }
    })
    .await
    .unwrap()
}

async fn connect(
    address: SocketAddr,
    id: &str,
    user: &str,
    password: &str,
) -> Option<(AsyncClient, EventLoop)> {
    let (client, mut events) = client(address, id, user, password);
    until(&mut events, |packet| matches!(packet, Packet::ConnAck(_)).then_some(())).await?;
    Some((client, events))
}

async fn subscribe(client: &AsyncClient, events: &mut EventLoop, topic: &str) -> bool {
    client.subscribe(topic, QoS::AtLeastOnce).await.unwrap();
    let granted = |packet| match packet {
        Packet::SubAck(ack) => Some(matches!(ack.return_codes[0], SubscribeReasonCode::Success(_))),
        _ => None,
    };
    until(events, granted).await.unwrap()
}

async fn publish(client: &AsyncClient, events: &mut EventLoop, topic: &str) -> bool {
    client.publish(topic, QoS::AtLeastOnce, false, "{}").await.unwrap();
    let accepted = |packet| match packet {
        Packet::PubAck(ack) => {
            Some(matches!(ack.reason, PubAckReason::Success | PubAckReason::NoMatchingSubscribers))
        }
        _ => None,
    };
    until(events, accepted).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_box_reads_and_writes_its_own_topics_only() {
    let (directory, shutdown) = (tempfile::tempdir().unwrap(), CancellationToken::new());
    let broker = broker(directory.path(), &shutdown).await.unwrap();
    let address = broker.address();
    for (id, user, password) in [("box_a", "box_a", "box_b"), ("x", "", ""), ("box_b", "box_a", "box_a")] {
        assert!(connect(address, id, user, password).await.is_none(), "{id} {user}");
    }
    let (client, mut events) = connect(address, "box_a", "box_a", "box_a").await.unwrap();
    for topic in device("box_a").subscriptions() {
        assert!(subscribe(&client, &mut events, &topic).await, "{topic}");
    }
    for topic in [
        "#",
        "stagebox/v1/+/desired",
        "stagebox/v1/box_b/desired",
        "stagebox/v1/box_b/command/#",
        "stagebox/v1/box_a/#",
        "$SYS/#",
        "$CONTROL/dynamic-security/v1/response",
    ] {
        assert!(!subscribe(&client, &mut events, topic).await, "{topic}");
    }
    for topic in ["status", "reported", "telemetry", "event/started", "response/cloud"] {
        assert!(publish(&client, &mut events, &format!("stagebox/v1/box_a/{topic}")).await, "{topic}");
        assert!(!publish(&client, &mut events, &format!("stagebox/v1/box_b/{topic}")).await, "{topic}");
    }
    for topic in [
        "stagebox/v1/box_a/desired",
        "stagebox/v1/box_a/ack",
        "stagebox/v1/box_a/command/identify",
        "homeassistant/status",
        "$CONTROL/dynamic-security/v1",
        "elsewhere",
    ] {
        assert!(!publish(&client, &mut events, topic).await, "{topic}");
    }
    shutdown.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_box_that_is_disabled_loses_its_session_and_a_new_one_gets_in() {
    let (directory, shutdown) = (tempfile::tempdir().unwrap(), CancellationToken::new());
    let broker = broker(directory.path(), &shutdown).await.unwrap();
    let (login, address) = (broker.login(), broker.address());
    let (cloud, mut cloud_events) =
        connect(address, &login.user, &login.user, &login.password).await.unwrap();
    let response = "$CONTROL/dynamic-security/v1/response";
    assert!(subscribe(&cloud, &mut cloud_events, response).await);
    let govern = async |events: &mut EventLoop, command: AdminCommand| {
        let topic = "$CONTROL/dynamic-security/v1";
        cloud.publish(topic, QoS::AtLeastOnce, false, command.payload()).await.unwrap();
        let answer = |packet| match packet {
            Packet::Publish(publish) => Some(String::from_utf8_lossy(&publish.payload).into_owned()),
            _ => None,
        };
        let answer = until(events, answer).await.unwrap();
        assert!(!answer.contains("error"), "{answer}");
    };
    let (_client, mut events) = connect(address, "box_a", "box_a", "box_a").await.unwrap();
    govern(&mut cloud_events, AdminCommand::set_enabled(&device("box_a"), false)).await;
    assert!(until(&mut events, |_| None::<()>).await.is_none(), "its session ends");
    assert!(connect(address, "box_a", "box_a", "box_a").await.is_none());
    govern(&mut cloud_events, AdminCommand::set_enabled(&device("box_a"), true)).await;
    assert!(connect(address, "box_a", "box_a", "box_a").await.is_some());

    assert!(connect(address, "box_c", "box_c", "new").await.is_none());
    govern(&mut cloud_events, AdminCommand::add_box(&device("box_c"), "new")).await;
    let (client, mut events) = connect(address, "box_c", "box_c", "new").await.unwrap();
    assert!(subscribe(&client, &mut events, "stagebox/v1/box_c/desired").await);
    assert!(!publish(&client, &mut events, "stagebox/v1/box_a/status").await);
    shutdown.cancel();
}

/// The pids of Mosquitto with this configuration.
fn mosquittos(directory: &Path) -> Vec<i32> {
    let wanted = directory.join("broker/mosquitto.conf").display().to_string();
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let of = |entry: std::fs::DirEntry| {
        let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
        let line = std::fs::read(entry.path().join("cmdline")).ok()?;
        let mut words = line.split(|byte| *byte == 0);
        let is_broker = words.next()?.ends_with(b"mosquitto") && words.any(|word| word == wanted.as_bytes());
        let state = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        (is_broker && !state.contains(") Z")).then_some(pid)
    };
    processes.filter_map(of).collect()
}

async fn wait_until(what: &str, mut there: impl FnMut() -> bool) {
    let waited = timeout(STEP, async {
        while !there() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    assert!(waited.await.is_ok(), "{what}");
}

fn kill(pid: i32) {
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_was_killed_is_started_again_on_its_port_and_ends_with_the_server() {
    let (directory, shutdown) = (tempfile::tempdir().unwrap(), CancellationToken::new());
    let broker = broker(directory.path(), &shutdown).await.unwrap();
    let mut runs = broker.runs();
    let pids = mosquittos(directory.path());
    assert_eq!(pids.len(), 1);
    kill(pids[0]);
    timeout(STEP, runs.wait_for(|runs| *runs == 2)).await.unwrap().unwrap();
    assert!(connect(broker.address(), "box_a", "box_a", "box_a").await.is_some());
    shutdown.cancel();
    wait_until("it ends", || mosquittos(directory.path()).is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_in_use_is_said_with_its_key() {
    let directory = tempfile::tempdir().unwrap();
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    let none = || async { Ok(Vec::new()) };
    let started = Broker::start(options(directory.path(), &listen), none, CancellationToken::new()).await;
    let error = started.err().unwrap().to_string();
    assert!(error.contains(&listen) && error.contains("mqtt.listen"), "{error}");
    let mut options = options(directory.path(), "127.0.0.1:0");
    options.mosquitto = "/nowhere/mosquitto".into();
    let error = Broker::start(options, none, CancellationToken::new()).await.err().unwrap().to_string();
    assert!(error.contains("/nowhere/mosquitto") && error.contains("mqtt.mosquitto"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_broker_ends_when_the_cloud_is_killed() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let ports = directory.path().join("ports.json");
    let config = directory.path().join("cloud.toml");
    let text = "[http]\nlisten = \"127.0.0.1:0\"\ntls_listen = \"off\"\n[rtmp]\nlisten = \"127.0.0.1:0\"\ntls_listen = \"off\"\n\
                [mqtt]\nlisten = \"127.0.0.1:0\"\ntls_listen = \"off\"\n";
    std::fs::write(&config, text).unwrap();
    let mut cloud = tokio::process::Command::new(env!("CARGO_BIN_EXE_stagebox-cloud"))
        .arg("serve")
        .arg("--config")
        .arg(&config)
        .arg("--data")
        .arg(&data)
        .arg("--ports-file")
        .arg(&ports)
        .arg("--admin-password-file")
        .arg(directory.path().join("password"))
        .stdout(std::process::Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    wait_until("the cloud starts", || ports.exists()).await;
    assert_eq!(mosquittos(&data).len(), 1);
    kill(cloud.id().unwrap().cast_signed());
    cloud.wait().await.unwrap();
    wait_until("the broker ends", || mosquittos(&data).is_empty()).await;
}
