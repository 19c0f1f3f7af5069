//! What the timeline gives on.

use stagebox_media::{Frame, TrackConfig};

use crate::event::Input;

/// What comes out: runs, each of frames on the event's own timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Timed {
    Begin(RunStart),
    Frame(Frame),
    End,
}

/// Where a run's frames come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    Input(Input),
    Slate,
}

/// How a run can be decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RunStart {
    pub(crate) source: Source,
    pub(crate) video: Option<TrackConfig>,
    pub(crate) audio: Option<TrackConfig>,
    /// Wall-clock time of the run's first frame.
    pub(crate) start_unix_ms: i64,
}
