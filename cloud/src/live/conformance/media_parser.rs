//! Reads a media playlist, strictly: segments and what stands before them (RFC 8216bis, 4.4.4).

use std::collections::BTreeSet;
use std::sync::Arc;

use super::attributes::Attributes;
use super::date::{self, Date};
use super::media::{Map, MediaPlaylist, Part, Range, Segment};
use super::number;
use super::report::Report;
use super::rule;
use super::text::{Say, lines};

/// More segments than this are not looked at: two days of two seconds each.
const MAX_SEGMENTS: usize = 86_400;
/// More parts than this are not looked at in one segment.
const MAX_PARTS: usize = 1024;

const MASTER_TAGS: [&str; 6] = [
    "EXT-X-MEDIA",
    "EXT-X-STREAM-INF",
    "EXT-X-I-FRAME-STREAM-INF",
    "EXT-X-SESSION-DATA",
    "EXT-X-SESSION-KEY",
    "EXT-X-CONTENT-STEERING",
];

/// Tags without a value.
const BARE_TAGS: [&str; 5] = [
    "EXT-X-ENDLIST",
    "EXT-X-DISCONTINUITY",
    "EXT-X-GAP",
    "EXT-X-INDEPENDENT-SEGMENTS",
    "EXT-X-I-FRAMES-ONLY",
];

/// What was said of the next segment.
#[derive(Debug, Default)]
struct Next {
    /// Line and duration, if that can be read.
    extinf: Option<(u32, Option<u64>)>,
    discontinuity: bool,
    date: Option<Date>,
    gap: bool,
    range: Range,
    parts: Vec<Part>,
}

/// A playlist that is being read.
#[derive(Debug)]
pub(super) struct Parser<'r> {
    pub(super) report: &'r mut Report,
    pub(super) list: MediaPlaylist,
    next: Next,
    map: Map,
    /// Where the first section is told.
    map_line: Option<u32>,
    bitrate_kbps: Option<u64>,
    seen: BTreeSet<&'static str>,
    /// A discontinuity or a segment has been read.
    pub(super) begun: bool,
    /// What date ranges said, by their IDs.
    pub(super) ranges: Vec<(String, Vec<(String, String)>)>,
}

/// Reads `text`; what cannot be read is reported and left out.
pub(super) fn parse(text: &str, report: &mut Report) -> MediaPlaylist {
    let found = lines(text, report);
    let mut parser = Parser {
        report,
        list: MediaPlaylist::default(),
        next: Next::default(),
        map: Map::None,
        map_line: None,
        bitrate_kbps: None,
        seen: BTreeSet::new(),
        begun: false,
        ranges: Vec::new(),
    };
    for line in found {
        match line.say {
            Say::Tag(name, value) => parser.tag(name, value, line.number),
            Say::Uri(uri) => parser.segment(uri, line.number),
        }
    }
    parser.finish()
}

impl Parser<'_> {
    fn tag(&mut self, name: &str, value: Option<&str>, line: u32) {
        if MASTER_TAGS.contains(&name) {
            self.report.add(rule::ONE_KIND, line, format!("{name} stands in a media playlist"));
            return;
        }
        if BARE_TAGS.contains(&name) && value.is_some() {
            self.report.add(rule::TAG_VALUE, line, format!("{name} has a value"));
        }
        match name {
            "EXTINF" => self.extinf(value.unwrap_or_default(), line),
            "EXT-X-BYTERANGE" => self.byte_range(value.unwrap_or_default(), line),
            "EXT-X-DISCONTINUITY" => {
                self.before_parts(name, line);
                self.next.discontinuity = true;
                self.begun = true;
            }
            "EXT-X-KEY" => {
                self.before_parts(name, line);
                self.key(value, line);
            }
            "EXT-X-MAP" => {
                self.before_parts(name, line);
                self.map(value, line);
            }
            "EXT-X-PROGRAM-DATE-TIME" => {
                self.before_parts(name, line);
                self.next.date = self.date(name, value.unwrap_or_default(), line);
            }
            "EXT-X-GAP" => {
                self.next.gap = true;
                // Earlier drafts asked for version 8 here, the newest for none.
                self.list.version.allow(8);
            }
            "EXT-X-BITRATE" => {
                self.bitrate_kbps = value.and_then(number::integer);
                if self.bitrate_kbps.is_none() {
                    self.wrong(name, value, line);
                }
            }
            "EXT-X-PART" => self.part(value, line),
            _ => self.header(name, value, line),
        }
    }

    pub(super) fn wrong(&mut self, name: &str, value: Option<&str>, line: u32) {
        self.report.add(rule::TAG_VALUE, line, format!("{name} is `{}`", value.unwrap_or_default()));
    }

    /// Whether a tag that may stand there once does so for the first time.
    pub(super) fn once(&mut self, name: &'static str, line: u32) -> bool {
        let first = self.seen.insert(name);
        if !first {
            self.report.add(rule::TAG_ONCE, line, format!("{name} stands there more than once"));
        }
        first
    }

    fn before_parts(&mut self, name: &str, line: u32) {
        if !self.next.parts.is_empty() {
            self.report.add(
                rule::PART_TAGS_FIRST,
                line,
                format!("{name} stands after a part of its segment"),
            );
        }
    }

    /// Reads a date, and reports what is wrong with it.
    pub(super) fn date(&mut self, name: &str, value: &str, line: u32) -> Option<Date> {
        let read = date::parse(value);
        match read {
            None => self.report.add(rule::DATE_SYNTAX, line, format!("{name}: `{value}` is no date")),
            Some(date) if !date.precise => {
                let words = format!("{name}: `{value}` has no time zone or no milliseconds");
                self.report.add(rule::DATE_ZONE, line, words);
            }
            Some(_) => {}
        }
        read
    }

    fn extinf(&mut self, value: &str, line: u32) {
        if let Some((before, _)) = self.next.extinf {
            self.report.add(rule::URI_PRESENT, before, "a duration is followed by another, without a URI");
        }
        let (duration, title) = value.split_once(',').map_or((value, None), |(a, b)| (a, Some(b)));
        if duration.contains('.') {
            self.list.version.need(3, line, "a duration with a fraction");
        }
        let duration_us = number::seconds_us(duration);
        if duration_us.is_none() || title.is_none() {
            self.wrong("EXTINF", Some(value), line);
        }
        self.next.extinf = Some((line, duration_us));
    }

    fn byte_range(&mut self, value: &str, line: u32) {
        self.list.version.need(4, line, "a byte range");
        self.next.range = number::byte_range(value);
        if self.next.range.is_none() {
            self.wrong("EXT-X-BYTERANGE", Some(value), line);
        }
    }

    fn key(&mut self, value: Option<&str>, line: u32) {
        let attributes = Attributes::parse("EXT-X-KEY", value, line, self.report);
        let methods = ["NONE", "AES-128", "SAMPLE-AES", "SAMPLE-AES-CTR", "AES-256-GCM"];
        attributes.need(&["METHOD"], self.report);
        let method = attributes.word("METHOD", &methods, self.report);
        self.list.version.key(&attributes, method);
        key_attributes(&attributes, method, self.report);
    }

    fn map(&mut self, value: Option<&str>, line: u32) {
        let attributes = Attributes::parse("EXT-X-MAP", value, line, self.report);
        attributes.need(&["URI"], self.report);
        self.map_line.get_or_insert(line);
        let range = attributes.byte_range("BYTERANGE", self.report);
        if range.is_some_and(|(_, offset)| offset.is_none()) {
            self.report.add(
                rule::MAP_RANGE,
                line,
                "the byte range of an initialisation section has no offset",
            );
        }
        let uri = attributes.quoted("URI", self.report).unwrap_or_default();
        let range =
            range.map_or_else(String::new, |(length, offset)| format!(" {length}@{}", offset.unwrap_or(0)));
        self.map = Map::Told(Arc::from(format!("{uri}{range}")));
    }

    fn part(&mut self, value: Option<&str>, line: u32) {
        let attributes = Attributes::parse("EXT-X-PART", value, line, self.report);
        attributes.need(&["URI", "DURATION"], self.report);
        let part = Part {
            line,
            uri: attributes.quoted("URI", self.report).unwrap_or_default().to_owned(),
            range: attributes.byte_range("BYTERANGE", self.report),
            duration_us: attributes.micros("DURATION", self.report).unwrap_or(0),
            independent: attributes.yes("INDEPENDENT", self.report),
            gap: attributes.yes("GAP", self.report),
        };
        self.begun = true;
        if self.next.parts.len() < MAX_PARTS {
            let before = self.next.parts.last().map(|part| (part.uri.as_str(), part.range));
            let range = follow(part.range, &part.uri, before);
            self.next.parts.push(Part { range, ..part });
        }
    }

    fn segment(&mut self, uri: &str, line: u32) {
        self.begun = true;
        let next = std::mem::take(&mut self.next);
        if next.extinf.is_none() {
            self.report.add(rule::EXTINF_PRESENT, line, format!("`{uri}` has no duration"));
        }
        if self.list.segments.len() >= MAX_SEGMENTS {
            return;
        }
        let before = self.list.segments.last().map(|segment| (segment.uri.as_str(), segment.range));
        let range = follow(next.range, uri, before);
        if range.is_some_and(|(_, offset)| offset.is_none()) && (before.is_some() || self.list.skip.is_none())
        {
            self.report.add(
                rule::RANGE_CONTINUES,
                line,
                format!("the byte range of `{uri}` follows nothing"),
            );
        }
        if self.bitrate_kbps.is_some() && range.is_some() {
            self.bitrate_kbps = None;
        }
        self.list.segments.push(Segment {
            msn: 0,
            line,
            uri: uri.to_owned(),
            range,
            duration_us: next.extinf.and_then(|(_, duration_us)| duration_us),
            discontinuity: next.discontinuity,
            map: self.map.clone(),
            date: next.date,
            gap: next.gap,
            bitrate_kbps: self.bitrate_kbps,
            parts: next.parts,
        });
    }

    /// From here on the initialisation section is that of what was skipped.
    pub(super) fn inherit_map(&mut self) {
        self.map = Map::Inherited;
    }

    fn finish(mut self) -> MediaPlaylist {
        if let Some((line, _)) = self.next.extinf {
            self.report.add(rule::URI_PRESENT, line, "a duration is followed by no URI");
        }
        if let Some(line) = self.map_line {
            self.list.version.need(if self.list.iframes_only { 5 } else { 6 }, line, "EXT-X-MAP");
        }
        self.list.open.parts = self.next.parts;
        self.list.open.discontinuity = self.next.discontinuity;
        self.list.open.date = self.next.date;
        let first = self.list.first_msn();
        for (segment, index) in self.list.segments.iter_mut().zip(0..) {
            segment.msn = first.saturating_add(index);
        }
        self.list
    }
}

/// Which attributes a method asks for and forbids (4.4.4.4).
pub(super) fn key_attributes(attributes: &Attributes<'_>, method: Option<&str>, report: &mut Report) {
    let line = attributes.line;
    let iv = attributes.hexadecimal("IV", report);
    attributes.quoted("URI", report);
    match method {
        Some("NONE") if attributes.names().any(|name| name != "METHOD") => {
            report.add(rule::KEY, line, "the method is NONE, but there are other attributes");
        }
        None | Some("NONE") => {}
        Some(method) => {
            if !attributes.has("URI") {
                report.add(rule::KEY, line, format!("the method {method} has no URI"));
            }
            if matches!(method, "SAMPLE-AES-CTR" | "AES-256-GCM") && attributes.has("IV") {
                report.add(rule::KEY, line, format!("the method {method} has an IV"));
            }
            if let Some(iv) = iv.filter(|iv| iv.trim_start_matches('0').len() > 32) {
                report.add(rule::KEY, line, format!("the IV {iv} has more than 128 bits"));
            }
        }
    }
}

/// A byte range with its offset, where that is told or follows from the one before.
fn follow(range: Range, uri: &str, before: Option<(&str, Range)>) -> Range {
    let (length, offset) = range?;
    let continued = before.filter(|(known, _)| *known == uri).and_then(|(_, range)| {
        let (length, offset) = range?;
        offset?.checked_add(length)
    });
    Some((length, offset.or(continued)))
}
