//! Headers of Enhanced RTMP that audio and video share: ModEx, FourCC, multitrack.

use bytes::{Buf, Bytes};

use super::super::RtmpError;

/// Packet types whose meaning is the same for both tracks (E-RTMP, "Enhanced audio" and "Enhanced video").
pub(super) mod packet_type {
    pub(in super::super) const SEQUENCE_START: u8 = 0;
    pub(in super::super) const CODED_FRAMES: u8 = 1;
    /// Video only: coded frames whose composition time is 0.
    pub(in super::super) const CODED_FRAMES_X: u8 = 3;
    pub(super) const MOD_EX: u8 = 7;
}

/// The extended header up to the payload.
#[derive(Debug)]
pub(super) struct Extended {
    pub(super) packet_type: u8,
    pub(super) four_cc: [u8; 4],
    pub(super) offset_ns: u32,
    pub(super) payload: Bytes,
}

/// Reads on after the first byte; `None` for what belongs to tracks other than the first.
pub(super) fn read(
    track: &'static str,
    mut packet_type: u8,
    multitrack_type: u8,
    mut data: Bytes,
) -> Result<Option<Extended>, RtmpError> {
    let short = RtmpError::Tag { track, problem: "ends within its header" };
    let mut offset_ns = 0;
    while packet_type == packet_type::MOD_EX {
        let (offset, next) = mod_ex(&mut data).ok_or_else(|| short.clone())?;
        offset_ns = offset.unwrap_or(offset_ns);
        packet_type = next;
    }
    let multitrack = packet_type == multitrack_type;
    let mut many = false;
    let mut own_codecs = false;
    if multitrack {
        let kind = data.try_get_u8().map_err(|_| short.clone())?;
        packet_type = kind & 0x0F;
        // One track, many tracks of one codec, many tracks of a codec each.
        (many, own_codecs) = match kind >> 4 {
            0 => (false, false),
            1 => (true, false),
            2 => (true, true),
            _ => return Err(RtmpError::Tag { track, problem: "unknown kind of multitrack" }),
        };
    }
    let mut four_cc = [0; 4];
    if !own_codecs {
        data.try_copy_to_slice(&mut four_cc).map_err(|_| short.clone())?;
    }
    if !multitrack {
        return Ok(Some(Extended { packet_type, four_cc, offset_ns, payload: data }));
    }
    while data.has_remaining() {
        if own_codecs {
            data.try_copy_to_slice(&mut four_cc).map_err(|_| short.clone())?;
        }
        let id = data.try_get_u8().map_err(|_| short.clone())?;
        let length =
            if many { data.try_get_uint(3).map_err(|_| short.clone())? as usize } else { data.len() };
        if length > data.len() {
            return Err(short);
        }
        let payload = data.split_to(length);
        if id == 0 {
            return Ok(Some(Extended { packet_type, four_cc, offset_ns, payload }));
        }
    }
    Ok(None)
}

/// One modifier and the packet type after it.
fn mod_ex(data: &mut Bytes) -> Option<(Option<u32>, u8)> {
    let mut size = usize::from(data.try_get_u8().ok()?) + 1;
    if size == 256 {
        size = usize::from(data.try_get_u16().ok()?) + 1;
    }
    if size > data.len() {
        return None;
    }
    let value = data.split_to(size);
    let kind = data.try_get_u8().ok()?;
    let offset = match (kind >> 4, value.first_chunk::<3>()) {
        // Nanoseconds, less than a millisecond of them.
        (0, Some(bytes)) => Some(u32::from_be_bytes([0, bytes[0], bytes[1], bytes[2]]).min(999_999)),
        _ => None,
    };
    Some((offset, kind & 0x0F))
}
