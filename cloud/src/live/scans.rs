//! What is in segments, kept beside them in blocks: an item's file is laid out by them, and no segment is read for it.
//!
//! They are a convenience. What a block does not say, because the server died before it was written, is read from the
//! segment itself.

use std::collections::BTreeMap;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use object_store::path::Path;
use stagebox_media::cmaf::SegmentScan;

use super::rendition::Rendition;
use super::segment::Segment;
use crate::id::EventId;
use crate::media::{Media, Worth, scans_path};

/// Segments that one block tells of.
pub(crate) const SEGMENTS_OF_BLOCK: u64 = 256;
/// What each record begins with: the segment's number and length, and the scan's length.
const HEADER_BYTES: usize = 8 + 8 + 4;

/// Where it is told what is in a segment.
pub(crate) fn scans_of(event: &EventId, rendition: Rendition, msn: u64) -> Path {
    scans_path(event, rendition, msn / SEGMENTS_OF_BLOCK)
}

/// What a block says: by the segment's number, how long that is and what is in it.
#[derive(Debug, Default)]
pub(crate) struct Block(BTreeMap<u64, (u64, SegmentScan)>);

impl Block {
    /// Reads a block up to the first record that cannot be read.
    pub(crate) fn read(mut data: Bytes) -> Self {
        let mut block = Self::default();
        while data.remaining() >= HEADER_BYTES {
            let (msn, bytes, length) = (data.get_u64(), data.get_u64(), data.get_u32() as usize);
            if data.remaining() < length {
                break;
            }
            let Ok(scan) = SegmentScan::decode(&data.split_to(length)) else { break };
            block.0.insert(msn, (bytes, scan));
        }
        block
    }

    /// What is in a segment, if it was this one: another length is another segment.
    pub(crate) fn scan(&self, segment: &Segment) -> Option<&SegmentScan> {
        let (bytes, scan) = self.0.get(&segment.msn)?;
        (*bytes == segment.bytes).then_some(scan)
    }
}

/// A block that still grows.
#[derive(Debug)]
struct Growing {
    number: u64,
    data: BytesMut,
    /// Something in it is not in the media store.
    is_new: bool,
}

/// The blocks of one event that are being filled.
pub(super) struct Scans {
    event: EventId,
    media: Media,
    growing: BTreeMap<Rendition, Growing>,
}

impl Scans {
    pub(super) fn new(event: EventId, media: Media) -> Self {
        Self { event, media, growing: BTreeMap::new() }
    }

    /// Notes what is in a segment that is kept.
    pub(super) async fn add(&mut self, rendition: Rendition, segment: &Segment, scan: &SegmentScan) {
        let number = segment.msn / SEGMENTS_OF_BLOCK;
        if self.growing.get(&rendition).is_none_or(|growing| growing.number != number) {
            self.put(rendition).await;
            let data = self.begun(rendition, segment.msn).await;
            self.growing.insert(rendition, Growing { number, data, is_new: false });
        }
        let Some(growing) = self.growing.get_mut(&rendition) else { return };
        let encoded = scan.encode();
        let Ok(length) = u32::try_from(encoded.len()) else { return };
        growing.data.put_u64(segment.msn);
        growing.data.put_u64(segment.bytes);
        growing.data.put_u32(length);
        growing.data.put_slice(&encoded);
        growing.is_new = true;
    }

    /// Has all that was noted in the media store.
    pub(super) async fn flush(&mut self) {
        let renditions: Vec<Rendition> = self.growing.keys().copied().collect();
        for rendition in renditions {
            self.put(rendition).await;
        }
    }

    /// What is known of the block already, if its first segments came before the server was started anew.
    async fn begun(&self, rendition: Rendition, msn: u64) -> BytesMut {
        if msn.is_multiple_of(SEGMENTS_OF_BLOCK) {
            return BytesMut::new();
        }
        let known = self.media.get_anew(&scans_of(&self.event, rendition, msn)).await;
        known.ok().flatten().map_or_else(BytesMut::new, BytesMut::from)
    }

    async fn put(&mut self, rendition: Rendition) {
        let Some(growing) = self.growing.get_mut(&rendition).filter(|growing| growing.is_new) else { return };
        let path = scans_path(&self.event, rendition, growing.number);
        let data = Bytes::copy_from_slice(&growing.data);
        match self.media.put(&path, data, Worth::LookBack).await {
            Ok(()) => growing.is_new = false,
            Err(error) => {
                tracing::debug!(event = %self.event, %error, "what is in segments is not noted: they will be read");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alarm::Alarms;
    use crate::clock::Clock;
    use crate::config::Config;
    use crate::live::segmenter::tests::video_config;
    use stagebox_media::cmaf::{CmafTrack, InitSection};
    use stagebox_media::{Frame, Track};

    const RENDITION: Rendition = Rendition::Source;

    /// Segments of one picture each, the next longer than the one before.
    fn segments(count: u64) -> Vec<(Segment, SegmentScan)> {
        let config = video_config();
        let mut track = CmafTrack::new(&config).unwrap();
        let section = InitSection::parse(&track.init()).unwrap();
        let picture = |number: u64| {
            let dts_ns = number as i64 * 2_000_000_000;
            let data = Bytes::from([&[0, 0, 0, 1, 0x65][..], &vec![7; number as usize]].concat());
            Frame {
                track: Track::Video,
                codec: config.codec,
                epoch: config.epoch,
                pts_ns: dts_ns,
                dts_ns,
                key: true,
                data,
            }
        };
        track.push(&picture(0)).unwrap();
        let mut segment = |msn: u64| {
            track.push(&picture(msn + 1)).unwrap();
            let data = track.cut().unwrap().data;
            let bytes = data.len() as u64;
            (
                Segment { msn, bytes, ..crate::live::window::tests::segment(msn, 0) },
                SegmentScan::of(&section, &data).unwrap(),
            )
        };
        (0..count).map(&mut segment).collect()
    }

    #[tokio::test]
    async fn what_was_noted_is_read_back_also_after_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let config = Config { data_dir: directory.path().to_owned(), ..Config::default() };
        let media = Media::open(&config, Alarms::new(Clock::system()), Clock::system()).unwrap();
        let event = EventId::random();
        let segments = segments(600);
        let mut scans = Scans::new(event, media.clone());
        for (segment, scan) in &segments[..300] {
            scans.add(RENDITION, segment, scan).await;
        }
        scans.flush().await;
        let mut scans = Scans::new(event, media.clone());
        for (segment, scan) in &segments[300..] {
            scans.add(RENDITION, segment, scan).await;
        }
        scans.flush().await;
        for (segment, scan) in &segments {
            let block = media.get_anew(&scans_of(&event, RENDITION, segment.msn)).await.unwrap();
            let block = Block::read(block.unwrap());
            assert_eq!(block.scan(segment), Some(scan), "{}", segment.msn);
            let other = Segment { bytes: segment.bytes + 1, ..segment.clone() };
            assert_eq!(block.scan(&other), None, "another segment of this number");
        }
    }

    #[test]
    fn what_is_cut_off_or_wrong_is_left_out() {
        let segments = segments(3);
        let mut data = BytesMut::new();
        for (segment, scan) in &segments {
            data.put_u64(segment.msn);
            data.put_u64(segment.bytes);
            data.put_u32(scan.encode().len() as u32);
            data.put_slice(&scan.encode());
        }
        for length in 0..data.len() {
            let block = Block::read(Bytes::copy_from_slice(&data[..length]));
            assert!(block.0.len() < 3);
            assert!(
                segments.iter().all(|(segment, scan)| block.scan(segment).is_none_or(|read| read == scan))
            );
        }
        let mut wrong = data.clone();
        wrong[HEADER_BYTES] = 0xff;
        assert_eq!(Block::read(wrong.freeze()).0.len(), 0);
    }
}
