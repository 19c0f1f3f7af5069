use super::*;
use crate::live::conformance::Checker;
use crate::live::segment::{Description, PartInfo};
use std::io::Write as _;

const SOURCE: Rendition = Rendition::Source;

fn window() -> Window {
    window_of(2)
}

fn window_of(target_duration_s: u64) -> Window {
    let mut window = Window::new(Keep { part_us: 500_000, window_us: 8_000_000, memory_us: 4_000_000 });
    window.apply(Packaged::Target { target_duration_s });
    window
}

pub(in crate::live) fn segment(msn: u64, parts: usize) -> Segment {
    let part = |index: usize| PartInfo {
        duration_us: 500_000,
        independent: true,
        start: index * 3,
        end: index * 3 + 3,
    };
    Segment {
        msn,
        duration_us: 500_000 * parts as u64,
        start_unix_ms: 0,
        discontinuity: false,
        discontinuity_sequence: 0,
        independent: true,
        gap: false,
        init: 0,
        bytes: 3 * parts as u64,
        key_bytes: None,
        frames: 15,
        end_ns: 0,
        parts: (0..parts).map(part).collect(),
    }
}

fn part(window: &mut Window, msn: u64, count: usize) {
    let data = Bytes::from(format!("{msn:02}{}", count - 1));
    window.apply(Packaged::Part { rendition: SOURCE, segment: segment(msn, count), data });
}

fn complete(window: &mut Window, msn: u64) -> Option<Bytes> {
    (1..=4).for_each(|count| part(window, msn, count));
    window
        .apply(Packaged::Close { rendition: SOURCE, segment: segment(msn, 4) })
        .map(|complete| complete.data)
}

fn view(from_msn: u64) -> View {
    View { from_msn, plain: false, skip: false, iframes: false }
}

#[test]
fn parts_make_the_segment_and_can_be_fetched_before_and_after() {
    let mut window = window();
    assert_eq!(window.part(SOURCE, 0, 0), Found::Missing);
    part(&mut window, 0, 1);
    assert_eq!(window.part(SOURCE, 0, 0), Found::Here(Bytes::from("000").into()));
    assert_eq!(window.part(SOURCE, 0, 1), Found::Coming);
    assert_eq!(window.part(SOURCE, 0, 2), Found::Missing);
    assert_eq!(window.segment(SOURCE, 0), Found::Missing);
    assert_eq!(
        complete(&mut Window { lanes: BTreeMap::new(), ..window }, 0),
        Some(Bytes::from("000001002003"))
    );

    let mut window = self::window();
    complete(&mut window, 0);
    assert_eq!(window.part(SOURCE, 0, 2), Found::Here(Bytes::from("002").into()));
    assert_eq!(window.part(SOURCE, 0, 4), Found::Missing);
    assert_eq!(window.part(SOURCE, 1, 0), Found::Coming, "announced as the next");
    assert_eq!(window.part(SOURCE, 1, 1), Found::Missing);
    assert_eq!(window.segment(SOURCE, 0), Found::Here(Bytes::from("000001002003").into()));
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"000001002003").unwrap();
    window.kept(SOURCE, 0, file);
    let bytes = |found| match found {
        Found::Here(data @ Content::File(_)) => data.bytes().unwrap(),
        other => panic!("{other:?} is not in the file"),
    };
    assert_eq!(bytes(window.segment(SOURCE, 0)), "000001002003");
    assert_eq!(bytes(window.part(SOURCE, 0, 2)), "002", "parts are of the same file");
    assert_eq!(window.part(SOURCE, 0, 4), Found::Missing);
}

#[test]
fn old_segments_leave_memory_and_then_the_window() {
    let mut window = window_of(1);
    for msn in 0..8 {
        complete(&mut window, msn);
    }
    // Eight seconds are wanted, and six segments are the least.
    assert_eq!(window.take_dropped(), [(SOURCE, 0), (SOURCE, 1)]);
    let found: Vec<Found> = (1..8).map(|msn| window.segment(SOURCE, msn)).collect();
    let stored = found.iter().filter(|found| **found == Found::Stored).count();
    assert!(matches!(
        (&found[0], stored, &found[5..]),
        (Found::Missing, 4, [Found::Here(_), Found::Here(_)])
    ));
    let list = window.playlist(SOURCE, view(0)).unwrap();
    assert!(list.contains("#EXT-X-MEDIA-SEQUENCE:2\n"), "{list}");
}

#[test]
fn where_segments_are_long_more_of_them_stay_in_memory() {
    let mut window = window();
    for msn in 0..8 {
        complete(&mut window, msn);
    }
    let found: Vec<Found> = (1..8).map(|msn| window.segment(SOURCE, msn)).collect();
    assert!(matches!(
        found[..],
        [
            Found::Missing,
            Found::Stored,
            Found::Stored,
            Found::Here(_),
            Found::Here(_),
            Found::Here(_),
            Found::Here(_)
        ]
    ));
}

#[test]
fn viewers_see_nothing_from_before_their_first_segment() {
    let mut window = window();
    complete(&mut window, 0);
    part(&mut window, 1, 1);
    assert_eq!(window.playlist(SOURCE, view(2)), None);
    // What was before is a gap that nobody fetches; playback begins after it.
    let gap = "#EXT-X-GAP\n#EXTINF:2.000000,\n0.m4s\n";
    let list = window.playlist(SOURCE, view(1)).unwrap();
    assert!(list.contains("#EXT-X-MEDIA-SEQUENCE:0\n") && list.contains(gap), "{list}");
    assert!(list.contains("#EXT-X-START:TIME-OFFSET=2.000000,PRECISE=YES\n"), "{list}");
    assert_eq!(list.matches(",GAP=YES\n").count(), 4, "{list}");
    let plain = View { plain: true, ..view(1) };
    assert_eq!(window.playlist(SOURCE, plain), None);
    part(&mut window, 1, 2);
    let edge = window.edge(SOURCE);
    assert!(edge.begun(1) && !edge.begun(2), "{edge:?}");

    // Once the playlist is long enough without it, it is gone; no rule is broken meanwhile.
    let mut checker = Checker::default();
    let mut look = |list: &str, at_ms| {
        let mut found = checker.media("source", list, at_ms, false);
        // Their clock stands here.
        found.retain(|one| one.rule.id != "date-time-unambiguous");
        assert_eq!(found.iter().map(|one| (one.rule.id, &one.words)).collect::<Vec<_>>(), [], "{list}");
    };
    for msn in 1..7 {
        let list = window.playlist(SOURCE, view(1)).unwrap();
        look(&list, msn * 2000);
        assert_eq!((list.contains(gap), list.contains("EXT-X-START")), (true, msn == 1), "{list}");
        complete(&mut window, msn);
    }
    let list = window.playlist(SOURCE, view(1)).unwrap();
    look(&list, 14_000);
    assert!(list.contains("#EXT-X-MEDIA-SEQUENCE:1\n") && !list.contains("\n0.m4s"), "{list}");
}

#[test]
fn what_a_blocking_request_waits_for() {
    let edge = Edge { complete: Some((7, 4)), open: Some((8, 2)) };
    for (msn, part, reached) in [
        (7, None, true),
        (8, None, false),
        (7, Some(3), true),
        (8, Some(1), true),
        (8, Some(2), false),
        // Beyond the last part of a segment means the first one of the next.
        (7, Some(4), true),
        (9, Some(0), false),
    ] {
        assert_eq!(edge.reached(msn, part), reached, "{msn} {part:?}");
    }
    let closed = Edge { complete: Some((8, 4)), open: None };
    assert!(closed.reached(8, None) && !closed.reached(8, Some(4)) && !closed.reached(9, Some(0)));
    assert!(!Edge::default().reached(0, None) && !Edge::default().reached(0, Some(0)));
}

fn init(window: &mut Window, rendition: Rendition, init: u32) {
    let codec = "avc1.64001f".to_owned();
    let description = Description { codec, resolution: Some((640, 360)), frame_rate: None, channels: None };
    window.apply(Packaged::Init { rendition, init, data: Bytes::from_static(b"moov"), description });
}

#[test]
fn the_list_waits_for_the_sound_that_begins_with_the_pictures() {
    let part = |window: &mut Window, rendition| {
        window.apply(Packaged::Part { rendition, segment: segment(0, 1), data: Bytes::from_static(b"000") });
    };
    let begun = || {
        let mut window = window();
        init(&mut window, SOURCE, 0);
        init(&mut window, Rendition::Audio, 0);
        part(&mut window, SOURCE);
        window
    };
    let mut window = begun();
    assert_eq!(window.master(false), None, "the pictures alone");
    part(&mut window, Rendition::Audio);
    assert!(window.master(false).unwrap().contains("TYPE=AUDIO"));
    // Sound that does not come is waited for as long as the first segment takes.
    let mut window = begun();
    window.apply(Packaged::Close { rendition: SOURCE, segment: segment(0, 1) });
    assert!(!window.master(false).unwrap().contains("TYPE=AUDIO"));
}

#[test]
fn a_rendition_with_nothing_at_its_end_is_none_to_begin_with() {
    const SMALL: Rendition = Rendition::Scaled(180);
    let mut window = window();
    let master = |window: &Window| window.master(true).unwrap().matches(".m3u8?plain").count();
    for rendition in [SOURCE, SMALL] {
        init(&mut window, rendition, 0);
        window.apply(Packaged::Part { rendition, segment: segment(0, 1), data: Bytes::from_static(b"000") });
        window.apply(Packaged::Close { rendition, segment: segment(0, 1) });
    }
    for msn in 1..=3 {
        assert_eq!(master(&window), 2, "{msn}");
        complete(&mut window, msn);
        let gap = Segment { gap: true, parts: Vec::new(), ..segment(msn, 4) };
        window.apply(Packaged::Close { rendition: SMALL, segment: gap });
    }
    assert_eq!(master(&window), 1);
    let data = Bytes::from_static(b"000");
    window.apply(Packaged::Part { rendition: SMALL, segment: segment(4, 1), data });
    assert_eq!(master(&window), 2, "it is back");
}

#[test]
fn a_rendition_that_comes_later_reaches_back_as_far_as_the_others() {
    const SMALL: Rendition = Rendition::Scaled(180);
    let mut window = window();
    init(&mut window, SOURCE, 0);
    (0..=3).for_each(|msn| drop(complete(&mut window, msn)));
    init(&mut window, SMALL, 4);
    // It is a segment behind the source.
    let data = Bytes::from_static(b"000");
    window.apply(Packaged::Part { rendition: SMALL, segment: Segment { init: 4, ..segment(3, 1) }, data });
    let list = window.playlist(SMALL, view(0)).unwrap();
    assert!(list.contains("#EXT-X-MEDIA-SEQUENCE:0\n"), "{list}");
    assert_eq!((list.matches("#EXT-X-GAP\n").count(), list.matches("EXT-X-MAP").count()), (3, 1), "{list}");
    let (gaps, there) = list.split_once("#EXT-X-MAP:URI=\"init-4.mp4\"").unwrap();
    assert!(gaps.contains("\n2.m4s\n") && there.contains("URI=\"3.0.m4s\""), "{list}");
    assert_eq!(window.segment(SMALL, 2), Found::Missing);
    let mut checker = Checker::default();
    let mut found = checker.media("180p", &list, 0, false);
    found.retain(|one| one.rule.id != "date-time-unambiguous");
    assert_eq!(found.iter().map(|one| (one.rule.id, &one.words)).collect::<Vec<_>>(), [], "{list}");
    // What has left the look-back of the others leaves it too.
    for msn in 3..12 {
        if msn > 3 {
            complete(&mut window, msn);
        }
        window.apply(Packaged::Close { rendition: SMALL, segment: Segment { init: 4, ..segment(msn, 4) } });
    }
    let first = |rendition| window.playlist(rendition, view(0)).unwrap().lines().nth(5).map(str::to_owned);
    assert_eq!(first(SMALL), first(SOURCE));
    assert!(
        window.take_dropped().iter().all(|(rendition, msn)| *rendition == SOURCE || *msn >= 3),
        "gaps have no files"
    );
}

#[test]
fn the_next_part_is_hinted_with_the_section_that_it_needs() {
    let mut window = window();
    init(&mut window, SOURCE, 0);
    complete(&mut window, 0);
    assert!(!window.playlist(SOURCE, view(0)).unwrap().contains("TYPE=MAP"));
    init(&mut window, SOURCE, 1);
    let list = window.playlist(SOURCE, view(0)).unwrap();
    let hints =
        "#EXT-X-PRELOAD-HINT:TYPE=MAP,URI=\"init-1.mp4\"\n#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"1.0.m4s\"\n";
    assert!(list.contains(hints), "{list}");
    let next = Segment { init: 1, discontinuity: true, ..segment(1, 1) };
    window.apply(Packaged::Part { rendition: SOURCE, segment: next, data: Bytes::from_static(b"000") });
    assert!(!window.playlist(SOURCE, view(0)).unwrap().contains("TYPE=MAP"), "it is there");
}
