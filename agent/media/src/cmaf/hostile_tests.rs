//! Random and mutated bytes: nothing panics, hangs or grows past what came in.

use bytes::{Bytes, BytesMut};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::tests::{audio, audio_config, video, video_config};
use super::{CmafReader, CmafTrack, MovieWriter};
use crate::aac::AudioSpecificConfig;
use crate::h264::{self, AvcConfig, Sps};
use crate::wire::{self, WireMessage};
use crate::{Epoch, Packet};

const ROUNDS: usize = 200_000;

/// Bytes as they should be, to be spoilt.
fn movie() -> Vec<u8> {
    let mut movie = MovieWriter::new(&[video_config(), audio_config()], 0).unwrap();
    let mut bytes = movie.header().to_vec();
    for n in 0..6i64 {
        movie.push(&video(n * 33_000_000, n * 33_000_000 + 66_000_000, n == 0, 9)).unwrap();
        movie.push(&audio(n * 21_333_333, 5)).unwrap();
        if n % 2 == 1 {
            bytes.extend_from_slice(&movie.cut().unwrap().data);
        }
    }
    let end = movie.finish();
    bytes.extend_from_slice(&end.last.unwrap().data);
    bytes.extend_from_slice(&end.tables);
    bytes
}

fn track() -> Vec<u8> {
    let mut track = CmafTrack::new(&video_config()).unwrap();
    for n in 0..4i64 {
        track.push(&video(n * 33_000_000, n * 33_000_000, n == 0, 20)).unwrap();
    }
    [track.init(), track.finish().unwrap().data].concat()
}

fn messages() -> Vec<u8> {
    let mut out = BytesMut::new();
    for packet in [
        Packet::Config(video_config()),
        Packet::Frame(video(1, 2, true, 30)),
        Packet::Config(audio_config()),
        Packet::Frame(audio(5, 9)),
    ] {
        wire::encode(&WireMessage::Packet { stream: 1, packet }, &mut out).unwrap();
    }
    wire::encode(&WireMessage::Control(Bytes::from_static(b"{\"ready\":true}")), &mut out).unwrap();
    out.to_vec()
}

fn access_unit() -> Vec<u8> {
    let picture = Bytes::from_static(&[0, 0, 0, 2, 9, 0x10, 0, 0, 0, 4, 0x65, 0x88, 0x80, 0x10]);
    h264::write_epoch(&picture, Epoch(0x0001_0203_0000_0001)).to_vec()
}

fn spoil(bytes: &mut Vec<u8>, rng: &mut SmallRng) {
    const ODD: [u8; 8] = [0, 1, 3, 0x7f, 0x80, 0xe1, 0xfe, 0xff];
    for _ in 0..rng.random_range(1..6) {
        if bytes.is_empty() {
            return;
        }
        let at = rng.random_range(0..bytes.len());
        match rng.random_range(0..7) {
            0 => bytes[at] = rng.random(),
            1 => bytes[at] ^= 1 << rng.random_range(0..8),
            2 => bytes[at] = ODD[rng.random_range(0..ODD.len())],
            3 => bytes.truncate(at),
            4 => {
                let to = (at + rng.random_range(1..40)).min(bytes.len());
                bytes.drain(at..to);
            }
            5 => {
                let from = rng.random_range(0..bytes.len());
                let piece: Vec<u8> = bytes[from..].iter().take(rng.random_range(1..60)).copied().collect();
                bytes.splice(at..at, piece);
            }
            _ => {
                let word = rng.random::<u32>() >> rng.random_range(0..32);
                let field = bytes.iter_mut().skip(at).zip(word.to_be_bytes());
                field.for_each(|(byte, new)| *byte = new);
            }
        }
    }
}

pub(super) fn each_spoilt(
    seed: u64,
    rounds: usize,
    whole: &[Vec<u8>],
    mut check: impl FnMut(&[u8], &mut SmallRng),
) {
    let mut rng = SmallRng::seed_from_u64(seed);
    for round in 0..rounds {
        let mut bytes = whole[round % whole.len()].clone();
        if round % 50 == 0 {
            bytes = (0..rng.random_range(0..400)).map(|_| rng.random()).collect();
        } else {
            spoil(&mut bytes, &mut rng);
        }
        check(&bytes, &mut rng);
    }
}

#[test]
fn the_reader_takes_anything() {
    let whole = [movie(), track()];
    each_spoilt(1, ROUNDS, &whole, |bytes, rng| {
        let mut reader = CmafReader::new();
        let (mut frames, mut frame_bytes) = (0, 0);
        let mut rest = bytes;
        while !rest.is_empty() {
            let (piece, tail) = rest.split_at(rng.random_range(1..=rest.len()));
            reader.push(piece);
            rest = tail;
            while let Ok(Some(packet)) = reader.next() {
                if let Packet::Frame(frame) = packet {
                    frames += 1;
                    frame_bytes += frame.data.len();
                }
            }
        }
        assert!(
            frames <= bytes.len() && frame_bytes <= bytes.len(),
            "{frames} frames of {frame_bytes} bytes"
        );
    });
}

#[test]
fn the_wire_takes_anything() {
    each_spoilt(2, ROUNDS, &[messages()], |bytes, rng| {
        let mut decoder = wire::Decoder::new();
        let mut total = 0;
        let (first, second) = bytes.split_at(rng.random_range(0..=bytes.len()));
        for piece in [first, second] {
            decoder.push(piece);
            while let Ok(Some(message)) = decoder.next() {
                total += match message {
                    WireMessage::Control(json) => json.len(),
                    WireMessage::Packet { packet: Packet::Config(config), .. } => config.data.len(),
                    WireMessage::Packet { packet: Packet::Frame(frame), .. } => frame.data.len(),
                };
            }
        }
        assert!(total <= bytes.len());
    });
}

#[test]
fn headers_take_anything() {
    let avcc = video_config().data.to_vec();
    let sps = AvcConfig::parse(&video_config().data).unwrap().sps[0].to_vec();
    let whole = [avcc, sps, audio_config().data.to_vec(), access_unit()];
    each_spoilt(3, ROUNDS, &whole, |bytes, _| {
        let shared = Bytes::copy_from_slice(bytes);
        if let Ok(config) = AvcConfig::parse(&shared) {
            let _ = config.first_sps();
            let _ = config.codec_string();
            assert!(config.to_bytes().len() <= bytes.len());
        }
        let _ = AvcConfig::from_annex_b(bytes);
        let _ = AudioSpecificConfig::parse(bytes);
        if let Ok(sps) = Sps::parse(bytes) {
            assert!(sps.width <= 16_384 && sps.height <= 16_384);
        }
        let _ = h264::read_epoch(bytes);
        let _ = h264::contains_idr(bytes);
        let _ = h264::avcc_to_annex_b(bytes);
        let _ = h264::widen_lengths(&shared, 2);
        assert!(h264::write_epoch(&shared, Epoch(7)).len() <= bytes.len() + 64);
        // a byte of a unit costs a start code of three, a length of four
        assert!(h264::annex_b_to_avcc(bytes).len() <= 2 * bytes.len() + 4);
    });
}

#[test]
fn a_configuration_that_was_spoilt_is_written_or_refused() {
    each_spoilt(4, 20_000, &[video_config().data.to_vec()], |bytes, _| {
        let config = crate::TrackConfig { data: Bytes::copy_from_slice(bytes), ..video_config() };
        if let Ok(track) = CmafTrack::new(&config) {
            assert!(track.init().len() < 2048 + bytes.len());
        }
    });
}
