//! Levels of sound that a foreign encoder has made.

use super::super::level::LevelMeter;
use super::super::sample::Sample;
use super::super::second::{Second, Standing};
use super::*;

/// What ffmpeg's AAC encoder makes of a source of sound.
fn encode(source: &str, options: &[&str]) -> (TrackConfig, Vec<Frame>) {
    ffmpeg(source, &[&["-c:a", "aac"], options].concat())
}

/// What the meter says of it, second by second.
fn measure(config: &TrackConfig, frames: &[Frame]) -> Vec<Sample> {
    let mut feed = Feed { has_sound: false, ..Feed::new() };
    feed.configure(config.clone());
    for frame in frames {
        feed.meter.packet(feed.now(frame.dts_ns / MS), &Packet::Frame(frame.clone()));
    }
    let end_ms = frames.last().map_or(0, |frame| frame.dts_ns / MS);
    feed.pass_to(end_ms);
    feed.meter.history().seconds().iter().copied().collect()
}

/// Leaves out the first second, in which the encoder begins.
fn levels(source: &str, options: &[&str]) -> Vec<(f64, f64)> {
    let (config, frames) = encode(source, options);
    let samples = measure(&config, &frames);
    let known = samples.iter().skip(1).map(|sample| sample.rms.get().zip(sample.peak.get()).unwrap());
    known.collect()
}

#[test]
fn tones_have_the_level_that_they_were_made_with() {
    // A sine's RMS is 3 dB below its peak.
    for (amplitude, peak) in [("0.1", -20.0), ("0.5", -6.0), ("0.9", -0.9)] {
        for (channels, rate) in [(1, "44100"), (2, "48000"), (2, "32000"), (1, "8000")] {
            let tone = format!("{amplitude}*sin(1000*2*PI*t)");
            let source = format!("aevalsrc='{}':d=4", vec![tone; channels].join("|"));
            let options = ["-ar", rate, "-b:a", "128k"];
            for (rms, found) in levels(&source, &options) {
                assert!(
                    (rms - (peak - 3.0)).abs() < 0.5 && (found - peak).abs() < 0.6,
                    "{peak} {options:?}: {rms} {found}"
                );
            }
        }
    }
}

#[test]
fn both_channels_count() {
    for (rms, peak) in levels("aevalsrc='0.5*sin(1000*2*PI*t)|0':d=4", &["-b:a", "128k"]) {
        assert!((rms + 12.0).abs() < 0.5 && (peak + 6.0).abs() < 0.5, "{rms} {peak}");
    }
}

#[test]
fn silence_is_silent_and_warned_of() {
    let (config, frames) = encode("anullsrc=r=48000:cl=stereo:d=14", &[]);
    let mut feed = Feed { has_sound: false, ..Feed::new() };
    feed.configure(config);
    let play = |feed: &mut Feed, frames: &[Frame]| {
        for frame in frames {
            feed.meter.packet(feed.now(frame.dts_ns / MS), &Packet::Frame(frame.clone()));
        }
    };
    play(&mut feed, &frames);
    feed.pass_to(13_000);
    let newest = *feed.meter.history().seconds().back().unwrap();
    assert_eq!((newest.rms.get(), newest.peak.get()), (Some(-120.0), Some(-120.0)));
    assert!(feed.words("silence").starts_with("nothing is heard, the sound track is silent"));
}

#[test]
fn sound_that_is_too_loud_is_warned_of() {
    let (config, frames) = encode(
        "aevalsrc='clip(3*sin(500*2*PI*t)+2*sin(1370*2*PI*t)+0.2*random(0),-1,1)':d=14:s=48000",
        &["-b:a", "160k"],
    );
    let mut feed = Feed { has_sound: false, ..Feed::new() };
    feed.configure(config);
    for frame in &frames {
        feed.meter.packet(feed.now(frame.dts_ns / MS), &Packet::Frame(frame.clone()));
    }
    feed.pass_to(13_000);
    assert!(feed.words("sound_clips").starts_with("the sound is too loud"));
}

#[test]
fn what_cannot_be_decoded_has_no_level() {
    let lc = |rate, channels| AudioSpecificConfig::lc(rate, channels).unwrap().to_bytes();
    assert!(LevelMeter::of(&audio(lc(48_000, 2))).is_some());
    // HE-AAC, six channels, channels described in a program config element, 960 samples, AAC Main, nothing.
    let others: [&[u8]; 6] =
        [&[0x2b, 0x11, 0x88, 0x00], &[0x11, 0xb0], &[0x11, 0x80, 4, 0xc8], &[0x11, 0x94], &[0x09, 0x90], &[]];
    for data in others {
        assert!(LevelMeter::of(&audio(Bytes::copy_from_slice(data))).is_none(), "{data:02x?}");
    }
    assert!(
        LevelMeter::of(&TrackConfig { codec: Codec::FourCc(*b"Opus"), ..audio(lc(48_000, 2)) }).is_none()
    );
}

#[test]
fn garbage_has_no_level_and_is_given_up() {
    let config = audio(AudioSpecificConfig::lc(48_000, 2).unwrap().to_bytes());
    let mut level = LevelMeter::of(&config).unwrap();
    let mut second = Second::default();
    let goes_on = (0..300).all(|_| level.take(&[0xff; 100], &mut second.sound));
    assert!(!goes_on);
    let sample = second.close(0, Standing::default());
    assert_eq!((sample.rms.get(), sample.peak.get()), (None, None));
}

/// Bytes at random, alone and in frames that were whole before.
#[test]
fn broken_frames_break_nothing() {
    let (config, frames) =
        encode("aevalsrc='0.3*random(0)*gt(sin(2*PI*9*t),0.9)|0.2*sin(1000*2*PI*t)':d=2", &[]);
    let mut seed = 0x9e37_79b9_7f4a_7c15u64;
    let mut random = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    let mut level = LevelMeter::of(&config).unwrap();
    let mut second = Second::default();
    for round in 0..30_000 {
        let mut data = frames[random() as usize % frames.len()].data.to_vec();
        if round % 4 == 0 {
            data = (0..random() % 400).map(|_| random() as u8).collect();
        } else if round % 4 < 3 && !data.is_empty() {
            let at = random() as usize % data.len().min(40);
            data[at] ^= 1 << (random() % 8);
        }
        if !level.take(&data, &mut second.sound) {
            level = LevelMeter::of(&config).unwrap();
        }
    }
    let sample = second.close(0, Standing::default());
    assert!(sample.rms.get().is_some_and(|rms| rms <= 40.0), "{sample:?}");
}

/// Run by hand: `cargo test --release -- --ignored --nocapture cost`.
#[test]
#[ignore = "measures this machine"]
fn cost() {
    let (config, frames) =
        encode("aevalsrc='0.3*sin(440*2*PI*t)+0.1*random(0)|0.2*random(1)':d=300:s=48000", &["-b:a", "160k"]);
    let used = || {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
        text.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e6
    };
    let mut level = LevelMeter::of(&config).unwrap();
    let mut second = Second::default();
    let before = used();
    assert!(frames.iter().all(|frame| level.take(&frame.data, &mut second.sound)));
    println!("levels: {:.3} ms a second of sound", (used() - before) / 300.0);
    let mut feed = Feed::new();
    let mut packets: Vec<(i64, Packet)> = (0..900)
        .map(|n| n * 1_000 / 30)
        .map(|ms| {
            (
                ms,
                picture(Shot {
                    at_ms: ms,
                    dts_ms: ms,
                    pts_ms: ms,
                    is_key: ms % 2_000 == 0,
                    is_b: false,
                    bytes: 10_000,
                }),
            )
        })
        .chain((0..1_500).map(|n| (n * 20, sound(n * 20, &[0; 200]))))
        .collect();
    packets.sort_by_key(|(ms, _)| *ms);
    let before = used();
    for round in 0..120 {
        for (at_ms, packet) in &packets {
            let mut packet = packet.clone();
            if let Packet::Frame(frame) = &mut packet {
                frame.dts_ns += round * 30_000 * MS;
                frame.pts_ns = frame.dts_ns;
            }
            feed.meter.packet(feed.now(round * 30_000 + at_ms), &packet);
        }
    }
    println!("all but levels: {:.3} ms a second", (used() - before) / 3_600.0);
}
