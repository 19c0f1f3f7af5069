//! Two copies of one encoder's frames.

use super::*;

#[test]
fn the_second_copy_of_an_encoder_takes_over_without_a_seam() {
    let mut bench = Bench::new(0);
    bench.join(A, 7);
    bench.join(B, 7);
    bench.play(A, 7, 0, 400);
    bench.play(B, 7, 0, 400);
    let so_far = bench.taken();
    assert!(so_far.starts_with("begin 0 40") && so_far.ends_with("320 360"), "{so_far}");
    bench.timeline.leave(bench.now(), A, &mut bench.out);
    bench.play(B, 7, 400, 480);
    assert_eq!(bench.taken(), "400 440");
}

#[test]
fn the_second_copy_fills_in_while_the_first_hangs() {
    let mut bench = Bench::new(0);
    bench.join(A, 7);
    bench.join(B, 7);
    bench.play(A, 7, 0, 200);
    bench.taken();
    bench.play(B, 7, 80, 320);
    assert_eq!(bench.taken(), "200 240 280");
    bench.play(A, 7, 200, 360);
    assert_eq!(bench.taken(), "320");
}

#[test]
fn a_hole_is_waited_for_while_the_other_copy_may_have_it() {
    let mut bench = Bench::new(0);
    bench.join(A, 7);
    bench.join(B, 7);
    bench.play(A, 7, 0, 200);
    bench.play(B, 7, 0, 120);
    bench.taken();
    // 200 is lost on the way of A; B is behind and has it yet to come.
    bench.play(A, 7, 240, 320);
    assert_eq!(bench.taken(), "");
    bench.now_ms += 100;
    bench.play(B, 7, 120, 240);
    assert_eq!(bench.taken(), "200 240 280");
    // Both lack 320: as soon as both are past it, nobody is waited for.
    bench.play(A, 7, 360, 400);
    assert_eq!(bench.taken(), "");
    bench.play(B, 7, 240, 320);
    bench.play(B, 7, 360, 400);
    assert_eq!(bench.taken(), "360");
    // A copy that hangs is waited for no longer than the hold.
    bench.play(A, 7, 440, 480);
    let at = bench.timeline.next_deadline(bench.now().instant).unwrap();
    assert_eq!(at, bench.now().instant + Policy::default().hold);
    bench.now_ms += 299;
    bench.tick();
    assert_eq!(bench.taken(), "");
    bench.now_ms += 1;
    bench.tick();
    assert_eq!(bench.taken(), "440");
}

#[test]
fn a_hole_in_both_copies_that_no_decoder_gets_over_begins_a_new_run_at_the_key_frame() {
    let mut bench = Bench::new(0);
    bench.join(A, 7);
    bench.play(A, 7, 0, 80);
    // The encoder has dropped a whole group of pictures.
    bench.play(A, 7, 2_000, 2_080);
    assert_eq!(bench.taken(), "begin 0 40 end begin 80 120");
    // Not at a key frame: it goes on at the next one.
    bench.play(A, 7, 3_480, 4_040);
    assert_eq!(bench.taken(), "end begin 160");
}

/// What is lost on the way, how late what arrives is, and from which copy.
#[derive(Debug, Clone)]
struct Weather {
    lost: Vec<(bool, bool)>,
    behind_ms: u64,
}

fn weather() -> impl Strategy<Value = Weather> {
    let lost = proptest::collection::vec((0..10_u8, 0..10_u8), 100..400);
    let lost = lost.prop_map(|all| all.into_iter().map(|(a, b)| (a == 0, b == 0)).collect());
    (lost, 0..250_u64).prop_map(|(lost, behind_ms)| Weather { lost, behind_ms })
}

proptest! {
    /// Two copies of one encoder, one behind the other by less than is waited for, each losing frames: all that
    /// arrives on either comes out once and in order.
    #[test]
    fn nothing_is_lost_that_arrived_on_either_copy(weather in weather()) {
        let mut bench = Bench::new(0);
        bench.join(A, 7);
        bench.join(B, 7);
        let frames = weather.lost.len() as i64;
        let mut arrivals: Vec<(u64, InputId, i64)> = Vec::new();
        for (number, (a, b)) in (0..).zip(&weather.lost) {
            let at_ms = number as u64 * 40;
            // The first one is there, so that there is something to begin with.
            if !a || number == 0 {
                arrivals.push((at_ms, A, number));
            }
            if !b || number == 0 {
                arrivals.push((at_ms + weather.behind_ms, B, number));
            }
        }
        arrivals.sort();
        for (at_ms, id, number) in &arrivals {
            bench.run_until(*at_ms);
            bench.frame(*id, Track::Video, 7, number * 40, *number == 0);
        }
        bench.run_until(frames as u64 * 40 + 600);
        let expected: std::collections::BTreeSet<i64> = arrivals.iter().map(|(.., number)| number * 40).collect();
        let mut out = Vec::new();
        for timed in &bench.out {
            if let Timed::Frame(frame) = timed {
                out.push(frame.dts_ns / MS);
            }
        }
        prop_assert_eq!(out, expected.into_iter().collect::<Vec<_>>());
    }
}
