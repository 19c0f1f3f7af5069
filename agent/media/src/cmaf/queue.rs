//! Samples of one track that wait to be cut into a fragment.

use std::collections::VecDeque;

use bytes::Bytes;

use super::timeline::Timeline;
use super::{CmafError, MAX_FRAGMENT_BYTES, TrackFormat};
use crate::Frame;

/// A sample of which everything is known.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    pub(super) decode_time: u64,
    pub(super) duration: u32,
    pub(super) offset: i32,
    pub(super) key: bool,
    pub(super) data: Bytes,
}

/// The last sample's duration is known when the next one comes; until then it stays.
#[derive(Debug)]
pub(super) struct SampleQueue {
    timeline: Timeline,
    samples: VecDeque<Sample>,
    bytes: usize,
    /// Of the last sample whose duration was known.
    last_duration: u32,
}

impl SampleQueue {
    pub(super) fn new(format: &TrackFormat, origin_ns: i64) -> Self {
        Self {
            timeline: Timeline::new(format, origin_ns),
            samples: VecDeque::new(),
            bytes: 0,
            last_duration: format.usual_duration(),
        }
    }

    /// Says that nothing is decoded before this time.
    pub(super) fn not_before(&mut self, time_ns: i64) {
        self.timeline.not_before(time_ns);
    }

    /// A frame without bytes is no sample.
    pub(super) fn push(&mut self, frame: &Frame, key: bool) -> Result<(), CmafError> {
        if frame.data.is_empty() {
            return Ok(());
        }
        let bytes = self.bytes.saturating_add(frame.data.len());
        if bytes > MAX_FRAGMENT_BYTES {
            return Err(CmafError::TooMuchPending { bytes });
        }
        self.bytes = bytes;
        let place = self.timeline.place(frame.pts_ns, frame.dts_ns);
        if let Some(last) = self.samples.back_mut() {
            last.duration = (place.decode_time - last.decode_time) as u32;
            self.last_duration = last.duration;
        }
        self.samples.push_back(Sample {
            decode_time: place.decode_time,
            duration: 0,
            offset: place.offset,
            key,
            data: frame.data.clone(),
        });
        Ok(())
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Ticks of the samples whose duration is known.
    pub(super) fn complete_ticks(&self) -> u64 {
        match (self.samples.front(), self.samples.back()) {
            (Some(first), Some(last)) => last.decode_time - first.decode_time,
            _ => 0,
        }
    }

    /// Takes the samples whose duration is known.
    pub(super) fn take_complete(&mut self) -> Vec<Sample> {
        self.take(self.samples.len().saturating_sub(1))
    }

    /// Takes as many known samples as last at most `max_ticks` together, but at least one.
    pub(super) fn take_within(&mut self, max_ticks: u64) -> Vec<Sample> {
        let Some(first) = self.samples.front() else { return Vec::new() };
        let end = first.decode_time.saturating_add(max_ticks);
        let complete = self.samples.len() - 1;
        // each sample ends where the next one begins
        let fitting = self.samples.iter().skip(1).take_while(|next| next.decode_time <= end).count();
        self.take(fitting.max(1).min(complete))
    }

    /// Takes all; the last one is taken to last as long as the one before.
    pub(super) fn take_all(&mut self) -> Vec<Sample> {
        if let Some(last) = self.samples.back_mut() {
            last.duration = self.last_duration;
            self.timeline.ends_at(last.decode_time + u64::from(last.duration));
        }
        self.take(self.samples.len())
    }

    fn take(&mut self, count: usize) -> Vec<Sample> {
        let taken: Vec<_> = self.samples.drain(..count).collect();
        self.bytes -= taken.iter().map(|sample| sample.data.len()).sum::<usize>();
        taken
    }
}
