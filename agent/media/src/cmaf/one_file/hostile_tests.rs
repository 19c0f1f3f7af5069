//! Spoilt segments, scans and sections: refused or used, without a panic, and never more than came in.

use super::tests::Stored;
use super::*;
use crate::cmaf::hostile_tests::each_spoilt;
use crate::cmaf::tests::{audio, audio_config, video, video_config};

const ROUNDS: usize = 40_000;
const MS: i64 = 1_000_000;

fn pictures() -> Stored {
    let frame = |n: i64| video(n * 40 * MS, (n + n % 3) * 40 * MS, n % 10 == 0, 30 + n as usize);
    Stored::of(&video_config(), &(0..40).map(frame).collect::<Vec<_>>(), 20, 5)
}

fn sounds() -> Stored {
    let frames: Vec<_> = (0..90).map(|n| audio(n * 64 * MS / 3, 20)).collect();
    Stored::of(&audio_config(), &frames, 40, 9)
}

/// Builds a file of a good segment, a doubtful one and sound, and reads all of it.
fn use_it(scan: &SegmentScan, segment_bytes: u64) {
    let (seen, heard) = (pictures(), sounds());
    let mut builder = OneFileBuilder::new();
    let sections = seen.sections();
    builder.add_track(&sections).unwrap();
    builder.add_track(&heard.sections()).unwrap();
    let good = SegmentScan::of(&sections[&0], &seen.segments[&100].1).unwrap();
    builder.push(0, 1, 0, &good).unwrap();
    let _ = builder.push(0, 2, 0, scan);
    let _ = builder.push(0, 3, 0, &good);
    let sound = SegmentScan::of(&heard.sections()[&0], &heard.segments[&100].1).unwrap();
    builder.push(1, 4, 0, &sound).unwrap();
    let Ok(file) = builder.finish() else { return };
    let mut head = 0;
    while head < file.head_bytes() {
        let rendered = file.head(head..head + 1000).len() as u64;
        assert_eq!(rendered, 1000.min(file.head_bytes() - head));
        head += rendered;
    }
    let mut total = 0;
    for piece in file.pieces(0..u64::MAX) {
        match piece {
            Piece::Head { from, to } => total += to - from,
            Piece::Source { source, offset, len, .. } => {
                assert!(source != 2 || offset + len <= segment_bytes);
                total += len;
            }
        }
    }
    assert_eq!(total, file.bytes());
}

#[test]
fn segments_may_be_anything() {
    let stored = pictures();
    let init = &stored.sections()[&0];
    let whole: Vec<_> = stored.segments.values().map(|(_, bytes)| bytes.to_vec()).collect();
    let mut read = 0;
    each_spoilt(11, ROUNDS, &whole, |bytes, _| {
        let Ok(scan) = SegmentScan::of(init, bytes) else { return };
        assert!(scan.samples() as usize <= bytes.len());
        assert_eq!(SegmentScan::decode(&scan.encode()).unwrap(), scan);
        read += 1;
        if read % 8 == 0 {
            use_it(&scan, bytes.len() as u64);
        }
    });
    assert!(read > ROUNDS / 20, "{read} were read");
}

#[test]
fn kept_scans_may_be_anything() {
    let stored = pictures();
    let init = &stored.sections()[&0];
    let whole: Vec<_> = stored
        .segments
        .values()
        .map(|(_, bytes)| SegmentScan::of(init, bytes).unwrap().encode().to_vec())
        .collect();
    let mut read = 0;
    each_spoilt(12, ROUNDS, &whole, |bytes, _| {
        let Ok(scan) = SegmentScan::decode(bytes) else { return };
        read += 1;
        use_it(&scan, MAX_SEGMENT_BYTES);
    });
    assert!(read > ROUNDS / 200, "{read} were read");
}

#[test]
fn sections_may_be_anything() {
    let stored = [pictures(), sounds()];
    let whole: Vec<_> = stored.iter().map(|stored| stored.inits[&0].to_vec()).collect();
    let mut used = 0;
    each_spoilt(13, ROUNDS, &whole, |bytes, _| {
        let Ok(init) = InitSection::parse(bytes) else { return };
        let kind = usize::from(init.track() == crate::Track::Audio);
        let Ok(scan) = SegmentScan::of(&init, &stored[kind].segments[&100].1) else { return };
        let mut builder = OneFileBuilder::new();
        let good = stored[kind].sections();
        let sections = [(0, good[&0].clone()), (1, init)].into_iter().collect();
        builder.add_track(&sections).unwrap();
        let sound = SegmentScan::of(&good[&0], &stored[kind].segments[&101].1).unwrap();
        let _ = builder.push(0, 0, 1, &scan);
        let _ = builder.push(0, 1, 0, &sound);
        if let Ok(file) = builder.finish() {
            used += 1;
            assert_eq!(file.head(0..u64::MAX).len() as u64, file.head_bytes());
            assert!(file.head_bytes() < 8192 + 2 * bytes.len() as u64);
        }
    });
    assert!(used > ROUNDS / 20, "{used} were used");
}
