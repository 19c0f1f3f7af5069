//! Writes HLS media playlists (RFC 8216bis), low-latency and plain, live and on demand.

use std::fmt::Write as _;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::segment::{PartInfo, Segment};

/// Parts stay listed for this many target durations from the end (RFC 8216bis, 4.4.4.9).
const PARTS_KEPT_TARGET_DURATIONS: u64 = 3;
/// A client may skip what is older than this many target durations (RFC 8216bis, 4.4.3.8).
const SKIP_UNTIL_TARGET_DURATIONS: u64 = 6;

/// What a playlist keeps at least, however little is to be looked back to (RFC 8216bis, 6.2.2; Apple's authoring
/// specification, 8.11).
pub(crate) const LEAST_TARGET_DURATIONS: u64 = 3;
pub(crate) const LEAST_SEGMENTS: usize = 6;

mod iframes;

/// Where another rendition of the same event ends (RFC 8216bis, 4.4.5.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RenditionReport {
    pub(crate) rendition: String,
    pub(crate) last_msn: u64,
    pub(crate) last_part: Option<u64>,
}

/// What makes a playlist low-latency.
#[derive(Debug, Clone)]
pub(crate) struct LowLatency<'a> {
    pub(crate) part_target_us: u64,
    /// The segment that is still growing, with its parts so far.
    pub(crate) open: Option<&'a Segment>,
    /// Media sequence number and part that will come next, if one will.
    pub(crate) hint: Option<(u64, u64)>,
    /// The section that it needs, where that is known.
    pub(crate) hint_init: Option<u32>,
    pub(crate) reports: Vec<RenditionReport>,
    /// The client knows the older part of the playlist (`_HLS_skip`).
    pub(crate) skip: bool,
}

/// Everything one media playlist is written from.
#[derive(Debug, Clone)]
pub(crate) struct MediaPlaylist<'a> {
    pub(crate) target_duration_s: u64,
    /// Discontinuities that were removed from the front.
    pub(crate) discontinuity_sequence: u64,
    /// Number of the first segment or lead, also when the list is still empty.
    pub(crate) first_msn: u64,
    /// What nobody may see, before the first one: with it players begin within the first segment, and not after it.
    pub(crate) lead: Option<Lead>,
    /// Complete segments, oldest first, numbers without a hole.
    pub(crate) segments: &'a [&'a Segment],
    pub(crate) low_latency: Option<LowLatency<'a>>,
    pub(crate) kind: PlaylistKind,
}

/// A stretch that is listed and never served (EXT-X-GAP, RFC 8216bis, 4.4.4.7), in front of the first segment; as long as a
/// target duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lead {
    pub(crate) msn: u64,
    pub(crate) start_unix_ms: i64,
    pub(crate) duration_us: u64,
}

impl Lead {
    /// In front of what is listed first, if there was anything before it: until the playlist is as long as it has to be
    /// without it.
    pub(crate) fn of(first: &Segment, segments: &[&Segment], duration_us: u64) -> Option<Self> {
        let least_us = LEAST_TARGET_DURATIONS * duration_us;
        let is_long = || segments.iter().map(|segment| segment.duration_us).sum::<u64>() >= least_us;
        if segments.len() >= LEAST_SEGMENTS && is_long() {
            return None;
        }
        let start_unix_ms = first.start_unix_ms - i64::try_from(duration_us / 1000).ok()?;
        Some(Self { msn: first.msn.checked_sub(1)?, start_unix_ms, duration_us })
    }
}

/// Whether a playlist grows, has ended, or never grew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PlaylistKind {
    Live,
    Ended,
    OnDemand,
}

/// Name of the list of pictures that decoding can begin with, relative to its rendition.
pub(crate) const IFRAMES_URI: &str = "iframes.m3u8";

/// Name of a segment, relative to its rendition.
pub(crate) fn segment_uri(msn: u64) -> String {
    format!("{msn}.m4s")
}

/// Name of a part, relative to its rendition.
pub(crate) fn part_uri(msn: u64, part: u64) -> String {
    format!("{msn}.{part}.m4s")
}

/// Name of an initialisation section, relative to its rendition.
pub(crate) fn init_uri(init: u32) -> String {
    format!("init-{init}.mp4")
}

impl MediaPlaylist<'_> {
    pub(crate) fn render(&self) -> String {
        let mut out = String::with_capacity(512 + self.segments.len() * 120);
        self.header(&mut out);
        let skipped = self.skipped_segments();
        if skipped > 0 {
            let _ = writeln!(out, "#EXT-X-SKIP:SKIPPED-SEGMENTS={skipped}");
        }
        if let Some(lead) = self.lead {
            self.lead(&mut out, lead);
        }
        let mut init = None;
        let parts_from_us = self.duration_us().saturating_sub(PARTS_KEPT_TARGET_DURATIONS * self.target_us());
        let mut at_us = 0;
        for (index, segment) in self.segments.iter().enumerate() {
            at_us += segment.duration_us;
            if index < skipped {
                // A gap names no section, there as little as below.
                init = if segment.gap { init } else { Some(segment.init) };
                continue;
            }
            begin(&mut out, segment, &mut init, index == 0);
            if self.low_latency.is_some() && at_us > parts_from_us {
                parts(&mut out, segment.msn, &segment.parts);
            }
            if segment.gap {
                out.push_str("#EXT-X-GAP\n");
            }
            let _ = writeln!(out, "#EXTINF:{},\n{}", seconds(segment.duration_us), segment_uri(segment.msn));
        }
        if let Some(low) = &self.low_latency {
            self.live_edge(&mut out, low, init);
        }
        if self.kind != PlaylistKind::Live {
            out.push_str("#EXT-X-ENDLIST\n");
        }
        out
    }

    fn header(&self, out: &mut String) {
        // EXT-X-SKIP asks for version 9, EXT-X-GAP for 8 (RFC 8216bis, 8).
        let version = if self.low_latency.is_some() { 9 } else { 8 };
        let _ = write!(
            out,
            "#EXTM3U\n#EXT-X-VERSION:{version}\n#EXT-X-TARGETDURATION:{}\n",
            self.target_duration_s
        );
        if self.kind == PlaylistKind::OnDemand {
            out.push_str("#EXT-X-PLAYLIST-TYPE:VOD\n");
        }
        if let Some(low) = &self.low_latency {
            let _ = writeln!(
                out,
                "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK={},CAN-SKIP-UNTIL={}",
                seconds(low.part_target_us * 3),
                seconds(SKIP_UNTIL_TARGET_DURATIONS * self.target_us()),
            );
            let _ = writeln!(out, "#EXT-X-PART-INF:PART-TARGET={}", seconds(low.part_target_us));
        }
        let _ = writeln!(out, "#EXT-X-MEDIA-SEQUENCE:{}", self.first_msn);
        let _ = writeln!(out, "#EXT-X-DISCONTINUITY-SEQUENCE:{}", self.discontinuity_sequence);
        if self.segments.iter().all(|segment| segment.independent || segment.gap) {
            out.push_str("#EXT-X-INDEPENDENT-SEGMENTS\n");
        }
    }

    /// What nobody may see, in parts that are not there either: where no segment before the growing one has parts, hls.js
    /// waits for the whole of it.
    fn lead(&self, out: &mut String, lead: Lead) {
        let Lead { msn, start_unix_ms, duration_us } = lead;
        if self.segments.is_empty() {
            // With the first part: reckoned from the end, a player would begin within what it cannot have.
            let _ = writeln!(out, "#EXT-X-START:TIME-OFFSET={},PRECISE=YES", seconds(duration_us));
        }
        date(out, start_unix_ms);
        let part_us = self.low_latency.as_ref().map_or(duration_us, |low| low.part_target_us).max(1);
        let is_near_end = self.duration_us() < PARTS_KEPT_TARGET_DURATIONS * self.target_us();
        for part in (0..duration_us / part_us).filter(|_| is_near_end) {
            let (long, uri) = (seconds(part_us), part_uri(msn, part));
            let _ = writeln!(out, "#EXT-X-PART:DURATION={long},URI=\"{uri}\",GAP=YES");
        }
        let _ = writeln!(out, "#EXT-X-GAP\n#EXTINF:{},\n{}", seconds(duration_us), segment_uri(msn));
    }

    /// What comes after the last complete segment: the growing one, the hint, the reports.
    fn live_edge(&self, out: &mut String, low: &LowLatency<'_>, mut init: Option<u32>) {
        if let Some(open) = low.open.filter(|open| !open.parts.is_empty()) {
            begin(out, open, &mut init, self.segments.is_empty());
            parts(out, open.msn, &open.parts);
        }
        if self.kind != PlaylistKind::Live {
            return;
        }
        if let Some((msn, part)) = low.hint {
            // Players take what is hinted for more of what there is: the part alone would meet the wrong decoder.
            if let Some(next) = low.hint_init.filter(|next| Some(*next) != init) {
                let _ = writeln!(out, "#EXT-X-PRELOAD-HINT:TYPE=MAP,URI=\"{}\"", init_uri(next));
            }
            let _ = writeln!(out, "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"{}\"", part_uri(msn, part));
        }
        for report in &low.reports {
            let _ = write!(
                out,
                "#EXT-X-RENDITION-REPORT:URI=\"../{}/index.m3u8\",LAST-MSN={}",
                report.rendition, report.last_msn
            );
            if let Some(part) = report.last_part {
                let _ = write!(out, ",LAST-PART={part}");
            }
            out.push('\n');
        }
    }

    /// How many of the oldest segments a delta update leaves out (RFC 8216bis, 6.2.5.1).
    fn skipped_segments(&self) -> usize {
        if !self.low_latency.as_ref().is_some_and(|low| low.skip) || self.kind != PlaylistKind::Live {
            return 0;
        }
        let boundary_us = SKIP_UNTIL_TARGET_DURATIONS * self.target_us();
        let mut from_end_us = self.duration_us();
        self.segments
            .iter()
            .take_while(|segment| {
                from_end_us -= segment.duration_us;
                from_end_us >= boundary_us
            })
            .count()
    }

    fn duration_us(&self) -> u64 {
        let open = self.low_latency.as_ref().and_then(|low| low.open);
        let open_us: u64 = open.map_or(0, |open| open.parts.iter().map(|part| part.duration_us).sum());
        self.segments.iter().map(|segment| segment.duration_us).sum::<u64>() + open_us
    }

    fn target_us(&self) -> u64 {
        self.target_duration_s * 1_000_000
    }
}

/// The tags that stand before a segment or before its first part.
fn begin(out: &mut String, segment: &Segment, init: &mut Option<u32>, first: bool) {
    // The first segment's own discontinuity counts in DISCONTINUITY-SEQUENCE
    // once the one before it is gone.
    if segment.discontinuity && !first {
        out.push_str("#EXT-X-DISCONTINUITY\n");
    }
    if !segment.gap && *init != Some(segment.init) {
        let _ = writeln!(out, "#EXT-X-MAP:URI=\"{}\"", init_uri(segment.init));
        *init = Some(segment.init);
    }
    date(out, segment.start_unix_ms);
}

fn date(out: &mut String, unix_ms: i64) {
    if let Some(date) = date_time(unix_ms) {
        let _ = writeln!(out, "#EXT-X-PROGRAM-DATE-TIME:{date}");
    }
}

fn parts(out: &mut String, msn: u64, parts: &[PartInfo]) {
    for (index, part) in (0..).zip(parts) {
        let _ = write!(
            out,
            "#EXT-X-PART:DURATION={},URI=\"{}\"",
            seconds(part.duration_us),
            part_uri(msn, index)
        );
        out.push_str(if part.independent { ",INDEPENDENT=YES\n" } else { "\n" });
    }
}

/// Decimal seconds with microseconds.
fn seconds(us: u64) -> String {
    format!("{}.{:06}", us / 1_000_000, us % 1_000_000)
}

/// ISO 8601 with milliseconds, in UTC.
fn date_time(unix_ms: i64) -> Option<String> {
    let date = OffsetDateTime::from_unix_timestamp_nanos(i128::from(unix_ms) * 1_000_000).ok()?;
    // Rfc3339 leaves out trailing zeros of the fraction; some players want three digits.
    let whole = date.replace_nanosecond(0).ok()?.format(&Rfc3339).ok()?;
    let whole = whole.strip_suffix('Z')?;
    Some(format!("{whole}.{:03}Z", date.millisecond()))
}

#[cfg(test)]
mod tests;
