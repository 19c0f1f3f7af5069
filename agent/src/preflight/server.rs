//! Whether a server would take the stream: name, address, TLS and the RTMP connection, and nothing published.
#![allow(clippy::disallowed_methods, reason = "a driver: it waits for servers")]

use std::io;
use std::time::{Duration, Instant};

use stagebox_push::{StreamKey, Target, Tls, describe, knock, over_tcp};
use tokio::time::timeout;

use super::Finding;
use crate::push::describe_tls;
use crate::push::reach::{look_up, race};
use crate::trust::Trust;

/// The longest that one step takes.
const STEP: Duration = Duration::from_secs(5);
/// A server that takes longer than this in all is slow.
const SLOW: Duration = Duration::from_secs(3);
/// Only the socket's buffer goes by it, and next to nothing is sent.
const SECOND_BYTES: u32 = 64 * 1024;

/// The steps that a server has taken, with their time.
struct Steps {
    began: Instant,
    last: Instant,
    said: Vec<String>,
}

impl Steps {
    fn new() -> Self {
        let now = Instant::now();
        Self { began: now, last: now, said: Vec::new() }
    }

    fn done(&mut self, what: &str) {
        let now = Instant::now();
        self.said.push(format!("{what} {} ms", now.duration_since(self.last).as_millis()));
        self.last = now;
    }
}

/// Goes as far as the connection with the server at `url`, which is an address without the stream key.
pub(super) async fn look(url: &str, trust: &Trust) -> Finding {
    // The server is told no key, so it may be any.
    let target = match Target::parse(url, StreamKey::new("none")) {
        Ok(target) => target,
        Err(error) => return Finding::fail(error.to_string(), "mend the address"),
    };
    let mut steps = Steps::new();
    match walk(&target, trust, &mut steps).await {
        Err(finding) => finding,
        Ok(()) => {
            let said = format!("{} takes the connection: {}", place(&target), steps.said.join(", "));
            if steps.last.duration_since(steps.began) > SLOW {
                return Finding::warn(said, "the server is slow, or the way to it: look at the network");
            }
            Finding::pass(said)
        }
    }
}

fn place(target: &Target) -> String {
    format!("{}:{}", target.host(), target.port())
}

async fn walk(target: &Target, trust: &Trust, steps: &mut Steps) -> Result<(), Finding> {
    let (host, place) = (target.host(), place(target));
    let addresses = match timeout(STEP, look_up(host, target.port())).await {
        Ok(Ok(addresses)) => addresses,
        Ok(Err(error)) => return Err(unknown_name(host, &error)),
        Err(_) => return Err(unknown_name(host, &io::ErrorKind::TimedOut.into())),
    };
    steps.done("name");
    let tcp = match timeout(STEP, race(&addresses)).await {
        Ok(Ok(tcp)) => tcp,
        Ok(Err(error)) => return Err(unreachable(target, &error)),
        Err(_) => {
            return Err(Finding::fail(
                format!("{place} does not answer"),
                format!(
                    "look whether a firewall lets port {} out, and whether the server runs",
                    target.port()
                ),
            ));
        }
    };
    steps.done("connection");
    let config = trust.client_config().map_err(|error| {
        Finding::fail(format!("the system's authorities cannot be read: {error}"), "install ca-certificates")
    })?;
    let tls = target.is_encrypted().then_some(Tls { host, config });
    let transport = match timeout(STEP, over_tcp(tcp, SECOND_BYTES, tls)).await {
        Ok(Ok(transport)) => transport,
        Ok(Err(error)) => {
            let said = match describe_tls(error, target) {
                stagebox_push::ConnectError::Io(error) => describe(&error, target),
                stagebox_push::ConnectError::Told(words) => words,
            };
            return Err(Finding::fail(
                said,
                "look at the address and its port, at the box's clock, and at whom the box is to trust",
            ));
        }
        Err(_) => {
            return Err(Finding::fail(
                format!("{place} takes the connection and begins no TLS"),
                "look whether the port is the one for rtmps",
            ));
        }
    };
    if target.is_encrypted() {
        steps.done("TLS");
    }
    // Without the system's randomness handshakes look alike.
    let seed = getrandom::u64().unwrap_or(1);
    match timeout(STEP, knock(transport, target, seed)).await {
        Ok(Ok(())) => {
            steps.done("RTMP");
            Ok(())
        }
        Ok(Err(said)) => Err(Finding::fail(
            format!("{place}: {said}"),
            "look at the address: its port, and the application behind the host's name",
        )),
        Err(_) => Err(Finding::fail(
            format!("{place} takes the connection and says nothing"),
            "look whether an RTMP server runs at this port, and whether it is one for rtmps",
        )),
    }
}

fn unknown_name(host: &str, error: &io::Error) -> Finding {
    let text = error.to_string();
    if error.kind() == io::ErrorKind::TimedOut || text.contains("Temporary failure") {
        return Finding::fail(
            format!("the name {host} cannot be looked up: no DNS server answers"),
            "look at the network, and at the DNS server that the box was given",
        );
    }
    Finding::fail(
        format!("the name {host} is not known"),
        "look at the address, or at the DNS server of the network",
    )
}

fn unreachable(target: &Target, error: &io::Error) -> Finding {
    let fix = match error.kind() {
        io::ErrorKind::ConnectionRefused => "look at the port, and whether the server runs",
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            "look at the network: cable, address and gateway"
        }
        _ => "look at the address and at the network",
    };
    Finding::fail(describe(error, target), fix)
}
