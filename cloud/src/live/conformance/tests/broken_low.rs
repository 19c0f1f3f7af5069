//! Low-latency playlists and delta updates that break one rule each.

use super::*;

pub(super) fn alone() -> Vec<Case> {
    let live = low(10, 6, 2, 0);
    let open = "#EXT-X-PART:DURATION=1.000,URI=\"16.0.m4s\",INDEPENDENT=YES\n";
    let old = "#EXTINF:4.000,\n11.m4s";
    let mut old_parts = String::new();
    parts(&mut old_parts, 11, 4);
    let hint = "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"16.2.m4s\"\n";
    let control = |from: &str, to: &str| one(low(10, 6, 2, 0).replace(from, to));
    vec![
        ("part-inf-present", one(live.replace("#EXT-X-PART-INF:PART-TARGET=1.000\n", ""))),
        ("part-within-target", one(live.replace("1.000,URI=\"16.1", "1.001,URI=\"16.1"))),
        ("part-long-enough", one(live.replace("1.000,URI=\"13.1", "0.840,URI=\"13.1"))),
        ("parts-make-the-segment", one(live.replace("4.000,\n14", "3.900,\n14"))),
        ("parts-make-the-segment", one(live.replace("4.000,\n14", "4.100,\n14"))),
        ("parts-near-the-end", one(live.replace(old, &format!("{old_parts}{old}")))),
        ("part-tags-first", one(live.replace(open, &format!("{open}#EXT-X-MAP:URI=\"init.mp4\"\n")))),
        ("part-independent-at-start", one(live.replace(open, &open.replace(",INDEPENDENT=YES", "")))),
        ("part-hold-back-present", control("PART-HOLD-BACK=3.0,", "")),
        ("part-hold-back-twice", control("BACK=3.0", "BACK=1.999")),
        ("part-hold-back-thrice", control("BACK=3.0", "BACK=2.999")),
        ("hold-back-thrice", control("BACK=3.0", "BACK=3.0,HOLD-BACK=11.9")),
        ("skip-boundary-six-targets", control("UNTIL=24.0", "UNTIL=23.9")),
        (
            "skip-dateranges-needs-skip",
            one(live
                .replace("CAN-SKIP-UNTIL=24.0", "CAN-SKIP-DATERANGES=YES")
                .replace("VERSION:9", "VERSION:6")),
        ),
        ("blocking-reload", control("CAN-BLOCK-RELOAD=YES,", "")),
        ("hint-present", one(live.replace(hint, ""))),
        ("hint-not-after-the-end", one(format!("{live}#EXT-X-ENDLIST\n"))),
        ("hint-once-a-type", one(format!("{live}{}", hint.replace("16.2", "16.3")))),
        ("hint-is-to-come", one(live.replace(hint, &hint.replace("16.2", "16.1")))),
        (
            "report-uri-relative",
            one(format!("{live}#EXT-X-RENDITION-REPORT:URI=\"/b/index.m3u8\",LAST-MSN=16\n")),
        ),
        ("iframes-without-parts", one(live.replace("#EXT-X-IND", "#EXT-X-I-FRAMES-ONLY\n#EXT-X-IND"))),
    ]
}

pub(super) fn deltas() -> Vec<Case> {
    let full = low(10, 20, 1, 0);
    let delta = low(10, 20, 2, 12);
    let after = |delta: String, asked| {
        vec![Step::Media("a", low(10, 20, 1, 0), 0, false), Step::Media("a", delta, 1000, asked)]
    };
    let asked = |text: String| vec![Step::Media("a", text, 0, true)];
    let hint = "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"30.2.m4s\"\n";
    let section = "#EXT-X-PROGRAM-DATE-TIME:";
    vec![
        ("skip-only-when-asked", after(delta.clone(), false)),
        ("skip-only-when-offered", asked(delta.replace(",CAN-SKIP-UNTIL=24.0", ""))),
        ("skip-not-after-the-end", asked(delta.replace(hint, "#EXT-X-ENDLIST\n"))),
        ("skip-beyond-boundary-only", after(low(10, 20, 2, 16), true)),
        (
            "skip-answered",
            vec![Step::Media("a", full.clone(), 0, false), Step::Media("a", low(10, 20, 2, 0), 1000, true)],
        ),
        // The section that is no longer told is not that of the segments that follow.
        (
            "segment-map-constant",
            vec![
                Step::Media(
                    "a",
                    full.replace(
                        &format!("{section}{}", date(22, 0)),
                        &format!("#EXT-X-MAP:URI=\"new.mp4\"\n{section}{}", date(22, 0)),
                    ),
                    0,
                    false,
                ),
                Step::Media("a", delta.clone(), 1000, true),
            ],
        ),
        ("segment-duration-constant", after(delta.replace("4.000,\n25", "3.950,\n25"), true)),
        (
            "media-sequence-counts-removed",
            after(
                low(10, 20, 2, 11)
                    .replace("SEGMENTS=11", "SEGMENTS=12")
                    .replace(&format!("{section}{}\n#EXTINF:4.000,\n29.m4s\n", date(29, 0)), ""),
                true,
            ),
        ),
    ]
}

pub(super) fn in_time() -> Vec<Case> {
    let live = low(10, 6, 2, 0);
    let next = low(10, 6, 3, 0);
    vec![
        ("part-constant", two(&*live, next.replace("1.000,URI=\"16.0", "0.950,URI=\"16.0"))),
        ("part-constant", two(&*live, low(10, 6, 1, 0).replace("16.1.m4s", "16.9.m4s"))),
        ("hint-comes", two(&*live, next.replace("16.2.m4s", "x.m4s"))),
        (
            "part-in-time",
            vec![Step::Media("a", live.clone(), 0, false), Step::Media("a", live.clone(), 3_251, false)],
        ),
        (
            "part-independent-marked",
            vec![
                Step::Media("a", live.clone(), 0, false),
                Step::File("a", "16.1.m4s".to_owned(), video(16, 1000)),
            ],
        ),
        (
            "decode-time-continues",
            vec![
                Step::Media("a", live.clone(), 0, false),
                Step::File(
                    "a",
                    "16.0.m4s".to_owned(),
                    video_but(16, |track| track.duration_us = Some(1_000_000)),
                ),
                Step::File(
                    "a",
                    "16.1.m4s".to_owned(),
                    video_but(16, |track| {
                        track.first_decode_us = Some(65_040_000);
                        track.key_at_start = Some(false);
                    }),
                ),
            ],
        ),
    ]
}

#[test]
fn playlists_that_break_one_rule() {
    prove(&alone());
}

#[test]
fn deltas_that_break_one_rule() {
    prove(&deltas());
}

#[test]
fn changes_that_break_one_rule() {
    prove(&in_time());
}
