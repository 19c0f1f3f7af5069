use bytes::Bytes;
use stagebox_media::{Codec, Epoch, Track};

use super::*;

const LIMITS: Limits = Limits { frames: 100, bytes: 1000 };

fn frame(pts_ns: i64, key: bool) -> Frame {
    Frame {
        track: Track::Video,
        codec: Codec::H264,
        epoch: Epoch::UNKNOWN,
        pts_ns,
        dts_ns: pts_ns,
        key,
        data: Bytes::from_static(b"0123456789"),
    }
}

/// Groups of four frames each, at 0, 1, 2 …
fn kept(limits: Limits, frames: std::ops::Range<i64>) -> Kept {
    let mut kept = Kept::new(limits);
    frames.for_each(|pts| kept.push(frame(pts, pts % 4 == 0)));
    kept
}

fn rest(kept: &mut Kept) -> Vec<i64> {
    std::iter::from_fn(|| kept.take_next()).map(|frame| frame.pts_ns).collect()
}

#[test]
fn a_new_worker_gets_the_group_again_that_lacks_a_frame() {
    let mut kept = kept(LIMITS, 0..11);
    assert_eq!(rest(&mut kept), (0..11).collect::<Vec<_>>());
    assert_eq!(kept.take_next(), None);
    for (delivered, first) in
        [(None, 0), (Some(2), 0), (Some(3), 4), (Some(6), 4), (Some(9), 8), (Some(10), 8)]
    {
        assert_eq!(kept.rewind(delivered), delivered.map_or(0, |pts| (pts - first).max(0)));
        assert_eq!(rest(&mut kept), (first..11).collect::<Vec<_>>(), "after {delivered:?}");
    }
    assert!(!kept.take_lost());
}

#[test]
fn two_complete_groups_are_kept() {
    let mut kept = kept(LIMITS, 0..12);
    assert_eq!(rest(&mut kept).len(), 12);
    kept.push(frame(12, true));
    assert!(!kept.take_lost(), "the worker had got all of the oldest group");
    kept.rewind(Some(3));
    assert_eq!(rest(&mut kept), (4..13).collect::<Vec<_>>());
    assert!(!kept.take_lost(), "and all of it had been delivered");
    kept.rewind(Some(2));
    assert_eq!(rest(&mut kept)[0], 4);
    assert!(kept.take_lost() && !kept.take_lost(), "frame 3 will never come");
}

#[test]
fn a_worker_that_does_not_take_frames_loses_whole_groups() {
    let mut kept = kept(LIMITS, 0..2);
    assert_eq!(rest(&mut kept), [0, 1]);
    (2..17).for_each(|pts| kept.push(frame(pts, pts % 4 == 0)));
    assert!(kept.take_lost());
    assert_eq!(rest(&mut kept), (8..17).collect::<Vec<_>>());
}

#[test]
fn pictures_before_their_key_frame_need_the_group_before() {
    let mut kept = Kept::new(LIMITS);
    // Shown as 0 1 2 3 4 5: the key frame 4 is followed by 3, which refers to 2.
    for (pts, key) in [(0, true), (1, false), (2, false), (4, true), (3, false), (5, false)] {
        kept.push(frame(pts, key));
    }
    kept.rewind(Some(2));
    assert_eq!(rest(&mut kept)[0], 0);
    kept.rewind(Some(3));
    assert_eq!(rest(&mut kept)[0], 4);
}

#[test]
fn limits_hold_and_cost_the_oldest_group() {
    let mut kept = kept(Limits { frames: 100, bytes: 100 }, 0..40);
    assert!(kept.bytes <= 100 && kept.frames.len() <= 10);
    assert!(kept.take_lost());
    assert_eq!(rest(&mut kept), [32, 33, 34, 35, 36, 37, 38, 39]);
}

#[test]
fn a_group_without_end_passes_through() {
    let mut kept = Kept::new(Limits { frames: 5, bytes: 1000 });
    for pts in 0..50 {
        kept.push(frame(pts, pts == 0));
        assert_eq!(rest(&mut kept), [pts]);
        assert!(kept.frames.len() <= 5);
    }
    assert!(!kept.take_lost(), "the worker gets all of it");
    kept.rewind(Some(49));
    kept.push(frame(50, false));
    assert_eq!(rest(&mut kept), [0; 0], "but a new one cannot go on in its midst");
    assert!(kept.take_lost());
    kept.push(frame(51, true));
    assert_eq!(rest(&mut kept), [51]);
}

#[test]
fn a_group_without_end_that_nobody_takes_is_given_up() {
    let mut kept = Kept::new(Limits { frames: 5, bytes: 1000 });
    (0..50).for_each(|pts| kept.push(frame(pts, pts == 0)));
    assert!(kept.take_lost() && kept.frames.is_empty());
    kept.push(frame(50, true));
    assert_eq!(rest(&mut kept), [50]);
}

#[test]
fn skipping_goes_to_the_newest_key_frame() {
    let mut kept = kept(LIMITS, 0..10);
    kept.take_next();
    assert!(kept.skip_to_newest_group() && kept.take_lost());
    assert_eq!(rest(&mut kept), [8, 9]);
    assert!(!kept.skip_to_newest_group() && !kept.take_lost());
}

#[test]
fn what_breaks_workers_is_forgotten() {
    let mut kept = kept(LIMITS, 0..6);
    kept.forget();
    kept.push(frame(6, false));
    assert_eq!(rest(&mut kept), [0; 0]);
    kept.push(frame(8, true));
    assert_eq!(rest(&mut kept), [8]);
    assert!(kept.take_lost());
}

#[test]
fn a_run_begins_with_a_key_frame() {
    let mut kept = kept(LIMITS, 1..6);
    assert_eq!(rest(&mut kept), [4, 5]);
    assert!(!kept.take_lost(), "nothing was lost before it");
}
