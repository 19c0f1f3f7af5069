//! Which addresses lead back to this server.

use std::net::{IpAddr, SocketAddr, UdpSocket};

/// Whether a connection to `address` would come to one of the `listeners`.
pub(super) fn leads_here(address: SocketAddr, listeners: &[SocketAddr]) -> bool {
    listeners.iter().filter(|listener| listener.port() == address.port()).any(|listener| {
        let (at, wanted) = (listener.ip().to_canonical(), address.ip());
        // Linux takes a connection to the unspecified address for one to itself.
        at == wanted || wanted.is_unspecified() || (at.is_unspecified() && is_of_this_machine(wanted))
    })
}

/// Whether the kernel takes an address as one of its own: only those can be bound.
fn is_of_this_machine(address: IpAddr) -> bool {
    UdpSocket::bind((address, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_is_found_by_each_address_that_leads_to_it() {
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        let listeners = [at("127.0.0.1:8080"), at("0.0.0.0:1935"), at("[::]:1936")];
        for (address, wanted) in [
            ("127.0.0.1:8080", true),
            ("127.0.0.1:8081", false),
            ("127.0.0.2:8080", false),
            ("127.0.0.2:1935", true),
            ("0.0.0.0:1935", true),
            ("0.0.0.0:8080", true),
            ("[::]:8080", true),
            ("127.0.0.1:1936", true),
            ("192.0.2.1:1935", false),
            ("8.8.8.8:8080", false),
        ] {
            assert_eq!(leads_here(at(address), &listeners), wanted, "{address}");
        }
    }
}
