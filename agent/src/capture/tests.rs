use std::path::Path;

use super::feed::Feed;
use super::pattern::timecode;
use super::{CHANNELS, Grid, PictureFormat, Source, Tick};

#[test]
fn the_grid_never_drifts() {
    let grid = Grid::new(7, 30);
    assert_eq!(grid.picture_ns(0), 7);
    assert_eq!(grid.picture_ns(30 * 86_400), 7 + 86_400_000_000_000);
    let mut next = 0;
    for index in 0..10_000 {
        let samples = grid.samples(index);
        assert_eq!(samples.start, next);
        next = samples.end;
        assert_eq!(grid.next_index(grid.picture_ns(index)), index);
    }
    assert_eq!(Grid::new(0, 25).sample_ns(48_000), 1_000_000_000);
}

fn tone(value: f32, samples: usize) -> Vec<f32> {
    vec![value; samples * CHANNELS]
}

#[test]
fn passes_follow_each_other_without_a_seam_and_stay_together() {
    let mut feed = Feed::new(10);
    for pass in 0..3 {
        for picture in 0..5_u64 {
            feed.push_picture(picture * 100_000_000, (pass, picture));
        }
        // A little longer than the pictures: the pass is six of them.
        for block in 0..26_u64 {
            let samples = if block == 25 { 480 } else { 960 };
            feed.push_sound(block * 20_000_000, tone((pass + 1) as f32, samples));
        }
        assert!(feed.end_pass());
    }
    let pictures: Vec<_> = (0..18).map(|index| feed.take_picture(index)).collect();
    for pass in 0..3 {
        for picture in 0..5 {
            assert_eq!(pictures[pass * 6 + picture], Some((pass, picture as u64)));
        }
        assert_eq!(pictures[pass * 6 + 5], None, "the last picture stands until the next pass");
    }
    let sound = feed.take_sound(0..18 * 4800);
    for pass in 0..3 {
        let start = pass * 6 * 4800 * CHANNELS;
        let end = start + (25 * 960 + 480) * CHANNELS;
        assert!(sound[start..end].iter().all(|sample| *sample == (pass + 1) as f32));
        assert!(sound[end..(pass + 1) * 6 * 4800 * CHANNELS].iter().all(|sample| *sample == 0.0));
    }
    assert_eq!((feed.pictures_waiting(), feed.samples_waiting()), (0, 0));
}

#[test]
fn what_comes_too_late_is_passed_over() {
    let mut feed = Feed::new(10);
    assert_eq!(feed.take_sound(0..4800), tone(0.0, 4800));
    assert_eq!(feed.take_picture(0), None);
    feed.push_picture(0, 'a');
    feed.push_picture(100_000_000, 'b');
    feed.push_picture(200_000_000, 'c');
    feed.push_sound(0, tone(1.0, 9600));
    assert_eq!(feed.take_picture(1), Some('b'));
    assert_eq!(feed.take_picture(1), None);
    assert_eq!(feed.take_sound(4800..9600), tone(1.0, 4800));
    let mut empty: Feed<char> = Feed::new(10);
    assert!(!empty.end_pass());
}

#[test]
fn a_timecode_is_read_back_from_the_picture_at_any_size() {
    for (width, height) in [(640, 360), (854, 480), (1280, 720), (320, 180)] {
        let format = PictureFormat { width, height, fps: 15 };
        for unix_ms in [0, 1_763_764_245_678, (1 << 48) - 1] {
            let mut luma = vec![90_u8; (width * height) as usize];
            timecode::draw(&mut luma, width as usize, &format, unix_ms);
            // What a codec does to it: less contrast and some noise.
            for (at, sample) in luma.iter_mut().enumerate() {
                *sample =
                    (i32::from(*sample) * 3 / 4 + 20 + ((at * 7919 % 41) as i32 - 20)).clamp(0, 255) as u8;
            }
            assert_eq!(timecode::read(&luma, width as usize, &format), Some(unix_ms));
        }
    }
    let format = PictureFormat { width: 640, height: 360, fps: 15 };
    let mut luma = vec![16_u8; 640 * 360];
    assert_eq!(timecode::read(&luma, 640, &format), None);
    timecode::draw(&mut luma, 640, &format, 12_345);
    for row in luma.chunks_mut(640) {
        let tipped = if row[205] < 128 { 235 } else { 16 };
        row[200..210].fill(tipped);
    }
    assert_eq!(timecode::read(&luma, 640, &format), None, "a bit that tipped over is noticed");
}

#[test]
fn the_timecode_is_black_and_white_to_readers_that_see_colours() {
    gstreamer::init().unwrap();
    let format = PictureFormat { width: 640, height: 360, fps: 15 };
    let mut source = super::pattern::Pattern::new(format).unwrap();
    // Not the first picture of a second: that one is a flash, without colours anyway.
    let tick = Tick { index: 1, at_ns: 0, first_sample: 3200, samples: 3200, unix_ms: 1_795_736_000_000 };
    let picture = source.capture(&tick).unwrap().picture.unwrap();
    let data = picture.map_readable().unwrap();
    let (u, v) = (&data[640 * 360..][..320 * 180], &data[640 * 360 * 5 / 4..][..320 * 180]);
    let colourless = 320 * 360 / 12 / 2;
    assert!(u[..colourless].iter().chain(&v[..colourless]).all(|sample| *sample == 128));
    assert!(u[colourless..].iter().any(|sample| *sample != 128), "the bars have lost their colours");
}

#[test]
fn a_missing_file_is_named_with_its_field() {
    gstreamer::init().unwrap();
    let format = PictureFormat { width: 640, height: 360, fps: 15 };
    let Err(error) = super::file::FileSource::open(Path::new("/nowhere/clip.mp4"), format, None) else {
        panic!("there is no such file")
    };
    let message = error.to_string();
    assert!(message.contains("source.path") && message.contains("/nowhere/clip.mp4"), "{message}");
    assert!(error.is_configuration());
}
