//! Reads the tags that describe a media playlist as a whole (RFC 8216bis, 4.4.1 to 4.4.3).

use super::attributes::Attributes;
use super::media::{Control, Kind};
use super::media_parser::Parser;
use super::number;
use super::rule;

impl Parser<'_> {
    pub(super) fn header(&mut self, name: &str, value: Option<&str>, line: u32) {
        match name {
            "EXT-X-VERSION" if self.once("EXT-X-VERSION", line) => {
                self.list.version.tell(value, line, self.report);
            }
            "EXT-X-TARGETDURATION" if self.once("EXT-X-TARGETDURATION", line) => {
                self.list.target_told = true;
                self.list.target_s = self.integer(name, value, line);
            }
            "EXT-X-MEDIA-SEQUENCE" if self.once("EXT-X-MEDIA-SEQUENCE", line) => {
                if !self.list.segments.is_empty() {
                    self.report.add(rule::SEQUENCE_FIRST, line, format!("{name} stands after a segment"));
                }
                self.list.media_sequence = self.integer(name, value, line).unwrap_or(0);
            }
            "EXT-X-DISCONTINUITY-SEQUENCE" if self.once("EXT-X-DISCONTINUITY-SEQUENCE", line) => {
                if self.begun {
                    let words = format!("{name} stands after a segment or a discontinuity");
                    self.report.add(rule::SEQUENCE_FIRST, line, words);
                }
                self.list.discontinuity_sequence_told = true;
                self.list.discontinuity_sequence = self.integer(name, value, line).unwrap_or(0);
            }
            "EXT-X-ENDLIST" if self.once("EXT-X-ENDLIST", line) => self.list.ended = true,
            "EXT-X-PLAYLIST-TYPE" if self.once("EXT-X-PLAYLIST-TYPE", line) => match value {
                Some("EVENT") => self.list.kind = Some(Kind::Event),
                Some("VOD") => self.list.kind = Some(Kind::Vod),
                _ => self.wrong(name, value, line),
            },
            "EXT-X-I-FRAMES-ONLY" if self.once("EXT-X-I-FRAMES-ONLY", line) => {
                self.list.iframes_only = true;
                self.list.version.need(4, line, "EXT-X-I-FRAMES-ONLY");
            }
            "EXT-X-INDEPENDENT-SEGMENTS" if self.once("EXT-X-INDEPENDENT-SEGMENTS", line) => {
                self.list.independent = true;
            }
            "EXT-X-PART-INF" if self.once("EXT-X-PART-INF", line) => self.part_inf(value, line),
            "EXT-X-SERVER-CONTROL" if self.once("EXT-X-SERVER-CONTROL", line) => self.control(value, line),
            "EXT-X-START" if self.once("EXT-X-START", line) => self.start(value, line),
            "EXT-X-DEFINE" => {
                let attributes = Attributes::parse("EXT-X-DEFINE", value, line, self.report);
                self.list.version.define(&attributes, true, self.report);
            }
            _ => self.metadata(name, value, line),
        }
    }

    fn integer(&mut self, name: &str, value: Option<&str>, line: u32) -> Option<u64> {
        let read = value.and_then(number::integer);
        if read.is_none() {
            self.wrong(name, value, line);
        }
        read
    }

    fn part_inf(&mut self, value: Option<&str>, line: u32) {
        let attributes = Attributes::parse("EXT-X-PART-INF", value, line, self.report);
        attributes.need(&["PART-TARGET"], self.report);
        self.list.part_inf = true;
        self.list.part_target_us = attributes.micros("PART-TARGET", self.report);
    }

    fn start(&mut self, value: Option<&str>, line: u32) {
        let attributes = Attributes::parse("EXT-X-START", value, line, self.report);
        attributes.need(&["TIME-OFFSET"], self.report);
        attributes.yes_or_no("PRECISE", self.report);
        let offset_us = attributes.signed_micros("TIME-OFFSET", self.report);
        self.list.start = offset_us.map(|offset_us| (line, offset_us));
    }

    fn control(&mut self, value: Option<&str>, line: u32) {
        let attributes = Attributes::parse("EXT-X-SERVER-CONTROL", value, line, self.report);
        let mut written: Vec<String> =
            attributes.written().map(|(name, value)| format!("{name}={value}")).collect();
        written.sort();
        let control = Control {
            line,
            skip_until_us: attributes.micros("CAN-SKIP-UNTIL", self.report),
            skip_ranges: attributes.yes("CAN-SKIP-DATERANGES", self.report),
            hold_back_us: attributes.micros("HOLD-BACK", self.report),
            part_hold_back_us: attributes.micros("PART-HOLD-BACK", self.report),
            block: attributes.yes("CAN-BLOCK-RELOAD", self.report),
            written: written.join(","),
        };
        if attributes.has("CAN-SKIP-UNTIL") {
            self.list.version.allow(if control.skip_ranges { 10 } else { 9 });
        }
        self.list.control = Some(control);
    }
}
