use super::*;

const START_MS: i64 = 1_700_000_000_000;

fn segment(msn: u64, duration_us: u64) -> Segment {
    Segment {
        msn,
        duration_us,
        start_unix_ms: START_MS + msn as i64 * 2_000,
        discontinuity: false,
        discontinuity_sequence: 0,
        independent: true,
        gap: false,
        init: 0,
        bytes: 1000,
        key_bytes: None,
        frames: 60,
        end_ns: 0,
        parts: Vec::new(),
    }
}

fn with_parts(mut segment: Segment, parts: &[(u64, bool)]) -> Segment {
    segment.parts = parts
        .iter()
        .map(|(duration_us, independent)| PartInfo {
            duration_us: *duration_us,
            independent: *independent,
            start: 0,
            end: 0,
        })
        .collect();
    segment
}

fn low<'a>(open: Option<&'a Segment>, skip: bool) -> LowLatency<'a> {
    LowLatency {
        part_target_us: 500_000,
        open,
        hint: open.map(|open| (open.msn, open.parts.len() as u64)),
        hint_init: open.map(|open| open.init),
        reports: Vec::new(),
        skip,
    }
}

fn render(segments: &[Segment], low_latency: Option<LowLatency<'_>>, kind: PlaylistKind) -> String {
    let segments: Vec<&Segment> = segments.iter().collect();
    MediaPlaylist {
        target_duration_s: 2,
        discontinuity_sequence: segments.first().map_or(0, |first| first.discontinuity_sequence),
        first_msn: segments.first().map_or(0, |first| first.msn),
        lead: None,
        segments: &segments,
        low_latency,
        kind,
    }
    .render()
}

#[test]
fn low_latency() {
    let parts = [(500_000, true), (500_000, false), (500_000, false), (501_333, false)];
    let segments = [segment(6, 2_000_000), with_parts(segment(7, 2_001_333), &parts)];
    let open = with_parts(segment(8, 1_000_000), &parts[..2]);
    let reports = vec![
        RenditionReport { rendition: "audio".to_owned(), last_msn: 8, last_part: Some(1) },
        RenditionReport { rendition: "360p".to_owned(), last_msn: 7, last_part: None },
    ];
    let low_latency = LowLatency { reports, ..low(Some(&open), false) };
    assert_eq!(
        render(&segments, Some(low_latency), PlaylistKind::Live),
        "#EXTM3U
#EXT-X-VERSION:9
#EXT-X-TARGETDURATION:2
#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=1.500000,CAN-SKIP-UNTIL=12.000000
#EXT-X-PART-INF:PART-TARGET=0.500000
#EXT-X-MEDIA-SEQUENCE:6
#EXT-X-DISCONTINUITY-SEQUENCE:0
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MAP:URI=\"init-0.mp4\"
#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:32.000Z
#EXTINF:2.000000,
6.m4s
#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:34.000Z
#EXT-X-PART:DURATION=0.500000,URI=\"7.0.m4s\",INDEPENDENT=YES
#EXT-X-PART:DURATION=0.500000,URI=\"7.1.m4s\"
#EXT-X-PART:DURATION=0.500000,URI=\"7.2.m4s\"
#EXT-X-PART:DURATION=0.501333,URI=\"7.3.m4s\"
#EXTINF:2.001333,
7.m4s
#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:36.000Z
#EXT-X-PART:DURATION=0.500000,URI=\"8.0.m4s\",INDEPENDENT=YES
#EXT-X-PART:DURATION=0.500000,URI=\"8.1.m4s\"
#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"8.2.m4s\"
#EXT-X-RENDITION-REPORT:URI=\"../audio/index.m3u8\",LAST-MSN=8,LAST-PART=1
#EXT-X-RENDITION-REPORT:URI=\"../360p/index.m3u8\",LAST-MSN=7
"
    );
}

#[test]
fn plain_with_an_interruption_and_a_gap() {
    let back = Segment { discontinuity: true, discontinuity_sequence: 4, init: 1, ..segment(9, 1_500_000) };
    let gap = Segment { gap: true, discontinuity_sequence: 4, init: 1, ..segment(10, 2_000_000) };
    let first = Segment { discontinuity: true, discontinuity_sequence: 3, ..segment(8, 2_000_000) };
    assert_eq!(
        render(&[first, back, gap], None, PlaylistKind::Live),
        "#EXTM3U
#EXT-X-VERSION:8
#EXT-X-TARGETDURATION:2
#EXT-X-MEDIA-SEQUENCE:8
#EXT-X-DISCONTINUITY-SEQUENCE:3
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MAP:URI=\"init-0.mp4\"
#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:36.000Z
#EXTINF:2.000000,
8.m4s
#EXT-X-DISCONTINUITY
#EXT-X-MAP:URI=\"init-1.mp4\"
#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:38.000Z
#EXTINF:1.500000,
9.m4s
#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:40.000Z
#EXT-X-GAP
#EXTINF:2.000000,
10.m4s
"
    );
}

#[test]
fn on_demand() {
    let text = render(&[segment(3, 2_000_000), segment(4, 900_000)], None, PlaylistKind::OnDemand);
    assert!(text.contains("#EXT-X-PLAYLIST-TYPE:VOD\n"), "{text}");
    assert!(text.ends_with("4.m4s\n#EXT-X-ENDLIST\n"), "{text}");
}

#[test]
fn the_end_is_told_and_nothing_more_promised() {
    let open = with_parts(segment(1, 500_000), &[(500_000, true)]);
    let text = render(&[segment(0, 2_000_000)], Some(low(Some(&open), false)), PlaylistKind::Ended);
    assert!(!text.contains("PRELOAD-HINT"), "{text}");
    assert!(text.ends_with("#EXT-X-ENDLIST\n"), "{text}");
}

#[test]
fn a_delta_leaves_out_what_is_older_than_the_boundary() {
    let segments: Vec<Segment> = (0..20).map(|msn| segment(msn, 2_000_000)).collect();
    let open = with_parts(segment(20, 1_000_000), &[(500_000, true), (500_000, false)]);
    let text = render(&segments, Some(low(Some(&open), true)), PlaylistKind::Live);
    // 41 s in all; what begins 12 s or more before the end and ends there may go: 14 segments.
    assert!(text.contains("#EXT-X-SKIP:SKIPPED-SEGMENTS=14\n"), "{text}");
    assert!(!text.contains("\n13.m4s") && text.contains("\n14.m4s"), "{text}");
    assert!(!text.contains("EXT-X-MAP"), "the section was told before: {text}");
    let short = render(&segments[14..], Some(low(Some(&open), true)), PlaylistKind::Live);
    assert!(!short.contains("EXT-X-SKIP"), "{short}");
}

#[test]
fn parts_are_listed_near_the_end_only() {
    let parts = [(500_000, true), (500_000, false), (500_000, false), (500_000, false)];
    let segments: Vec<Segment> = (0..10).map(|msn| with_parts(segment(msn, 2_000_000), &parts)).collect();
    let text = render(&segments, Some(low(None, false)), PlaylistKind::Live);
    let first = text.find("#EXT-X-PART:").and_then(|at| text[at..].lines().next()).unwrap();
    assert!(first.contains("\"7.0.m4s\""), "{first}");
}

#[test]
fn segments_that_nobody_can_start_at_are_admitted() {
    let text = render(&[Segment { independent: false, ..segment(0, 2_000_000) }], None, PlaylistKind::Live);
    assert!(!text.contains("INDEPENDENT-SEGMENTS"), "{text}");
}

#[test]
fn pictures_to_begin_with() {
    let shown = |msn| Segment { key_bytes: Some(700 + msn), ..segment(msn, 2_000_000) };
    let gap = Segment { gap: true, ..segment(5, 2_000_000) };
    let later = Segment { discontinuity: true, discontinuity_sequence: 1, init: 1, ..shown(6) };
    let all = [shown(4), gap, later];
    let segments: Vec<&Segment> = all.iter().collect();
    let playlist = MediaPlaylist {
        target_duration_s: 2,
        discontinuity_sequence: 0,
        first_msn: 4,
        lead: None,
        segments: &segments,
        low_latency: None,
        kind: PlaylistKind::Live,
    };
    assert_eq!(
        playlist.render_iframes(),
        "#EXTM3U\n#EXT-X-VERSION:8\n#EXT-X-TARGETDURATION:2\n#EXT-X-I-FRAMES-ONLY\n\
         #EXT-X-MEDIA-SEQUENCE:4\n#EXT-X-DISCONTINUITY-SEQUENCE:0\n\
         #EXT-X-MAP:URI=\"init-0.mp4\"\n#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:28.000Z\n\
         #EXTINF:2.000000,\n#EXT-X-BYTERANGE:704@0\n4.m4s\n\
         #EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:30.000Z\n#EXTINF:2.000000,\n#EXT-X-GAP\n5.m4s\n\
         #EXT-X-DISCONTINUITY\n#EXT-X-MAP:URI=\"init-1.mp4\"\n#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:32.000Z\n\
         #EXTINF:2.000000,\n#EXT-X-BYTERANGE:706@0\n6.m4s\n"
    );
}

#[test]
fn what_changes_in_a_list_of_a_day_is_told_in_four_kibibytes() {
    let parts = [(500_000, true), (500_000, false), (500_000, false), (500_000, false)];
    let segments: Vec<Segment> = (0..43_200).map(|msn| with_parts(segment(msn, 2_000_000), &parts)).collect();
    let open = with_parts(segment(43_200, 0), &parts[..3]);
    let report = |height: u16| RenditionReport {
        rendition: format!("{height}p"),
        last_msn: 43_200,
        last_part: Some(2),
    };
    let reports: Vec<RenditionReport> = [1080, 720, 480, 360, 240].map(report).into();
    let low = LowLatency { reports, ..low(Some(&open), true) };
    let text = render(&segments, Some(low), PlaylistKind::Live);
    assert!(text.contains("#EXT-X-SKIP:SKIPPED-SEGMENTS=431"), "{text}");
    assert!(text.len() < 4096, "{} bytes", text.len());
}

#[test]
fn a_part_that_needs_another_section_is_hinted_with_it() {
    let segments = [with_parts(segment(4, 2_000_000), &[(500_000, true)])];
    let low = |hint_init| LowLatency { hint: Some((5, 0)), hint_init, ..low(None, false) };
    let hints = |hint_init| {
        let text = render(&segments, Some(low(hint_init)), PlaylistKind::Live);
        text.lines().filter(|line| line.contains("HINT")).collect::<Vec<_>>().join("\n")
    };
    let part = "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"5.0.m4s\"";
    assert_eq!(hints(Some(0)), part);
    assert_eq!(hints(None), part);
    assert_eq!(hints(Some(1)), format!("#EXT-X-PRELOAD-HINT:TYPE=MAP,URI=\"init-1.mp4\"\n{part}"));
}
