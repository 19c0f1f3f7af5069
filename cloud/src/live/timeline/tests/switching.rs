//! Two encoders, of which one is shown.

use super::*;

#[test]
fn another_encoder_takes_over_with_its_newest_group_of_pictures() {
    let mut bench = Bench::new(0);
    bench.join(A, 1);
    bench.join(B, 2);
    bench.play(A, 1, 0, 80);
    bench.play(B, 2, 0, 80);
    assert_eq!(bench.taken(), "begin 0 40");
    bench.now_ms = 900;
    bench.play(B, 2, 960, 1_080);
    assert_eq!(bench.taken(), "", "a moment's silence is none");
    bench.now_ms = 1_000;
    bench.tick();
    assert_eq!(bench.taken(), "end begin 80 120");
    bench.play(B, 2, 1_080, 1_120);
    assert_eq!(bench.taken(), "160");
}

#[test]
fn a_backup_that_goes_leaves_no_trace() {
    let mut bench = Bench::new(0);
    bench.join(A, 1);
    bench.join(B, 2);
    bench.play(B, 2, 0, 40);
    bench.play(A, 1, 0, 40);
    assert_eq!(bench.taken(), "begin 0");
    bench.timeline.leave(bench.now(), A, &mut bench.out);
    assert_eq!(bench.taken(), "");
    assert_eq!(bench.timeline.source(), Some(Source::Input(Input::Backup)));
}

#[test]
fn main_comes_back_once_it_was_good_for_long_enough() {
    let mut bench = Bench::new(0);
    bench.join(B, 2);
    bench.play(B, 2, 0, 80);
    bench.join(A, 1);
    let mut switched_at = None;
    for step in 0..200_u64 {
        bench.now_ms = step * 100;
        bench.together(step as i64 * 100);
        if bench.taken().contains("end begin") {
            switched_at.get_or_insert(bench.now_ms);
        }
    }
    assert_eq!(switched_at, Some(10_000));
    assert_eq!(bench.timeline.source(), Some(Source::Input(Input::Main)));
}

#[test]
fn main_never_comes_back_where_that_is_wanted() {
    let mut bench = Bench::new(0);
    bench.timeline = Timeline::new(0, Policy { return_after: None, ..Policy::default() });
    bench.join(B, 2);
    bench.play(B, 2, 0, 80);
    bench.join(A, 1);
    for step in 0..300_u64 {
        bench.now_ms = step * 100;
        bench.together(step as i64 * 100);
    }
    assert_eq!(bench.timeline.source(), Some(Source::Input(Input::Backup)));
}

#[test]
fn what_shows_nothing_gives_way_to_what_is_better_and_to_nothing_else() {
    let mut bench = Bench::new(0);
    bench.join(A, 1);
    bench.together(0);
    bench.taken();
    let judge = |bench: &mut Bench, id, is_bad| bench.timeline.judge(bench.now(), id, is_bad, &mut bench.out);
    judge(&mut bench, A, true);
    assert_eq!(bench.taken(), "", "there is nothing better");
    bench.join(B, 2);
    judge(&mut bench, B, true);
    let mut shown = Vec::new();
    for step in 1..160_u64 {
        bench.now_ms = step * 100;
        bench.together(step as i64 * 100);
        match step {
            20 => judge(&mut bench, B, false),
            30 => judge(&mut bench, A, false),
            _ => {}
        }
        if shown.last().is_none_or(|(_, source)| *source != bench.timeline.source()) {
            shown.push((step, bench.timeline.source()));
        }
    }
    let source = |input| Some(Source::Input(input));
    let expected = [(1, source(Input::Main)), (20, source(Input::Backup)), (130, source(Input::Main))];
    assert_eq!(shown, expected, "main is good for 10 s before it is back");
}

#[test]
fn a_picture_that_stops_is_a_loss_though_the_sound_goes_on() {
    let mut bench = Bench::new(0);
    bench.join(A, 1);
    bench.join(B, 2);
    bench.together(0);
    assert!(bench.taken().starts_with("begin 0 40"));
    for step in 1..15_i64 {
        bench.now_ms = step as u64 * 100;
        for at_ms in (step * 100..step * 100 + 100).step_by(20) {
            bench.frame(A, Track::Audio, 1, at_ms, true);
        }
        bench.play(B, 2, step * 100 + 80, step * 100 + 180);
    }
    assert_eq!(bench.timeline.source(), Some(Source::Input(Input::Backup)));
    assert!(bench.taken().starts_with("end begin"));
}
