//! Writes a movie fragment: `moof` and its `mdat`.

use bytes::{BufMut, Bytes, BytesMut};
use mp4_atom::{Encode, Mfhd, Moof, Tfdt, Tfhd, Traf, Trun, TrunEntry, TrunSamples};

use super::queue::Sample;

/// sample_depends_on = 2: an I picture (ISO/IEC 14496-12, 8.8.3.1).
pub(super) const KEY_FLAGS: u32 = 0x0200_0000;
/// sample_depends_on = 1, sample_is_non_sync_sample.
pub(super) const DELTA_FLAGS: u32 = 0x0101_0000;

const BOX_HEADER_BYTES: usize = 8;

/// One `moof` with its `mdat`: a CMAF chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fragment {
    pub data: Bytes,
    /// Decode time of the first sample, in ticks of the track.
    pub decode_time: u64,
    /// Ticks until the next fragment's first sample.
    pub duration: u64,
    /// The first sample is one that a decoder can start at.
    pub independent: bool,
    pub samples: u32,
    /// How many bytes there are up to the end of the first sample, its boxes included.
    pub first_end: usize,
}

/// One track's share of a fragment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run<'a> {
    pub(super) track_id: u32,
    /// Flags of a sample that says nothing else, as the `trex` of the track has them.
    pub(super) default_flags: u32,
    /// At least one.
    pub(super) samples: &'a [Sample],
}

/// Writes the tracks' samples one after the other.
pub(super) fn write_fragment(sequence: u32, runs: &[Run<'_>]) -> Bytes {
    let payload: usize = runs.iter().flat_map(|run| run.samples).map(|sample| sample.data.len()).sum();
    let entries: usize = runs.iter().map(|run| run.samples.len()).sum();
    let mut out = BytesMut::with_capacity(payload + 16 * entries + 128 * runs.len() + 64);

    let mut moof =
        Moof { mfhd: Mfhd { sequence_number: sequence }, traf: runs.iter().map(track_fragment).collect() };
    encode(&moof, &mut out);
    // the length of the moof does not depend on the offsets in it
    let mut offset = out.len() + BOX_HEADER_BYTES;
    for (traf, run) in moof.traf.iter_mut().zip(runs) {
        for trun in &mut traf.trun {
            trun.data_offset = Some(offset as i32);
        }
        offset += run.samples.iter().map(|sample| sample.data.len()).sum::<usize>();
    }
    out.clear();
    encode(&moof, &mut out);

    out.put_u32((BOX_HEADER_BYTES + payload) as u32);
    out.put_slice(b"mdat");
    for sample in runs.iter().flat_map(|run| run.samples) {
        out.put_slice(&sample.data);
    }
    out.freeze()
}

/// Writes a box into memory.
pub(super) fn encode(atom: &impl Encode, out: &mut BytesMut) {
    atom.encode(out)
        .expect("boxes that this crate builds are in range, and memory takes any number of bytes");
}

fn track_fragment(run: &Run<'_>) -> Traf {
    let samples = run.samples;
    let first = samples.first();
    let same_duration = first
        .map(|first| first.duration)
        .filter(|duration| samples.iter().all(|sample| sample.duration == *duration));
    let any_offset = samples.iter().any(|sample| sample.offset != 0);
    let flags = flags_written(run);
    let entries = samples
        .iter()
        .zip(flags)
        .map(|(sample, flags)| TrunEntry {
            duration: same_duration.is_none().then_some(sample.duration),
            size: Some(sample.data.len() as u32),
            flags,
            cts: any_offset.then_some(i64::from(sample.offset)),
        })
        .collect();
    Traf {
        tfhd: Tfhd {
            track_id: run.track_id,
            default_sample_duration: same_duration,
            default_base_is_moof: true,
            ..Tfhd::default()
        },
        tfdt: Some(Tfdt { base_media_decode_time: first.map_or(0, |first| first.decode_time) }),
        trun: vec![Trun { data_offset: Some(0), samples: TrunSamples::Explicit(entries) }],
        ..Traf::default()
    }
}

/// Flags where they differ from the default: none, the first sample's only, or all.
fn flags_written(run: &Run<'_>) -> impl Iterator<Item = Option<u32>> {
    let default = run.default_flags;
    let flags = |sample: &Sample| if sample.key { KEY_FLAGS } else { DELTA_FLAGS };
    let first_only = run.samples.iter().skip(1).all(|sample| flags(sample) == default);
    run.samples.iter().enumerate().map(move |(index, sample)| {
        let flags = flags(sample);
        if first_only { (index == 0 && flags != default).then_some(flags) } else { Some(flags) }
    })
}
