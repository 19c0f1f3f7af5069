//! Tells systemd that the box is ready, that it lives, and that it ends (sd_notify(3)).
#![allow(clippy::disallowed_methods, reason = "a driver: it says again and again that the box lives")]

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::control::Control;

/// The way to whoever supervises the process; what is told to nobody is lost.
#[derive(Debug, Default)]
pub(super) struct Notify {
    socket: Option<(UnixDatagram, SocketAddr)>,
    /// How often the box has to say that it lives; never, where nobody wants to hear it.
    watchdog: Option<Duration>,
}

impl Notify {
    /// As systemd says in the environment.
    pub(super) fn from_environment() -> Self {
        let Some(name) = std::env::var_os("NOTIFY_SOCKET") else { return Self::default() };
        let watchdog = std::env::var("WATCHDOG_USEC").ok();
        let of = std::env::var("WATCHDOG_PID").ok();
        let is_ours = of.is_none_or(|pid| pid == std::process::id().to_string());
        match connect(name.as_bytes()) {
            Ok(socket) => Self {
                socket: Some(socket),
                watchdog: watchdog.filter(|_| is_ours).as_deref().and_then(every),
            },
            Err(error) => {
                tracing::warn!(%error, "nobody is told whether the box lives (NOTIFY_SOCKET)");
                Self::default()
            }
        }
    }

    /// The box does what it is for.
    pub(super) fn ready(&self) {
        self.tell("READY=1");
    }

    pub(super) fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    fn tell(&self, state: &str) {
        if let Some((socket, address)) = &self.socket
            && let Err(error) = socket.send_to_addr(state.as_bytes(), address)
        {
            tracing::debug!(%error, state, "systemd is not told");
        }
    }

    /// Says that the box lives for as long as its control answers; to be given up when the box ends.
    pub(super) async fn live(&self, control: &Control) {
        let Some(every) = self.watchdog else { return std::future::pending().await };
        let mut beat = interval(every);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            beat.tick().await;
            if timeout(every, control.ping()).await == Ok(true) {
                self.tell("WATCHDOG=1");
            } else {
                tracing::error!("the box does not answer itself: whoever supervises it is to start it anew");
            }
        }
    }
}

/// A path, or behind an `@` a name that no folder has.
fn connect(name: &[u8]) -> io::Result<(UnixDatagram, SocketAddr)> {
    let address = match name.strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(Path::new(std::ffi::OsStr::from_bytes(name)))?,
    };
    let socket = UnixDatagram::unbound()?;
    // A supervisor that takes nothing must not hold the box up.
    socket.set_nonblocking(true)?;
    Ok((socket, address))
}

/// Twice in the time after which the process is taken for dead.
fn every(limit_us: &str) -> Option<Duration> {
    let us = limit_us.parse::<u64>().ok().filter(|us| *us > 0)?;
    Some(Duration::from_micros(us / 2).max(Duration::from_millis(10)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_names_are_told() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let name = format!("stagebox-test-{}", std::process::id());
        let hidden = SocketAddr::from_abstract_name(&name).unwrap();
        let servers = [
            (UnixDatagram::bind(&path).unwrap(), path.as_os_str().as_bytes().to_vec()),
            (UnixDatagram::bind_addr(&hidden).unwrap(), format!("@{name}").into_bytes()),
        ];
        for (server, name) in servers {
            let notify = Notify { socket: Some(connect(&name).unwrap()), watchdog: None };
            notify.ready();
            notify.stopping();
            let read = || {
                let mut buffer = [0; 32];
                let length = server.recv(&mut buffer).unwrap();
                String::from_utf8_lossy(&buffer[..length]).into_owned()
            };
            assert_eq!([read(), read()], ["READY=1", "STOPPING=1"]);
        }
        // Nobody there is no error.
        drop(directory);
        Notify { socket: connect(path.as_os_str().as_bytes()).ok(), watchdog: None }.ready();
        Notify::default().ready();
    }

    #[test]
    fn the_box_speaks_twice_in_the_time_that_it_has() {
        assert_eq!(every("20000000"), Some(Duration::from_secs(10)));
        assert_eq!(every("2"), Some(Duration::from_millis(10)));
        for none in ["0", "", "soon"] {
            assert_eq!(every(none), None, "{none}");
        }
    }
}
