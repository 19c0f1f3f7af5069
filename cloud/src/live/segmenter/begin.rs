//! What the packager begins with.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::live::rendition::Rendition;

/// How long parts and segments are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lengths {
    pub(crate) part_ms: u32,
    pub(crate) segment_ms: u32,
}

/// What is known from before a restart.
#[derive(Debug, Clone, Default)]
pub(crate) struct Resume {
    pub(crate) next_msn: u64,
    pub(crate) discontinuity_sequence: u64,
    pub(crate) target_duration_s: Option<u64>,
    /// Until when segments have dates, in milliseconds since 1970.
    pub(crate) dated_until_ms: Option<i64>,
    /// The newest initialisation section of each rendition.
    pub(crate) inits: BTreeMap<Rendition, (u32, Bytes)>,
}
