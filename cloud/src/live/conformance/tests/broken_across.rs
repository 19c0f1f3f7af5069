//! Multivariant playlists, files, bit rates and renditions that break one rule each.

use super::*;

pub(super) fn masters() -> Vec<Case> {
    let but = |from: &str, to: &str| {
        assert!(master().contains(from), "{from}");
        vec![Step::Master(master().replace(from, to))]
    };
    let and = |line: &str| vec![Step::Master(master() + line + "\n")];
    let hi = "#EXT-X-STREAM-INF:BANDWIDTH=2200000,AVERAGE-BANDWIDTH=2000000,CODECS=\"avc1.64001f\",RESOLUTION=1280x720,FRAME-RATE=29.970,AUDIO=\"s\"\nhi/index.m3u8";
    let lo = "#EXT-X-STREAM-INF:BANDWIDTH=900000,AVERAGE-BANDWIDTH=800000,CODECS=\"avc1.64001e,mp4a.40.2\",RESOLUTION=640x360,FRAME-RATE=29.970,AUDIO=\"s\"\nlo/index.m3u8\n";
    let lo_sound = "640x360,FRAME-RATE=29.970,AUDIO=\"s\"";
    let sound = |group: &str, name: &str, rest: &str| {
        format!(
            "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"{group}\",NAME=\"{name}\",LANGUAGE=\"fr\",CHANNELS=\"2\",URI=\"fr/index.m3u8\"{rest}"
        )
    };
    let iframes = "#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=200000,CODECS=\"avc1.64001f\",RESOLUTION=1280x720,URI=\"hi/iframes.m3u8\"\n";
    vec![
        ("variant-uri", and("x/index.m3u8")),
        ("variant-uri", and("#EXT-X-STREAM-INF:BANDWIDTH=1")),
        ("bandwidth-present", but("INF:BANDWIDTH=900000,", "INF:")),
        ("average-bandwidth-present", but(",AVERAGE-BANDWIDTH=800000", "")),
        ("average-not-above-peak", but("WIDTH=800000", "WIDTH=900001")),
        ("codecs-present", but("CODECS=\"avc1.64001e,mp4a.40.2\",", "")),
        ("resolution-present", but("RESOLUTION=640x360,", "")),
        ("frame-rate-present", but("640x360,FRAME-RATE=29.970", "640x360")),
        ("group-exists", but(lo_sound, &lo_sound.replace("\"s\"", "\"t\""))),
        ("group-exists", but(lo_sound, &format!("{lo_sound},SUBTITLES=\"s\""))),
        ("closed-captions-none-everywhere", but(lo_sound, &format!("{lo_sound},CLOSED-CAPTIONS=NONE"))),
        ("score-on-all", but(lo_sound, &format!("{lo_sound},SCORE=1.5"))),
        ("variants-distinct", and(hi)),
        ("several-bit-rates", but(lo, "")),
        ("rendition-names-differ", and(&sound("s", "Sound", ""))),
        ("one-default", and(&sound("s", "Son", ",DEFAULT=YES"))),
        ("default-autoselect", but("AUTOSELECT=YES", "AUTOSELECT=NO")),
        ("channels-present", but(",CHANNELS=\"2\"", "")),
        ("language-present", but("LANGUAGE=\"en\",", "")),
        ("rendition-attributes-fit", and(&sound("s", "Son", ",FORCED=NO"))),
        (
            "rendition-attributes-fit",
            and("#EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID=\"c\",NAME=\"Text\",LANGUAGE=\"en\""),
        ),
        ("groups-alike", and(&sound("t", "Son", ""))),
        ("iframe-playlists-present", but(iframes, "")),
        ("iframe-attributes", but("URI=\"hi/iframes", "AUDIO=\"s\",URI=\"hi/iframes")),
        ("iframe-attributes", and("#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,CODECS=\"avc1\",RESOLUTION=1x1")),
        ("iframe-codecs-present", but("CODECS=\"avc1.64001f\",RES", "RES")),
        ("iframe-resolution-present", but("RESOLUTION=1280x720,URI", "URI")),
        ("session-data-value", and("#EXT-X-SESSION-DATA:DATA-ID=\"a\"")),
        (
            "session-data-value",
            and(
                "#EXT-X-SESSION-DATA:DATA-ID=\"a\",VALUE=\"b\"\n#EXT-X-SESSION-DATA:DATA-ID=\"a\",VALUE=\"c\"",
            ),
        ),
        ("version-needed", and("#EXT-X-DEFINE:NAME=\"a\",VALUE=\"b\"")),
        (
            "define-attributes",
            vec![Step::Master(master().replace("VERSION:6", "VERSION:8") + "#EXT-X-DEFINE:IMPORT=\"a\"\n")],
        ),
    ]
}

pub(super) fn files() -> Vec<Case> {
    let shown = |steps: Vec<Step>| {
        let mut all = one(plain(10, 6));
        all.extend(steps);
        all
    };
    let dependent = || plain(10, 6).replace("#EXT-X-INDEPENDENT-SEGMENTS\n", "");
    let late = video_but(10, |track| track.key_at_start = Some(false));
    let other = |msn| video_but(msn, |track| track.id = 2);
    let init = Step::File("a", "init.mp4".to_owned(), other(0));
    let mut said = vec![Step::Master(master()), Step::Media("hi", dependent(), 0, false)];
    said.extend((10..13).map(|msn| file("hi", msn, video(msn, 500_000))));
    said.push(Step::Across);
    let independent = master().replace("VERSION:6\n", "VERSION:6\n#EXT-X-INDEPENDENT-SEGMENTS\n");
    vec![
        ("file-not-empty", shown(vec![file("a", 10, FileFacts::default())])),
        (
            "segment-begins-with-key-frame",
            vec![Step::Media("a", dependent(), 0, false), file("a", 10, late.clone())],
        ),
        ("independent-segments-true", shown(vec![file("a", 10, late)])),
        (
            "decode-time-continues",
            shown(vec![
                file("a", 11, video_but(11, |track| track.first_decode_us = Some(44_033_000))),
                file("a", 10, video(10, 500_000)),
            ]),
        ),
        (
            "duration-true",
            shown(vec![file("a", 10, video_but(10, |track| track.duration_us = Some(3_800_000)))]),
        ),
        ("map-has-the-tracks", shown(vec![init, file("a", 10, video(10, 500_000))])),
        ("tracks-constant", shown(vec![file("a", 10, video(10, 500_000)), file("a", 11, other(11))])),
        (
            "bitrate-true",
            vec![
                Step::Media(
                    "a",
                    plain(10, 6).replace("#EXT-X-IND", "#EXT-X-BITRATE:1000\n#EXT-X-IND"),
                    0,
                    false,
                ),
                file("a", 10, video(10, 400_000)),
            ],
        ),
        ("independent-segments-said", said),
        (
            "independent-segments-once",
            vec![Step::Master(independent), Step::Media("hi", plain(10, 6), 0, false), Step::Across],
        ),
    ]
}

pub(super) fn rates() -> Vec<Case> {
    let measured = |text: String, sizes: &[(u64, u64)]| {
        let mut steps = vec![Step::Master(master()), Step::Media("hi", text, 0, false)];
        steps.extend(sizes.iter().map(|(msn, bytes)| file("hi", *msn, video(*msn, *bytes))));
        steps.push(Step::Across);
        steps
    };
    let all = |count: u64, bytes: u64| (0..count).map(|msn| (msn, bytes)).collect::<Vec<_>>();
    let mut peak = all(6, 500_000);
    peak[3].1 = 1_300_000;
    let mut with_sound = measured(plain(10, 6), &[(12, 1_150_000)]);
    with_sound.insert(2, Step::Media("audio", plain(10, 6), 0, false));
    with_sound.insert(3, file("audio", 12, video(12, 100_000)));
    vec![
        ("peak-within-bandwidth", measured(vod(6), &peak)),
        ("average-within-bandwidth", measured(vod(6), &all(6, 1_150_000))),
        ("live-peak-near-bandwidth", measured(plain(10, 6), &[(12, 1_300_000)])),
        ("live-peak-near-bandwidth", with_sound),
        ("live-peak-within-bandwidth", measured(plain(10, 6), &[(12, 1_400_000)])),
        ("live-average-within-bandwidth", measured(plain(0, 901), &all(901, 1_150_000))),
    ]
}

pub(super) fn renditions() -> Vec<Case> {
    let both = |a: String, b: String| {
        vec![Step::Media("a", a, 0, false), Step::Media("b", b, 0, false), Step::Across]
    };
    let shifted = (10..16).fold(plain(10, 6), |text, msn| text.replace(&date(msn, 0), &date(msn, 500)));
    let undated: String = vod(6)
        .lines()
        .filter(|line| !line.contains("DATE-TIME"))
        .fold(String::new(), |all, line| all + line + "\n");
    let mut dated = both(plain(10, 6), plain(10, 6));
    dated.insert(2, file("a", 15, video(15, 500_000)));
    dated.insert(3, file("b", 15, video_but(15, |track| track.first_decode_us = Some(59_000_000))));
    let reports = |ms_hi, ms_lo, msn, part| {
        let hi = Step::Media("hi", low(10, 6, 2, 0) + &report("lo", msn, part), ms_hi, false);
        vec![hi, Step::Media("lo", low(10, 6, 2, 0), ms_lo, false), Step::Across]
    };
    vec![
        ("target-durations-alike", both(plain(10, 6), plain(10, 6).replace("DURATION:4", "DURATION:5"))),
        ("media-sequences-alike", both(plain(10, 6), plain(10, 6).replace("SEQUENCE:10", "SEQUENCE:11"))),
        ("discontinuities-alike", both(interrupted(10, 6, 0, &[]), interrupted(10, 6, 0, &[13]))),
        ("segments-aligned", both(plain(10, 6), shifted)),
        ("date-times-alike", dated),
        ("date-times-everywhere", both(vod(6), undated.clone())),
        ("date-times-everywhere", both(undated, vod(6))),
        ("playlist-types-alike", both(vod(6), vod(6).replace("#EXT-X-PLAYLIST-TYPE:VOD\n", ""))),
        ("server-control-alike", both(plain(10, 6), plain(10, 6) + "#EXT-X-SERVER-CONTROL:HOLD-BACK=12.0\n")),
        ("same-content", both(plain(10, 8), plain(10, 6))),
        ("same-content", both(plain(12, 6), plain(10, 8))),
        (
            "reports-complete",
            vec![
                Step::Master(master()),
                Step::Media("hi", low(10, 6, 2, 0) + &report("lo", 16, 1), 0, false),
                Step::Across,
            ],
        ),
        ("report-not-ahead", reports(0, 0, 18, 0)),
        ("report-not-ahead", reports(0, 250, 16, 2)),
        ("report-up-to-date", reports(250, 0, 16, 0)),
        ("report-up-to-date", reports(0, 0, 14, 3)),
        (
            "iframe-playlist-tag",
            vec![Step::Master(master()), Step::Media("hi/iframes", plain(10, 6), 0, false), Step::Across],
        ),
    ]
}

#[test]
fn masters_that_break_one_rule() {
    prove(&masters());
}

#[test]
fn files_that_break_one_rule() {
    prove(&files());
}

#[test]
fn bit_rates_that_break_one_rule() {
    prove(&rates());
}

#[test]
fn renditions_that_break_one_rule() {
    prove(&renditions());
}
