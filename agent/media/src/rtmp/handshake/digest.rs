//! Flash's handshake digests: HMAC-SHA256 over the packet without the digest itself.

use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::{PACKET_SIZE, Packet};

pub(super) const DIGEST_SIZE: usize = 32;
pub(super) type Digest = [u8; DIGEST_SIZE];

/// Follows both names in the keys that sign an answer.
const ANSWER_SUFFIX: [u8; 32] = [
    0xF0, 0xEE, 0xC2, 0x4A, 0x80, 0x68, 0xBE, 0xE8, 0x2E, 0x00, 0xD0, 0xD1, 0x02, 0x9E, 0x7E, 0x57, 0x6E,
    0xEC, 0x5D, 0x2D, 0x29, 0x80, 0x6F, 0xAB, 0x93, 0xB8, 0xE6, 0x36, 0xCF, 0xEB, 0x31, 0xAE,
];

/// A key: a well-known name, and whether the suffix belongs to it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    name: &'static [u8],
    answer: bool,
}

pub(super) const CLIENT_KEY: Key = Key { name: b"Genuine Adobe Flash Player 001", answer: false };
pub(super) const SERVER_KEY: Key = Key { name: b"Genuine Adobe Flash Media Server 001", answer: false };
pub(super) const CLIENT_ANSWER_KEY: Key = Key { name: CLIENT_KEY.name, answer: true };
pub(super) const SERVER_ANSWER_KEY: Key = Key { name: SERVER_KEY.name, answer: true };

/// The two places where a digest can be: each is found through four bytes of the packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Early,
    Late,
}

impl Place {
    fn offset(self, packet: &Packet) -> usize {
        let at = match self {
            Self::Early => 8,
            Self::Late => 772,
        };
        let sum: usize = packet[at..at + 4].iter().map(|byte| usize::from(*byte)).sum();
        at + 4 + sum % 728
    }
}

/// Puts the packet's digest into its place.
pub(super) fn sign(packet: &mut Packet, place: Place, key: Key) {
    let at = place.offset(packet);
    let digest = packet_digest(packet, at, key);
    packet[at..at + DIGEST_SIZE].copy_from_slice(&digest);
}

/// Finds a digest made with `key`.
pub(super) fn find(packet: &Packet, key: Key) -> Option<(Place, Digest)> {
    [Place::Late, Place::Early].into_iter().find_map(|place| {
        let at = place.offset(packet);
        let digest = packet_digest(packet, at, key);
        (packet[at..at + DIGEST_SIZE] == digest).then_some((place, digest))
    })
}

/// Signs random bytes as the answer to the peer's digest: C2 or S2.
pub(super) fn answer(mut packet: Packet, to: &Digest, key: Key) -> Packet {
    let at = PACKET_SIZE - DIGEST_SIZE;
    let derived = Keyed::new(key).digest(&[to]);
    let signature = Keyed::from_slice(&derived).digest(&[&packet[..at]]);
    packet[at..].copy_from_slice(&signature);
    packet
}

fn packet_digest(packet: &Packet, at: usize, key: Key) -> Digest {
    Keyed::new(key).digest(&[&packet[..at], &packet[at + DIGEST_SIZE..]])
}

struct Keyed(Hmac<Sha256>);

impl Keyed {
    fn new(key: Key) -> Self {
        let suffix: &[u8] = if key.answer { &ANSWER_SUFFIX } else { &[] };
        Self::from_slice(&[key.name, suffix].concat())
    }

    fn from_slice(key: &[u8]) -> Self {
        Self(Hmac::new_from_slice(key).expect("HMAC takes keys of any length"))
    }

    fn digest(mut self, parts: &[&[u8]]) -> Digest {
        for part in parts {
            self.0.update(part);
        }
        self.0.finalize().into_bytes().into()
    }
}
