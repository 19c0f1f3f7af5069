//! Finds the samples of a `moof`.

use mp4_atom::{Tfdt, Tfhd, Trun, TrunSamples};

use super::tracks::{ReadTrack, leaf};
use crate::cmaf::CmafError;
use crate::cmaf::boxes::{child, children};

/// Half a minute of audio at 2 ms a frame; a run can claim four thousand million.
const MAX_SAMPLES: usize = 65_536;
/// sample_is_non_sync_sample (ISO/IEC 14496-12, 8.8.3.1).
const NON_SYNC: u32 = 0x0001_0000;

/// A sample whose bytes are still to come.
#[derive(Debug, Clone, Copy)]
pub(in crate::cmaf) struct SampleAt {
    /// Index into the reader's tracks.
    pub(in crate::cmaf) track: usize,
    pub(in crate::cmaf) decode_time: u64,
    pub(in crate::cmaf) offset: i64,
    pub(in crate::cmaf) key: bool,
    /// In the stream.
    pub(in crate::cmaf) position: u64,
    pub(in crate::cmaf) size: u32,
}

/// Reads the runs of all known tracks of a `moof` that begins at `start` of the stream.
pub(in crate::cmaf) fn read_fragment(
    moof: &[u8],
    start: u64,
    tracks: &mut [ReadTrack],
) -> Result<Vec<SampleAt>, CmafError> {
    let mut samples = Vec::new();
    // without a base of its own a track's data begins where the one before ended
    let mut data_end = start;
    let mut first = true;
    for (_, traf) in children(moof).filter(|(kind, _)| kind == b"traf") {
        let tfhd = child(traf, b"tfhd").ok_or(CmafError::MissingBox { kind: *b"tfhd" })?;
        let tfhd: Tfhd = leaf(*b"tfhd", tfhd)?;
        let base = match tfhd.base_data_offset {
            Some(base) => base,
            None if tfhd.default_base_is_moof || first => start,
            None => data_end,
        };
        first = false;
        if let Some(index) = tracks.iter().position(|track| track.id == tfhd.track_id) {
            data_end = read_runs(traf, &tfhd, base, index, &mut tracks[index], &mut samples)?;
        }
    }
    Ok(samples)
}

/// Returns where the data of the last run ends.
fn read_runs(
    traf: &[u8],
    tfhd: &Tfhd,
    base: u64,
    index: usize,
    track: &mut ReadTrack,
    samples: &mut Vec<SampleAt>,
) -> Result<u64, CmafError> {
    const BROKEN: CmafError = CmafError::BrokenBox { kind: *b"trun" };
    let duration = tfhd.default_sample_duration.unwrap_or(track.default_duration);
    let size = tfhd.default_sample_size.unwrap_or(track.default_size);
    let flags = tfhd.default_sample_flags.unwrap_or(track.default_flags);
    let mut decode_time = track.next_decode_time;
    if let Some(tfdt) = child(traf, b"tfdt") {
        decode_time = leaf::<Tfdt>(*b"tfdt", tfdt)?.base_media_decode_time;
    }
    let mut position = base;
    for (kind, body) in children(traf).filter(|(kind, _)| kind == b"trun") {
        let trun: Trun = leaf(kind, body)?;
        // samples that cost no byte anywhere could be claimed without end
        let free = matches!(trun.samples, TrunSamples::Inherited { .. }) && size == 0;
        if free || trun.samples.len() > MAX_SAMPLES - samples.len().min(MAX_SAMPLES) {
            return Err(BROKEN);
        }
        if let Some(offset) = trun.data_offset {
            position = base.checked_add_signed(i64::from(offset)).ok_or(BROKEN)?;
        }
        for entry in &trun.samples {
            let size = entry.size.unwrap_or(size);
            let flags = entry.flags.unwrap_or(flags);
            if size > 0 {
                let offset = entry.cts.unwrap_or(0);
                let key = flags & NON_SYNC == 0;
                samples.push(SampleAt { track: index, decode_time, offset, key, position, size });
            }
            position = position.checked_add(u64::from(size)).ok_or(BROKEN)?;
            decode_time = decode_time.saturating_add(u64::from(entry.duration.unwrap_or(duration)));
        }
    }
    track.next_decode_time = decode_time;
    Ok(position)
}
