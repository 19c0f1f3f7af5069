//! Notices that the machine's network has come back: an address or a route that is new (rtnetlink(7)).
#![allow(clippy::disallowed_methods, reason = "a driver: it lets the network settle for a moment")]

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::sockopt::ReceiveTimeout;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, setsockopt, socket,
};
use nix::sys::time::{TimeVal, TimeValLike};
use tokio::sync::watch;

/// An address comes before its route, and names can be looked up only after both.
const SETTLES: Duration = Duration::from_millis(300);
/// How often it is looked whether anybody still wants to know.
const LOOK_S: i64 = 5;
/// More than the kernel puts into one datagram.
const READ_BYTES: usize = 32 * 1024;
/// Of `nlmsghdr`.
const HEADER_BYTES: usize = 16;

/// Counts how often the network has come back; tells of nothing where the kernel cannot be asked.
pub(crate) fn watch() -> watch::Receiver<u64> {
    let (publish, told) = watch::channel(0);
    let begun = listen().and_then(|socket| {
        std::thread::Builder::new().name("network".to_owned()).spawn(move || follow(&socket, &publish))
    });
    if let Err(error) = begun {
        tracing::warn!(%error, "nobody will notice that the network has come back");
    }
    told
}

fn listen() -> io::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC;
    let socket = socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkRoute)?;
    setsockopt(&socket, ReceiveTimeout, &TimeVal::seconds(LOOK_S))?;
    let groups = libc::RTMGRP_IPV4_IFADDR
        | libc::RTMGRP_IPV6_IFADDR
        | libc::RTMGRP_IPV4_ROUTE
        | libc::RTMGRP_IPV6_ROUTE;
    // The kernel gives the socket a number of its own.
    bind(socket.as_raw_fd(), &NetlinkAddr::new(0, groups.cast_unsigned()))?;
    Ok(socket)
}

/// Waits for the kernel's messages until nobody wants to know of them any more.
fn follow(socket: &OwnedFd, publish: &watch::Sender<u64>) {
    let mut messages = vec![0; READ_BYTES];
    while !publish.is_closed() {
        let is_back = match recv(socket.as_raw_fd(), &mut messages, MsgFlags::empty()) {
            Ok(length) => tells_of_more(messages.get(..length).unwrap_or_default()),
            Err(Errno::EAGAIN | Errno::EINTR) => false,
            // There was more than the socket could hold: something has happened.
            Err(Errno::ENOBUFS) => true,
            Err(error) => {
                tracing::warn!(%error, "nobody will notice any more that the network has come back");
                return;
            }
        };
        if is_back {
            std::thread::sleep(SETTLES);
            tracing::info!("the network has changed");
            publish.send_modify(|count| *count += 1);
        }
    }
}

/// Whether one of the messages tells of a new address or a new route.
fn tells_of_more(mut messages: &[u8]) -> bool {
    while let Some(header) = messages.get(..HEADER_BYTES) {
        let length = u32::from_ne_bytes([header[0], header[1], header[2], header[3]]) as usize;
        let kind = u16::from_ne_bytes([header[4], header[5]]);
        if kind == libc::RTM_NEWADDR || kind == libc::RTM_NEWROUTE {
            return true;
        }
        // Each begins at a multiple of four bytes (NLMSG_ALIGN).
        let next = length.max(HEADER_BYTES).next_multiple_of(4);
        messages = messages.get(next..).unwrap_or_default();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    /// Set in the process that has a network of its own.
    const INSIDE: &str = "STAGEBOX_OWN_NETWORK";

    fn message(kind: u16, length: u32) -> Vec<u8> {
        let mut bytes = length.to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.resize(length.next_multiple_of(4) as usize, 0);
        bytes
    }

    #[test]
    fn what_comes_is_told_from_what_goes() {
        let (gone, link, new) = (
            message(libc::RTM_DELADDR, 30),
            message(libc::RTM_NEWLINK, 1001),
            message(libc::RTM_NEWROUTE, 60),
        );
        assert!(!tells_of_more(&[&gone[..], &link].concat()));
        assert!(tells_of_more(&[&gone[..], &link, &new].concat()));
        assert!(!tells_of_more(&[]) && !tells_of_more(&new[..8]));
        assert!(!tells_of_more(&message(libc::RTM_NEWLINK, 16).repeat(3)));
        // One that says that it is shorter than its header, or longer than all there is.
        let short = [&0_u32.to_ne_bytes()[..], &[0; 12], &new].concat();
        assert!(tells_of_more(&short));
        assert!(!tells_of_more(&[&u32::MAX.to_ne_bytes()[..], &[0; 12], &new].concat()));
    }

    #[test]
    fn an_address_that_comes_is_noticed() {
        if std::env::var_os(INSIDE).is_some() {
            return in_a_network_of_its_own();
        }
        let itself = std::env::current_exe().unwrap();
        let name = concat!(module_path!(), "::an_address_that_comes_is_noticed");
        let name = name.split_once("::").map_or(name, |(_, name)| name);
        let mut inside = Command::new("unshare");
        inside.args(["--map-root-user", "--net"]).arg(itself).args([name, "--exact", "--nocapture"]);
        let output = inside.env(INSIDE, "1").output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
        assert!(said.contains("1 passed"), "{said}");
    }

    fn in_a_network_of_its_own() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut network = watch();
            let ip = |arguments: &[&str]| {
                assert!(Command::new("ip").args(arguments).status().unwrap().success(), "{arguments:?}");
            };
            for up in [1, 2] {
                ip(&["link", "set", "lo", "up"]);
                let told =
                    tokio::time::timeout(Duration::from_secs(10), network.wait_for(|count| *count >= up));
                assert!(told.await.is_ok(), "{up}");
                ip(&["link", "set", "lo", "down"]);
            }
        });
    }
}
