//! Reads date ranges, skips, hints and rendition reports (RFC 8216bis, 4.4.5).

use super::attributes::Attributes;
use super::media::{Hint, RenditionReport, Skip};
use super::media_parser::Parser;
use super::rule;

/// More of each kind than this is not looked at.
const MAX_OF_A_KIND: usize = 1024;

impl Parser<'_> {
    pub(super) fn metadata(&mut self, name: &str, value: Option<&str>, line: u32) {
        match name {
            "EXT-X-DATERANGE" => self.date_range(value, line),
            "EXT-X-SKIP" if self.once("EXT-X-SKIP", line) => self.skip(value, line),
            "EXT-X-PRELOAD-HINT" => self.hint(value, line),
            "EXT-X-RENDITION-REPORT" => self.rendition_report(value, line),
            // What is not known, and what stood there before, is let be.
            _ => {}
        }
    }

    fn skip(&mut self, value: Option<&str>, line: u32) {
        let attributes = Attributes::parse("EXT-X-SKIP", value, line, self.report);
        attributes.need(&["SKIPPED-SEGMENTS"], self.report);
        self.list.version.need(9, line, "EXT-X-SKIP");
        if attributes.has("RECENTLY-REMOVED-DATERANGES") {
            attributes.quoted_or_empty("RECENTLY-REMOVED-DATERANGES", self.report);
            self.list.version.need(10, line, "a skip of date ranges");
        }
        let segments = attributes.integer("SKIPPED-SEGMENTS", self.report);
        self.list.skip = segments.map(|segments| Skip { line, segments });
        self.inherit_map();
    }

    fn hint(&mut self, value: Option<&str>, line: u32) {
        let attributes = Attributes::parse("EXT-X-PRELOAD-HINT", value, line, self.report);
        attributes.need(&["TYPE", "URI"], self.report);
        let kind = attributes.word("TYPE", &["PART", "MAP"], self.report);
        attributes.integer("BYTERANGE-START", self.report);
        attributes.integer("BYTERANGE-LENGTH", self.report);
        let uri = attributes.quoted("URI", self.report);
        if let (Some(kind), Some(uri), true) = (kind, uri, self.list.hints.len() < MAX_OF_A_KIND) {
            self.list.hints.push(Hint {
                line,
                part: kind == "PART",
                uri: uri.to_owned(),
                ranged: attributes.has("BYTERANGE-START") || attributes.has("BYTERANGE-LENGTH"),
            });
        }
    }

    fn rendition_report(&mut self, value: Option<&str>, line: u32) {
        let attributes = Attributes::parse("EXT-X-RENDITION-REPORT", value, line, self.report);
        attributes.need(&["URI"], self.report);
        let last_msn = attributes.integer("LAST-MSN", self.report);
        let last_part = attributes.integer("LAST-PART", self.report);
        let Some(uri) = attributes.quoted("URI", self.report) else { return };
        if self.list.reports.len() < MAX_OF_A_KIND {
            self.list.reports.push(RenditionReport { line, uri: uri.to_owned(), last_msn, last_part });
        }
    }

    fn date_range(&mut self, value: Option<&str>, line: u32) {
        let attributes = Attributes::parse("EXT-X-DATERANGE", value, line, self.report);
        self.list.date_range.get_or_insert(line);
        attributes.need(&["ID"], self.report);
        let id = attributes.quoted("ID", self.report);
        let class = attributes.quoted("CLASS", self.report);
        let start = attributes.quoted("START-DATE", self.report);
        let start = start.and_then(|value| self.date("START-DATE", value, line));
        let end = attributes.quoted("END-DATE", self.report);
        let end = end.and_then(|value| self.date("END-DATE", value, line));
        let duration_us = attributes.micros("DURATION", self.report);
        attributes.micros("PLANNED-DURATION", self.report);
        let next = attributes.yes("END-ON-NEXT", self.report);
        let mut wrong = Vec::new();
        if let (Some(start), Some(end)) = (start, end) {
            let length_ms = end.unix_ms.saturating_sub(start.unix_ms);
            let told_ms = duration_us.and_then(|us| i64::try_from(us / 1000).ok());
            if length_ms < 0 {
                wrong.push("it ends before it begins".to_owned());
            } else if told_ms.is_some_and(|told_ms| told_ms.abs_diff(length_ms) > 1) {
                wrong.push(format!("DURATION says {} ms, its dates {length_ms} ms", told_ms.unwrap_or(0)));
            }
        }
        if next && class.is_none() {
            wrong.push("END-ON-NEXT comes without a CLASS".to_owned());
        }
        if next && (attributes.has("DURATION") || attributes.has("END-DATE")) {
            wrong.push("END-ON-NEXT comes with an end".to_owned());
        }
        if let Some(id) = id {
            wrong.extend(self.same_range(id, &attributes));
        }
        for words in wrong {
            self.report.add(rule::DATE_RANGE, line, words);
        }
    }

    /// What a range with this ID said before must be said in the same way again.
    fn same_range(&mut self, id: &str, attributes: &Attributes<'_>) -> Option<String> {
        let said = attributes.written().map(|(name, value)| (name.to_owned(), value.to_owned()));
        let Some((_, known)) = self.ranges.iter_mut().find(|(known, _)| known == id) else {
            let missing = (!attributes.has("START-DATE")).then(|| format!("`{id}` has no START-DATE"));
            if self.ranges.len() < MAX_OF_A_KIND {
                self.ranges.push((id.to_owned(), said.collect()));
            }
            return missing;
        };
        let mut differs = None;
        for (name, value) in said {
            match known.iter().find(|(before, _)| *before == name) {
                Some((_, before)) if *before != value => {
                    differs = Some(format!("`{id}`: {name} is `{value}` and `{before}`"));
                }
                None if known.len() < MAX_OF_A_KIND => known.push((name, value)),
                Some(_) | None => {}
            }
        }
        differs
    }
}
