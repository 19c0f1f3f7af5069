//! Makes a file whole that was not closed: a torn end is cut off, durations and index are added.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use bytes::Bytes;
use stagebox_media::cmaf::{CmafReader, Marker, MovieScan};
use stagebox_media::{Epoch, Packet, Track, h264};

use super::details::coding;

/// `ftyp` and `moov` of ours are under two kilobytes.
const MAX_HEADER_BYTES: u64 = 1024 * 1024;
/// Between `ftyp` and `moov`.
const MARKER_BYTES: u64 = 16;
const MAX_MOOF_BYTES: u64 = 4 * 1024 * 1024;
const MAX_FRAGMENT_BYTES: u64 = 256 * 1024 * 1024;
/// A power cut tears one fragment, which is cut at 8 megabytes. More than this is never thrown away.
const MAX_TORN_BYTES: u64 = 32 * 1024 * 1024;
/// A file as short as this holds no frame.
const EMPTY_BYTES: u64 = 4 * 1024;

/// What a whole file holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Measured {
    pub(super) bytes: u64,
    pub(super) duration_ns: i64,
    pub(super) video_frames: u64,
    pub(super) audio_frames: u64,
    pub(super) epoch: Epoch,
    /// How they are coded, in words.
    pub(super) video: Option<String>,
    pub(super) audio: Option<String>,
}

/// What a disk keeps or loses as a whole.
const BLOCK_BYTES: u64 = 512;
/// Fewer zeros at an end of a block can be what was written.
const TELLING_BYTES: usize = 16;

/// Where a box lies.
#[derive(Debug, Clone, Copy)]
struct BoxAt {
    kind: [u8; 4],
    offset: u64,
    /// Header included.
    bytes: u64,
}

/// A `moof` and its `mdat`, which is all there.
#[derive(Debug, Clone, Copy)]
struct FragmentAt {
    moof: BoxAt,
    mdat: BoxAt,
}

/// Measures a file and mends it where needed; `None` if there was no frame in it, and then it is removed.
///
/// A file that does not begin as a recording does, or is damaged in its middle, is an error and stays as it is.
pub(super) fn mend(path: &Path) -> io::Result<Option<Measured>> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let length = file.metadata()?.len();
    let header_end = match header_end(&file, length)? {
        Some(end) => end,
        None if length < EMPTY_BYTES => return remove(path),
        None => return Err(broken("it does not begin with ftyp and moov")),
    };
    let header = read(&file, 0, header_end)?;
    let marker = Marker::read(&header);
    let mut scan = MovieScan::new(&header).map_err(|error| broken(&error.to_string()))?;
    let mut epoch = Epoch::UNKNOWN;
    let mut end = header_end;
    let mut waiting: Option<FragmentAt> = None;
    while let Some(fragment) = fragment_at(&file, end, length)? {
        if let Some(whole) = waiting.replace(fragment) {
            count(&file, &mut scan, whole)?;
        }
        end = fragment.mdat.offset + fragment.mdat.bytes;
    }
    let ends_with = |kind: &[u8; 4]| -> io::Result<bool> {
        Ok(box_at(&file, end, length)?.is_some_and(|last| &last.kind == kind && end + last.bytes == length))
    };
    let closed = match marker {
        Some(marker) => marker == Marker::Closed { end } && ends_with(b"moov")?,
        None => ends_with(b"mfra")?,
    };
    if let Some(last) = waiting {
        // only the end can be damaged: everything before it was on disk first
        if closed || frames_are_whole(&file, &header, last)? {
            count(&file, &mut scan, last)?;
        } else {
            end = last.moof.offset;
        }
    }
    if !closed && length - end > MAX_TORN_BYTES {
        return Err(broken(&format!(
            "it is damaged at byte {end}, and {} bytes lie behind that",
            length - end
        )));
    }
    if scan.video_frames() + scan.audio_frames() == 0 {
        return remove(path);
    }
    if let Some(first) = fragment_at(&file, header_end, length)? {
        epoch = first_epoch(&file, &header, first)?;
    }
    let coded = |track: Track| scan.configs().find(|config| config.track == track).and_then(coding);
    let (video, audio) = (coded(Track::Video), coded(Track::Audio));
    let bytes = if closed { length } else { close(&file, &scan, end, marker.is_some())? };
    Ok(Some(Measured {
        bytes,
        duration_ns: scan.duration_ns(),
        video_frames: scan.video_frames(),
        audio_frames: scan.audio_frames(),
        epoch,
        video,
        audio,
    }))
}

/// Cuts off what is behind `end` and writes what closing would have written; returns the new length.
fn close(file: &File, scan: &MovieScan, end: u64, has_marker: bool) -> io::Result<u64> {
    file.set_len(end)?;
    let tables = scan.tables();
    let has_tables = has_marker && file.write_all_at(&tables, end).is_ok();
    if !has_tables {
        // a full disk, or a file that has no place for the marker: it plays without them
        file.set_len(end)?;
    }
    let bytes = if has_tables { end + tables.len() as u64 } else { end };
    file.sync_data()?;
    if let Some(header) = scan.header(has_tables) {
        file.write_all_at(&header, 0)?;
    }
    file.sync_all()?;
    Ok(bytes)
}

fn count(file: &File, scan: &mut MovieScan, fragment: FragmentAt) -> io::Result<()> {
    let moof = read(file, fragment.moof.offset, fragment.moof.bytes)?;
    scan.fragment(&moof, fragment.moof.offset, fragment.mdat.bytes)
        .map_err(|error| broken(&error.to_string()))
}

fn remove(path: &Path) -> io::Result<Option<Measured>> {
    fs::remove_file(path)?;
    Ok(None)
}

/// Where `moov` ends, if the file begins with `ftyp`, what tells whether it is closed, and a whole `moov`.
fn header_end(file: &File, length: u64) -> io::Result<Option<u64>> {
    let Some(ftyp) = box_at(file, 0, length)?.filter(|first| &first.kind == b"ftyp") else { return Ok(None) };
    let marked = ftyp.bytes + MARKER_BYTES;
    let has_marker = marked <= length && Marker::read(&read(file, 0, marked)?).is_some();
    // Files of before there was a marker have none.
    let at = if has_marker { marked } else { ftyp.bytes };
    let Some(moov) = box_at(file, at, length)?.filter(|next| &next.kind == b"moov") else {
        return Ok(None);
    };
    let end = at + moov.bytes;
    Ok((end <= MAX_HEADER_BYTES).then_some(end))
}

fn fragment_at(file: &File, offset: u64, length: u64) -> io::Result<Option<FragmentAt>> {
    let Some(moof) = box_at(file, offset, length)?.filter(|found| &found.kind == b"moof") else {
        return Ok(None);
    };
    let Some(mdat) = box_at(file, offset + moof.bytes, length)?.filter(|found| &found.kind == b"mdat") else {
        return Ok(None);
    };
    let fits = moof.bytes <= MAX_MOOF_BYTES && mdat.bytes <= MAX_FRAGMENT_BYTES;
    Ok(fits.then_some(FragmentAt { moof, mdat }))
}

/// The box at an offset, if all of it is there; our boxes have short sizes.
fn box_at(file: &File, offset: u64, length: u64) -> io::Result<Option<BoxAt>> {
    if length.saturating_sub(offset) < 8 {
        return Ok(None);
    }
    let header = read(file, offset, 8)?;
    let (size, kind) = header.split_at(4);
    let bytes = size.iter().fold(0, |size, byte| size << 8 | u64::from(*byte));
    let kind = [kind[0], kind[1], kind[2], kind[3]];
    let whole = bytes >= 8 && offset + bytes <= length;
    Ok(whole.then_some(BoxAt { kind, offset, bytes }))
}

fn packets(file: &File, header: &Bytes, fragment: FragmentAt) -> io::Result<Option<Vec<Packet>>> {
    let mut reader = CmafReader::new();
    reader.push(Marker::Open.set(header));
    reader.push(read(file, fragment.moof.offset, fragment.moof.bytes + fragment.mdat.bytes)?);
    let mut packets = Vec::new();
    loop {
        match reader.next() {
            Ok(Some(packet)) => packets.push(packet),
            Ok(None) => return Ok(Some(packets)),
            Err(_) => return Ok(None),
        }
    }
}

/// Whether every picture of a fragment has sense: a power cut can leave zeros where bytes should be.
fn frames_are_whole(file: &File, header: &Bytes, fragment: FragmentAt) -> io::Result<bool> {
    let Some(packets) = packets(file, header, fragment)? else { return Ok(false) };
    let BoxAt { offset, bytes, .. } = fragment.mdat;
    if has_lost_block(&read(file, offset, bytes)?, offset) {
        return Ok(false);
    }
    Ok(packets.iter().all(|packet| match packet {
        Packet::Frame(frame) if frame.track == Track::Video => {
            h264::is_whole(&frame.data) && !has_lost_bytes(&frame.data)
        }
        Packet::Frame(frame) => frame.data.iter().any(|byte| *byte != 0),
        Packet::Config(_) => true,
    }))
}

/// Whether nothing but zeros lies in a block, or in a telling part of one: it was never written.
fn has_lost_block(bytes: &[u8], offset: u64) -> bool {
    let first = (BLOCK_BYTES - offset % BLOCK_BYTES) as usize;
    let (first, rest) = bytes.split_at(first.min(bytes.len()));
    let mut blocks = std::iter::once(first).chain(rest.chunks(BLOCK_BYTES as usize));
    blocks.any(|block| block.len() >= TELLING_BYTES && block.iter().all(|byte| *byte == 0))
}

/// Whether a unit of a picture has what none can have: three zeros in a row, but at its end (H.264, 7.4.1.1).
fn has_lost_bytes(picture: &[u8]) -> bool {
    let mut units = h264::avcc_nals(picture);
    units.any(|unit| {
        let end = unit.0.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        unit.0[..end].windows(3).any(|bytes| bytes == [0; 3])
    })
}

fn first_epoch(file: &File, header: &Bytes, fragment: FragmentAt) -> io::Result<Epoch> {
    let packets = packets(file, header, fragment)?.unwrap_or_default();
    let mut frames = packets.iter().filter_map(|packet| match packet {
        Packet::Frame(frame) if frame.track == Track::Video => Some(&frame.data),
        _ => None,
    });
    Ok(frames.find_map(|data| h264::read_epoch(data)).unwrap_or(Epoch::UNKNOWN))
}

fn read(file: &File, offset: u64, bytes: u64) -> io::Result<Bytes> {
    let mut data = vec![0; usize::try_from(bytes).map_err(io::Error::other)?];
    file.read_exact_at(&mut data, offset)?;
    Ok(Bytes::from(data))
}

fn broken(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_that_was_never_written_is_seen() {
        let whole = vec![7; 2_000];
        assert!(!has_lost_block(&whole, 300));
        for (from, to, lost) in [
            // The file's blocks begin at 212, 724 and 1236 of these bytes.
            (724, 1_236, true),
            (700, 1_300, true),
            (725, 1_237, false),
            (0, 212, true),
            (1_748, 2_000, true),
            (0, 211, false),
        ] {
            let mut torn = whole.clone();
            torn[from..to].fill(0);
            assert_eq!(has_lost_block(&torn, 300), lost, "{from}..{to}");
        }
        assert!(!has_lost_block(&[0; 15], 0) && !has_lost_block(&[], 0));
    }

    #[test]
    fn a_hole_in_a_picture_is_seen() {
        let picture = |unit: &[u8]| [&(unit.len() as u32).to_be_bytes()[..], unit].concat();
        assert!(has_lost_bytes(&picture(&[0x65, 1, 0, 0, 0, 2])));
        for whole in [&[0x65, 1, 0, 0, 3, 0, 2][..], &[0x65, 1, 0, 0, 0], &[0x65]] {
            assert!(!has_lost_bytes(&picture(whole)), "{whole:?}");
        }
    }
}
