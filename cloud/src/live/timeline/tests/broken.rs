//! An encoder whose headers come late or change, and one whose clock stands.

use super::*;

impl Bench {
    fn announce(&mut self, tracks: &[Track]) {
        self.timeline.join(A, Input::Main);
        for track in tracks {
            self.config(A, *track, 0, b"first");
        }
    }

    /// Pictures alone: 25 a second, a key frame each second.
    fn pictures(&mut self, from_ms: i64, to_ms: i64) {
        for at_ms in (from_ms..to_ms).step_by(40) {
            self.now_ms = at_ms as u64;
            self.frame(A, Track::Video, 0, at_ms, at_ms % 1000 == 0);
        }
    }

    /// What [`Bench::play`] sends, when it is due.
    fn play_on(&mut self, from_ms: i64, to_ms: i64) {
        for at_ms in (from_ms..to_ms).step_by(20) {
            self.now_ms = at_ms as u64;
            self.play(A, 0, at_ms, at_ms + 20);
        }
    }

    /// The runs that came out: the first and the last picture of each, how many, and how many frames of sound.
    fn runs(&mut self) -> Vec<(i64, i64, usize, usize)> {
        let mut runs = Vec::new();
        for timed in self.out.drain(..) {
            match timed {
                Timed::Begin(_) => runs.push((i64::MAX, i64::MIN, 0, 0)),
                Timed::End => {}
                Timed::Frame(frame) => {
                    let (first, last, pictures, sounds) = runs.last_mut().unwrap();
                    if frame.track == Track::Video {
                        let at_ms = frame.dts_ns / MS;
                        (*first, *last) = ((*first).min(at_ms), (*last).max(at_ms));
                        *pictures += 1;
                    } else {
                        *sounds += 1;
                    }
                }
            }
        }
        runs
    }
}

#[test]
fn a_sound_header_that_comes_late_costs_no_picture() {
    // Before anything is shown, and after.
    for late_ms in [520, 1_520] {
        let mut bench = Bench::new(0);
        bench.announce(&[Track::Video]);
        bench.pictures(0, late_ms);
        bench.config(A, Track::Audio, 0, b"first");
        bench.play_on(late_ms, 4_000);
        let runs = bench.runs();
        let shown: usize = runs.iter().map(|run| run.2).sum();
        assert_eq!(shown, 100, "{late_ms}: {runs:?}");
        let last = runs.last().unwrap();
        assert!(last.3 >= 100 && last.1 == 3_960, "{late_ms}: {runs:?}");
        assert_eq!(runs.len(), if late_ms < 1_000 { 1 } else { 2 }, "{late_ms}");
    }
}

#[test]
fn sound_that_changes_is_heard_from_the_next_key_frame_on_and_no_picture_is_lost() {
    let mut bench = Bench::new(0);
    bench.announce(&[Track::Video, Track::Audio]);
    bench.play_on(0, 1_480);
    bench.config(A, Track::Audio, 0, b"second");
    bench.play_on(1_480, 3_000);
    // The very first sound came before there was a picture.
    assert_eq!(bench.runs(), [(0, 1_960, 50, 73), (2_000, 2_960, 25, 50)]);
    // Back at once: nothing has changed.
    bench.config(A, Track::Audio, 0, b"third");
    bench.config(A, Track::Audio, 0, b"second");
    bench.out.push(Timed::Begin(RunStart {
        source: Source::Slate,
        video: None,
        audio: None,
        start_unix_ms: 0,
    }));
    bench.play_on(3_000, 4_000);
    assert_eq!(bench.runs(), [(3_000, 3_960, 25, 50)]);
}

#[test]
fn what_was_announced_is_in_force_once_the_run_is_over_for_another_reason() {
    let mut bench = Bench::new(0);
    bench.announce(&[Track::Video, Track::Audio]);
    bench.play_on(0, 1_480);
    bench.config(A, Track::Audio, 0, b"second");
    bench.config(A, Track::Video, 0, b"second");
    bench.play_on(1_480, 3_000);
    let starts = bench.out.iter().filter_map(|timed| match timed {
        Timed::Begin(start) => Some(start.audio.as_ref().unwrap().data.clone()),
        _ => None,
    });
    assert_eq!(starts.collect::<Vec<_>>(), [&b"first"[..], b"second"]);
    assert_eq!(bench.runs()[1].2, 25);
}

#[test]
fn sound_goes_on_until_the_first_picture_that_can_be_shown() {
    let mut bench = Bench::new(0);
    bench.announce(&[Track::Audio]);
    bench.play_on(0, 1_480);
    bench.config(A, Track::Video, 0, b"first");
    bench.play_on(1_480, 3_000);
    let runs = bench.runs();
    // No frame of sound is lost, and no picture after the first key frame.
    assert_eq!(runs.iter().map(|run| (run.2, run.3)).collect::<Vec<_>>(), [(0, 101), (25, 49)]);
}

#[test]
fn a_clock_that_stands_is_replaced_by_ours() {
    let mut bench = Bench::new(0);
    bench.announce(&[Track::Video, Track::Audio]);
    bench.play_on(0, 2_000);
    bench.out.clear();
    // Four seconds of one and the same time, and then it goes on from there.
    for at_ms in (2_000..6_000).step_by(20) {
        bench.now_ms = at_ms;
        bench.frame(A, Track::Audio, 0, 2_000, true);
        if at_ms % 40 == 0 {
            bench.frame(A, Track::Video, 0, 2_000, at_ms % 1_000 == 0);
        }
    }
    bench.now_ms = 6_000;
    bench.play(A, 0, 2_000, 3_000);
    let mut ends = [0; 2];
    for timed in &bench.out {
        let Timed::Frame(frame) = timed else { panic!("the run has ended") };
        let end = &mut ends[usize::from(frame.track == Track::Audio)];
        assert!(frame.dts_ns > *end, "{} after {end}", frame.dts_ns);
        *end = frame.dts_ns;
    }
    for end in ends {
        assert!((6_900..7_100).contains(&(end / MS)), "{ends:?}");
    }
}

#[test]
fn a_time_of_showing_that_cannot_be_is_the_one_of_decoding() {
    let mut bench = Bench::new(0);
    bench.announce(&[Track::Video, Track::Audio]);
    bench.play_on(0, 1_000);
    for later_ms in [0, 80, -40, 8_388_607, -8_388_608] {
        let dts_ns = bench.now_ms as i64 * MS + 20 * MS;
        bench.now_ms += 40;
        let frame = Frame {
            track: Track::Video,
            codec: Codec::H264,
            epoch: Epoch::UNKNOWN,
            pts_ns: dts_ns + later_ms * MS,
            dts_ns,
            key: false,
            data: Bytes::new(),
        };
        bench.out.clear();
        bench.timeline.handle(bench.now(), A, Packet::Frame(frame), &mut bench.out);
        let Some(Timed::Frame(frame)) = bench.out.last() else { panic!("it is lost") };
        let kept = if later_ms.abs() < 1_000 { later_ms } else { 0 };
        assert_eq!(frame.pts_ns - frame.dts_ns, kept * MS);
    }
}
