//! Texts and plain playlists that break one rule each.

use super::*;

pub(super) fn text() -> Vec<Case> {
    let live = plain(10, 6);
    let with = |line: &str| plain(10, 6) + line + "\n";
    let vod_with = |line: &str| vod(6).replace("#EXT-X-MAP", &format!("{line}\n#EXT-X-MAP"));
    let map = "URI=\"init.mp4\"";
    vec![
        ("extm3u-first", one(live.replace("#EXTM3U\n", "\n"))),
        ("no-byte-order-mark", one(format!("\u{feff}{live}"))),
        ("no-control-characters", one(with("# a \u{7} bell"))),
        (
            "no-control-characters",
            one(live.replace("15.m4s\n", "15.m4s\r\r\n").replace("15.m4s\r", "15.m4s#\u{85}")),
        ),
        ("no-stray-whitespace", one(live.replace("15.m4s", "15.m4s "))),
        ("no-stray-whitespace", one(live.replace("-SEGMENTS\n", "-SEGMENTS \n")).into_iter().collect()),
        ("attribute-list-syntax", one(live.replace(map, &format!("{map},")))),
        ("attribute-list-syntax", one(vod_with("#EXT-X-START:TIME-OFFSET=1, PRECISE=YES"))),
        ("attribute-once", one(live.replace(map, &format!("{map},{map}")))),
        ("attribute-value-type", one(vod_with("#EXT-X-START:TIME-OFFSET=\"1\""))),
        ("attribute-value-type", one(vod_with("#EXT-X-START:TIME-OFFSET=1e3"))),
        ("enumerated-value", one(vod_with("#EXT-X-START:TIME-OFFSET=1,PRECISE=MAYBE"))),
        ("attribute-required", one(vod_with("#EXT-X-START:PRECISE=YES"))),
        ("tag-value-syntax", one(live.replace("#EXT-X-IND", "#EXT-X-PLAYLIST-TYPE:LIVE\n#EXT-X-IND"))),
        ("tag-value-syntax", one(with("#EXT-X-ENDLIST:YES"))),
        ("tag-value-syntax", one(live.replace("4.000,\n15", "4.000\n15"))),
        ("tag-once", one(with("#EXT-X-TARGETDURATION:4"))),
        ("tags-of-one-kind", one(with("#EXT-X-MEDIA:TYPE=AUDIO"))),
        ("tags-of-one-kind", vec![Step::Master(master() + "#EXT-X-TARGETDURATION:4\n")]),
        ("define-attributes", one(with("#EXT-X-DEFINE:VALUE=\"x\"").replace("VERSION:6", "VERSION:8"))),
        ("version-needed", one(live.replace("VERSION:6", "VERSION:5"))),
        ("version-needed", one(live.replace("#EXT-X-VERSION:6\n", ""))),
        ("version-not-higher", one(live.replace("VERSION:6", "VERSION:7"))),
    ]
}

pub(super) fn alone() -> Vec<Case> {
    let live = plain(10, 6);
    let with = |line: &str| plain(10, 6) + line + "\n";
    let before_last =
        |tag: &str| plain(10, 6).replace("#EXTINF:4.000,\n15", &format!("{tag}\n#EXTINF:4.000,\n15"));
    let last = date(15, 0);
    let undated = |text: String| {
        let kept: Vec<&str> = text.lines().filter(|line| !line.contains("DATE-TIME")).collect();
        kept.join("\n") + "\n"
    };
    let sequence = |text: &str| text.replace("#EXT-X-IND", "#EXT-X-DISCONTINUITY-SEQUENCE:0\n#EXT-X-IND");
    let range = "#EXT-X-DATERANGE:ID=\"a\",START-DATE=\"2026-01-01T00:00:00.000Z\"";
    let iframes = "#EXTM3U\n#EXT-X-VERSION:5\n#EXT-X-TARGETDURATION:4\n#EXT-X-PLAYLIST-TYPE:VOD\n\
                   #EXT-X-I-FRAMES-ONLY\n#EXT-X-MAP:URI=\"v.mp4\",BYTERANGE=\"800@0\"\n#EXTINF:4.0,\n\
                   #EXT-X-BYTERANGE:1000@700\nv.mp4\n#EXT-X-ENDLIST\n";
    vec![
        ("target-duration-present", one(live.replace("#EXT-X-TARGETDURATION:4\n", ""))),
        ("target-duration-positive", one(live.replace("DURATION:4", "DURATION:0"))),
        ("duration-within-target", one(live.replace("4.000,\n15", "4.501,\n15"))),
        ("extinf-for-each-segment", one(live.replace("#EXTINF:4.000,\n15", "15"))),
        ("uri-for-each-extinf", one(with("#EXTINF:4.000,"))),
        ("sequence-tags-first", one(with("#EXT-X-DISCONTINUITY-SEQUENCE:0"))),
        (
            "map-for-fmp4",
            one(live.replace("#EXT-X-MAP:URI=\"init.mp4\"\n", "").replace("VERSION:6", "VERSION:3")),
        ),
        ("map-byterange-offset", one(live.replace("init.mp4\"", "init.mp4\",BYTERANGE=\"100\""))),
        ("byterange-continues", one(before_last("#EXT-X-BYTERANGE:100"))),
        ("key-attributes", one(before_last("#EXT-X-KEY:METHOD=AES-128"))),
        ("key-attributes", one(before_last("#EXT-X-KEY:METHOD=NONE,URI=\"k\""))),
        ("date-time-syntax", one(live.replace(&last, "soon"))),
        ("date-time-precise", one(live.replace(&last, &last.replace(".000Z", "Z")))),
        ("date-time-precise", one(live.replace(&last, &last.replace('Z', "")))),
        ("date-time-present", one(undated(plain(10, 6)))),
        ("date-time-follows-durations", one(live.replace(&last, &date(15, 500)))),
        ("date-time-unambiguous", one(live.replace(&last, &date(14, 0)))),
        (
            "date-time-at-discontinuity",
            one(sequence(&live.replace(&format!("#EXT-X-PROGRAM-DATE-TIME:{last}"), "#EXT-X-DISCONTINUITY"))),
        ),
        ("daterange-needs-date-time", one(undated(vod(6)) + range + "\n")),
        ("daterange-attributes", one(with(&format!("{range},END-DATE=\"2025-01-01T00:00:00.000Z\"")))),
        ("daterange-attributes", one(with(&format!("{range},END-ON-NEXT=YES")))),
        (
            "daterange-attributes",
            one(with(range) + "#EXT-X-DATERANGE:ID=\"a\",START-DATE=\"2027-01-01T00:00:00.000Z\"\n"),
        ),
        ("iframe-byterange-without-map", one(iframes)),
        ("vod-has-an-end", one(vod(6).replace("#EXT-X-ENDLIST\n", ""))),
        ("discontinuity-sequence-present", one(before_last("#EXT-X-DISCONTINUITY"))),
        ("start-within-playlist", one(vod(6) + "#EXT-X-START:TIME-OFFSET=25\n")),
        ("start-within-playlist", one(plain(10, 9) + "#EXT-X-START:TIME-OFFSET=-11\n")),
    ]
}

/// Looks at one playlist, one after the other.
pub(super) fn in_time() -> Vec<Case> {
    let live = plain(10, 7);
    let ended = format!("{live}#EXT-X-ENDLIST\n");
    let event = |text: String| text.replace("#EXT-X-IND", "#EXT-X-PLAYLIST-TYPE:EVENT\n#EXT-X-IND");
    let last = date(16, 0);
    vec![
        ("target-duration-constant", two(&*live, live.replace("DURATION:4", "DURATION:5"))),
        ("header-constant", two(&*live, live.replace("#EXT-X-INDEPENDENT-SEGMENTS\n", ""))),
        ("media-sequence-never-falls", two(plain(11, 6), &*live)),
        ("media-sequence-counts-removed", two(&*live, plain(11, 6).replace("SEQUENCE:11", "SEQUENCE:10"))),
        (
            "media-sequence-counts-removed",
            two(
                &*live,
                live.replace(
                    &format!("#EXT-X-PROGRAM-DATE-TIME:{}\n#EXTINF:4.000,\n12.m4s\n", date(12, 0)),
                    "",
                )
                .replace(&format!(":{}", date(13, 0)), &format!(":{}", date(12, 0)))
                .replace(&format!(":{}", date(14, 0)), &format!(":{}", date(13, 0)))
                .replace(&format!(":{}", date(15, 0)), &format!(":{}", date(14, 0)))
                .replace(&format!(":{last}"), &format!(":{}", date(15, 0))),
            ),
        ),
        ("segments-stay-at-the-end", two(&*live, plain(10, 6))),
        ("segment-uri-constant", two(&*live, live.replace("12.m4s", "x.m4s"))),
        ("segment-duration-constant", two(&*live, live.replace("4.000,\n16", "3.900,\n16"))),
        ("segment-date-constant", two(&*live, live.replace(&last, &date(16, 100)))),
        ("segment-map-constant", two(&*live, live.replace("init.mp4", "new.mp4"))),
        (
            "segment-gap-constant",
            two(&*live, live.replace("#EXTINF:4.000,\n16", "#EXT-X-GAP\n#EXTINF:4.000,\n16")),
        ),
        ("discontinuity-sequence-never-falls", two(interrupted(10, 7, 3, &[]), interrupted(10, 7, 2, &[]))),
        ("discontinuity-sequence-counts", two(interrupted(10, 9, 0, &[12]), interrupted(13, 6, 0, &[]))),
        ("discontinuity-sequence-counts", two(interrupted(10, 9, 0, &[]), interrupted(11, 8, 1, &[]))),
        ("endlist-final", two(&*ended, &*live)),
        ("endlist-final", two(&*ended, plain(10, 8) + "#EXT-X-ENDLIST\n")),
        ("event-only-appends", two(event(plain(10, 7)), event(plain(11, 7)))),
        ("vod-unchanged", two(vod(6), vod(7))),
        ("window-three-targets", two(&*live, plain(15, 2))),
        ("window-six-segments", two(&*live, plain(12, 5))),
        (
            "segment-in-time",
            vec![Step::Media("a", live.clone(), 0, false), Step::Media("a", live.clone(), 6_251, false)],
        ),
    ]
}

#[test]
fn texts_that_break_one_rule() {
    prove(&text());
}

#[test]
fn playlists_that_break_one_rule() {
    prove(&alone());
}

#[test]
fn changes_that_break_one_rule() {
    prove(&in_time());
}
