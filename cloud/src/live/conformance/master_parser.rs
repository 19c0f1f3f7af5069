//! Reads a multivariant playlist, strictly (RFC 8216bis, 4.4.6).

use super::attributes::Attributes;
use super::master::{Master, Rendition, Variant};
use super::media_parser::key_attributes;
use super::report::Report;
use super::rule;
use super::text::{Say, lines};

/// More variants and renditions than this are not looked at.
const MAX_ENTRIES: usize = 512;

const MEDIA_TAGS: [&str; 16] = [
    "EXTINF",
    "EXT-X-TARGETDURATION",
    "EXT-X-MEDIA-SEQUENCE",
    "EXT-X-DISCONTINUITY-SEQUENCE",
    "EXT-X-ENDLIST",
    "EXT-X-PLAYLIST-TYPE",
    "EXT-X-I-FRAMES-ONLY",
    "EXT-X-PART-INF",
    "EXT-X-SERVER-CONTROL",
    "EXT-X-BYTERANGE",
    "EXT-X-DISCONTINUITY",
    "EXT-X-KEY",
    "EXT-X-MAP",
    "EXT-X-PROGRAM-DATE-TIME",
    "EXT-X-GAP",
    "EXT-X-PART",
];

#[derive(Debug)]
struct Parser<'r> {
    report: &'r mut Report,
    master: Master,
    /// A variant whose URI is still to come.
    next: Option<Variant>,
    seen: Vec<&'static str>,
    /// IDs and languages of session data.
    data: Vec<(String, String)>,
}

/// Reads `text`; what cannot be read is reported and left out.
pub(super) fn parse(text: &str, report: &mut Report) -> Master {
    let found = lines(text, report);
    let mut parser =
        Parser { report, master: Master::default(), next: None, seen: Vec::new(), data: Vec::new() };
    for line in found {
        match line.say {
            Say::Tag(name, value) => parser.tag(name, value, line.number),
            Say::Uri(uri) => parser.uri(uri, line.number),
        }
    }
    parser.without_uri();
    parser.master
}

impl Parser<'_> {
    fn tag(&mut self, name: &str, value: Option<&str>, line: u32) {
        if MEDIA_TAGS.contains(&name) {
            self.report.add(rule::ONE_KIND, line, format!("{name} stands in a multivariant playlist"));
            return;
        }
        match name {
            "EXT-X-VERSION" if self.once("EXT-X-VERSION", line) => {
                self.master.version.tell(value, line, self.report);
            }
            "EXT-X-INDEPENDENT-SEGMENTS" if self.once("EXT-X-INDEPENDENT-SEGMENTS", line) => {
                self.master.independent = true;
            }
            "EXT-X-CONTENT-STEERING" if self.once("EXT-X-CONTENT-STEERING", line) => {
                let attributes = Attributes::parse("EXT-X-CONTENT-STEERING", value, line, self.report);
                attributes.need(&["SERVER-URI"], self.report);
            }
            "EXT-X-START" if self.once("EXT-X-START", line) => {
                let attributes = Attributes::parse("EXT-X-START", value, line, self.report);
                attributes.need(&["TIME-OFFSET"], self.report);
                attributes.signed_micros("TIME-OFFSET", self.report);
                attributes.yes_or_no("PRECISE", self.report);
            }
            "EXT-X-DEFINE" => {
                let attributes = Attributes::parse("EXT-X-DEFINE", value, line, self.report);
                self.master.version.define(&attributes, false, self.report);
            }
            "EXT-X-SESSION-KEY" => self.session_key(value, line),
            "EXT-X-SESSION-DATA" => self.session_data(value, line),
            "EXT-X-MEDIA" => self.media(value, line),
            "EXT-X-STREAM-INF" => {
                self.without_uri();
                let attributes = Attributes::parse("EXT-X-STREAM-INF", value, line, self.report);
                self.next = Some(self.variant(&attributes));
            }
            "EXT-X-I-FRAME-STREAM-INF" => self.iframe(value, line),
            _ => {}
        }
    }

    fn once(&mut self, name: &'static str, line: u32) -> bool {
        let first = !self.seen.contains(&name);
        if first {
            self.seen.push(name);
        } else {
            self.report.add(rule::TAG_ONCE, line, format!("{name} stands there more than once"));
        }
        first
    }

    fn uri(&mut self, uri: &str, line: u32) {
        match self.next.take() {
            Some(variant) => self.push(Variant { uri: uri.to_owned(), ..variant }),
            None => self.report.add(rule::VARIANT_URI, line, format!("`{uri}` follows no EXT-X-STREAM-INF")),
        }
    }

    fn without_uri(&mut self) {
        if let Some(variant) = self.next.take() {
            self.report.add(rule::VARIANT_URI, variant.line, "an EXT-X-STREAM-INF is followed by no URI");
        }
    }

    fn push(&mut self, variant: Variant) {
        if self.master.variants.len() < MAX_ENTRIES {
            self.master.variants.push(variant);
        }
    }

    /// What both kinds of variants may have.
    fn variant(&mut self, attributes: &Attributes<'_>) -> Variant {
        let report = &mut *self.report;
        if attributes.names().any(|name| name.starts_with("REQ-")) {
            self.master.version.need(12, attributes.line, "a REQ- attribute");
        }
        attributes.word("VIDEO-RANGE", &["SDR", "HLG", "PQ"], report);
        attributes.word("HDCP-LEVEL", &["TYPE-0", "TYPE-1", "NONE"], report);
        attributes.micros("SCORE", report);
        attributes.micros("FRAME-RATE", report);
        attributes.resolution("RESOLUTION", report);
        let no_captions = attributes.written().any(|pair| pair == ("CLOSED-CAPTIONS", "NONE"));
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Variant {
            line: attributes.line,
            uri: String::new(),
            iframe: false,
            bandwidth: attributes.integer("BANDWIDTH", report),
            average: attributes.integer("AVERAGE-BANDWIDTH", report),
            codecs: owned(attributes.quoted("CODECS", report)),
            resolution: attributes.has("RESOLUTION"),
            frame_rate: attributes.has("FRAME-RATE"),
            score: attributes.has("SCORE"),
            audio: owned(attributes.quoted("AUDIO", report)),
            video: owned(attributes.quoted("VIDEO", report)),
            subtitles: owned(attributes.quoted("SUBTITLES", report)),
            captions: if no_captions { None } else { owned(attributes.quoted("CLOSED-CAPTIONS", report)) },
            no_captions,
        }
    }

    fn iframe(&mut self, value: Option<&str>, line: u32) {
        let attributes = Attributes::parse("EXT-X-I-FRAME-STREAM-INF", value, line, self.report);
        let forbidden = ["FRAME-RATE", "AUDIO", "SUBTITLES", "CLOSED-CAPTIONS"];
        for name in forbidden.into_iter().filter(|name| attributes.has(name)) {
            self.report.add(rule::IFRAME_FORBIDDEN, line, format!("an I-frame variant has {name}"));
        }
        let Some(uri) = attributes.quoted("URI", self.report) else {
            self.report.add(rule::IFRAME_FORBIDDEN, line, "an I-frame variant has no URI");
            return;
        };
        let variant = self.variant(&attributes);
        // What it must not have has been told, and names no group here.
        let (audio, subtitles, captions) = (None, None, None);
        self.push(Variant { uri: uri.to_owned(), iframe: true, audio, subtitles, captions, ..variant });
    }

    fn media(&mut self, value: Option<&str>, line: u32) {
        let attributes = Attributes::parse("EXT-X-MEDIA", value, line, self.report);
        attributes.need(&["TYPE", "GROUP-ID", "NAME"], self.report);
        let report = &mut *self.report;
        let kinds = ["AUDIO", "VIDEO", "SUBTITLES", "CLOSED-CAPTIONS"];
        let kind = attributes.word("TYPE", &kinds, report);
        let group = attributes.quoted("GROUP-ID", report);
        let name = attributes.quoted("NAME", report);
        let uri = attributes.quoted("URI", report);
        let default = attributes.yes_or_no("DEFAULT", report).unwrap_or(false);
        let autoselect = attributes.yes_or_no("AUTOSELECT", report);
        attributes.yes_or_no("FORCED", report);
        attributes.quoted("LANGUAGE", report);
        attributes.quoted("CHANNELS", report);
        attributes.integer("BIT-DEPTH", report);
        attributes.integer("SAMPLE-RATE", report);
        let (Some(kind), Some(group), Some(name)) = (kind, group, name) else { return };
        if let Some(id) = attributes.quoted("INSTREAM-ID", report) {
            if kind != "CLOSED-CAPTIONS" {
                self.master.version.need(13, line, "an INSTREAM-ID of other than captions");
            } else if id.starts_with("SERVICE") {
                self.master.version.need(7, line, "an INSTREAM-ID of a service");
            }
        }
        fit(&attributes, kind, report);
        if self.master.renditions.len() < MAX_ENTRIES {
            self.master.renditions.push(Rendition {
                line,
                kind: kind.to_owned(),
                group: group.to_owned(),
                name: name.to_owned(),
                uri: uri.map(str::to_owned),
                default,
                autoselect,
                channels: attributes.has("CHANNELS"),
                language: attributes.has("LANGUAGE"),
            });
        }
    }

    fn session_key(&mut self, value: Option<&str>, line: u32) {
        let attributes = Attributes::parse("EXT-X-SESSION-KEY", value, line, self.report);
        attributes.need(&["METHOD"], self.report);
        let methods = ["AES-128", "SAMPLE-AES", "SAMPLE-AES-CTR", "AES-256-GCM"];
        let method = attributes.word("METHOD", &methods, self.report);
        self.master.version.key(&attributes, method);
        key_attributes(&attributes, method, self.report);
    }

    fn session_data(&mut self, value: Option<&str>, line: u32) {
        let attributes = Attributes::parse("EXT-X-SESSION-DATA", value, line, self.report);
        attributes.need(&["DATA-ID"], self.report);
        attributes.word("FORMAT", &["JSON", "RAW"], self.report);
        if attributes.has("VALUE") == attributes.has("URI") {
            self.report.add(rule::SESSION_DATA, line, "session data has not one of VALUE and URI");
        }
        let Some(id) = attributes.quoted("DATA-ID", self.report) else { return };
        let language = attributes.quoted("LANGUAGE", self.report).unwrap_or_default();
        let data = (id.to_owned(), language.to_owned());
        if self.data.contains(&data) {
            self.report.add(rule::SESSION_DATA, line, format!("`{id}` is told twice in one language"));
        } else if self.data.len() < MAX_ENTRIES {
            self.data.push(data);
        }
    }
}

/// Which attributes a type asks for and forbids (4.4.6.1 and 4.4.6.2.1).
fn fit(attributes: &Attributes<'_>, kind: &str, report: &mut Report) {
    let only =
        [("CHANNELS", "AUDIO"), ("BIT-DEPTH", "AUDIO"), ("SAMPLE-RATE", "AUDIO"), ("FORCED", "SUBTITLES")];
    for (name, wanted) in only.into_iter().filter(|(name, wanted)| attributes.has(name) && kind != *wanted) {
        report.add(rule::MEDIA_FIT, attributes.line, format!("{name} is of {wanted} only, this is {kind}"));
    }
    for (kind_of, name, wanted) in [
        ("SUBTITLES", "URI", true),
        ("CLOSED-CAPTIONS", "URI", false),
        ("CLOSED-CAPTIONS", "INSTREAM-ID", true),
    ] {
        if kind == kind_of && attributes.has(name) != wanted {
            let has = if wanted { "has no" } else { "has a" };
            report.add(rule::MEDIA_FIT, attributes.line, format!("a rendition of type {kind} {has} {name}"));
        }
    }
}
