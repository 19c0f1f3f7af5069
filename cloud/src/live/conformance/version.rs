//! Which protocol version a playlist tells, and which it needs (RFC 8216bis, 8).

use super::attributes::Attributes;
use super::number;
use super::report::Report;
use super::rule;

#[derive(Debug, Default)]
pub(super) struct Version {
    told: Option<u64>,
    line: Option<u32>,
    /// The highest version that something needs, where, and what.
    needed: Option<(u64, u32, &'static str)>,
    /// What the server can do allows for this version also where nothing needs it yet.
    allowed: u64,
    defined: Vec<String>,
}

impl Version {
    pub(super) fn tell(&mut self, value: Option<&str>, line: u32, report: &mut Report) {
        self.told = value.and_then(number::integer);
        self.line = Some(line);
        if self.told.is_none() {
            let words = format!("EXT-X-VERSION is `{}`", value.unwrap_or_default());
            report.add(rule::TAG_VALUE, line, words);
        }
    }

    pub(super) fn need(&mut self, version: u64, line: u32, what: &'static str) {
        if self.needed.is_none_or(|(known, ..)| known < version) {
            self.needed = Some((version, line, what));
        }
    }

    pub(super) fn allow(&mut self, version: u64) {
        self.allowed = self.allowed.max(version);
    }

    /// Needs of a key tag, in either kind of playlist.
    pub(super) fn key(&mut self, attributes: &Attributes<'_>, method: Option<&str>) {
        let line = attributes.line;
        if attributes.has("IV") {
            self.need(2, line, "an IV");
        }
        if attributes.has("KEYFORMAT") || attributes.has("KEYFORMATVERSIONS") {
            self.need(5, line, "KEYFORMAT");
        }
        if method.is_some_and(|method| method.starts_with("SAMPLE-AES")) {
            self.need(5, line, "the method SAMPLE-AES");
        }
    }

    /// Reads EXT-X-DEFINE, which may stand in either kind of playlist (4.4.2.3).
    pub(super) fn define(&mut self, attributes: &Attributes<'_>, media: bool, report: &mut Report) {
        let line = attributes.line;
        self.need(8, line, "a variable");
        if attributes.has("QUERYPARAM") {
            self.need(11, line, "a variable from the query");
        }
        let ways: Vec<&str> =
            ["NAME", "IMPORT", "QUERYPARAM"].into_iter().filter(|name| attributes.has(name)).collect();
        let [way] = ways.as_slice() else {
            report.add(
                rule::DEFINE,
                line,
                format!("{} of NAME, IMPORT and QUERYPARAM are there", ways.len()),
            );
            return;
        };
        if *way == "IMPORT" && !media {
            report.add(rule::DEFINE, line, "a multivariant playlist has nothing to import from");
        }
        if *way == "NAME" && !attributes.has("VALUE") {
            report.add(rule::DEFINE, line, "a variable has no VALUE");
        }
        attributes.quoted_or_empty("VALUE", report);
        let Some(name) = attributes.quoted(way, report) else { return };
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if !name.bytes().all(letter) {
            report.add(rule::DEFINE, line, format!("`{name}` is no variable name"));
        } else if self.defined.iter().any(|known| known == name) {
            report.add(rule::DEFINE, line, format!("{name} is defined twice"));
        } else if self.defined.len() < 256 {
            self.defined.push(name.to_owned());
        }
    }

    /// `strict`: a version that is higher than needed is told too.
    pub(super) fn check(&self, strict: bool, report: &mut Report) {
        if self.line.is_some() && self.told.is_none() {
            return;
        }
        let told = self.told.unwrap_or(1);
        let (needed, line, what) = self.needed.unwrap_or((1, 1, "nothing"));
        if told < needed {
            let words = format!("the version is {told}, but {what} needs {needed}");
            report.add(rule::VERSION_NEEDED, line, words);
        } else if strict && told > needed.max(self.allowed) {
            let words = format!("the version is {told}, but no more than {needed} is needed, for {what}");
            report.add(rule::VERSION_NOT_HIGHER, self.line, words);
        }
    }
}
