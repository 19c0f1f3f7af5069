//! The handshake, plain (RTMP 5.2) and with Flash's digests.
//!
//! A digest proves nothing today, but some servers only talk to clients that send one, and some clients
//! expect the answer in kind.

use bytes::{Buf, BytesMut};

use super::RtmpError;

mod digest;
#[cfg(test)]
mod tests;

const VERSION: u8 = 3;
/// Length of C1, S1, C2 and S2.
const PACKET_SIZE: usize = 1536;
/// Stands where Flash puts its version; not zero says that a digest follows.
const CLIENT_VERSION: [u8; 4] = [9, 0, 124, 2];
const SERVER_VERSION: [u8; 4] = [3, 5, 1, 1];

type Packet = [u8; PACKET_SIZE];

/// How a client introduces itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HandshakeKind {
    /// Random bytes, echoed.
    Plain,
    /// With digests, falling back to echoes when the server answers plainly.
    #[default]
    Digest,
}

/// Fills handshakes: different each time, and never secret (xorshift64*).
#[derive(Debug)]
struct Filler(u64);

impl Filler {
    fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    fn packet(&mut self) -> Packet {
        let mut packet = [0; PACKET_SIZE];
        for word in packet[8..].chunks_exact_mut(8) {
            self.0 ^= self.0 >> 12;
            self.0 ^= self.0 << 25;
            self.0 ^= self.0 >> 27;
            word.copy_from_slice(&self.0.wrapping_mul(0x2545_F491_4F6C_DD1D).to_be_bytes());
        }
        packet
    }
}

/// The client's half.
#[derive(Debug)]
pub(super) struct ClientHandshake {
    filler: Filler,
}

impl ClientHandshake {
    /// Writes C0 and C1.
    pub(super) fn start(kind: HandshakeKind, seed: u64, out: &mut BytesMut) -> Self {
        let mut filler = Filler::new(seed);
        let mut c1 = filler.packet();
        if kind == HandshakeKind::Digest {
            c1[4..8].copy_from_slice(&CLIENT_VERSION);
            digest::sign(&mut c1, digest::Place::Early, digest::CLIENT_KEY);
        }
        out.extend_from_slice(&[VERSION]);
        out.extend_from_slice(&c1);
        Self { filler }
    }

    /// Takes S0, S1 and S2, and writes C2; true when the handshake is done.
    pub(super) fn receive(&mut self, input: &mut BytesMut, out: &mut BytesMut) -> Result<bool, RtmpError> {
        check_version(input)?;
        let Some(s1) = packet_at(input, 1) else { return Ok(false) };
        if input.len() < 1 + 2 * PACKET_SIZE {
            return Ok(false);
        }
        let c2 = match digest::find(&s1, digest::SERVER_KEY) {
            Some((_, found)) => digest::answer(self.filler.packet(), &found, digest::CLIENT_ANSWER_KEY),
            None => s1,
        };
        out.extend_from_slice(&c2);
        input.advance(1 + 2 * PACKET_SIZE);
        Ok(true)
    }
}

/// The server's half.
#[derive(Debug)]
pub(super) struct ServerHandshake {
    filler: Filler,
    answered: bool,
}

impl ServerHandshake {
    pub(super) fn new(seed: u64) -> Self {
        Self { filler: Filler::new(seed), answered: false }
    }

    /// Takes C0 and C1, writes S0, S1 and S2, and takes C2; true when the handshake is done.
    pub(super) fn receive(&mut self, input: &mut BytesMut, out: &mut BytesMut) -> Result<bool, RtmpError> {
        if !self.answered {
            check_version(input)?;
            let Some(c1) = packet_at(input, 1) else { return Ok(false) };
            input.advance(1 + PACKET_SIZE);
            self.answer(c1, out);
            self.answered = true;
        }
        // What C2 says is not checked: clients answer a digest in many ways, and it protects nothing.
        if input.len() < PACKET_SIZE {
            return Ok(false);
        }
        input.advance(PACKET_SIZE);
        Ok(true)
    }

    fn answer(&mut self, c1: Packet, out: &mut BytesMut) {
        let mut s1 = self.filler.packet();
        let signed = c1[4..8] != [0; 4];
        let s2 = match digest::find(&c1, digest::CLIENT_KEY).filter(|_| signed) {
            Some((place, found)) => {
                s1[4..8].copy_from_slice(&SERVER_VERSION);
                digest::sign(&mut s1, place, digest::SERVER_KEY);
                digest::answer(self.filler.packet(), &found, digest::SERVER_ANSWER_KEY)
            }
            None => c1,
        };
        out.extend_from_slice(&[VERSION]);
        out.extend_from_slice(&s1);
        out.extend_from_slice(&s2);
    }
}

fn check_version(input: &[u8]) -> Result<(), RtmpError> {
    match input.first() {
        Some(&version) if version != VERSION => Err(RtmpError::Version(version)),
        _ => Ok(()),
    }
}

fn packet_at(input: &[u8], at: usize) -> Option<Packet> {
    input.get(at..)?.first_chunk().copied()
}
