//! What samples say of what was sent.

use super::super::minute::Minute;
use super::super::{Resolution, read_minutes};
use super::*;
use crate::live::health::sample::Sample;

fn samples(feed: &Feed) -> Vec<Sample> {
    feed.meter.history().seconds().iter().copied().collect()
}

#[test]
fn a_second_says_what_came_in_it() {
    let mut feed = Feed::new();
    feed.play_well(6);
    let samples = samples(&feed);
    assert_eq!(
        samples.iter().map(|sample| sample.at_s).collect::<Vec<_>>(),
        (0..6).map(|s| START_S as u32 + s).collect::<Vec<_>>()
    );
    let last = samples[5];
    assert_eq!((last.frames, last.video_kbps, last.audio_kbps), (30, 2_400, 80));
    assert_eq!(last.width.zip(last.height).map(|(w, h)| (w.get(), h.get())), Some((1_280, 720)));
    assert_eq!((last.jitter_ms, last.late_ms, last.gaps, last.missing, last.uneven), (0, 0, 0, 0, 0));
    assert_eq!(samples[0].key_interval_ms, None);
    assert_eq!(last.key_interval_ms.map(Into::into), Some(2_000u32));
    assert_eq!(feed.warnings(), Vec::<&str>::new());
}

#[test]
fn seconds_without_anything_are_zero_while_it_is_connected_or_the_event_runs() {
    let mut feed = Feed::new();
    feed.play_well(2);
    feed.pass_to(4_000);
    feed.meter.end(feed.now(4_300));
    feed.pass_to(8_000);
    let frames = |feed: &Feed| samples(feed).iter().map(|sample| sample.frames).collect::<Vec<_>>();
    assert_eq!(frames(&feed), [30, 30, 0, 0, 0], "nobody runs the event");
    assert_eq!(feed.meter.next_deadline(), None);
    feed.meter.set_running(feed.now(8_000), true);
    feed.pass_to(10_000);
    assert_eq!(frames(&feed), [30, 30, 0, 0, 0, 0, 0]);
    assert_eq!(samples(&feed)[6], Sample { at_s: START_S as u32 + 9, ..Sample::default() });
    assert_eq!(feed.meter.next_deadline(), Some(feed.now(11_000).instant));
    assert_eq!(feed.meter.kept(), 7);
}

#[test]
fn an_input_that_was_never_used_has_nothing() {
    let mut meter = Meter::default();
    let now = Feed::new().now(0);
    meter.set_running(now, true);
    meter.packet(now, &sound(0, &[1]));
    meter.tick(Now { instant: now.instant + Duration::from_secs(90), unix_ms: now.unix_ms + 90_000 });
    assert_eq!(meter.kept(), 0);
    assert_eq!(
        serde_json::to_value(meter.health(Resolution::Second)).unwrap(),
        serde_json::json!({
            "source": null, "now": null, "warnings": [], "samples": []
        })
    );
}

#[test]
fn jitter_and_lateness_tell_of_a_stall_and_of_a_slow_upload() {
    let mut feed = Feed::new();
    feed.play_well(3);
    // All of a second comes in its last tenth; then the upload is 5 % too slow.
    feed.play(1, |_, shot| Some(Shot { at_ms: shot.at_ms.max(3_900), ..shot }));
    feed.play(3, |_, shot| Some(Shot { at_ms: shot.at_ms + (shot.dts_ms - 4_000) / 20, ..shot }));
    let samples = samples(&feed);
    assert_eq!(samples[2].jitter_ms, 0);
    assert_eq!((samples[3].jitter_ms, samples[3].late_ms), (900, 0));
    assert!((140..=150).contains(&samples[6].late_ms), "{}", samples[6].late_ms);
    assert!((40..=60).contains(&samples[5].jitter_ms), "{}", samples[5].jitter_ms);
}

#[test]
fn pictures_left_out_are_gaps() {
    let mut feed = Feed::new();
    feed.play_well(2);
    feed.play(2, |n, shot| (!(40..44).contains(&n) && n != 50).then_some(shot));
    let sample = samples(&feed)[3];
    assert_eq!((sample.frames, sample.gaps, sample.missing), (25, 2, 5));
}

#[test]
fn another_size_is_seen() {
    let mut feed = Feed::new();
    for (width, height, chroma, depth) in [(1_920, 1_080, 1, 8), (1_281, 721, 3, 8), (640, 361, 2, 10)] {
        feed.configure(video(width, height, chroma, depth));
        feed.play_well(1);
        let last = *samples(&feed).last().unwrap();
        assert_eq!(
            last.width.zip(last.height).map(|(w, h)| (u32::from(w.get()), u32::from(h.get()))),
            Some((width, height))
        );
    }
    let other = TrackConfig {
        codec: Codec::FourCc(*b"hvc1"),
        data: Bytes::from_static(b"?"),
        ..video(640, 360, 1, 8)
    };
    feed.configure(other);
    feed.play_well(1);
    assert_eq!(samples(&feed).last().unwrap().width, None);
}

#[test]
fn minutes_are_handed_out_and_taken_back() {
    let mut feed = Feed::new();
    feed.play_well(130);
    let minutes = feed.meter.take_minutes();
    // It is 20 seconds past the minute when it begins.
    assert_eq!(START_S % 60, 20);
    assert_eq!(
        minutes.iter().map(|minute| (minute.seconds, minute.lowest_fps)).collect::<Vec<_>>(),
        [(40, 30), (60, 30)]
    );
    feed.meter.finish(feed.now(130_000));
    let rest = feed.meter.take_minutes();
    assert_eq!(rest.iter().map(|minute| minute.seconds).collect::<Vec<_>>(), [30]);
    let file: String = minutes.into_iter().chain(rest).map(Minute::to_line).collect();
    let after = Meter::after(read_minutes(file.as_bytes()));
    let (before, after) = (feed.meter.health(Resolution::Minute), after.health(Resolution::Minute));
    assert_eq!(serde_json::to_value(before).unwrap(), serde_json::to_value(&after).unwrap());
}

#[test]
fn a_wall_clock_that_is_set_moves_the_seconds_with_it() {
    let mut feed = Feed::new();
    feed.play_well(2);
    let ahead = |feed: &Feed, ms: i64| Now { unix_ms: feed.now(ms).unix_ms + 3_600_000, ..feed.now(ms) };
    feed.meter.tick(ahead(&feed, 3_000));
    feed.meter.tick(ahead(&feed, 4_000));
    let at: Vec<u32> = samples(&feed).iter().map(|sample| sample.at_s - START_S as u32).collect();
    assert_eq!(at, [0, 1, 2, 3_603]);
}

#[test]
fn the_api_says_it_in_these_words() {
    let mut feed = Feed::new();
    feed.play(15, |n, shot| Some(Shot { is_key: n == 0, ..shot }));
    let health = serde_json::to_value(feed.meter.health(Resolution::Second)).unwrap();
    assert_eq!(
        health["source"],
        serde_json::json!({
            "address": "192.0.2.7", "encoder": "Test 1", "since": "2026-09-21T14:13:20.000Z"
        })
    );
    assert_eq!(
        health["warnings"],
        serde_json::json!([{
            "name": "key_frames_far_apart",
            "words": "key frames every 15 s: set 2 s in your encoder",
            "since": "2026-09-21T14:13:24.000Z",
        }])
    );
    assert_eq!(
        health["now"],
        serde_json::json!({
            "at": "2026-09-21T14:13:34.000Z", "video_kbps": 2_400, "audio_kbps": 80, "frames_per_s": 30.0,
            "key_interval_ms": 14_966, "width": 1_280, "height": 720, "audio_rms_dbfs": null, "audio_peak_dbfs": null,
            "jitter_ms": 0, "late_ms": 0, "gaps": 0,
        })
    );
    assert_eq!(health["samples"][14], health["now"]);
    let minutes = serde_json::to_value(feed.meter.health(Resolution::Minute)).unwrap();
    assert_eq!(
        (&minutes["samples"][0]["frames_per_s"], &minutes["samples"][0]["lowest_frames_per_s"]),
        (&30.0.into(), &30.into())
    );
}

#[test]
fn an_input_costs_little_memory() {
    assert!(size_of::<Meter>() <= 448, "{}", size_of::<Meter>());
    assert!(
        size_of::<super::super::broadcast::Broadcast>() <= 2_048,
        "{}",
        size_of::<super::super::broadcast::Broadcast>()
    );
}
