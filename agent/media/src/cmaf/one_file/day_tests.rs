//! How much a day of a recording costs: memory, time, bytes to keep.

use std::collections::BTreeMap;

use super::scan::Found;
use super::*;
use crate::TrackConfig;
use crate::cmaf::CmafTrack;
use crate::cmaf::tests::{audio_config, video_config};

const SEGMENTS: u64 = 43_200;
const MIB: u64 = 1 << 20;

/// What the process has in memory, at most so far.
fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0 kB");
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0) * 1024
}

/// Pseudo-random, so that sizes are as uneven as real ones.
fn noise(n: u64) -> u64 {
    n.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 33
}

/// Thirty pictures a second in ten parts; with `uneven`, in RTMP's milliseconds and with B-frames.
fn pictures(number: u64, uneven: bool) -> SegmentScan {
    let at = |n: u64| if uneven { (n * 1000 + 15) / 30 * 90 } else { n * 3000 };
    let mut position = 0;
    let found = |n: u64| {
        let frame = number * 60 + n;
        let size = if n == 0 { 150_000 } else { 15_000 + noise(frame) as u32 % 20_000 };
        position += if n.is_multiple_of(6) { 1_000 } else { 0 };
        let later = [2, 5, 3, 0, 1][(n % 5) as usize];
        let offset = if uneven { (at(frame + later) - at(frame)) as i32 } else { 0 };
        let sample = Found { at: at(frame), offset, key: n == 0, position, size };
        position += size;
        sample
    };
    SegmentScan::write(&(0..60).map(found).collect::<Vec<_>>(), at(number * 60 + 60))
}

/// AAC at 48 kHz, in ten parts.
fn sounds(number: u64) -> SegmentScan {
    let (from, to) = ((number * 96_000).div_ceil(1024), ((number + 1) * 96_000).div_ceil(1024));
    let mut position = 0;
    let found = |frame: u64| {
        position += if (frame - from).is_multiple_of(10) { 200 } else { 0 };
        let size = 250 + noise(frame) as u32 % 250;
        let sample = Found { at: frame * 1024, offset: 0, key: true, position, size };
        position += size;
        sample
    };
    SegmentScan::write(&(from..to).map(found).collect::<Vec<_>>(), to * 1024)
}

fn day(uneven: bool) {
    let section = |config: &TrackConfig| {
        BTreeMap::from([(0, InitSection::parse(&CmafTrack::new(config).unwrap().init()).unwrap())])
    };
    let before = peak_bytes();
    let mut builder = OneFileBuilder::new();
    for config in [video_config(), audio_config()] {
        builder.add_track(&section(&config)).unwrap();
    }
    let mut kept = 0;
    #[expect(clippy::disallowed_methods, reason = "it is measured, nothing depends on it")]
    let now = std::time::Instant::now;
    let mut pushing = std::time::Duration::ZERO;
    for number in 0..SEGMENTS {
        for (track, scan) in [pictures(number, uneven), sounds(number)].into_iter().enumerate() {
            let encoded = scan.encode();
            kept += encoded.len() as u64;
            drop(scan);
            let begun = now();
            builder.push(track, number, 0, &SegmentScan::decode(&encoded).unwrap()).unwrap();
            pushing += begun.elapsed();
        }
    }
    let begun = now();
    let file = builder.finish().unwrap();
    let finishing = begun.elapsed();

    let begun = now();
    let mut head = 0;
    while head < file.head_bytes() {
        head += file.head(head..head + 65_536).len() as u64;
    }
    let heading = begun.elapsed();
    let begun = now();
    let (mut pieces, mut at) = (0u64, file.head_bytes());
    while at < file.bytes() {
        pieces += file.pieces(at..at + 8 * MIB).count() as u64;
        at += 8 * MIB;
    }
    let piecing = begun.elapsed();

    let tables: u64 = file
        .tracks
        .iter()
        .map(|track| {
            let segments = track.segments.capacity() * size_of_val(&track.segments[0]);
            (segments + track.chunks.capacity() * 4) as u64
        })
        .sum();
    let memory = kept + tables + (file.chunks.capacity() * size_of::<Chunk>()) as u64;
    eprintln!(
        "a day{}: {} samples, file of {} MiB with {} MiB of header, held in {} MiB ({} of scans, {} B a segment); \
         peak of the process grew by {} MiB; decode and push {pushing:?}, finish {finishing:?}, \
         whole header {heading:?}, {pieces} pieces in {piecing:?}",
        if uneven { " of B-frames in milliseconds" } else { "" },
        file.tracks.iter().map(|track| track.totals.samples).sum::<u32>(),
        file.bytes() / MIB,
        file.head_bytes() / MIB,
        memory / MIB,
        kept / MIB,
        kept / SEGMENTS / 2,
        (peak_bytes() - before) / MIB,
    );
    assert!(file.duration_ms().abs_diff(86_400_000) < 200, "{} ms", file.duration_ms());
    assert_eq!(file.tracks[0].totals.samples, 2_592_000);
    assert!(memory < 64 * MIB, "{memory} bytes");
}

/// Run one alone in release to see what the process needs: the peak is that of all tests that ran before.
#[test]
fn a_day_is_held_in_little_memory() {
    day(false);
}

#[test]
fn a_day_of_uneven_times_is_held_in_little_memory() {
    day(true);
}
