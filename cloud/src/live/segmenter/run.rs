//! A run as the packager knows it, and where its segments begin.

use std::collections::VecDeque;

use stagebox_media::Frame;

use super::MS_NS;
use super::keys::KeyFrames;
use crate::live::rendition::Rendition;
use crate::transcode::KeyGrid;

#[derive(Debug)]
pub(super) struct Run {
    pub(super) number: u64,
    pub(super) lead: Rendition,
    pub(super) start_unix_ms: i64,
    /// The first frame's presentation time.
    pub(super) origin_ns: Option<i64>,
    /// The worker makes the source's rendition too: where its key frames are, and which stretch it is.
    grid: Option<(KeyGrid, i64)>,
    /// Where the segment in hand begins, as it is shown and as it is decoded.
    pub(super) segment_at_ns: i64,
    pub(super) segment_dts_ns: i64,
    pub(super) keys: KeyFrames,
    /// The other track's frames that are not due yet.
    pub(super) held: VecDeque<Frame>,
}

/// A segment begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cut {
    pub(super) at_ns: i64,
    /// How long the one before was, if there was one.
    pub(super) elapsed_ns: Option<i64>,
    /// It begins with a key frame.
    pub(super) at_key: bool,
}

impl Run {
    pub(super) fn new(number: u64, lead: Rendition, start_unix_ms: i64, grid: Option<KeyGrid>) -> Self {
        Self {
            number,
            lead,
            start_unix_ms,
            origin_ns: None,
            grid: grid.map(|grid| (grid, 0)),
            segment_at_ns: i64::MIN,
            segment_dts_ns: 0,
            keys: KeyFrames::default(),
            held: VecDeque::new(),
        }
    }

    /// The rendition that the source's own frames make, if they do.
    pub(super) fn leading(&self) -> Option<Rendition> {
        Some(self.lead).filter(|_| self.grid.is_none())
    }

    /// Wall-clock time of what is shown then.
    pub(super) fn unix_ms_at(&self, pts_ns: i64) -> i64 {
        let since_start_ms = pts_ns.saturating_sub(self.origin_ns.unwrap_or(pts_ns)) / MS_NS;
        self.start_unix_ms.saturating_add(since_start_ms)
    }

    /// Takes the lead's next frame; says whether a segment begins with it.
    ///
    /// `segment_ns` is how long one is to be, `limit_ns` how long it may be at most; `cut_at_key` wants one to begin
    /// with the next key frame.
    pub(super) fn lead_frame(
        &mut self,
        frame: &Frame,
        cut_at_key: bool,
        segment_ns: i64,
        limit_ns: i64,
    ) -> Option<Cut> {
        if self.origin_ns.is_none() {
            self.origin_ns = Some(frame.pts_ns);
            self.keys.begin(frame);
            if let Some((grid, number)) = &mut self.grid {
                *number = grid.number(frame.pts_ns);
            }
            return Some(Cut { at_ns: frame.pts_ns, elapsed_ns: None, at_key: false });
        }
        self.keys.frame(frame, limit_ns);
        if let Some((grid, number)) = &mut self.grid {
            let reached = grid.number(frame.pts_ns);
            if reached <= *number {
                return None;
            }
            *number = reached;
            let at_ns = grid.begins_ns(reached);
            let elapsed_ns = at_ns.saturating_sub(self.segment_at_ns);
            // A run begins anywhere; a splinter is no segment.
            let is_worth_it = elapsed_ns >= segment_ns / 4;
            return is_worth_it.then_some(Cut { at_ns, elapsed_ns: Some(elapsed_ns), at_key: true });
        }
        let elapsed_ns = frame.dts_ns.saturating_sub(self.segment_dts_ns);
        // A key frame is let pass only if the segment may last until the next one.
        let at_key = frame.key
            && (cut_at_key
                || elapsed_ns >= segment_ns - segment_ns / 20
                || elapsed_ns + self.keys.longest_ns() > limit_ns);
        let is_due = at_key || elapsed_ns + self.keys.frame_ns() > limit_ns;
        let cut = Cut { at_ns: frame.pts_ns, elapsed_ns: Some(elapsed_ns), at_key: frame.key };
        is_due.then_some(cut)
    }
}
