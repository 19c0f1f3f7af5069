//! The frames of a run that a worker has yet to get, and those that its replacement gets again.
//!
//! ```text
//!   group        group        group in hand
//!  [K f f f f] [K f f f f] [K f f ‥
//!         └── written ──────┘└ waiting ┘
//! ```
//!
//! At most two complete groups of pictures are kept beside the one in hand,
//! and no more frames and bytes than the limits say: what a worker has not
//! taken by then is skipped, by whole groups.

use std::collections::VecDeque;

use stagebox_media::Frame;

/// Complete groups that are kept beside the one in hand.
const COMPLETE_GROUPS: usize = 2;

/// How much is kept at most.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) frames: usize,
    pub(super) bytes: usize,
}

/// A run's newest frames, in decoding order.
#[derive(Debug)]
pub(super) struct Kept {
    limits: Limits,
    frames: VecDeque<Frame>,
    bytes: usize,
    /// How many of `frames` are key frames.
    keys: usize,
    /// How many of `frames` the worker has got.
    written: usize,
    /// Frames are of no use until the next key frame.
    wants_key: bool,
    /// Highest presentation time that is not kept any more.
    gone_ns: Option<i64>,
    lost: bool,
}

impl Kept {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            frames: VecDeque::new(),
            bytes: 0,
            keys: 0,
            written: 0,
            wants_key: true,
            gone_ns: None,
            lost: false,
        }
    }

    /// Takes the source's next frame.
    pub(super) fn push(&mut self, frame: Frame) {
        if self.wants_key && !frame.key {
            self.lost |= self.gone_ns.is_some();
            return;
        }
        self.wants_key = false;
        self.bytes += frame.data.len();
        self.keys += usize::from(frame.key);
        self.frames.push_back(frame);
        while self.keys > COMPLETE_GROUPS + 1 || self.is_over() {
            if !self.drop_oldest_group() {
                self.shorten_group_in_hand();
                return;
            }
        }
    }

    /// The next frame for the worker.
    pub(super) fn take_next(&mut self) -> Option<Frame> {
        let frame = self.frames.get(self.written)?.clone();
        self.written += 1;
        Some(frame)
    }

    /// Begins again for a new worker, with the group of the first frame after `delivered_ns`.
    ///
    /// `delivered_ns` is how far the rendition that is farthest behind has come.
    /// Returns how many nanoseconds of what was delivered will be decoded again.
    pub(super) fn rewind(&mut self, delivered_ns: Option<i64>) -> i64 {
        // A group whose beginning is gone cannot be decoded again.
        let first_key = self.frames.iter().position(|frame| frame.key);
        let headless = first_key.unwrap_or(self.frames.len());
        self.drop_front(headless);
        self.wants_key |= self.frames.is_empty();
        let is_missing = |pts_ns: i64| delivered_ns.is_none_or(|delivered| pts_ns > delivered);
        self.lost |= self.gone_ns.is_some_and(is_missing);
        let missing = self.frames.iter().map(|frame| frame.pts_ns).filter(|pts| is_missing(*pts)).min();
        // Pictures that are shown before their group's key frame need the group before, too.
        let begins_early_enough = |frame: &Frame| frame.key && missing.is_none_or(|pts| frame.pts_ns <= pts);
        self.written = self.frames.iter().rposition(begins_early_enough).unwrap_or(0);
        let first_ns = self.frames.get(self.written).map(|frame| frame.pts_ns);
        first_ns.zip(delivered_ns).map_or(0, |(first, delivered)| delivered.saturating_sub(first).max(0))
    }

    /// Goes on at the newest key frame, if that is ahead; says whether frames were skipped.
    pub(super) fn skip_to_newest_group(&mut self) -> bool {
        let newest = self.frames.iter().rposition(|frame| frame.key);
        let Some(newest) = newest.filter(|newest| *newest > self.written) else { return false };
        self.written = newest;
        self.lost = true;
        true
    }

    /// Gives everything up until the next key frame: a worker breaks on it.
    pub(super) fn forget(&mut self) {
        self.drop_front(self.frames.len());
        self.wants_key = true;
        self.lost = true;
    }

    /// Whether frames were lost since this was asked last.
    pub(super) fn take_lost(&mut self) -> bool {
        std::mem::take(&mut self.lost)
    }

    fn is_over(&self) -> bool {
        self.frames.len() > self.limits.frames || self.bytes > self.limits.bytes
    }

    /// False if there is only the group in hand.
    fn drop_oldest_group(&mut self) -> bool {
        let Some(next) = self.frames.iter().skip(1).position(|frame| frame.key) else { return false };
        self.lost |= self.written < next + 1;
        self.drop_front(next + 1);
        true
    }

    /// The group in hand is over the limits by itself: its rest is passed on but cannot be given again.
    fn shorten_group_in_hand(&mut self) {
        if self.written + 1 >= self.frames.len() {
            self.drop_front(self.written);
        } else {
            self.forget();
        }
    }

    fn drop_front(&mut self, count: usize) {
        for frame in self.frames.drain(..count.min(self.frames.len())) {
            self.bytes -= frame.data.len();
            self.keys -= usize::from(frame.key);
            self.gone_ns = self.gone_ns.max(Some(frame.pts_ns));
        }
        self.written = self.written.saturating_sub(count);
    }
}

#[cfg(test)]
mod tests;
