//! What a multivariant playlist says, and what it must be (RFC 8216bis, 4.4.6; Apple's specification, 9).

use super::report::Report;
use super::rule;
use super::version::Version;

/// Beginnings of the codec names of video (RFC 6381).
const VIDEO_CODECS: [&str; 12] =
    ["avc", "hvc", "hev", "dvh", "dva", "dav", "av01", "vp0", "mp4v", "vvc", "vvi", "mjp"];

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Variant {
    pub(super) line: u32,
    pub(super) uri: String,
    pub(super) iframe: bool,
    pub(super) bandwidth: Option<u64>,
    pub(super) average: Option<u64>,
    pub(super) codecs: Option<String>,
    pub(super) resolution: bool,
    pub(super) frame_rate: bool,
    pub(super) score: bool,
    pub(super) audio: Option<String>,
    pub(super) video: Option<String>,
    pub(super) subtitles: Option<String>,
    pub(super) captions: Option<String>,
    /// CLOSED-CAPTIONS=NONE
    pub(super) no_captions: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Rendition {
    pub(super) line: u32,
    /// AUDIO, VIDEO, SUBTITLES or CLOSED-CAPTIONS
    pub(super) kind: String,
    pub(super) group: String,
    pub(super) name: String,
    pub(super) uri: Option<String>,
    pub(super) default: bool,
    pub(super) autoselect: Option<bool>,
    pub(super) channels: bool,
    pub(super) language: bool,
}

#[derive(Debug, Default)]
pub(super) struct Master {
    pub(super) version: Version,
    pub(super) independent: bool,
    pub(super) variants: Vec<Variant>,
    pub(super) renditions: Vec<Rendition>,
}

impl Variant {
    pub(super) fn is_video(&self) -> bool {
        let codecs = self.codecs.iter().flat_map(|codecs| codecs.split(','));
        self.iframe
            || self.resolution
            || codecs.into_iter().any(|codec| VIDEO_CODECS.iter().any(|video| codec.starts_with(video)))
    }
}

pub(super) fn check(master: &Master, report: &mut Report) {
    master.version.check(false, report);
    for variant in &master.variants {
        rates(variant, report);
        if variant.iframe {
            iframe(variant, report);
        } else {
            described(variant, report);
        }
        groups(master, variant, report);
    }
    together(master, report);
    for rendition in &master.renditions {
        self::rendition(master, rendition, report);
    }
    groups_alike(master, report);
}

fn rates(variant: &Variant, report: &mut Report) {
    let Some(bandwidth) = variant.bandwidth.filter(|bandwidth| *bandwidth > 0) else {
        report.add(rule::BANDWIDTH, variant.line, format!("`{}` has no BANDWIDTH above 0", variant.uri));
        return;
    };
    match variant.average {
        None if !variant.iframe => {
            report.add(rule::AVERAGE, variant.line, format!("`{}` has no AVERAGE-BANDWIDTH", variant.uri));
        }
        Some(average) if average > bandwidth => {
            let words = format!("AVERAGE-BANDWIDTH is {average}, BANDWIDTH only {bandwidth}");
            report.add(rule::AVERAGE_BELOW, variant.line, words);
        }
        _ => {}
    }
}

fn described(variant: &Variant, report: &mut Report) {
    let mut missing = |rule, name: &str| {
        report.add(rule, variant.line, format!("`{}` has no {name}", variant.uri));
    };
    if variant.codecs.is_none() {
        missing(rule::CODECS, "CODECS");
    }
    if variant.is_video() && !variant.resolution {
        missing(rule::RESOLUTION, "RESOLUTION");
    }
    if variant.is_video() && !variant.frame_rate {
        missing(rule::FRAME_RATE, "FRAME-RATE");
    }
}

fn iframe(variant: &Variant, report: &mut Report) {
    if variant.codecs.is_none() {
        report.add(rule::IFRAME_CODECS, variant.line, format!("`{}` has no CODECS", variant.uri));
    }
    if !variant.resolution {
        report.add(rule::IFRAME_RESOLUTION, variant.line, format!("`{}` has no RESOLUTION", variant.uri));
    }
}

fn groups(master: &Master, variant: &Variant, report: &mut Report) {
    for (kind, group) in [
        ("AUDIO", &variant.audio),
        ("VIDEO", &variant.video),
        ("SUBTITLES", &variant.subtitles),
        ("CLOSED-CAPTIONS", &variant.captions),
    ] {
        let Some(group) = group else { continue };
        if !master.renditions.iter().any(|rendition| rendition.kind == kind && rendition.group == *group) {
            report.add(
                rule::GROUP_EXISTS,
                variant.line,
                format!("there is no group `{group}` of type {kind}"),
            );
        }
    }
}

/// What only shows when all variants are seen.
fn together(master: &Master, report: &mut Report) {
    let plain: Vec<&Variant> = master.variants.iter().filter(|variant| !variant.iframe).collect();
    let mut all_or_none = |rule, name: &str, has: &dyn Fn(&Variant) -> bool| {
        let without = plain.iter().find(|variant| !has(variant));
        if let (Some(without), true) = (without, plain.iter().any(|variant| has(variant))) {
            report.add(rule, without.line, format!("`{}` has no {name}, others have", without.uri));
        }
    };
    all_or_none(rule::CAPTIONS_NONE, "CLOSED-CAPTIONS=NONE", &|variant| variant.no_captions);
    all_or_none(rule::SCORE_ALL, "SCORE", &|variant| variant.score);
    for (index, variant) in plain.iter().enumerate() {
        let same = |other: &&&Variant| {
            (&other.uri, &other.audio, &other.video) == (&variant.uri, &variant.audio, &variant.video)
                && (&other.subtitles, &other.captions) == (&variant.subtitles, &variant.captions)
        };
        if !variant.uri.is_empty() && plain.iter().take(index).any(|other| same(&other)) {
            report.add(rule::VARIANTS_DISTINCT, variant.line, format!("`{}` is listed twice", variant.uri));
        }
    }
    let mut videos = plain.iter().filter(|variant| variant.is_video());
    let Some(first) = videos.next() else { return };
    if videos.all(|variant| variant.uri == first.uri) {
        report.add(rule::BIT_RATES, first.line, "there is one variant with video only");
    }
    if !master.variants.iter().any(|variant| variant.iframe) {
        report.add(rule::IFRAMES_PRESENT, None, "there is no EXT-X-I-FRAME-STREAM-INF");
    }
}

fn rendition(master: &Master, rendition: &Rendition, report: &mut Report) {
    let line = rendition.line;
    let name = format!("the rendition `{}` of group `{}`", rendition.name, rendition.group);
    if rendition.kind == "AUDIO" && !rendition.channels {
        report.add(rule::CHANNELS, line, format!("{name} has no CHANNELS"));
    }
    if rendition.kind != "VIDEO" && !rendition.language {
        report.add(rule::LANGUAGE, line, format!("{name} has no LANGUAGE"));
    }
    if rendition.default && rendition.autoselect == Some(false) {
        report.add(rule::AUTOSELECT, line, format!("{name} is the default, but AUTOSELECT is NO"));
    }
    let earlier = master
        .renditions
        .iter()
        .take_while(|other| other.line < line)
        .filter(|other| (&other.kind, &other.group) == (&rendition.kind, &rendition.group));
    for other in earlier {
        if other.name == rendition.name {
            report.add(rule::MEDIA_NAME, line, format!("{name} has the name of another"));
        }
        if other.default && rendition.default {
            report.add(rule::ONE_DEFAULT, line, format!("{name} is a second default"));
        }
    }
}

fn groups_alike(master: &Master, report: &mut Report) {
    let members = |kind: &str, group: &str| {
        let of = |rendition: &&Rendition| rendition.kind == kind && rendition.group == group;
        let mut names: Vec<&str> =
            master.renditions.iter().filter(of).map(|rendition| rendition.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names
    };
    let mut checked: Vec<(&str, &str)> = Vec::new();
    for rendition in &master.renditions {
        let (kind, group) = (rendition.kind.as_str(), rendition.group.as_str());
        if checked.contains(&(kind, group)) || checked.len() > 64 {
            continue;
        }
        if let Some((_, first)) = checked.iter().find(|(known, _)| *known == kind)
            && members(kind, first) != members(kind, group)
        {
            let words = format!("the groups `{first}` and `{group}` of type {kind} have different members");
            report.add(rule::GROUPS_ALIKE, rendition.line, words);
        }
        checked.push((kind, group));
    }
}
