use bytes::{BufMut, BytesMut};

use super::digest::{self, Place};
use super::{ClientHandshake, Filler, HandshakeKind, PACKET_SIZE, ServerHandshake};
use crate::rtmp::RtmpError;

/// Lets the two shake hands, `step` bytes at a time; returns C1 S1 S2 C2.
fn shake(kind: HandshakeKind, step: usize) -> [Vec<u8>; 4] {
    let (mut to_server, mut to_client) = (BytesMut::new(), BytesMut::new());
    let mut client = ClientHandshake::start(kind, 7, &mut to_server);
    let mut server = ServerHandshake::new(8);
    let c1 = to_server[1..].to_vec();
    let mut sent = to_server.split().freeze();
    let mut server_input = BytesMut::new();
    while !sent.is_empty() {
        server_input.put(sent.split_to(step.min(sent.len())));
        assert_eq!(server.receive(&mut server_input, &mut to_client), Ok(false));
    }
    assert_eq!(to_client.len(), 1 + 2 * PACKET_SIZE);
    let s1 = to_client[1..=PACKET_SIZE].to_vec();
    let s2 = to_client[1 + PACKET_SIZE..].to_vec();
    let mut client_input = BytesMut::new();
    let mut done = false;
    let mut sent = to_client.freeze();
    while !sent.is_empty() {
        client_input.put(sent.split_to(step.min(sent.len())));
        done = client.receive(&mut client_input, &mut to_server).unwrap();
    }
    assert!(done && client_input.is_empty());
    let c2 = to_server.to_vec();
    assert_eq!(server.receive(&mut to_server, &mut BytesMut::new()), Ok(true));
    [c1, s1, s2, c2]
}

#[test]
fn a_plain_handshake_echoes() {
    for step in [1, 700, 10_000] {
        let [c1, s1, s2, c2] = shake(HandshakeKind::Plain, step);
        assert_eq!((c1, s1), (s2, c2));
    }
}

#[test]
fn a_signed_handshake_is_answered_in_kind() {
    let [_, s1, _, c2] = shake(HandshakeKind::Digest, 1000);
    let s1: [u8; PACKET_SIZE] = s1.try_into().unwrap();
    assert!(digest::find(&s1, digest::SERVER_KEY).is_some());
    assert_ne!(s1.as_slice(), c2.as_slice());
}

#[test]
fn both_places_of_a_digest_are_found() {
    for seed in 0..200 {
        for place in [Place::Early, Place::Late] {
            let mut packet = Filler::new(seed * 77 + 1).packet();
            digest::sign(&mut packet, place, digest::CLIENT_KEY);
            assert_eq!(digest::find(&packet, digest::CLIENT_KEY).map(|(found, _)| found), Some(place));
            assert_eq!(digest::find(&packet, digest::SERVER_KEY), None);
        }
    }
}

#[test]
fn other_versions_are_refused_at_the_first_byte() {
    let mut input = BytesMut::from(&b"GET / HTTP/1.1"[..]);
    let refused = ServerHandshake::new(1).receive(&mut input, &mut BytesMut::new());
    assert_eq!(refused, Err(RtmpError::Version(b'G')));
}
