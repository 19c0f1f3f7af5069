//! The rules that are checked, each with its source and a sentence of our own.

use serde::Serialize;

/// How binding a rule is, in its source's own words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Severity {
    Must,
    Should,
}

/// One rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Rule {
    /// Stable, in kebab case.
    pub(crate) id: &'static str,
    /// The document and the section.
    pub(crate) source: &'static str,
    pub(crate) severity: Severity,
    pub(crate) words: &'static str,
}

/// All rules that are checked, each once.
pub(crate) fn rules() -> &'static [Rule] {
    RULES
}

macro_rules! rules {
    ($($name:ident: $severity:ident $id:literal, $source:literal, $words:literal;)*) => {
        $(pub(super) const $name: &Rule =
            &Rule { id: $id, source: $source, severity: Severity::$severity, words: $words };)*
        static RULES: &[Rule] = &[$(*$name),*];
    };
}

rules! {
    // Text.
    EXTM3U_FIRST: Must "extm3u-first", "RFC 8216bis 4.4.1.1", "The first line of a playlist is #EXTM3U.";
    NO_BOM: Must "no-byte-order-mark", "RFC 8216bis 4.1", "A playlist has no byte order mark.";
    NO_CONTROL: Must "no-control-characters", "RFC 8216bis 4.1", "A playlist has no control characters but its line ends, LF or CR LF.";
    NO_WHITESPACE: Must "no-stray-whitespace", "RFC 8216bis 4.1", "There is no white space where none is asked for.";
    LIST_SYNTAX: Must "attribute-list-syntax", "RFC 8216bis 4.2", "An attribute list is NAME=value pairs, with commas between and no spaces.";
    ATTRIBUTE_ONCE: Must "attribute-once", "RFC 8216bis 4.2", "An attribute stands in a list once.";
    VALUE_TYPE: Must "attribute-value-type", "RFC 8216bis 4.2", "A value has the type that its attribute is defined with.";
    VALUE_KNOWN: Must "enumerated-value", "RFC 8216bis 4.2", "An enumerated string is one of those that its attribute defines.";
    ATTRIBUTE_REQUIRED: Must "attribute-required", "RFC 8216bis 4.4", "Required attributes are there.";
    TAG_VALUE: Must "tag-value-syntax", "RFC 8216bis 4.4", "A tag's value has the form that the tag is defined with.";
    TAG_ONCE: Must "tag-once", "RFC 8216bis 4.4", "Tags that describe the whole playlist stand in it once.";
    ONE_KIND: Must "tags-of-one-kind", "RFC 8216bis 4.4.6", "Tags of multivariant and of media playlists do not mix.";
    DEFINE: Must "define-attributes", "RFC 8216bis 4.4.2.3", "A variable is defined once, by a name with a value, an import or a query parameter.";
    VERSION_NEEDED: Must "version-needed", "RFC 8216bis 8", "The version is at least what the tags and attributes need.";
    VERSION_NOT_HIGHER: Should "version-not-higher", "RFC 8216bis 6.2.1", "The version is no higher than the tags and attributes need.";
    // One media playlist.
    TARGET_PRESENT: Must "target-duration-present", "RFC 8216bis 4.4.3.1", "A media playlist has a target duration.";
    TARGET_POSITIVE: Must "target-duration-positive", "RFC 8216bis 4.4.3.1", "The target duration is at least one second.";
    WITHIN_TARGET: Must "duration-within-target", "RFC 8216bis 4.4.3.1", "No segment's duration, rounded to whole seconds, is above the target duration.";
    EXTINF_PRESENT: Must "extinf-for-each-segment", "RFC 8216bis 4.4.4.1", "Each segment has a duration.";
    URI_PRESENT: Must "uri-for-each-extinf", "RFC 8216bis 4.4.4", "Each duration is followed by its segment's URI.";
    SEQUENCE_FIRST: Must "sequence-tags-first", "RFC 8216bis 4.4.3.2, 4.4.3.3", "Media and discontinuity sequence stand before the first segment and the first discontinuity.";
    MAP_PRESENT: Must "map-for-fmp4", "RFC 8216bis 3.1.2", "A fragmented MP4 segment has an initialisation section.";
    MAP_RANGE: Must "map-byterange-offset", "RFC 8216bis 4.4.4.5", "A byte range of an initialisation section tells its offset.";
    RANGE_CONTINUES: Must "byterange-continues", "RFC 8216bis 4.4.4.2", "A byte range without an offset follows a range of the same resource.";
    KEY: Must "key-attributes", "RFC 8216bis 4.4.4.4", "A key tag has the attributes that its method needs, and none that it forbids.";
    DATE_SYNTAX: Must "date-time-syntax", "RFC 8216bis 4.4.4.6", "Dates are those of ISO 8601.";
    DATE_ZONE: Should "date-time-precise", "RFC 8216bis 4.4.4.6", "Dates tell their time zone and milliseconds.";
    DATE_PRESENT: Must "date-time-present", "Apple HLS Authoring 8.4", "A live playlist has program date times.";
    DATE_FOLLOWS: Should "date-time-follows-durations", "RFC 8216bis 4.4.4.6", "From one date to the next it is as long as the segments between them, but at a discontinuity.";
    DATE_UNAMBIGUOUS: Must "date-time-unambiguous", "RFC 8216bis 6.2.1", "One date is in one segment: overlaps are shorter than a second.";
    DATE_AT_DISCONTINUITY: Should "date-time-at-discontinuity", "RFC 8216bis 6.2.1", "Where there are dates, each discontinuity has one.";
    RANGE_NEEDS_DATE: Must "daterange-needs-date-time", "RFC 8216bis 4.4.5.1", "A playlist with date ranges has a program date time.";
    DATE_RANGE: Must "daterange-attributes", "RFC 8216bis 4.4.5.1", "A date range's attributes agree with each other.";
    IFRAME_RANGE: Must "iframe-byterange-without-map", "RFC 8216bis 4.4.3.6", "An I-frame's byte range does not reach into its initialisation section.";
    IFRAME_PARTS: Should "iframes-without-parts", "RFC 8216bis 4.4.4.9", "An I-frame playlist has no partial segments.";
    VOD_ENDS: Must "vod-has-an-end", "RFC 8216bis 6.2.1", "A playlist that can never change holds the last segment, and says so.";
    DISCONTINUITY_SEQUENCE: Must "discontinuity-sequence-present", "Apple HLS Authoring 8.17", "A live playlist with discontinuities tells its discontinuity sequence.";
    START_WITHIN: Should "start-within-playlist", "RFC 8216bis 4.4.2.2", "The start offset is within the playlist, and in a live one not near its end.";
    // Low latency, one playlist.
    PART_INF: Must "part-inf-present", "RFC 8216bis 4.4.3.7", "A playlist with partial segments tells their target duration.";
    PART_WITHIN_TARGET: Must "part-within-target", "RFC 8216bis 4.4.4.9", "No partial segment is longer than the part target.";
    PART_LONG_ENOUGH: Must "part-long-enough", "RFC 8216bis 4.4.4.9", "A partial segment is at least 85 % of the part target, but for a segment's last, an independent one, and at gaps.";
    PARTS_SUM: Must "parts-make-the-segment", "RFC 8216bis 3.2", "The partial segments of a segment are together as long as it is.";
    PARTS_NEAR_END: Should "parts-near-the-end", "RFC 8216bis 6.2.2", "Partial segments are listed in the last three target durations only.";
    PART_TAGS_FIRST: Must "part-tags-first", "RFC 8216bis 4.4.4.9", "Discontinuity, key, map and date of a segment stand before its first part.";
    PART_INDEPENDENT: Should "part-independent-at-start", "RFC 8216bis 4.4.4.9", "Where segments are independent, the first part of each says that it is.";
    PART_HOLD_BACK: Must "part-hold-back-present", "RFC 8216bis 4.4.3.8", "A playlist with a part target tells its PART-HOLD-BACK.";
    PART_HOLD_BACK_TWICE: Must "part-hold-back-twice", "RFC 8216bis 4.4.3.8", "PART-HOLD-BACK is at least twice the part target.";
    PART_HOLD_BACK_THRICE: Should "part-hold-back-thrice", "RFC 8216bis 4.4.3.8", "PART-HOLD-BACK is at least three times the part target.";
    HOLD_BACK: Must "hold-back-thrice", "RFC 8216bis 4.4.3.8", "HOLD-BACK is at least three times the target duration.";
    SKIP_BOUNDARY: Must "skip-boundary-six-targets", "RFC 8216bis 4.4.3.8", "CAN-SKIP-UNTIL is at least six times the target duration.";
    SKIP_RANGES: Must "skip-dateranges-needs-skip", "RFC 8216bis 4.4.3.8", "CAN-SKIP-DATERANGES comes with CAN-SKIP-UNTIL.";
    BLOCKING: Should "blocking-reload", "RFC 8216bis B.1", "A low-latency playlist can be waited for.";
    HINT_PRESENT: Must "hint-present", "RFC 8216bis B.1", "A growing playlist with partial segments hints the next one.";
    HINT_ENDED: Must "hint-not-after-the-end", "RFC 8216bis 4.4.5.3", "A playlist that has ended hints nothing.";
    HINT_ONCE: Should "hint-once-a-type", "RFC 8216bis 6.2.6", "There is one hint of each type.";
    HINT_NEW: Must "hint-is-to-come", "RFC 8216bis 4.4.5.3", "What is hinted is not listed yet.";
    REPORT_RELATIVE: Must "report-uri-relative", "RFC 8216bis 4.4.5.4", "A rendition report's URI is relative.";
    // Delta updates.
    SKIP_ASKED: Must "skip-only-when-asked", "RFC 8216bis 6.2.5.1", "Segments are skipped only for a client that asks for it.";
    SKIP_OFFERED: Must "skip-only-when-offered", "RFC 8216bis 6.2.5.1", "Segments are skipped only where CAN-SKIP-UNTIL is told.";
    SKIP_ENDED: Must "skip-not-after-the-end", "RFC 8216bis 6.2.5.1", "A playlist that has ended is given whole.";
    SKIP_FAR: Must "skip-beyond-boundary-only", "RFC 8216bis 6.2.5.1", "Only segments farther from the end than the skip boundary are skipped.";
    SKIP_DONE: Must "skip-answered", "RFC 8216bis 6.2.5.1", "Who asks for a delta update gets one where there is something to skip.";
    // One playlist over time.
    TARGET_CONSTANT: Must "target-duration-constant", "RFC 8216bis 6.2.1", "The target duration never changes.";
    HEADER_CONSTANT: Must "header-constant", "RFC 8216bis 6.2.1", "Tags that describe the whole playlist do not change.";
    SEQUENCE_FALLS: Must "media-sequence-never-falls", "RFC 8216bis 6.2.2", "The media sequence number never falls.";
    SEQUENCE_COUNTS: Must "media-sequence-counts-removed", "RFC 8216bis 6.2.2", "The media sequence number moves by one for each segment that is removed from the front.";
    END_KEPT: Must "segments-stay-at-the-end", "RFC 8216bis 6.2.2", "Segments are removed from the front, never from the end.";
    SEGMENT_URI: Must "segment-uri-constant", "RFC 8216bis 6.2.1", "A segment keeps its URI and byte range.";
    SEGMENT_DURATION: Must "segment-duration-constant", "RFC 8216bis 6.2.1", "A segment keeps its duration.";
    SEGMENT_DATE: Must "segment-date-constant", "RFC 8216bis 6.2.1", "A segment keeps its date.";
    SEGMENT_MAP: Must "segment-map-constant", "RFC 8216bis 6.2.1", "A segment keeps its initialisation section, in a delta update too.";
    SEGMENT_GAP: Must "segment-gap-constant", "RFC 8216bis 6.2.1", "A segment that is a gap stays one, and another does not become one.";
    DISCONTINUITY_FALLS: Must "discontinuity-sequence-never-falls", "RFC 8216bis 6.2.2", "The discontinuity sequence number never falls.";
    DISCONTINUITY_COUNTS: Must "discontinuity-sequence-counts", "RFC 8216bis 6.2.2", "A segment keeps its discontinuity sequence number: what is removed is counted.";
    PART_CONSTANT: Must "part-constant", "RFC 8216bis 6.2.1", "A partial segment keeps its place, URI and duration for as long as it is listed.";
    END_FINAL: Must "endlist-final", "RFC 8216bis 4.4.3.4", "After the end is told nothing is added and the end is not taken back.";
    EVENT_APPENDS: Must "event-only-appends", "RFC 8216bis 6.2.1", "From an EVENT playlist nothing is removed.";
    VOD_CONSTANT: Must "vod-unchanged", "RFC 8216bis 6.2.1", "A VOD playlist never changes.";
    WINDOW_LENGTH: Must "window-three-targets", "RFC 8216bis 6.2.2", "Nothing is removed from a live playlist when less than three target durations would remain.";
    WINDOW_SEGMENTS: Must "window-six-segments", "Apple HLS Authoring 8.11", "A live playlist that has begun to slide has at least six segments.";
    SEGMENT_LATE: Must "segment-in-time", "RFC 8216bis 6.2.1", "A live playlist gets a new segment within 1.5 target durations.";
    PART_LATE: Must "part-in-time", "RFC 8216bis 6.2.1", "A live playlist with partial segments gets the next one within a part target (told after three).";
    HINT_COMES: Must "hint-comes", "RFC 8216bis 4.4.5.3", "The part that comes has the URI that was hinted for it.";
    // Files.
    FILE_EMPTY: Must "file-not-empty", "RFC 8216bis 6.2.1", "What is listed and no gap can be fetched, and is not empty.";
    KEY_FRAME: Must "segment-begins-with-key-frame", "Apple HLS Authoring 7.4", "A video segment begins with a key frame.";
    INDEPENDENT_TRUE: Must "independent-segments-true", "RFC 8216bis 4.4.2.1", "Where segments are said to be independent, each begins with a key frame.";
    DECODE_TIME: Must "decode-time-continues", "Apple HLS Authoring 7.3", "Decode times go on where the file before ended, but at a discontinuity.";
    DURATION_TRUE: Must "duration-true", "Apple HLS Authoring 8.1", "A segment lasts as long as the playlist says, to within a frame (100 ms).";
    INIT_TRACKS: Must "map-has-the-tracks", "RFC 8216bis 3.1.2", "A segment's tracks are in its initialisation section.";
    TRACKS_CONSTANT: Must "tracks-constant", "RFC 8216bis 4.4.4.3", "The number, kinds and identifiers of tracks change at discontinuities only.";
    PART_MARKED: Should "part-independent-marked", "RFC 8216bis 4.4.4.9", "A part that begins with a key frame is marked independent.";
    BITRATE_TRUE: Must "bitrate-true", "RFC 8216bis 4.4.4.8", "EXT-X-BITRATE is within 10 % of the segment's bit rate.";
    PEAK_VOD: Must "peak-within-bandwidth", "Apple HLS Authoring 1.27", "On demand, the measured peak bit rate is at most 10 % above BANDWIDTH.";
    PEAK_LIVE: Must "live-peak-within-bandwidth", "Apple HLS Authoring 1.29", "Live, the measured peak bit rate is less than 125 % of BANDWIDTH.";
    PEAK_NEAR: Should "live-peak-near-bandwidth", "RFC 8216bis 4.4.6.2", "Live, BANDWIDTH is as in a representative stretch: the peak is at most 10 % above it.";
    AVERAGE_VOD: Must "average-within-bandwidth", "Apple HLS Authoring 1.26", "On demand, the average bit rate is at most 10 % above AVERAGE-BANDWIDTH.";
    AVERAGE_LIVE: Must "live-average-within-bandwidth", "Apple HLS Authoring 1.28", "Live, the average bit rate of an hour is less than 110 % of AVERAGE-BANDWIDTH.";
    // Across renditions.
    SAME_TARGET: Must "target-durations-alike", "RFC 8216bis 6.2.4", "All renditions have the same target duration.";
    SAME_NUMBERS: Should "media-sequences-alike", "Stagebox", "Segments of the same time have the same number in all renditions.";
    SAME_DISCONTINUITIES: Must "discontinuities-alike", "RFC 8216bis 6.2.4", "Segments of the same time have the same discontinuity sequence number in all renditions.";
    ALIGNED: Should "segments-aligned", "Apple HLS Authoring 8.22", "Segments begin at the same times in all renditions.";
    SAME_DATES: Must "date-times-alike", "RFC 8216bis 6.2.4", "All renditions map dates to media time alike.";
    DATES_EVERYWHERE: Must "date-times-everywhere", "RFC 8216bis 6.2.4", "If one rendition has dates, all have.";
    SAME_TYPE: Must "playlist-types-alike", "RFC 8216bis 6.2.4", "All renditions have the same playlist type.";
    SAME_CONTROL: Must "server-control-alike", "RFC 8216bis 6.2.4", "All renditions have the same server control.";
    SAME_ENDS: Must "same-content", "RFC 8216bis 6.2.4", "No rendition reaches back or ahead by more than a target duration farther than another.";
    REPORTS_COMPLETE: Must "reports-complete", "RFC 8216bis B.1", "A low-latency playlist reports on each other rendition.";
    REPORT_AHEAD: Must "report-not-ahead", "RFC 8216bis 4.4.5.4", "A rendition report tells no more than the rendition has.";
    REPORT_BEHIND: Must "report-up-to-date", "RFC 8216bis 4.4.5.4", "A rendition report is as new as the playlist that it is in.";
    IFRAMES_ONLY: Must "iframe-playlist-tag", "RFC 8216bis 4.4.6.3", "An I-frame playlist says that it is one.";
    INDEPENDENT_SAID: Must "independent-segments-said", "Apple HLS Authoring 9.12", "Where all video segments begin with key frames, the playlists say that they are independent.";
    INDEPENDENT_ONCE: Should "independent-segments-once", "RFC 8216bis 4.4.2.1", "What the multivariant playlist says of all segments is not said again in a media playlist.";
    // The multivariant playlist.
    VARIANT_URI: Must "variant-uri", "RFC 8216bis 4.4.6.2", "Each variant has a URI, and each URI a variant.";
    BANDWIDTH: Must "bandwidth-present", "RFC 8216bis 4.4.6.2", "Each variant tells its BANDWIDTH.";
    AVERAGE: Must "average-bandwidth-present", "Apple HLS Authoring 9.14", "Each variant tells its AVERAGE-BANDWIDTH.";
    AVERAGE_BELOW: Must "average-not-above-peak", "RFC 8216bis 4.4.6.2", "AVERAGE-BANDWIDTH is not above BANDWIDTH.";
    CODECS: Must "codecs-present", "Apple HLS Authoring 9.1", "Each variant tells its CODECS.";
    RESOLUTION: Must "resolution-present", "Apple HLS Authoring 9.2", "Each variant with video tells its RESOLUTION.";
    FRAME_RATE: Must "frame-rate-present", "Apple HLS Authoring 9.15", "Each variant with video tells its FRAME-RATE.";
    GROUP_EXISTS: Must "group-exists", "RFC 8216bis 4.4.6.2", "A group that a variant names is there.";
    CAPTIONS_NONE: Must "closed-captions-none-everywhere", "RFC 8216bis 4.4.6.2", "CLOSED-CAPTIONS=NONE stands on all variants or on none.";
    SCORE_ALL: Should "score-on-all", "RFC 8216bis 4.4.6.2", "SCORE stands on all variants or on none.";
    VARIANTS_DISTINCT: Should "variants-distinct", "RFC 8216bis 6.2.4", "No variant is listed twice with the same renditions.";
    BIT_RATES: Must "several-bit-rates", "Apple HLS Authoring 9.9", "There are several bit rates of video.";
    MEDIA_NAME: Must "rendition-names-differ", "RFC 8216bis 4.4.6.1.1", "The renditions of a group have different names.";
    ONE_DEFAULT: Must "one-default", "RFC 8216bis 4.4.6.1.1", "A group has one default rendition at most.";
    AUTOSELECT: Must "default-autoselect", "RFC 8216bis 4.4.6.1", "A default rendition's AUTOSELECT is YES if it is told.";
    CHANNELS: Should "channels-present", "RFC 8216bis 4.4.6.1", "Each audio rendition tells its CHANNELS.";
    LANGUAGE: Must "language-present", "Apple HLS Authoring 8.10", "Each rendition but video tells its LANGUAGE.";
    MEDIA_FIT: Must "rendition-attributes-fit", "RFC 8216bis 4.4.6.1", "A rendition has the attributes that its type needs, and none of another type.";
    GROUPS_ALIKE: Must "groups-alike", "RFC 8216bis 4.4.6.1.1", "All groups of one type have the same members.";
    IFRAMES_PRESENT: Must "iframe-playlists-present", "Apple HLS Authoring 6.1", "Video has I-frame playlists for scrubbing.";
    IFRAME_FORBIDDEN: Must "iframe-attributes", "RFC 8216bis 4.4.6.3", "An I-frame variant has a URI, and no FRAME-RATE, AUDIO, SUBTITLES or CLOSED-CAPTIONS.";
    IFRAME_CODECS: Must "iframe-codecs-present", "Apple HLS Authoring 9.3", "Each I-frame variant tells its CODECS.";
    IFRAME_RESOLUTION: Must "iframe-resolution-present", "Apple HLS Authoring 9.4", "Each I-frame variant tells its RESOLUTION.";
    SESSION_DATA: Must "session-data-value", "RFC 8216bis 4.4.6.4", "Session data has a value or a URI, once for each language.";
}
