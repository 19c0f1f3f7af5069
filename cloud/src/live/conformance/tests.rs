//! Playlists for the tests, and how looks at them are told.

mod broken;
mod broken_across;
mod broken_low;
mod correct;
mod every_rule;
mod hostile;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::{Checker, FileFacts, Finding, TrackFacts, TrackKind};

/// One thing that a checker is shown.
#[derive(Debug, Clone)]
enum Step {
    Master(String),
    /// Name, text, time in ms, whether a skip was asked for.
    Media(&'static str, String, u64, bool),
    File(&'static str, String, FileFacts),
    Across,
}

/// What must be raised, and by what.
type Case = (&'static str, Vec<Step>);

fn run(steps: &[Step]) -> Vec<Finding> {
    let mut checker = Checker::default();
    let mut findings = Vec::new();
    for step in steps {
        findings.extend(match step {
            Step::Master(text) => checker.master(text),
            Step::Media(name, text, ms, skip) => checker.media(name, text, *ms, *skip),
            Step::File(name, uri, facts) => checker.file(name, uri, facts),
            Step::Across => checker.across(),
        });
    }
    findings
}

/// Each case raises its rule and no other.
fn prove(cases: &[Case]) {
    for (id, steps) in cases {
        let findings = run(steps);
        let raised: BTreeSet<&str> = findings.iter().map(|finding| finding.rule.id).collect();
        assert_eq!(raised, BTreeSet::from([*id]), "{id}: {findings:#?}\n{steps:#?}");
        assert!(findings.iter().all(|finding| !finding.words.is_empty()));
    }
}

fn one(text: impl Into<String>) -> Vec<Step> {
    vec![Step::Media("a", text.into(), 0, false)]
}

/// Two looks at one playlist, a second apart.
fn two(first: impl Into<String>, second: impl Into<String>) -> Vec<Step> {
    vec![Step::Media("a", first.into(), 0, false), Step::Media("a", second.into(), 1000, false)]
}

/// When a segment of four seconds begins, with these milliseconds.
fn date(msn: u64, ms: u64) -> String {
    let s = msn * 4;
    format!("2026-01-01T{:02}:{:02}:{:02}.{ms:03}Z", s / 3600, s / 60 % 60, s % 60)
}

fn segment(out: &mut String, msn: u64) {
    let _ = write!(out, "#EXTINF:4.000,\n{msn}.m4s\n");
}

/// A live playlist of four-second segments.
fn plain(first: u64, count: u64) -> String {
    let mut out = format!(
        "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:{first}\n\
         #EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-MAP:URI=\"init.mp4\"\n"
    );
    for msn in first..first + count {
        let _ = writeln!(out, "#EXT-X-PROGRAM-DATE-TIME:{}", date(msn, 0));
        segment(&mut out, msn);
    }
    out
}

/// The same with a discontinuity sequence, and discontinuities before some segments.
fn interrupted(first: u64, count: u64, sequence: u64, at: &[u64]) -> String {
    let mut text = plain(first, count)
        .replace("#EXT-X-IND", &format!("#EXT-X-DISCONTINUITY-SEQUENCE:{sequence}\n#EXT-X-IND"));
    for msn in at {
        let dated = format!("#EXT-X-PROGRAM-DATE-TIME:{}", date(*msn, 0));
        text = text.replace(&dated, &format!("#EXT-X-DISCONTINUITY\n{dated}"));
    }
    text
}

fn vod(count: u64) -> String {
    plain(0, count).replace("#EXT-X-MEDIA-SEQUENCE:0\n", "#EXT-X-PLAYLIST-TYPE:VOD\n") + "#EXT-X-ENDLIST\n"
}

/// A low-latency playlist of four-second segments with parts of one second.
///
/// `skipped` of its `count` segments are left out; `open` parts of the next one are there.
fn low(first: u64, count: u64, open: u64, skipped: u64) -> String {
    let mut out = format!(
        "#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-TARGETDURATION:4\n\
         #EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=3.0,CAN-SKIP-UNTIL=24.0\n\
         #EXT-X-PART-INF:PART-TARGET=1.000\n#EXT-X-MEDIA-SEQUENCE:{first}\n#EXT-X-INDEPENDENT-SEGMENTS\n"
    );
    if skipped > 0 {
        let _ = writeln!(out, "#EXT-X-SKIP:SKIPPED-SEGMENTS={skipped}");
    } else {
        out.push_str("#EXT-X-MAP:URI=\"init.mp4\"\n");
    }
    let end = first + count;
    for msn in first + skipped..end {
        let _ = writeln!(out, "#EXT-X-PROGRAM-DATE-TIME:{}", date(msn, 0));
        if msn + 3 >= end {
            parts(&mut out, msn, 4);
        }
        segment(&mut out, msn);
    }
    if open > 0 {
        let _ = writeln!(out, "#EXT-X-PROGRAM-DATE-TIME:{}", date(end, 0));
        parts(&mut out, end, open);
    }
    let _ = writeln!(out, "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"{end}.{open}.m4s\"");
    out
}

fn parts(out: &mut String, msn: u64, count: u64) {
    for part in 0..count {
        let independent = if part == 0 { ",INDEPENDENT=YES" } else { "" };
        let _ = writeln!(out, "#EXT-X-PART:DURATION=1.000,URI=\"{msn}.{part}.m4s\"{independent}");
    }
}

fn report(name: &str, msn: u64, part: u64) -> String {
    format!("#EXT-X-RENDITION-REPORT:URI=\"../{name}/index.m3u8\",LAST-MSN={msn},LAST-PART={part}\n")
}

/// Two video renditions with sound of their own and an I-frame playlist.
fn master() -> String {
    "#EXTM3U\n#EXT-X-VERSION:6\n\
     #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"s\",NAME=\"Sound\",LANGUAGE=\"en\",DEFAULT=YES,AUTOSELECT=YES,CHANNELS=\"2\",URI=\"audio/index.m3u8\"\n\
     #EXT-X-STREAM-INF:BANDWIDTH=2200000,AVERAGE-BANDWIDTH=2000000,CODECS=\"avc1.64001f,mp4a.40.2\",RESOLUTION=1280x720,FRAME-RATE=29.970,AUDIO=\"s\"\n\
     hi/index.m3u8\n\
     #EXT-X-STREAM-INF:BANDWIDTH=900000,AVERAGE-BANDWIDTH=800000,CODECS=\"avc1.64001e,mp4a.40.2\",RESOLUTION=640x360,FRAME-RATE=29.970,AUDIO=\"s\"\n\
     lo/index.m3u8\n\
     #EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=200000,CODECS=\"avc1.64001f\",RESOLUTION=1280x720,URI=\"hi/iframes.m3u8\"\n"
        .to_owned()
}

/// A four-second video segment on a timeline that begins with number 0.
fn video(msn: u64, bytes: u64) -> FileFacts {
    let track = TrackFacts {
        id: 1,
        kind: TrackKind::Video,
        first_decode_us: Some(msn * 4_000_000),
        duration_us: Some(4_000_000),
        key_at_start: Some(true),
    };
    FileFacts { bytes, tracks: Some(vec![track]) }
}

/// The same with one thing of its track changed.
fn video_but(msn: u64, change: impl FnOnce(&mut TrackFacts)) -> FileFacts {
    let mut facts = video(msn, 500_000);
    if let Some(track) = facts.tracks.as_mut().and_then(|tracks| tracks.first_mut()) {
        change(track);
    }
    facts
}

fn file(name: &'static str, msn: u64, facts: FileFacts) -> Step {
    Step::File(name, format!("{msn}.m4s"), facts)
}
