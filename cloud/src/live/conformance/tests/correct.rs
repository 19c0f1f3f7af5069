//! Correct streams raise nothing, however they go on.

use super::*;

fn clean(steps: &[Step]) {
    let findings = run(steps);
    assert!(findings.is_empty(), "{findings:#?}");
}

const NAMES: [&str; 3] = ["hi", "lo", "audio"];

fn facts(name: &str, msn: u64) -> FileFacts {
    match name {
        "hi" => video(msn, 900_000),
        "lo" => video(msn, 350_000),
        _ => FileFacts {
            bytes: 64_000,
            tracks: Some(vec![TrackFacts {
                id: 2,
                kind: TrackKind::Audio,
                // Sound begins up to a frame later than the picture.
                first_decode_us: Some(msn * 4_000_000 + 11_000),
                duration_us: Some(4_000_000),
                key_at_start: Some(true),
            }]),
        },
    }
}

#[test]
fn a_live_stream_grows_and_slides() {
    let mut steps = vec![Step::Master(master())];
    for end in 1..=40u64 {
        let first = end.saturating_sub(10);
        for name in NAMES {
            let ms = end * 4000 + if name == "lo" { 900 } else { 0 };
            steps.push(Step::Media(name, plain(first, end - first), ms, false));
            steps.push(file(name, end - 1, facts(name, end - 1)));
            // It is looked at more often than it changes.
            steps.push(Step::Media(name, plain(first, end - first), ms + 2000, false));
        }
        steps.push(Step::Across);
    }
    clean(&steps);
}

/// Each second one part; every other look is at a delta update.
fn low_latency(window: u64, seconds: u64, ends: bool) -> Vec<Step> {
    let mut steps = vec![Step::Master(master())];
    for second in 1..=seconds {
        let (end, open) = (second / 4, second % 4);
        let first = end.saturating_sub(window);
        let count = end - first;
        let delta = second % 2 == 1 && count > 7;
        let skipped = if delta { count - 7 } else { 0 };
        let last = second - 1;
        for (place, name) in (0..).zip(NAMES) {
            let others = NAMES.iter().filter(|other| **other != name);
            let reports: String = others.map(|other| report(other, last / 4, last % 4)).collect();
            let text = low(first, count, open, skipped) + &reports;
            steps.push(Step::Media(name, text, second * 1000 + place * 20, delta));
        }
        steps.push(Step::Across);
    }
    if ends {
        let first = (seconds / 4).saturating_sub(window);
        let text = low(first, seconds / 4 - first, seconds % 4, 0);
        let hint = text.find("#EXT-X-PRELOAD-HINT").unwrap();
        for name in NAMES {
            for ms in [500, 90_000] {
                let ended = format!("{}#EXT-X-ENDLIST\n", &text[..hint]);
                steps.push(Step::Media(name, ended, seconds * 1000 + ms, false));
            }
        }
        steps.push(Step::Across);
    }
    steps
}

#[test]
fn low_latency_with_deltas_slides() {
    clean(&low_latency(10, 120, false));
}

#[test]
fn a_long_window_with_deltas() {
    clean(&low_latency(450, 240, false));
}

#[test]
fn low_latency_comes_to_its_end() {
    clean(&low_latency(10, 83, true));
    clean(&low_latency(10, 84, true));
}

#[test]
fn on_demand_stays_as_it_is() {
    let mut steps = vec![Step::Master(master())];
    for _ in 0..3 {
        for name in NAMES {
            steps.push(Step::Media(name, vod(6), 0, false));
            steps.extend((0..6).map(|msn| file(name, msn, facts(name, msn))));
        }
        steps.push(Step::Across);
    }
    clean(&steps);
}

#[test]
fn discontinuities_leave_in_either_way() {
    let mut dropped = Vec::new();
    let mut kept = Vec::new();
    for first in 10..=20u64 {
        let listed: Vec<u64> = [12, 15].into_iter().filter(|msn| *msn > first).collect();
        let gone = 2 - listed.len() as u64;
        dropped.push(Step::Media("a", interrupted(first, 8, gone, &listed), first * 4000, false));
        // The first segment keeps its tag, which then does not count yet.
        let listed: Vec<u64> = [12, 15].into_iter().filter(|msn| *msn >= first).collect();
        let gone = 2 - listed.len() as u64;
        kept.push(Step::Media("a", interrupted(first, 8, gone, &listed), first * 4000, false));
    }
    clean(&dropped);
    clean(&kept);
    let beside: Vec<Step> = dropped
        .into_iter()
        .zip(kept)
        .flat_map(|(dropped, kept)| {
            let Step::Media(_, text, ms, skip) = kept else { return vec![] };
            vec![dropped, Step::Media("b", text, ms, skip), Step::Across]
        })
        .collect();
    assert_eq!(beside.len(), 33);
    clean(&beside);
}

#[test]
fn decode_times_begin_anew_at_a_discontinuity() {
    let text = interrupted(10, 6, 4, &[13]);
    let jump = |msn| {
        video_but(msn, |track| {
            track.id = 3;
            track.first_decode_us = Some((msn - 13) * 4_000_000);
        })
    };
    let mut steps = one(text);
    steps.extend((10..13).map(|msn| file("a", msn, video(msn, 500_000))));
    steps.extend((13..16).map(|msn| file("a", msn, jump(msn))));
    clean(&steps);
}

#[test]
fn a_clock_that_was_set_forward_at_a_discontinuity() {
    let text = (13..16)
        .fold(interrupted(10, 6, 0, &[13]), |text, msn| text.replace(&date(msn, 0), &date(msn + 700, 0)));
    clean(&one(text));
}

#[test]
fn gaps_need_no_section_and_no_file() {
    // What Stagebox writes: a gap before any section, a section once there is something.
    let gap = |text: String, msn: u64| {
        text.replace(&format!("#EXTINF:4.000,\n{msn}"), &format!("#EXT-X-GAP\n#EXTINF:4.000,\n{msn}"))
    };
    let map = "#EXT-X-MAP:URI=\"init.mp4\"\n";
    let late = |first: u64| {
        let text = gap(plain(first, 9), 12).replace(map, "");
        let from = if first == 12 { 13 } else { first };
        let dated = format!("#EXT-X-PROGRAM-DATE-TIME:{}", date(from, 0));
        text.replace(&dated, &format!("{map}{dated}"))
    };
    let mut steps: Vec<Step> =
        (10..16).map(|first| Step::Media("a", late(first), first * 4000, false)).collect();
    steps.insert(1, file("a", 11, video(11, 500_000)));
    steps.insert(2, file("a", 12, FileFacts::default()));
    steps.insert(3, file("a", 13, video_but(13, |track| track.first_decode_us = Some(99))));
    clean(&steps);
}

#[test]
fn parts_that_are_gaps_or_end_a_segment_may_be_short() {
    let text = low(10, 6, 3, 0)
        .replace("DURATION=1.000,URI=\"16.1.m4s\"", "DURATION=0.300,URI=\"16.1.m4s\"")
        .replace("DURATION=1.000,URI=\"16.2.m4s\"", "DURATION=0.100,GAP=YES,URI=\"16.2.m4s\"")
        .replace("DURATION=1.000,URI=\"15.3.m4s\"", "DURATION=0.970,URI=\"15.3.m4s\"");
    clean(&one(text));
}

#[test]
fn a_segment_that_ends_before_its_hinted_part() {
    let first = low(10, 6, 3, 0);
    let early = low(10, 7, 1, 0)
        .replace("#EXT-X-PART:DURATION=1.000,URI=\"16.3.m4s\"\n", "")
        .replace("#EXTINF:4.000,\n16", "#EXTINF:3.000,\n16")
        .replace(&date(17, 0), &date(16, 0).replace(":04.", ":07."));
    clean(&two(first, early));
}

#[test]
fn other_ways_to_write_it() {
    let crlf = plain(10, 6).replace('\n', "\r\n");
    clean(&one(crlf));
    let comments = plain(10, 6).replace("#EXT-X-MAP", "\n# said so\n#EXT-X-NEW:WHAT=\"ever\"\n#EXT-X-MAP");
    clean(&one(comments.replace("4.000,\n15", "4.000, A title \n15")));
    // Dates on the first segment only.
    let first: String = plain(10, 6)
        .lines()
        .filter(|line| !line.contains("DATE-TIME") || line.contains(&date(10, 0)))
        .fold(String::new(), |all, line| all + line + "\n");
    clean(&one(first));
    // A transport stream needs no section.
    let ts = plain(10, 6).replace("#EXT-X-MAP:URI=\"init.mp4\"\n", "").replace(".m4s", ".ts");
    clean(&one(ts.replace("VERSION:6", "VERSION:3")));
}

#[test]
fn one_file_in_pieces_and_its_iframes() {
    let mut text = "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:4\n#EXT-X-PLAYLIST-TYPE:VOD\n\
                    #EXT-X-MAP:URI=\"v.mp4\",BYTERANGE=\"800@0\"\n"
        .to_owned();
    for piece in 0..5 {
        let offset = if piece == 0 { "@800" } else { "" };
        let _ = write!(text, "#EXTINF:4.0,\n#EXT-X-BYTERANGE:1000{offset}\nv.mp4\n");
    }
    text.push_str("#EXT-X-ENDLIST\n");
    let iframes =
        text.replace("VERSION:6", "VERSION:5").replace("#EXT-X-MAP", "#EXT-X-I-FRAMES-ONLY\n#EXT-X-MAP");
    let whole = FileFacts { bytes: 5800, tracks: None };
    clean(&[
        Step::Master(master()),
        Step::Media("hi", text.clone(), 0, false),
        Step::Media("hi/iframes", iframes, 0, false),
        Step::File("hi", "v.mp4".to_owned(), whole),
        Step::Media("hi", text, 9000, false),
        Step::Across,
    ]);
}

#[test]
fn plain_and_low_latency_side_by_side() {
    let plain_master = master().replace(".m3u8", ".m3u8?plain=1");
    let reports = |a: &str, b: &str| report(a, 16, 1) + &report(b, 16, 1);
    clean(&[
        Step::Master(master()),
        Step::Master(plain_master),
        Step::Media("hi", low(10, 6, 2, 0) + &reports("lo", "audio"), 0, false),
        Step::Media("lo", low(10, 6, 2, 0) + &reports("hi", "audio"), 0, false),
        Step::Media("hi?plain=1", plain(10, 6), 0, false),
        Step::Media("lo?plain=1", plain(10, 6), 0, false),
        Step::Across,
    ]);
}

#[test]
fn a_pause_of_the_broadcast_is_in_no_playlist() {
    let resumed = interrupted(10, 8, 0, &[17]).replace(&date(17, 0), &date(20, 0));
    let waits = interrupted(10, 7, 0, &[]);
    clean(&[Step::Media("hi", resumed, 0, false), Step::Media("lo", waits, 0, false), Step::Across]);
}
