//! Network interfaces, by `/sys/class/net`.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Instant;

use nix::ifaddrs::getifaddrs;
use stagebox_protocol::machine::{InterfaceKind, InterfaceStatus};

use super::Root;

const FOLDER: &str = "sys/class/net";
/// Interfaces that are told of at most.
const MOST: usize = 8;
/// Addresses of one that are told of at most.
const MOST_ADDRESSES: usize = 6;
/// `ARPHRD_LOOPBACK` (linux/if_arp.h).
const LOOPBACK: u32 = 772;

/// Addresses by the interface's name.
pub type Addresses = BTreeMap<String, Vec<IpAddr>>;

/// The addresses that the machine has.
#[must_use]
pub fn addresses() -> Addresses {
    let mut found = Addresses::new();
    for entry in getifaddrs().into_iter().flatten() {
        let Some(address) = entry.address else { continue };
        let v4 = address.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
        let v6 = address.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip()));
        if let Some(address) = v4.or(v6) {
            found.entry(entry.interface_name).or_default().push(address);
        }
    }
    found
}

#[derive(Debug, Clone, Copy)]
struct Counted {
    at: Instant,
    received: u64,
    sent: u64,
}

/// Looks at the interfaces, and remembers the counters of the last look.
#[derive(Debug, Default)]
pub struct Network {
    counted: BTreeMap<String, Counted>,
}

impl Network {
    /// The interfaces that are up, real ones first; rates are those since the last look.
    pub fn look(&mut self, now: Instant, root: &Root, addresses: &Addresses) -> Vec<InterfaceStatus> {
        let mut found: Vec<(bool, InterfaceStatus)> = root
            .names(FOLDER)
            .into_iter()
            .filter_map(|name| self.interface(now, root, name, addresses))
            .collect();
        found.sort_by_key(|(is_real, _)| !is_real);
        found.truncate(MOST);
        self.counted.retain(|_, counted| counted.at == now);
        found.into_iter().map(|(_, status)| status).collect()
    }

    fn interface(
        &mut self,
        now: Instant,
        root: &Root,
        name: String,
        addresses: &Addresses,
    ) -> Option<(bool, InterfaceStatus)> {
        let folder = Path::new(FOLDER).join(&name);
        if root.number::<u32>(folder.join("type")) == Some(LOOPBACK) {
            return None;
        }
        let addresses = sorted(addresses.get(&name));
        let is_up = match root.text(folder.join("operstate"))?.as_str() {
            "up" => true,
            // Modems and tunnels do not say.
            "unknown" => !addresses.is_empty(),
            _ => false,
        };
        let is_real = root.path(folder.join("device")).exists();
        if !is_up || (!is_real && addresses.is_empty()) {
            return None;
        }
        let count = |what: &str| root.number::<u64>(folder.join("statistics").join(what)).unwrap_or(0);
        let (received, sent) = (count("rx_bytes"), count("tx_bytes"));
        let before = self.counted.insert(name.clone(), Counted { at: now, received, sent });
        let kbps = |counted: u64, of: fn(&Counted) -> u64| {
            let Some(before) = &before else { return 0 };
            let ms = now.saturating_duration_since(before.at).as_millis().max(1);
            let bits = u128::from(counted.saturating_sub(of(before))) * 8;
            u32::try_from(bits / ms).unwrap_or(u32::MAX)
        };
        let status = InterfaceStatus {
            kind: kind(root, &folder, &name, is_real),
            speed_mbps: root
                .number::<i64>(folder.join("speed"))
                .and_then(|mbps| u32::try_from(mbps).ok())
                .filter(|mbps| *mbps > 0),
            addresses,
            received_kbps: kbps(received, |before| before.received),
            sent_kbps: kbps(sent, |before| before.sent),
            errors: count("rx_errors").saturating_add(count("tx_errors")),
            name,
        };
        Some((is_real, status))
    }
}

fn kind(root: &Root, folder: &Path, name: &str, is_real: bool) -> InterfaceKind {
    let there = |what: &str| root.path(PathBuf::from(folder).join(what)).exists();
    let uevent = root.text(folder.join("uevent")).unwrap_or_default();
    let says = |what: &str| uevent.lines().any(|line| line == what);
    if there("wireless") || there("phy80211") || says("DEVTYPE=wlan") {
        InterfaceKind::Wifi
    } else if says("DEVTYPE=wwan") || ["wwan", "ppp", "rmnet"].iter().any(|begin| name.starts_with(begin)) {
        InterfaceKind::Cellular
    } else if is_real {
        InterfaceKind::Wired
    } else {
        InterfaceKind::Other
    }
}

/// Those of other networks before those of this link alone.
fn sorted(addresses: Option<&Vec<IpAddr>>) -> Vec<String> {
    let is_local = |address: &IpAddr| match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    let mut addresses = addresses.cloned().unwrap_or_default();
    addresses.sort_by_key(|address| (is_local(address), address.is_ipv6()));
    addresses.iter().take(MOST_ADDRESSES).map(ToString::to_string).collect()
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests need some instant to count from")]
mod tests {
    use super::*;
    use std::time::Duration;

    struct Machine(tempfile::TempDir);

    impl Machine {
        fn write(&self, path: &str, text: &str) {
            let path = self.0.path().join(FOLDER).join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }

        fn interface(&self, name: &str, state: &str, real: bool) {
            for (file, text) in [
                ("type", "1\n"),
                ("operstate", state),
                ("statistics/rx_bytes", "1000"),
                ("statistics/tx_bytes", "5000"),
            ] {
                self.write(&format!("{name}/{file}"), text);
            }
            if real {
                self.write(&format!("{name}/device/vendor"), "x");
            }
        }
    }

    #[test]
    fn what_is_up_is_told_with_its_kind_and_rates() {
        let machine = Machine(tempfile::tempdir().unwrap());
        machine.interface("lo", "unknown\n", false);
        machine.write("lo/type", "772\n");
        machine.interface("eth0", "up\n", true);
        machine.write("eth0/speed", "1000\n");
        machine.write("eth0/statistics/rx_errors", "3\n");
        machine.interface("eth1", "down\n", true);
        machine.interface("wlan0", "up\n", true);
        machine.write("wlan0/phy80211/name", "phy0");
        machine.write("wlan0/speed", "-1\n");
        machine.interface("wwan0", "unknown\n", true);
        machine.interface("docker0", "up\n", false);
        machine.interface("a_tunnel", "unknown\n", false);
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let addresses = Addresses::from([
            ("lo".to_owned(), vec![address("127.0.0.1")]),
            ("eth0".to_owned(), vec![address("fe80::1"), address("2001:db8::7"), address("192.0.2.7")]),
            ("wwan0".to_owned(), vec![address("198.51.100.2")]),
            ("a_tunnel".to_owned(), vec![address("10.8.0.2")]),
        ]);
        let (root, mut network, start) = (Root::at(machine.0.path()), Network::default(), Instant::now());
        let first = network.look(start, &root, &addresses);
        let kinds: Vec<_> = first.iter().map(|one| (one.name.as_str(), one.kind)).collect();
        assert_eq!(
            kinds,
            [
                ("eth0", InterfaceKind::Wired),
                ("wlan0", InterfaceKind::Wifi),
                ("wwan0", InterfaceKind::Cellular),
                ("a_tunnel", InterfaceKind::Other)
            ]
        );
        assert_eq!(first[0].addresses, ["192.0.2.7", "2001:db8::7", "fe80::1"]);
        assert_eq!((first[0].speed_mbps, first[0].errors, first[0].sent_kbps), (Some(1000), 3, 0));
        assert_eq!(first[1].speed_mbps, None);
        machine.write("eth0/statistics/tx_bytes", "1005000");
        // A counter that begins anew is no rate.
        machine.write("eth0/statistics/rx_bytes", "10");
        let then = network.look(start + Duration::from_secs(2), &root, &addresses);
        assert_eq!((then[0].sent_kbps, then[0].received_kbps), (4_000, 0));
    }
}
