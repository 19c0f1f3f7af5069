//! Inputs that no client sends: nothing may panic, hang or grow.

use bytes::{BufMut, BytesMut};
use rand::rngs::SmallRng;
use rand::{Rng, RngCore, SeedableRng};

use super::{Pair, audio_config, frame, video_config};
use crate::Track;
use crate::rtmp::{ClientConfig, ClientSession, Limits, ServerConfig, ServerEvent, ServerSession};

const MUTATED: usize = 150_000;
const RANDOM: usize = 50_000;

fn limits() -> Limits {
    Limits { max_message_bytes: 20_000, max_unfinished_bytes: 30_000, ..Limits::default() }
}

/// Feeds a server in pieces, and checks after each what it holds.
fn feed_server(bytes: &[u8], random: &mut SmallRng) {
    let mut server = ServerSession::new(ServerConfig { limits: limits(), ..ServerConfig::default() });
    let mut input = BytesMut::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (now, later) = rest.split_at(random.random_range(1..=rest.len()));
        input.extend_from_slice(now);
        rest = later;
        loop {
            match server.next(&mut input) {
                Ok(Some(ServerEvent::PublishRequested(_))) => server.accept(),
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(_) => return,
            }
        }
        assert!(server.unfinished_bytes() <= limits().max_unfinished_bytes);
        // A peer gets back a small multiple of what it sent, and the handshake.
        assert!(server.output().len() <= 4000 + 8 * bytes.len());
        assert!(input.len() <= 64 * 1024 + 18, "{} bytes not taken", input.len());
    }
}

fn feed_client(bytes: &[u8]) {
    let mut client = ClientSession::new(ClientConfig { limits: limits(), ..ClientConfig::default() });
    let mut input = BytesMut::from(bytes);
    while let Ok(Some(_)) = client.next(&mut input) {}
    assert!(client.output().len() <= 8000 + 8 * bytes.len());
}

/// What an honest client sends in a short stream, and what it hears.
fn honest(chunk_bytes: u32) -> (Vec<u8>, Vec<u8>) {
    let config = ClientConfig { chunk_bytes, ..ClientConfig::default() };
    let mut pair = Pair::new(config, ServerConfig::default(), usize::MAX);
    let (mut said, mut heard) = (Vec::new(), Vec::new());
    for round in 0..8 {
        if round == 5 {
            pair.client.send(&video_config(1)).unwrap();
            pair.client.send(&audio_config(1)).unwrap();
            pair.client.send(&frame(Track::Video, 1, 0xFF_FFF0, 40, true, 900)).unwrap();
            pair.client.send(&frame(Track::Audio, 1, 0xFF_FFFF, 0, true, 90)).unwrap();
            pair.client.send(&frame(Track::Video, 1, 0x100_0010, 0, false, 300)).unwrap();
        }
        if round == 6 {
            pair.client.finish();
        }
        said.extend_from_slice(pair.client.output());
        pair.server_input.unsplit(pair.client.output().split());
        while let Some(event) = pair.server.next(&mut pair.server_input).unwrap() {
            if matches!(event, ServerEvent::PublishRequested(_)) {
                pair.server.accept();
            }
        }
        heard.extend_from_slice(pair.server.output());
        pair.client_input.unsplit(pair.server.output().split());
        while let Ok(Some(_)) = pair.client.next(&mut pair.client_input) {}
    }
    (said, heard)
}

/// Flips, cuts, doubles and inserts; mostly behind the handshake, where there is something to break.
fn mutate(bytes: &mut Vec<u8>, random: &mut SmallRng) {
    for _ in 0..random.random_range(1..6) {
        let from = if random.random_ratio(1, 20) { 0 } else { 3073.min(bytes.len() - 1) };
        let at = random.random_range(from..bytes.len());
        match random.random_range(0..6) {
            0 => bytes[at] ^= 1 << random.random_range(0..8),
            1 => bytes[at] = random.random(),
            2 => bytes[at] = [0, 1, 0x7F, 0x80, 0xFF][random.random_range(0..5)],
            3 => bytes.insert(at, random.random()),
            4 => drop(bytes.remove(at)),
            _ => {
                let end = (at + random.random_range(1..200)).min(bytes.len());
                let copy = bytes[at..end].to_vec();
                bytes.splice(at..at, copy);
            }
        }
    }
}

#[test]
fn mutated_streams_never_panic_hang_or_grow() {
    let mut random = SmallRng::seed_from_u64(1);
    let seeds = [128, 60_000].map(honest);
    for round in 0..MUTATED {
        let (said, heard) = &seeds[round % 2];
        let client = round % 3 == 2;
        let mut bytes = if client { heard.clone() } else { said.clone() };
        mutate(&mut bytes, &mut random);
        if client { feed_client(&bytes) } else { feed_server(&bytes, &mut random) }
    }
}

#[test]
fn random_bytes_never_panic_hang_or_grow() {
    let mut random = SmallRng::seed_from_u64(2);
    let mut handshake = vec![0; 1 + 2 * 1536];
    handshake[0] = 3;
    for round in 0..RANDOM {
        let mut noise = vec![0; random.random_range(1..600)];
        random.fill_bytes(&mut noise);
        // Short chunk stream ids and known message types, so that some of it means something.
        for byte in noise.iter_mut().step_by(12) {
            *byte &= 0x07;
        }
        let mut bytes = handshake.clone();
        bytes.put_slice(&noise);
        if round % 4 == 0 { feed_client(&bytes) } else { feed_server(&bytes, &mut random) }
    }
}
