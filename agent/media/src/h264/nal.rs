//! NAL units, length-prefixed (ISO/IEC 14496-15) and with start codes (ITU-T H.264, annex B).

use bytes::{BufMut, Bytes, BytesMut};

use super::H264Error;

/// What a NAL unit holds, as far as anyone here asks (ITU-T H.264, table 7-1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NalKind {
    /// A slice of a picture that is no random access point (types 1 to 4).
    Slice,
    Idr,
    Sei,
    Sps,
    Pps,
    Delimiter,
    Other(u8),
}

/// One NAL unit, header byte included, without length or start code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nal<'a>(pub &'a [u8]);

impl Nal<'_> {
    #[must_use]
    pub fn kind(&self) -> NalKind {
        match self.0.first().map_or(0, |header| header & 0x1f) {
            1..=4 => NalKind::Slice,
            5 => NalKind::Idr,
            6 => NalKind::Sei,
            7 => NalKind::Sps,
            8 => NalKind::Pps,
            9 => NalKind::Delimiter,
            other => NalKind::Other(other),
        }
    }

    /// Whether the unit is part of the coded picture itself.
    #[must_use]
    pub fn is_picture(&self) -> bool {
        matches!(self.kind(), NalKind::Slice | NalKind::Idr)
    }
}

/// The NAL units of an access unit with 4-byte lengths; a unit that is cut off is the last, as far as it goes.
pub fn avcc_nals(data: &[u8]) -> impl Iterator<Item = Nal<'_>> {
    let mut rest = data;
    std::iter::from_fn(move || {
        loop {
            let (length, tail) = rest.split_first_chunk::<4>()?;
            let length = (u32::from_be_bytes(*length) as usize).min(tail.len());
            let (nal, tail) = tail.split_at(length);
            rest = tail;
            if !nal.is_empty() {
                return Some(Nal(nal));
            }
        }
    })
}

/// The NAL units of a byte stream with start codes.
pub fn annex_b_nals(data: &[u8]) -> impl Iterator<Item = Nal<'_>> {
    let mut rest = start_code(data).map(|(_, after)| &data[after..]);
    std::iter::from_fn(move || {
        loop {
            let current = rest?;
            let (end, next) = match start_code(current) {
                Some((end, after)) => (end, Some(&current[after..])),
                None => (current.len(), None),
            };
            rest = next;
            // trailing_zero_8bits belong to no unit; a unit never ends in a zero byte
            let nal = &current[..end];
            let kept = nal.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            if kept > 0 {
                return Some(Nal(&nal[..kept]));
            }
        }
    })
}

/// Where the next `00 00 01` begins and ends.
fn start_code(data: &[u8]) -> Option<(usize, usize)> {
    let mut from = 0;
    while let Some(found) = data.get(from + 2..)?.iter().position(|byte| *byte <= 1) {
        let third = from + 2 + found;
        if data[third] == 1 && data[third - 1] == 0 && data[third - 2] == 0 {
            return Some((third - 2, third + 1));
        }
        from = third - 1;
    }
    None
}

/// Replaces start codes by 4-byte lengths; parameter sets and delimiters stay out of the result.
#[must_use]
pub fn annex_b_to_avcc(data: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(data.len() + 16);
    for nal in annex_b_nals(data) {
        if !matches!(nal.kind(), NalKind::Sps | NalKind::Pps | NalKind::Delimiter) {
            put_nal(nal, &mut out);
        }
    }
    out.freeze()
}

/// Replaces 4-byte lengths by start codes.
#[must_use]
pub fn avcc_to_annex_b(data: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(data.len());
    for nal in avcc_nals(data) {
        out.put_slice(&[0, 0, 0, 1]);
        out.put_slice(nal.0);
    }
    out.freeze()
}

/// Gives an access unit with `length_size`-byte lengths 4-byte ones.
///
/// # Errors
/// The length size is none of 1, 2 and 4, or the last unit is cut off.
pub fn widen_lengths(data: &Bytes, length_size: u8) -> Result<Bytes, H264Error> {
    let size = match length_size {
        4 => return Ok(data.clone()),
        1 | 2 => usize::from(length_size),
        other => return Err(H264Error::LengthSize(other)),
    };
    let mut out = BytesMut::with_capacity(data.len() + 16);
    let mut rest = &data[..];
    while !rest.is_empty() {
        let (length, tail) = rest.split_at_checked(size).ok_or(H264Error::TooShort("access unit"))?;
        let length = length.iter().fold(0, |value, byte| value << 8 | usize::from(*byte));
        let (nal, tail) = tail.split_at_checked(length).ok_or(H264Error::TooShort("access unit"))?;
        put_nal(Nal(nal), &mut out);
        rest = tail;
    }
    Ok(out.freeze())
}

/// Whether an access unit with 4-byte lengths has an IDR picture.
#[must_use]
pub fn contains_idr(data: &[u8]) -> bool {
    avcc_nals(data).any(|nal| nal.kind() == NalKind::Idr)
}

/// Whether 4-byte lengths lead exactly to the end of an access unit, with no empty unit on the way.
#[must_use]
pub fn is_whole(data: &[u8]) -> bool {
    let mut rest = data;
    while let Some((length, tail)) = rest.split_first_chunk::<4>() {
        match tail.split_at_checked(u32::from_be_bytes(*length) as usize) {
            Some((nal, tail)) if !nal.is_empty() => rest = tail,
            _ => return false,
        }
    }
    rest.is_empty() && !data.is_empty()
}

/// What is whole of an access unit, with 4-byte lengths; `None` if no picture is among it.
///
/// Units that are empty or reach beyond the end are left out: players give a stream up at either. Start codes where
/// there should be lengths become lengths.
#[must_use]
pub fn mend(data: &[u8], length_size: u8) -> Option<Bytes> {
    let mended = if data.starts_with(&[0, 0, 0, 1]) {
        annex_b_to_avcc(data)
    } else {
        let mut out = BytesMut::with_capacity(data.len());
        let mut rest = data;
        while let Some((length, tail)) = rest.split_at_checked(usize::from(length_size.max(1))) {
            let length = length.iter().fold(0, |value, byte| value << 8 | usize::from(*byte));
            let Some((nal, tail)) = tail.split_at_checked(length) else { break };
            if !nal.is_empty() {
                put_nal(Nal(nal), &mut out);
            }
            rest = tail;
        }
        out.freeze()
    };
    let has_picture = avcc_nals(&mended).any(|nal| nal.is_picture());
    has_picture.then_some(mended)
}

pub(super) fn put_nal(nal: Nal<'_>, out: &mut BytesMut) {
    out.put_u32(nal.0.len() as u32);
    out.put_slice(nal.0);
}

/// Takes out the emulation prevention bytes (ITU-T H.264, 7.3.1), as far as `limit` bytes of payload.
pub(super) fn unescape(nal: &[u8], limit: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(nal.len().min(limit));
    let mut zeros = 0;
    for byte in nal {
        if out.len() == limit {
            break;
        }
        if zeros >= 2 && *byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if *byte == 0 { zeros + 1 } else { 0 };
        out.push(*byte);
    }
    out
}

/// Puts in emulation prevention bytes, so that no start code can appear (ITU-T H.264, 7.4.1.1).
pub(super) fn escape(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len() + 8);
    let mut zeros = 0;
    for byte in payload {
        if zeros >= 2 && *byte <= 3 {
            out.push(3);
            zeros = 0;
        }
        zeros = if *byte == 0 { zeros + 1 } else { 0 };
        out.push(*byte);
    }
    out
}
