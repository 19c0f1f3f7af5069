//! The epoch in the pictures: an SEI message of our own before the first slice.
//!
//! It travels inside the coded stream, so every server and every file keeps
//! it, whatever they do with metadata.

use bytes::{BufMut, Bytes, BytesMut};

use super::nal::{Nal, NalKind, avcc_nals, escape, put_nal, unescape};
use crate::Epoch;

/// Names our message among all user_data_unregistered ones (ITU-T H.264, D.1.7).
const EPOCH_UUID: [u8; 16] =
    [0x5b, 0x9d, 0x1e, 0x63, 0xa4, 0x27, 0x4c, 0xf1, 0x8a, 0x0e, 0x73, 0xd2, 0x6f, 0x15, 0xb8, 0xc9];
const USER_DATA_UNREGISTERED: u8 = 5;
const PAYLOAD_BYTES: u8 = 16 + 8;
/// Ours is 27 bytes; another's SEI is read this far in search of it.
const MAX_SEI_BYTES: usize = 4096;

/// Puts the epoch before the first slice of an access unit with 4-byte lengths.
///
/// [`Epoch::UNKNOWN`] and an access unit without a picture are left as they are.
#[must_use]
pub fn write_epoch(access_unit: &Bytes, epoch: Epoch) -> Bytes {
    if epoch == Epoch::UNKNOWN || !avcc_nals(access_unit).any(|nal| nal.is_picture()) {
        return access_unit.clone();
    }
    let mut payload = [0; 2 + PAYLOAD_BYTES as usize + 1];
    payload[0] = USER_DATA_UNREGISTERED;
    payload[1] = PAYLOAD_BYTES;
    payload[2..18].copy_from_slice(&EPOCH_UUID);
    payload[18..26].copy_from_slice(&epoch.0.to_be_bytes());
    payload[26] = 0x80; // rbsp_trailing_bits
    let payload = escape(&payload);

    let mut out = BytesMut::with_capacity(access_unit.len() + 5 + payload.len());
    let mut written = false;
    for nal in avcc_nals(access_unit) {
        if nal.is_picture() && !written {
            written = true;
            out.put_u32(1 + payload.len() as u32);
            out.put_u8(0x06);
            out.put_slice(&payload);
        }
        put_nal(nal, &mut out);
    }
    out.freeze()
}

/// The epoch that stands before the first slice of an access unit with 4-byte lengths.
#[must_use]
pub fn read_epoch(access_unit: &[u8]) -> Option<Epoch> {
    avcc_nals(access_unit)
        .take_while(|nal| !nal.is_picture())
        .filter(|nal| nal.kind() == NalKind::Sei)
        .find_map(epoch_in_sei)
}

fn epoch_in_sei(nal: Nal<'_>) -> Option<Epoch> {
    let payload = unescape(nal.0.get(1..)?, MAX_SEI_BYTES);
    let mut rest = &payload[..];
    loop {
        let kind = varying(&mut rest)?;
        let size = varying(&mut rest)?;
        let (message, tail) = rest.split_at_checked(size)?;
        rest = tail;
        if kind == usize::from(USER_DATA_UNREGISTERED)
            && let Some(epoch) = message.strip_prefix(&EPOCH_UUID)
            && let Ok(epoch) = <[u8; 8]>::try_from(epoch)
        {
            return Some(Epoch(u64::from_be_bytes(epoch)));
        }
    }
}

/// A payload type or size: 255 for each full byte, then the rest (ITU-T H.264, 7.3.2.3.1).
fn varying(rest: &mut &[u8]) -> Option<usize> {
    let mut value = 0;
    loop {
        let (byte, tail) = rest.split_first()?;
        *rest = tail;
        value += usize::from(*byte);
        if *byte != 255 {
            return Some(value);
        }
    }
}
