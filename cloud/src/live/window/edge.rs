//! How far a rendition has come, as whoever waits for more of it asks.

/// How far a rendition has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Edge {
    /// The newest complete segment and the number of its parts.
    pub(crate) complete: Option<(u64, u64)>,
    /// The growing segment and the number of its parts so far.
    pub(crate) open: Option<(u64, u64)>,
}

impl Edge {
    /// The newest segment that has anything in it.
    pub(crate) fn newest_msn(&self) -> Option<u64> {
        self.open.or(self.complete).map(|(msn, _)| msn)
    }

    /// Whether playback can begin, and go on, with the segment `from_msn`: a whole one is there, or one part more than the
    /// first.
    pub(crate) fn begun(&self, from_msn: u64) -> bool {
        let is_whole = self.complete.is_some_and(|(msn, _)| msn >= from_msn);
        is_whole || self.open.is_some_and(|(msn, parts)| msn > from_msn || (msn == from_msn && parts > 1))
    }

    /// Whether a playlist now holds segment `msn`, or its part (RFC 8216bis, 6.2.5.2).
    pub(crate) fn reached(&self, msn: u64, part: Option<u64>) -> bool {
        let (msn, part) = match (self.complete, part) {
            (Some((complete, _)), None) => return complete >= msn,
            (Some((complete, parts)), Some(part)) if complete == msn && part >= parts => (msn + 1, Some(0)),
            (Some((complete, _)), Some(_)) if complete >= msn => return true,
            (_, part) => (msn, part),
        };
        match (self.open, part) {
            (Some((open, parts)), Some(part)) => open > msn || (open == msn && parts > part),
            _ => false,
        }
    }
}
