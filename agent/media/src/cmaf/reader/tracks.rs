//! Finds the tracks in `moov`.

use bytes::Bytes;
use mp4_atom::{Atom, Mdhd, Tkhd, Trex, esds::Esds};

use crate::cmaf::boxes::{child, children};
use crate::cmaf::{CmafError, TrackFormat};
use crate::{Codec, Epoch, Track, TrackConfig};

const MAX_TRACKS: usize = 16;
/// Descriptors nest in each other: a short box bounds how deep.
const MAX_ESDS_BYTES: usize = 1024;
/// Fixed part of a VisualSampleEntry and of an AudioSampleEntry (ISO/IEC 14496-12, 12.1.3 and 12.2.3).
const VISUAL_ENTRY_BYTES: usize = 78;
const AUDIO_ENTRY_BYTES: usize = 28;

/// A track whose samples are read.
#[derive(Debug, Clone)]
pub(in crate::cmaf) struct ReadTrack {
    pub(in crate::cmaf) id: u32,
    pub(in crate::cmaf) timescale: u32,
    pub(in crate::cmaf) config: TrackConfig,
    pub(in crate::cmaf) default_duration: u32,
    pub(in crate::cmaf) default_size: u32,
    pub(in crate::cmaf) default_flags: u32,
    /// Where the next fragment begins if it does not say, in ticks.
    pub(in crate::cmaf) next_decode_time: u64,
}

/// Reads a box whose content has no boxes in it, so that nothing nests.
pub(in crate::cmaf) fn leaf<T: Atom>(kind: [u8; 4], body: &[u8]) -> Result<T, CmafError> {
    T::decode_body(&mut &body[..]).map_err(|_| CmafError::BrokenBox { kind })
}

fn required<'a>(body: &'a [u8], kind: &[u8; 4]) -> Result<&'a [u8], CmafError> {
    child(body, kind).ok_or(CmafError::MissingBox { kind: *kind })
}

/// The H.264 and AAC tracks of a movie.
pub(in crate::cmaf) fn read_tracks(moov: &[u8]) -> Result<Vec<ReadTrack>, CmafError> {
    let mvex = child(moov, b"mvex").unwrap_or_default();
    let mut tracks = Vec::new();
    let mut other = None;
    for (_, trak) in children(moov).filter(|(kind, _)| kind == b"trak").take(MAX_TRACKS) {
        match read_track(trak, mvex) {
            Ok(Some(track)) => tracks.push(track),
            Ok(None) => {}
            Err(error @ CmafError::UnsupportedCodec { .. }) => other = Some(error),
            Err(error) => return Err(error),
        }
    }
    match (tracks.is_empty(), other) {
        (true, Some(error)) => Err(error),
        (true, None) => Err(CmafError::Tracks),
        (false, _) => Ok(tracks),
    }
}

/// `None` stands for a track that is neither video nor audio.
fn read_track(trak: &[u8], mvex: &[u8]) -> Result<Option<ReadTrack>, CmafError> {
    let tkhd: Tkhd = leaf(*b"tkhd", required(trak, b"tkhd")?)?;
    let mdia = required(trak, b"mdia")?;
    let mdhd: Mdhd = leaf(*b"mdhd", required(mdia, b"mdhd")?)?;
    let track = match required(mdia, b"hdlr")?.get(8..12) {
        Some(b"vide") => Track::Video,
        Some(b"soun") => Track::Audio,
        _ => return Ok(None),
    };
    let stbl = required(required(mdia, b"minf")?, b"stbl")?;
    let config = read_entry(track, required(stbl, b"stsd")?)?;
    let defaults = children(mvex)
        .filter(|(kind, _)| kind == b"trex")
        .filter_map(|(kind, body)| leaf::<Trex>(kind, body).ok())
        .find(|trex| trex.track_id == tkhd.track_id)
        .unwrap_or_default();
    if mdhd.timescale == 0 {
        return Err(CmafError::BrokenBox { kind: *b"mdhd" });
    }
    Ok(Some(ReadTrack {
        id: tkhd.track_id,
        timescale: mdhd.timescale,
        config,
        default_duration: defaults.default_sample_duration,
        default_size: defaults.default_sample_size,
        default_flags: defaults.default_sample_flags,
        next_decode_time: 0,
    }))
}

/// Reads the first sample entry.
fn read_entry(track: Track, stsd: &[u8]) -> Result<TrackConfig, CmafError> {
    const BROKEN: CmafError = CmafError::BrokenBox { kind: *b"stsd" };
    let entries = stsd.get(8..).ok_or(BROKEN)?;
    let (kind, entry) = children(entries).next().ok_or(BROKEN)?;
    let (codec, data) = match (track, &kind) {
        (Track::Video, b"avc1" | b"avc3") => {
            let boxes = entry.get(VISUAL_ENTRY_BYTES..).ok_or(BROKEN)?;
            (Codec::H264, Bytes::copy_from_slice(required(boxes, b"avcC")?))
        }
        (Track::Audio, b"mp4a") => {
            let boxes = entry.get(AUDIO_ENTRY_BYTES..).ok_or(BROKEN)?;
            (Codec::Aac, audio_config(required(boxes, b"esds")?)?)
        }
        _ => return Err(CmafError::UnsupportedCodec { track, four_cc: kind }),
    };
    let config = TrackConfig { track, codec, epoch: Epoch::UNKNOWN, data };
    // a configuration that no one could use is refused here, not by whoever gets it
    TrackFormat::parse(&config)?;
    Ok(config)
}

fn audio_config(body: &[u8]) -> Result<Bytes, CmafError> {
    const BROKEN: CmafError = CmafError::BrokenBox { kind: *b"esds" };
    if body.len() > MAX_ESDS_BYTES {
        return Err(BROKEN);
    }
    let esds: Esds = leaf(*b"esds", body)?;
    let specific = esds.es_desc.dec_config.dec_specific.ok_or(BROKEN)?;
    Ok(Bytes::from(specific.raw))
}
