//! The AVCDecoderConfigurationRecord, `avcC` (ISO/IEC 14496-15, 5.3.3.1).

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::{H264Error, NalKind, Sps, annex_b_nals};

/// Parameter sets of an H.264 track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AvcConfig {
    pub profile: u8,
    /// The byte of constraint flags between profile and level.
    pub compatibility: u8,
    /// Ten times the level: 31 is level 3.1.
    pub level: u8,
    /// Bytes of each NAL unit's length field: 1, 2 or 4.
    pub length_size: u8,
    /// Sequence parameter sets, header byte included; at least one.
    pub sps: Vec<Bytes>,
    /// Picture parameter sets, header byte included; at least one.
    pub pps: Vec<Bytes>,
    /// What high profiles append (chroma format, bit depths), unread.
    pub extension: Bytes,
}

impl AvcConfig {
    /// Reads a decoder configuration record.
    ///
    /// # Errors
    /// It ends early, has no parameter sets, or odd length fields.
    pub fn parse(data: &Bytes) -> Result<Self, H264Error> {
        const NAME: &str = "avcC";
        let mut rest = data.clone();
        if rest.len() < 6 {
            return Err(H264Error::TooShort(NAME));
        }
        let version = rest.get_u8();
        if version != 1 {
            return Err(H264Error::Version(version));
        }
        let profile = rest.get_u8();
        let compatibility = rest.get_u8();
        let level = rest.get_u8();
        let length_size = (rest.get_u8() & 3) + 1;
        if length_size == 3 {
            return Err(H264Error::LengthSize(3));
        }
        let sps_count = rest.get_u8() & 0x1f;
        let sps = parameter_sets(&mut rest, sps_count)?;
        let pps_count = rest.try_get_u8().map_err(|_| H264Error::TooShort(NAME))?;
        let pps = parameter_sets(&mut rest, pps_count)?;
        if sps.is_empty() {
            return Err(H264Error::Missing("SPS"));
        }
        if pps.is_empty() {
            return Err(H264Error::Missing("PPS"));
        }
        Ok(Self { profile, compatibility, level, length_size, sps, pps, extension: rest })
    }

    /// The configuration whose parameter sets stand in a byte stream with start codes.
    ///
    /// # Errors
    /// There is no SPS or no PPS in it.
    pub fn from_annex_b(data: &[u8]) -> Result<Self, H264Error> {
        let mut sps: Vec<Bytes> = Vec::new();
        let mut pps: Vec<Bytes> = Vec::new();
        for nal in annex_b_nals(data) {
            let sets = match nal.kind() {
                NalKind::Sps => &mut sps,
                NalKind::Pps => &mut pps,
                _ => continue,
            };
            if sets.len() < 31 && !sets.iter().any(|set| set == nal.0) {
                sets.push(Bytes::copy_from_slice(nal.0));
            }
        }
        let first = sps.first().ok_or(H264Error::Missing("SPS"))?;
        let &[_, profile, compatibility, level, ..] = &first[..] else {
            return Err(H264Error::TooShort("SPS"));
        };
        if pps.is_empty() {
            return Err(H264Error::Missing("PPS"));
        }
        if let Some(long) = sps.iter().chain(&pps).map(Bytes::len).find(|len| *len > usize::from(u16::MAX)) {
            return Err(H264Error::TooLong(long));
        }
        let extension = match Sps::parse(first) {
            Ok(parsed) if matches!(profile, 100 | 110 | 122 | 144) => Bytes::copy_from_slice(&[
                0xfc | parsed.chroma_format,
                0xf8 | parsed.bit_depth_luma.saturating_sub(8),
                0xf8 | parsed.bit_depth_chroma.saturating_sub(8),
                0,
            ]),
            _ => Bytes::new(),
        };
        Ok(Self { profile, compatibility, level, length_size: 4, sps, pps, extension })
    }

    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let sets = self.sps.iter().chain(&self.pps);
        let mut out = BytesMut::with_capacity(7 + sets.map(|set| set.len() + 2).sum::<usize>() + 4);
        out.put_slice(&[1, self.profile, self.compatibility, self.level]);
        out.put_u8(0xfc | (self.length_size.clamp(1, 4) - 1));
        out.put_u8(0xe0 | self.sps.len().min(31) as u8);
        for set in self.sps.iter().take(31) {
            out.put_u16(set.len() as u16);
            out.put_slice(set);
        }
        out.put_u8(self.pps.len().min(255) as u8);
        for set in self.pps.iter().take(255) {
            out.put_u16(set.len() as u16);
            out.put_slice(set);
        }
        out.put_slice(&self.extension);
        out.freeze()
    }

    /// The first sequence parameter set, read.
    ///
    /// # Errors
    /// It ends early or holds values that no picture can have.
    pub fn first_sps(&self) -> Result<Sps, H264Error> {
        Sps::parse(self.sps.first().ok_or(H264Error::Missing("SPS"))?)
    }

    /// The CODECS attribute of playlists (RFC 6381, 3.3), such as `avc1.64001f`.
    #[must_use]
    pub fn codec_string(&self) -> String {
        format!("avc1.{:02x}{:02x}{:02x}", self.profile, self.compatibility, self.level)
    }
}

fn parameter_sets(rest: &mut Bytes, count: u8) -> Result<Vec<Bytes>, H264Error> {
    const NAME: &str = "avcC";
    let mut sets = Vec::with_capacity(usize::from(count));
    for _ in 0..count {
        let length = usize::from(rest.try_get_u16().map_err(|_| H264Error::TooShort(NAME))?);
        if length > rest.len() {
            return Err(H264Error::TooShort(NAME));
        }
        sets.push(rest.split_to(length));
    }
    Ok(sets)
}
