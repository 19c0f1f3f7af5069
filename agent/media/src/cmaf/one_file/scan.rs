//! What is kept of a segment: its samples' times, sizes and places, without their bytes.

use bytes::Bytes;

use super::column::{RunWriter, is_whole, put_number, runs, take_number, unzigzag, values, zigzag};
use super::scanner::Scanner;
use super::{InitSection, MAX_SEGMENT_BYTES, MAX_SEGMENT_SAMPLES, MAX_START_TICKS, OneFileError};

const VERSION: u8 = 1;
/// Longest time between two samples of a segment, in ticks.
pub(super) const MAX_STEP_TICKS: u64 = i32::MAX as u64;

/// The samples of one segment, found from its bytes, in about 2 to 8 bytes a sample.
///
/// It is worked out once, best when the segment is written, and kept beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentScan {
    /// Checked: everything in it can be read and is within its limits.
    bytes: Bytes,
}

/// One sample as the scanner finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    /// Decode time in ticks, later than that of the sample before.
    pub(super) at: u64,
    /// Presentation time less decode time.
    pub(super) offset: i32,
    pub(super) key: bool,
    /// Of its bytes in the segment.
    pub(super) position: u32,
    /// At least 1.
    pub(super) size: u32,
}

impl SegmentScan {
    /// Reads a whole segment: any boxes, among them fragments, each with its media data behind it.
    ///
    /// # Errors
    /// It is cut off, breaks a limit, or its samples lie outside of its media data.
    pub fn of(init: &InitSection, segment: &[u8]) -> Result<Self, OneFileError> {
        Self::of_parts(init, [segment])
    }

    /// Reads a segment that lies in several pieces, each of whole boxes.
    ///
    /// # Errors
    /// As for [`Self::of`].
    pub fn of_parts<'a>(
        init: &InitSection,
        parts: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Self, OneFileError> {
        let mut scanner = Scanner::new(init);
        for part in parts {
            scanner.part(part)?;
        }
        scanner.finish()
    }

    /// The form to keep; it begins with a version.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        self.bytes.clone()
    }

    /// Takes what [`Self::encode`] gave, and trusts none of it.
    ///
    /// # Errors
    /// It is nothing that this version wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, OneFileError> {
        let columns = Columns::read(bytes).ok_or(OneFileError::Scan)?;
        columns.check().ok_or(OneFileError::Scan)?;
        Ok(Self { bytes: Bytes::copy_from_slice(bytes) })
    }

    /// How many samples it has.
    #[must_use]
    pub fn samples(&self) -> u32 {
        self.columns().count
    }

    /// Decode time of the first sample, in ticks.
    #[must_use]
    pub fn start_ticks(&self) -> u64 {
        self.columns().start
    }

    /// From the first sample's decode time to where the last one's duration ends, in ticks.
    #[must_use]
    pub fn duration_ticks(&self) -> u64 {
        self.columns().delta_runs().map(|(count, ticks)| count * ticks.unsigned_abs()).sum()
    }

    /// Whether decoding can begin with the first sample.
    #[must_use]
    pub fn starts_with_key(&self) -> bool {
        self.columns().keys().next().unwrap_or(false)
    }

    /// Writes samples in decoding order; `end` is the tick at which the last one ends.
    pub(super) fn write(samples: &[Found], end: u64) -> Self {
        let (mut deltas, mut offsets, mut keys) =
            (RunWriter::default(), RunWriter::default(), RunWriter::default());
        let (mut sizes, mut data) = (Vec::new(), Vec::new());
        let mut run: Option<(u32, u32)> = None;
        let mut data_end = 0;
        for (index, sample) in samples.iter().enumerate() {
            let next = samples.get(index + 1).map_or(end, |next| next.at);
            deltas.push(next.saturating_sub(sample.at).clamp(1, MAX_STEP_TICKS) as i64);
            offsets.push(i64::from(sample.offset));
            keys.push(i64::from(sample.key));
            put_number(u64::from(sample.size), &mut sizes);
            let follows = run.is_some_and(|(from, length)| from + length == sample.position);
            run = match run {
                Some((from, length)) if follows => Some((from, length + sample.size)),
                _ => {
                    put_data(run, &mut data_end, &mut data);
                    Some((sample.position, sample.size))
                }
            };
        }
        put_data(run, &mut data_end, &mut data);
        let columns = [deltas.finish(), offsets.finish(), keys.finish(), sizes];
        let mut out = vec![VERSION];
        put_number(samples.first().map_or(0, |first| first.at), &mut out);
        put_number(samples.len() as u64, &mut out);
        columns.iter().for_each(|column| put_number(column.len() as u64, &mut out));
        columns.iter().for_each(|column| out.extend_from_slice(column));
        out.extend_from_slice(&data);
        out.shrink_to_fit();
        Self { bytes: Bytes::from(out) }
    }

    pub(super) fn columns(&self) -> Columns<'_> {
        Columns::read(&self.bytes).unwrap_or_default()
    }
}

/// Where a stretch begins, counted from the end of the one before, and how long it is.
fn put_data(run: Option<(u32, u32)>, data_end: &mut u32, out: &mut Vec<u8>) {
    let Some((from, length)) = run else { return };
    put_number(zigzag(i64::from(from) - i64::from(*data_end)), out);
    put_number(u64::from(length), out);
    *data_end = from + length;
}

/// A scan taken apart.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Columns<'a> {
    /// Decode time of the first sample.
    pub(super) start: u64,
    pub(super) count: u32,
    deltas: &'a [u8],
    offsets: &'a [u8],
    keys: &'a [u8],
    sizes: &'a [u8],
    data: &'a [u8],
}

impl<'a> Columns<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut rest = bytes.strip_prefix(&[VERSION])?;
        let start = take_number(&mut rest)?;
        let count = u32::try_from(take_number(&mut rest)?).ok()?;
        let mut lengths = [0; 4];
        for length in &mut lengths {
            *length = usize::try_from(take_number(&mut rest)?).ok()?;
        }
        let mut columns = [&[][..]; 4];
        for (column, length) in columns.iter_mut().zip(lengths) {
            (*column, rest) = rest.split_at_checked(length)?;
        }
        let [deltas, offsets, keys, sizes] = columns;
        Some(Self { start, count, deltas, offsets, keys, sizes, data: rest })
    }

    fn check(&self) -> Option<()> {
        let count = u64::from(self.count);
        let times = is_whole(self.deltas, count, 1..=MAX_STEP_TICKS as i64)
            && is_whole(self.offsets, count, i64::from(i32::MIN)..=i64::from(i32::MAX))
            && is_whole(self.keys, count, 0..=1);
        if !times || self.count as usize > MAX_SEGMENT_SAMPLES || self.start > MAX_START_TICKS {
            return None;
        }
        let (mut rest, mut left, mut total) = (self.sizes, count, 0u64);
        while !rest.is_empty() {
            let size = take_number(&mut rest).filter(|size| (1..=MAX_SEGMENT_BYTES).contains(size))?;
            left = left.checked_sub(1)?;
            total += size;
        }
        let (mut rest, mut end) = (self.data, 0i64);
        while !rest.is_empty() {
            let from = end.checked_add(unzigzag(take_number(&mut rest)?))?;
            let length = take_number(&mut rest).filter(|length| (1..=MAX_SEGMENT_BYTES).contains(length))?;
            end = from.checked_add_unsigned(length)?;
            total = total.checked_sub(length)?;
            if from < 0 || end as u64 > MAX_SEGMENT_BYTES {
                return None;
            }
        }
        (left == 0 && total == 0).then_some(())
    }

    /// Ticks from each sample to the next; the last value is how long the last sample says it lasts.
    pub(super) fn deltas(&self) -> impl Iterator<Item = i64> + use<'a> {
        values(self.deltas)
    }

    /// The same in runs: how often, and the ticks.
    pub(super) fn delta_runs(&self) -> impl Iterator<Item = (u64, i64)> + use<'a> {
        runs(self.deltas)
    }

    pub(super) fn offsets(&self) -> impl Iterator<Item = i64> + use<'a> {
        values(self.offsets)
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = bool> + use<'a> {
        values(self.keys).map(|key| key != 0)
    }

    pub(super) fn sizes(&self) -> impl Iterator<Item = u32> + use<'a> {
        let mut rest = self.sizes;
        // each was checked to fit
        std::iter::from_fn(move || take_number(&mut rest).map(|size| size as u32))
    }

    /// The stretches of the segment that hold the samples, in their order: offset and length.
    pub(super) fn data(&self) -> impl Iterator<Item = (u64, u64)> + use<'a> {
        let (mut rest, mut end) = (self.data, 0u64);
        std::iter::from_fn(move || {
            let from = end.checked_add_signed(unzigzag(take_number(&mut rest)?))?;
            let length = take_number(&mut rest)?;
            end = from.checked_add(length)?;
            Some((from, length))
        })
    }
}
