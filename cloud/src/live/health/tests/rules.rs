//! Each rule, by an encoder that breaks it.

use super::*;

#[test]
fn a_good_broadcast_has_no_warnings_at_any_rate() {
    for fps in [15, 24, 25, 30, 50, 60] {
        let mut feed = Feed { fps, ..Feed::new() };
        feed.play_well(90);
        assert_eq!(feed.warnings(), Vec::<&str>::new(), "{fps}");
    }
}

#[test]
fn key_frames_too_far_apart() {
    let mut feed = Feed::new();
    feed.play(30, |n, shot| Some(Shot { is_key: n % 300 == 0, ..shot }));
    assert_eq!(feed.words("key_frames_far_apart"), "key frames every 10 s: set 2 s in your encoder");
    assert_eq!(feed.warnings(), ["key_frames_far_apart"]);
    feed.play_well(11);
    assert_eq!(feed.warnings(), ["key_frames_far_apart"], "it is not over at once");
    feed.play_well(3);
    assert_eq!(feed.warnings(), Vec::<&str>::new());
    feed.play(12, |n, shot| Some(Shot { is_key: n % 132 == 0, ..shot }));
    assert_eq!(feed.words("key_frames_far_apart"), "key frames every 4.4 s: set 2 s in your encoder");
}

#[test]
fn a_frame_rate_below_the_usual_one() {
    let few = |n: i64, shot| (!matches!(n % 5, 1 | 3)).then_some(shot);
    let mut feed = Feed::new();
    feed.play_well(30);
    feed.play(12, few);
    let words = "only 18 of 30 pictures a second arrive: the encoder or its network cannot keep up";
    assert_eq!(feed.words("frame_rate_low"), words);
    // From the first picture on: timestamps have holes.
    let mut feed = Feed::new();
    feed.play(30, few);
    assert_eq!(feed.words("frame_rate_low"), words);
    assert_eq!(feed.warnings(), ["frame_rate_low"], "missing pictures are the same thing");
    // A camera that halves its rate in the dark has none.
    let mut feed = Feed::new();
    feed.play_well(120);
    feed.fps = 15;
    feed.play_well(20);
    assert!(feed.words("frame_rate_low").starts_with("only 15 of 30 pictures"));
}

#[test]
fn a_rate_that_was_set_anew_is_the_usual_one() {
    let mut feed = Feed { fps: 60, ..Feed::new() };
    feed.play_well(60);
    feed.configure(video(1_920, 1_080, 1, 8));
    feed.fps = 30;
    feed.play_well(60);
    feed.play_well(12);
    assert_eq!(feed.warnings(), Vec::<&str>::new());
}

#[test]
fn a_bitrate_that_falls() {
    let mut feed = Feed::new();
    feed.play_well(60);
    feed.play(9, |_, shot| Some(Shot { bytes: 2_000, ..shot }));
    let words = feed.words("bitrate_fallen");
    assert!(words.starts_with("the bitrate has fallen from 2.3 Mbit/s to 560 kbit/s: "), "{words}");
    feed.play(60, |_, shot| Some(Shot { bytes: 2_000, ..shot }));
    assert_eq!(feed.warnings(), Vec::<&str>::new(), "that is what is usual now");
}

#[test]
fn an_unsteady_network() {
    let mut feed = Feed::new();
    // The pictures of 0.8 s come all at once.
    let bunch =
        |_, shot: Shot| Some(Shot { at_ms: shot.at_ms.max(shot.at_ms / 1_000 * 1_000 + 800), ..shot });
    feed.play(1, bunch);
    feed.play_well(10);
    assert_eq!(feed.warnings(), Vec::<&str>::new(), "once may happen");
    feed.play(12, bunch);
    let words = feed.words("network_unsteady");
    assert!(
        words.starts_with("the network is unsteady, frames come up to 0.8 s apart from their time: "),
        "{words}"
    );
}

#[test]
fn an_upload_that_falls_behind() {
    let mut feed = Feed::new();
    feed.play_well(5);
    feed.play(20, |_, shot| Some(Shot { at_ms: shot.at_ms + (shot.dts_ms - 5_000) / 5, ..shot }));
    let words = feed.words("upload_behind");
    assert!(
        words.starts_with("the upload is 3.")
            && words.ends_with(" s behind: lower the bitrate in your encoder"),
        "{words}"
    );
}

#[test]
fn missing_pictures() {
    let mut feed = Feed::new();
    feed.play_well(10);
    feed.play(20, |n, shot| (n % 50 != 25).then_some(shot));
    assert!(feed.words("pictures_missing").starts_with("12 pictures are missing in the last minute: "));
    feed.play_well(75);
    assert_eq!(feed.warnings(), Vec::<&str>::new());
}

#[test]
fn one_track_alone() {
    let mut feed = Feed { has_sound: false, ..Feed::new() };
    feed.play_well(10);
    assert!(feed.words("no_sound").starts_with("the sound has stopped"), "it was announced");
    feed.connect();
    feed.play_well(10);
    assert!(feed.words("no_sound").starts_with("there is no sound track"));
    let mut feed = Feed::new();
    feed.play(10, |_, _| None);
    assert_eq!(feed.warnings(), ["no_picture"]);
    assert!(feed.words("no_picture").starts_with("only sound arrives, no picture"));
}

#[test]
fn nothing_at_all() {
    let mut feed = Feed::new();
    feed.play_well(40);
    feed.pass_to(47_000);
    assert_eq!(feed.warnings(), ["nothing_arrives"]);
    assert!(feed.words("nothing_arrives").starts_with("nothing has arrived for 7 s"));
    feed.pass_to(147_000);
    assert!(feed.words("nothing_arrives").starts_with("nothing has arrived for over 60 s"));
    feed.meter.end(feed.now(147_000));
    assert_eq!(feed.warnings(), Vec::<&str>::new());
}

#[test]
fn b_frames_without_composition_times() {
    let mut feed = Feed::new();
    feed.play(10, |n, shot| Some(Shot { is_b: n % 3 != 0, ..shot }));
    assert_eq!(feed.warnings(), ["composition_times_missing"]);
    let mut feed = Feed::new();
    feed.play(10, |n, shot| {
        let pts_ms = shot.dts_ms + if n % 3 == 0 { 100 } else { 0 };
        Some(Shot { is_b: n % 3 != 0, pts_ms, ..shot })
    });
    assert_eq!(feed.warnings(), Vec::<&str>::new());
}

/// As a foreign encoder makes them, with their times and without.
#[test]
fn b_frames_of_x264() {
    for (bframes, keeps_times, warned) in [("0", false, false), ("2", true, false), ("2", false, true)] {
        let options =
            ["-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "ultrafast", "-g", "50", "-bf", bframes];
        let (config, frames) = ffmpeg("testsrc2=size=320x180:rate=25:duration=11", &options);
        let mut feed = Feed::new();
        feed.configure(config);
        for mut frame in frames {
            if !keeps_times {
                frame.pts_ns = frame.dts_ns;
            }
            feed.meter.packet(feed.now(frame.dts_ns.max(0) / MS), &Packet::Frame(frame));
        }
        feed.pass_to(10_000);
        assert_eq!(feed.warnings().contains(&"composition_times_missing"), warned, "{bframes} {keeps_times}");
    }
}

#[test]
fn a_variable_frame_rate() {
    let mut feed = Feed::new();
    feed.play(30, |n, shot| {
        Some(Shot { dts_ms: shot.dts_ms + n * 7_919 % 23, at_ms: shot.at_ms + 25, ..shot })
    });
    assert_eq!(feed.warnings(), ["frame_rate_varies"]);
    assert!(feed.words("frame_rate_varies").ends_with("set a constant frame rate in your encoder"));
}

#[test]
fn more_pictures_than_players_show() {
    let mut feed = Feed { fps: 120, ..Feed::new() };
    feed.play_well(30);
    assert!(feed.words("frame_rate_high").starts_with("120 pictures a second"));
}

#[test]
fn formats_that_browsers_do_not_show() {
    let cases = [
        (video(1_920, 1_080, 2, 10), "the picture is coded 4:2:2 with 10 bits, "),
        (video(1_920, 1_080, 3, 8), "the picture is coded 4:4:4 with 8 bits, "),
        (video(1_920, 1_080, 1, 10), "the picture is coded 4:2:0 with 10 bits, "),
    ];
    for (config, words) in cases {
        let mut feed = Feed::new();
        feed.configure(config);
        feed.play_well(6);
        assert!(feed.words("picture_format").starts_with(words));
    }
}

#[test]
fn a_size_that_changed() {
    let mut feed = Feed::new();
    feed.play_well(5);
    feed.configure(video(1_920, 1_080, 1, 8));
    feed.play_well(3);
    assert!(
        feed.words("size_changed").starts_with("the picture's size has changed from 1280×720 to 1920×1080: ")
    );
    feed.configure(video(1_920, 1_080, 1, 8));
    feed.play_well(70);
    assert_eq!(feed.warnings(), Vec::<&str>::new());
}

#[test]
fn an_encoder_that_connects_again_and_again() {
    let mut feed = Feed::new();
    for _ in 0..3 {
        feed.play_well(10);
        feed.meter.end(feed.now(feed.ms));
        feed.connect();
    }
    feed.play_well(6);
    assert!(feed.words("reconnects").starts_with("the encoder has connected 4 times in 5 minutes: "));
    feed.play_well(320);
    assert_eq!(feed.warnings(), Vec::<&str>::new());
}
