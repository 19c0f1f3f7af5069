//! Which addresses are not of the public internet, each with where that is written.

use super::network::Network;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A network that is for something else than the public internet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Special {
    network: Network,
    /// What an address of it is, in words.
    pub what: &'static str,
    /// Where that is written.
    pub source: &'static str,
}

const fn v4(octets: [u8; 4], prefix: u8, what: &'static str, source: &'static str) -> Special {
    Special { network: Network::v4(octets, prefix), what, source }
}

const fn v6<const N: usize>(
    first: [u16; N],
    prefix: u8,
    what: &'static str,
    source: &'static str,
) -> Special {
    Special { network: Network::v6(first, prefix), what, source }
}

const PRIVATE: &str = "an address of a private network";
const LINK: &str = "a link-local address";
const LOOPBACK: &str = "a loopback address";
const EXAMPLE: &str = "an address for documentation";
const ASSIGNED: &str = "an address for the IETF's protocols";
const TESTS: &str = "an address for benchmarks";
const PLATFORM: &str = "an address of the cloud platform's own services";
const UNSPECIFIED: &str = "an unspecified address";
const MULTICAST: &str = "a multicast address";
const NOBODYS: &str = "an address that is not handed out";
const SPACE: &str = "RFC 4291, section 2.4; IANA's IPv6 address space";

/// The first that holds an address says what it is. Entries that IANA calls globally reachable are not here, but for
/// those inside of 2001::/23, which nobody serves from.
const SPECIAL: [Special; 36] = [
    v4([0, 0, 0, 0], 8, UNSPECIFIED, "RFC 791, section 3.2"),
    v4([10, 0, 0, 0], 8, PRIVATE, "RFC 1918"),
    v4([100, 64, 0, 0], 10, "an address inside of a carrier's network", "RFC 6598"),
    v4([127, 0, 0, 0], 8, LOOPBACK, "RFC 1122, section 3.2.1.3"),
    // Public by its number, but it leads to the host below a virtual machine.
    v4([168, 63, 129, 16], 32, PLATFORM, "Azure's documentation: What is IP address 168.63.129.16?"),
    v4([169, 254, 169, 254], 32, PLATFORM, "RFC 3927; the metadata of most platforms"),
    v4([169, 254, 0, 0], 16, LINK, "RFC 3927"),
    v4([172, 16, 0, 0], 12, PRIVATE, "RFC 1918"),
    v4([192, 0, 0, 0], 24, ASSIGNED, "RFC 6890, section 2.1"),
    v4([192, 0, 2, 0], 24, EXAMPLE, "RFC 5737"),
    v4([192, 88, 99, 0], 24, "an address for 6to4 relays", "RFC 7526"),
    v4([192, 168, 0, 0], 16, PRIVATE, "RFC 1918"),
    v4([198, 18, 0, 0], 15, TESTS, "RFC 2544"),
    v4([198, 51, 100, 0], 24, EXAMPLE, "RFC 5737"),
    v4([203, 0, 113, 0], 24, EXAMPLE, "RFC 5737"),
    v4([224, 0, 0, 0], 4, MULTICAST, "RFC 1112, section 4"),
    v4([255, 255, 255, 255], 32, "the broadcast address", "RFC 919, section 7; RFC 8190"),
    v4([240, 0, 0, 0], 4, "a reserved address", "RFC 1112, section 4"),
    v6([0], 128, UNSPECIFIED, "RFC 4291, section 2.5.2"),
    v6([0, 0, 0, 0, 0, 0, 0, 1], 128, LOOPBACK, "RFC 4291, section 2.5.3"),
    v6([0x64, 0xff9b, 1], 48, "an address that is translated inside of a network", "RFC 8215"),
    v6([0x100], 63, "an address that leads nowhere", "RFC 6666; RFC 9780"),
    v6([0x2001, 0], 32, "a Teredo address", "RFC 4380"),
    v6([0x2001, 2], 48, TESTS, "RFC 5180"),
    v6([0x2001, 0], 23, ASSIGNED, "RFC 2928"),
    v6([0x2001, 0xdb8], 32, EXAMPLE, "RFC 3849"),
    v6([0x3fff], 20, EXAMPLE, "RFC 9637"),
    v6([0x5f00], 16, "an address of segment routing", "RFC 9602"),
    v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254], 128, PLATFORM, "RFC 4193; Amazon's metadata"),
    v6([0xfc00], 7, PRIVATE, "RFC 4193"),
    v6([0xfe80], 10, LINK, "RFC 4291, section 2.5.6"),
    v6([0xfec0], 10, "a site-local address", "RFC 3879"),
    v6([0xff00], 8, MULTICAST, "RFC 4291, section 2.7"),
    // Only 2000::/3 is handed out; this is all the rest.
    v6([0], 3, NOBODYS, SPACE),
    v6([0x4000], 2, NOBODYS, SPACE),
    v6([0x8000], 1, NOBODYS, SPACE),
];

/// What an address is, if it is not one of the public internet; IPv4 inside of IPv6 is not looked for.
pub fn special(address: IpAddr) -> Option<Special> {
    SPECIAL.into_iter().find(|special| special.network.contains(address))
}

/// The addresses that a connection to this one may reach: itself, or the IPv4 address that it stands for.
///
/// All of them must be fit to be called.
pub fn faces(address: IpAddr) -> impl Iterator<Item = IpAddr> {
    let (outer, inner) = match address {
        IpAddr::V4(_) => (Some(address), None),
        IpAddr::V6(v6) => embedded(v6),
    };
    outer.into_iter().chain(inner.map(IpAddr::V4))
}

fn embedded(address: Ipv6Addr) -> (Option<IpAddr>, Option<Ipv4Addr>) {
    let itself = Some(IpAddr::V6(address));
    let [a, b, c, d, e, f, g, h] = address.segments();
    let inner = |high: u16, low: u16| Some(Ipv4Addr::from_bits((u32::from(high) << 16) | u32::from(low)));
    match [a, b, c, d, e, f] {
        // The unspecified and the loopback address look like compatible ones.
        [0, 0, 0, 0, 0, 0] if g == 0 && h <= 1 => (itself, None),
        // Mapped and compatible (RFC 4291, section 2.5.5), translated (RFC 2765, section 2.1), NAT64's own prefix (RFC 6052,
        // section 2.1).
        [0, 0, 0, 0, 0, 0 | 0xffff] | [0, 0, 0, 0, 0xffff, 0] | [0x64, 0xff9b, 0, 0, 0, 0] => {
            (None, inner(g, h))
        }
        // 6to4 (RFC 3056, section 2).
        [0x2002, high, low, ..] => (None, inner(high, low)),
        // ISATAP (RFC 5214, section 6.1): routed by its first half, then to the IPv4 address.
        [.., 0 | 0x200, 0x5efe] => (itself, inner(g, h)),
        _ => (itself, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_public(address: &str) -> bool {
        faces(address.parse().unwrap()).all(|face| special(face).is_none())
    }

    #[test]
    fn addresses_that_are_not_public() {
        for (address, source) in [
            ("0.0.0.0", "RFC 791"),
            ("10.1.2.3", "RFC 1918"),
            ("100.64.0.1", "RFC 6598"),
            ("100.127.255.255", "RFC 6598"),
            ("127.0.0.1", "RFC 1122"),
            ("168.63.129.16", "Azure"),
            ("169.254.169.254", "metadata"),
            ("169.254.1.1", "RFC 3927"),
            ("172.16.0.1", "RFC 1918"),
            ("172.31.255.255", "RFC 1918"),
            ("192.0.0.8", "RFC 6890"),
            ("192.0.0.192", "RFC 6890"),
            ("192.0.2.1", "RFC 5737"),
            ("192.88.99.1", "RFC 7526"),
            ("192.168.1.1", "RFC 1918"),
            ("198.18.0.1", "RFC 2544"),
            ("198.19.255.255", "RFC 2544"),
            ("198.51.100.1", "RFC 5737"),
            ("203.0.113.1", "RFC 5737"),
            ("224.0.0.1", "RFC 1112"),
            ("239.255.255.255", "RFC 1112"),
            ("240.0.0.1", "RFC 1112"),
            ("255.255.255.255", "RFC 919"),
            ("::", "RFC 4291, section 2.5.2"),
            ("::1", "RFC 4291, section 2.5.3"),
            ("64:ff9b:1::808:808", "RFC 8215"),
            ("64:ff9b:1:ffff::1", "RFC 8215"),
            ("100::1", "RFC 6666"),
            ("100:0:0:1::1", "RFC 9780"),
            ("2001::1", "RFC 4380"),
            ("2001:2::1", "RFC 5180"),
            ("2001:10::1", "RFC 2928"),
            ("2001:1ff::1", "RFC 2928"),
            ("2001:db8::1", "RFC 3849"),
            ("3fff:fff::1", "RFC 9637"),
            ("5f00::1", "RFC 9602"),
            ("fc00::1", "RFC 4193"),
            ("fd00:ec2::254", "Amazon"),
            ("fe80::1", "RFC 4291, section 2.5.6"),
            ("fec0::1", "RFC 3879"),
            ("ff02::1", "RFC 4291, section 2.7"),
            ("64:ff9b:2::1", "IANA"),
            ("4000::1", "IANA"),
            ("7fff::1", "IANA"),
            ("8000::1", "IANA"),
            ("e000::1", "IANA"),
        ] {
            let found = special(address.parse().unwrap()).unwrap_or_else(|| panic!("{address} is public"));
            assert!(found.source.contains(source), "{address}: {found:?}");
        }
    }

    #[test]
    fn ipv4_inside_of_ipv6_is_taken_out() {
        for (form, public) in [
            ("::ffff:", true),
            ("::", true),
            ("::ffff:0:", true),
            ("64:ff9b::", true),
            ("2a00:1450::5efe:", true),
            ("2a00:1450::200:5efe:", true),
            ("fd00::5efe:", false),
            ("64:ff9b:1::", false),
        ] {
            for inside in ["127.0.0.1", "10.0.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.2"] {
                assert!(!is_public(&format!("{form}{inside}")), "{form}{inside}");
            }
            assert_eq!(is_public(&format!("{form}8.8.8.8")), public, "{form}8.8.8.8");
        }
        assert!(!is_public("2002:7f00:1::"));
        assert!(!is_public("2002:a9fe:a9fe::1"));
        assert!(is_public("2002:808:808::1"));
    }

    #[test]
    fn addresses_of_the_public_internet() {
        for address in [
            "1.1.1.1",
            "8.8.8.8",
            "93.184.216.34",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "168.63.129.17",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2606:4700::1111",
            "2a00:1450::1",
            "2001:200::1",
            "2001:db9::1",
            "3fff:1000::1",
        ] {
            assert!(is_public(address), "{address}");
        }
    }
}
