//! Headers and times that are missing, broken or change.

use stagebox_media::rtmp::Fault;

use super::*;

/// A second of what nobody can use beside what else comes.
fn left_out(feed: &mut Feed, seconds: i64, fault: Fault, play: impl Fn(&mut Feed)) {
    for _ in 0..seconds {
        feed.meter.left_out(feed.now(feed.ms), fault);
        play(feed);
    }
}

/// An encoder that announces only the tracks that these are.
fn announcing(tracks: &[Track]) -> Feed {
    let mut feed = Feed { has_sound: false, ..Feed::new() };
    feed.meter.begin(feed.now(0), Source::default());
    for track in tracks {
        feed.configure(match track {
            Track::Video => video(1_280, 720, 1, 8),
            Track::Audio => audio(AudioSpecificConfig::lc(48_000, 2).unwrap().to_bytes()),
        });
    }
    feed
}

#[test]
fn headers_that_do_not_come() {
    let mut feed = announcing(&[Track::Video]);
    left_out(&mut feed, 10, Fault::NoHeader, |feed| feed.play_well(1));
    assert_eq!(feed.warnings(), ["header_missing"], "that there is no sound is no news then");
    assert!(feed.words("header_missing").starts_with("sound comes without a header"));
    feed.configure(audio(AudioSpecificConfig::lc(48_000, 2).unwrap().to_bytes()));
    feed.has_sound = true;
    feed.play_well(11);
    assert_eq!(feed.warnings(), Vec::<&str>::new());

    let mut feed = announcing(&[Track::Audio]);
    feed.has_sound = true;
    left_out(&mut feed, 10, Fault::NoHeader, |feed| feed.play(1, |_, _| None));
    assert_eq!(feed.warnings(), ["header_missing"]);
    assert!(feed.words("header_missing").starts_with("pictures come without a header"));

    let mut feed = announcing(&[]);
    left_out(&mut feed, 10, Fault::NoHeader, |feed| feed.pass_to(feed.ms + 1_000));
    assert_eq!(feed.warnings(), ["header_missing"], "something arrives");
    assert!(feed.words("header_missing").starts_with("the stream comes without a header"));
    // A header that was read by nobody is none.
    let mut feed = announcing(&[Track::Audio]);
    feed.has_sound = true;
    feed.play_well(10);
    assert_eq!(feed.warnings(), ["header_missing"]);
}

#[test]
fn parts_that_come_broken() {
    for fault in [Fault::BrokenFrame, Fault::BrokenHeader] {
        let mut feed = Feed::new();
        feed.play_well(5);
        left_out(&mut feed, 2, fault, |feed| feed.play_well(1));
        feed.play_well(3);
        assert_eq!(feed.warnings(), ["stream_broken"]);
        let words = feed.words("stream_broken");
        assert!(words.contains("(in 2 of the last 60 seconds): "), "{words}");
        feed.play_well(70);
        assert_eq!(feed.warnings(), Vec::<&str>::new());
    }
}

#[test]
fn times_that_jump() {
    for by_ms in [3_600_000, -3_000] {
        let mut feed = Feed::new();
        feed.play_well(5);
        feed.play(5, |n, shot| {
            let dts_ms = shot.dts_ms + if n >= 75 { by_ms } else { 0 };
            Some(Shot { dts_ms, pts_ms: dts_ms, ..shot })
        });
        assert_eq!(feed.warnings(), ["times_jump"], "{by_ms}");
        let words = feed.words("times_jump");
        assert!(words.starts_with("the times in the stream jump (in 1 of the last 60 seconds), "), "{words}");
    }
    // One picture with a time of zero.
    let mut feed = Feed::new();
    feed.play_well(5);
    feed.play(5, |n, shot| Some(Shot { dts_ms: if n == 75 { 0 } else { shot.dts_ms }, ..shot }));
    assert_eq!(feed.warnings(), ["times_jump"]);
    // A line that stops for a while is none, nor one that then has much to send.
    let mut feed = Feed::new();
    feed.play_well(5);
    feed.play(30, |_, shot| Some(Shot { at_ms: shot.at_ms.max(8_000), ..shot }));
    assert!(!feed.warnings().contains(&"times_jump"), "{:?}", feed.warnings());
}

#[test]
fn times_that_repeat_or_fall_a_little() {
    for back in [1, 2] {
        let mut feed = Feed::new();
        feed.play(20, |n, shot| {
            let dts_ms = shot.dts_ms - if n % 30 == 7 { back * 34 } else { 0 };
            Some(Shot { dts_ms, pts_ms: dts_ms, ..shot })
        });
        let warnings = feed.warnings();
        assert!(warnings.contains(&"times_repeat"), "{warnings:?}");
        let others = ["frame_rate_varies", "pictures_missing", "times_jump"];
        assert!(!others.iter().any(|name| warnings.contains(name)), "{warnings:?}");
    }
}

#[test]
fn headers_that_change() {
    let mut feed = Feed::new();
    feed.play_well(5);
    let mono = audio(AudioSpecificConfig::lc(44_100, 1).unwrap().to_bytes());
    feed.configure(mono.clone());
    feed.play_well(3);
    assert_eq!(feed.warnings(), ["sound_changed"]);
    let words = feed.words("sound_changed");
    assert!(words.starts_with("the sound has changed from 48 kHz stereo to 44.1 kHz mono: "), "{words}");
    feed.configure(mono);
    feed.play_well(70);
    assert_eq!(feed.warnings(), Vec::<&str>::new(), "repeating it changes nothing");

    // The same size, something else.
    let mut other = video(1_280, 720, 1, 8);
    other.data = [&other.data[..], &[0]].concat().into();
    feed.configure(other);
    feed.play_well(3);
    assert_eq!(feed.warnings(), ["picture_changed"]);
    feed.configure(video(640, 360, 1, 8));
    feed.play_well(12);
    assert_eq!(feed.warnings(), ["size_changed"]);
}
