//! Real workers: they get a real clip, are killed, stopped and slowed down, and every frame is counted.
#![allow(clippy::disallowed_methods, reason = "these tests run real processes in real time")]

mod run;

use std::path::PathBuf;
use std::time::Duration;

use nix::sys::signal::Signal;
use stagebox_media::h264::{AvcConfig, contains_idr};
use tokio::sync::mpsc;
use tokio::time::timeout;

use self::run::{GROUP, Made, Program, assert_whole, clip, extra_keys, run, run_watched};
use super::{CLIP_RATE, Scaled, Start, Still, Transcoder, clip as still_clip};

#[tokio::test(flavor = "multi_thread")]
async fn every_rendition_has_every_frame_of_the_source() {
    let (program, clip) = (Program::new(), clip(8, 0));
    let (ladder, made) = run(&program, &clip, 2.0, |_| {}).await;
    assert_whole(&clip, &ladder, &made);
    for (number, scaled) in (0u8..).zip(&ladder) {
        assert!(extra_keys(&clip, &made, number).is_empty(), "{scaled:?}");
        assert_eq!(made.configs[&number].len(), 1);
        let peak_kbps = scaled.rate_control().peak_kbps(2_000);
        for group in made.frames[&number].chunks(GROUP) {
            let bytes: usize = group.iter().map(|frame| frame.data.len()).sum();
            let kbps = u32::try_from(bytes * 8 / 2_000).unwrap();
            assert!(kbps <= peak_kbps, "{kbps} kbit/s in a segment of {scaled:?}");
            assert!(kbps > scaled.bitrate_kbps / 2, "{kbps} kbit/s of noise in {scaled:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_in_another_order_come_out_in_that_of_showing() {
    let (program, clip) = (Program::new(), clip(6, 2));
    assert!(clip.1.iter().any(|frame| frame.pts_ns != frame.dts_ns));
    let (ladder, made) = run(&program, &clip, 2.0, |_| {}).await;
    assert_whole(&clip, &ladder, &made);
    assert!(extra_keys(&clip, &made, 0).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_worker_costs_no_frame() {
    for bframes in [0, 2] {
        let (program, clip) = (Program::new(), clip(10, bframes));
        let (ladder, made) = run(&program, &clip, 2.0, |index| {
            if index == 80 {
                program.signal(Signal::SIGKILL);
            }
        })
        .await;
        assert_whole(&clip, &ladder, &made);
        for number in 0..3 {
            // The new encoder begins where the old one ended, with a picture that needs none before it.
            assert_eq!(extra_keys(&clip, &made, number).len(), 1);
            assert_eq!(made.configs[&number].len(), 1, "it is configured alike");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_worker_is_replaced_and_costs_no_frame() {
    let (program, clip) = (Program::new(), clip(12, 0));
    let (ladder, made) = run(&program, &clip, 1.0, |index| {
        if index == 50 {
            program.signal(Signal::SIGSTOP);
        }
    })
    .await;
    assert_whole(&clip, &ladder, &made);
    assert_eq!(extra_keys(&clip, &made, 0).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_that_are_killed_all_the_time_lose_frames_but_never_their_order() {
    let (program, clip) = (Program::new(), clip(10, 0));
    let (_, made) = run(&program, &clip, 1.0, |index| {
        if index % 4 == 0 && index < 120 {
            program.signal(Signal::SIGKILL);
        }
    })
    .await;
    let source: Vec<i64> = clip.1.iter().map(|frame| frame.pts_ns).collect();
    for number in 0..3 {
        let pts = made.pts(number);
        assert!(pts.windows(2).all(|pair| pair[0] < pair[1]), "{pts:?}");
        assert!(pts.iter().all(|pts| source.contains(pts)), "nothing is invented");
        assert!(pts.len() < source.len() && made.lost > 0);
        assert_eq!(pts.last(), source.last(), "in the end one is left to work");
    }
}

/// Whatever this machine can do: the worker is let run only as far as three quarters of what it was given.
#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_is_too_slow_gives_up_the_largest_rendition() {
    let (program, clip) = (Program::new(), clip(24, 0));
    let last = clip.1.len() - 1;
    let given: Vec<i64> = clip.1.iter().map(|frame| frame.pts_ns).collect();
    let (ladder, made) = run_watched(&program, &clip, 1.0, |index, reached_ns| {
        let may_run = index == last || reached_ns <= given[index] / 4 * 3;
        program.signal(if may_run { Signal::SIGCONT } else { Signal::SIGSTOP });
    })
    .await;
    assert_eq!(made.dropped[0].0, 0, "the largest first");
    assert!(made.dropped[0].1.contains("240p"), "{}", made.dropped[0].1);
    let numbers: Vec<u8> = made.dropped.iter().map(|(number, _)| *number).collect();
    assert!(numbers == [0] || numbers == [0, 1], "{numbers:?}: the last one is kept");
    for number in (0u8..).take(ladder.len()) {
        let pts = made.pts(number);
        assert!(pts.windows(2).all(|pair| pair[0] < pair[1]), "{number}: {pts:?}");
    }
    assert!(made.pts(2).len() > made.pts(0).len());
}

#[tokio::test]
async fn a_program_that_cannot_be_started_is_survived() {
    let (config, frames) = clip(2, 0);
    let (output, mut input) = mpsc::channel(64);
    let scaled = Scaled { width: 64, height: 36, bitrate_kbps: 200 };
    let program = PathBuf::from("/nonexistent/program");
    let start = Start { program, trials: None, run: 7, config, ladder: vec![scaled], keys: None };
    let mut transcoder = Transcoder::start(start, output);
    for frame in &frames {
        transcoder.push(frame);
    }
    let mut made = Made::default();
    let first = timeout(Duration::from_secs(15), input.recv()).await.expect("nothing is said");
    made.take(first.unwrap());
    assert_eq!(made.lost, 1, "it is told at once");
    drop(transcoder);
    let all = async {
        while let Some(from) = input.recv().await {
            made.take(from);
        }
    };
    timeout(Duration::from_secs(15), all).await.expect("the run never ends");
    assert!(made.done && made.frames.is_empty() && made.lost > 0);
}

#[tokio::test]
async fn a_worker_makes_the_clip_of_a_still_picture() {
    // Neither its lines of luma nor those of colour are a multiple of four bytes.
    let still = Still { width: 426, height: 240, text: "Nothing yet".to_owned() };
    let made = still_clip(&Program::new().path(), still).await.unwrap();
    assert_eq!(made.pictures.len(), 2 * CLIP_RATE as usize);
    let sps = AvcConfig::parse(&made.config.data).unwrap().first_sps().unwrap();
    assert_eq!((sps.width, sps.height), (426, 240));
    let keys: Vec<bool> = made.pictures.iter().map(|picture| contains_idr(picture)).collect();
    assert!(keys[0] && !keys[1..].contains(&true), "it begins with its only key frame");
}
