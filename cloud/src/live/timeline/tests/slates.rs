//! Nobody sends anything.

use super::*;

fn slate() -> Slate {
    let config =
        |track, codec| TrackConfig { track, codec, epoch: Epoch::UNKNOWN, data: Bytes::from_static(b"s") };
    let pictures = (0..25).map(|_| Bytes::from_static(b"p")).collect();
    let (video, audio) = (config(Track::Video, Codec::H264), config(Track::Audio, Codec::Aac));
    let silence = Silence { config: audio, frame: Bytes::from_static(b"a"), sample_rate: 48_000 };
    Slate::new(video, pictures, 40 * MS, Some(silence)).unwrap()
}

#[test]
fn without_a_broadcast_the_timeline_goes_on_with_the_slate() {
    let mut bench = Bench::new(0);
    bench.timeline.set_slate(bench.now(), Some(slate()), &mut bench.out);
    assert_eq!(bench.taken(), "");
    bench.run_until(1_000);
    // The second that was waited for is in it.
    let text = bench.taken();
    assert!(text.starts_with("begin 0 40 80") && text.ends_with("960 1000"), "{text}");
    bench.run_until(3_000);
    assert!(bench.taken().ends_with("2960 3000"));
    // A broadcast that comes is shown from its first key frame on.
    bench.join(A, 0);
    bench.play(A, 0, 700, 1_040);
    assert_eq!(bench.taken(), "end begin 3050");
    bench.run_until(3_900);
    assert_eq!(bench.taken(), "", "not lost yet");
    bench.run_until(5_000);
    let text = bench.taken();
    assert!(text.starts_with("end begin 3117 3157") && text.ends_with("4997 5037 5077 5117"), "{text}");
    // Whoever stops it has nothing shown.
    bench.timeline.set_slate(bench.now(), None, &mut bench.out);
    bench.run_until(9_000);
    assert_eq!((bench.taken().as_str(), bench.timeline.source()), ("end", None));
    assert_eq!(bench.timeline.next_deadline(bench.now().instant), None);
}

#[test]
fn the_slate_is_as_long_as_the_time_and_its_sound_as_the_picture() {
    let mut bench = Bench::new(7_000);
    bench.timeline.set_slate(bench.now(), Some(slate()), &mut bench.out);
    bench.run_until(60_000);
    let ends = [Track::Video, Track::Audio].map(|track| {
        let frames = bench.out.iter().filter_map(|timed| match timed {
            Timed::Frame(frame) if frame.track == track => Some(frame.dts_ns / MS),
            _ => None,
        });
        frames.max().unwrap()
    });
    assert_eq!(ends[0], 67_000);
    assert!((67_000..67_040).contains(&ends[1]), "{ends:?}");
    let keys = bench
        .out
        .iter()
        .filter(|timed| matches!(timed, Timed::Frame(frame) if frame.track == Track::Video && frame.key));
    assert_eq!(keys.count(), 61);
}
