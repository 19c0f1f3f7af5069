//! What ffprobe and ffmpeg make of our files, for clips that ffmpeg encoded.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use super::scan::Found;
use super::tests::{Stored, bytes_of, one_file};
use super::*;
use crate::cmaf::tests::read;
use crate::{Frame, Packet, Track, TrackConfig};

const SECOND_NS: i64 = 1_000_000_000;
/// Where the clips lie on the event's timeline.
const START_NS: i64 = 86_399 * SECOND_NS;

/// A clip's tracks: configuration and frames, pictures first.
type Clip = [(TrackConfig, Vec<Frame>); 2];

/// So many seconds with B-frames and a key frame a second; `None` where there is no ffmpeg.
fn clip(dir: &Path, size: &str, rate: u32, seconds: u32, start_ns: i64) -> Option<Clip> {
    let path = dir.join(format!("{size}.mp4"));
    let made = Command::new("ffmpeg")
        .args(["-y", "-v", "error", "-f", "lavfi", "-i", &format!("testsrc2=s={size}:r=25:d={seconds}")])
        .args(["-f", "lavfi", "-i", &format!("sine=r={rate}:d={seconds}"), "-c:v", "libx264"])
        .args(["-preset", "veryfast", "-bf", "2", "-g", "25", "-pix_fmt", "yuv420p", "-c:a", "aac"])
        .args(["-use_editlist", "0", "-video_track_timescale", "90000"])
        .args(["-movflags", "frag_keyframe+empty_moov+default_base_moof"])
        .arg(&path)
        .status();
    if !made.is_ok_and(|status| status.success()) {
        eprintln!("skipped: ffmpeg is not there");
        return None;
    }
    let (mut configs, mut seen, mut heard) = (Vec::new(), Vec::new(), Vec::new());
    for packet in read(&std::fs::read(&path).unwrap(), &[4096]).unwrap() {
        match packet {
            Packet::Config(config) => configs.push(config),
            Packet::Frame(mut frame) => {
                (frame.pts_ns, frame.dts_ns) = (frame.pts_ns + start_ns, frame.dts_ns + start_ns);
                if frame.track == Track::Video { &mut seen } else { &mut heard }.push(frame);
            }
        }
    }
    let [video, audio] = <[TrackConfig; 2]>::try_from(configs).unwrap();
    Some([(video, seen), (audio, heard)])
}

/// Segments of two seconds with parts of a fifth of one.
fn stored(clip: &Clip) -> [Stored; 2] {
    let [(video, seen), (audio, heard)] = clip;
    [Stored::of(video, seen, 50, 5), Stored::of(audio, heard, 87, 9)]
}

fn write(dir: &Path, tracks: &[Stored]) -> (OneFile, std::path::PathBuf) {
    let file = one_file(tracks);
    let path = dir.join("recording.mp4");
    std::fs::write(&path, bytes_of(&file, tracks, 0..u64::MAX)).unwrap();
    (file, path)
}

fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}");
    String::from_utf8(output.stdout).unwrap()
}

/// Decodes all of it; whoever complains fails the test.
fn decodes(path: &Path) {
    output(Command::new("ffmpeg").args(["-v", "warning", "-i"]).arg(path).args(["-f", "null", "-"]));
}

fn counted_frames(path: &Path, stream: &str) -> usize {
    let mut probe = Command::new("ffprobe");
    probe.args(["-v", "error", "-count_frames", "-select_streams", stream]);
    probe.args(["-show_entries", "stream=nb_read_frames", "-of", "csv=p=0"]).arg(path);
    output(&mut probe).trim().parse().unwrap()
}

/// When each decoded frame is shown, in microseconds.
fn shown_us(path: &Path, stream: &str) -> Vec<i64> {
    let mut probe = Command::new("ffprobe");
    probe.args(["-v", "error", "-select_streams", stream, "-show_entries", "frame=pts_time"]);
    probe.args(["-of", "csv=p=0"]).arg(path);
    let text = output(&mut probe);
    // side data of a frame is an empty field at the end, or lines of its own
    let seconds = text
        .lines()
        .filter(|line| !line.is_empty())
        .map(|line| line.trim_end_matches(',').parse::<f64>().unwrap());
    seconds.map(|seconds| (seconds * 1e6).round() as i64).collect()
}

fn expected_us(frames: &[Frame], zero_ns: i64) -> Vec<i64> {
    let mut times: Vec<_> = frames.iter().map(|frame| (frame.pts_ns - zero_ns + 500) / 1000).collect();
    times.sort_unstable();
    times
}

fn same_times(found: &[i64], expected: &[i64]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() <= 25, "{found} us instead of {expected}");
    }
}

fn first_picture(frames: &[Frame]) -> i64 {
    frames.iter().map(|frame| frame.pts_ns).min().unwrap()
}

/// A checksum of each decoded picture.
fn pictures(path: &Path) -> Vec<String> {
    let mut decode = Command::new("ffmpeg");
    decode.args(["-v", "error", "-i"]).arg(path).args(["-map", "0:v", "-f", "framemd5", "-"]);
    let text = output(&mut decode);
    let rows = text.lines().filter(|line| !line.starts_with('#'));
    rows.map(|line| line.rsplit(',').next().unwrap().trim().to_owned()).collect()
}

#[test]
fn players_see_and_hear_what_was_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let Some(clip) = clip(dir.path(), "320x180", 48_000, 11, START_NS) else { return };
    let (_, path) = write(dir.path(), &stored(&clip));
    decodes(&path);
    let [(_, seen), (_, heard)] = &clip;
    assert!(seen.iter().any(|frame| frame.pts_ns > frame.dts_ns + 40_000_000), "there are B-frames");
    assert_eq!((seen.len(), counted_frames(&path, "v")), (275, 275));
    assert_eq!(counted_frames(&path, "a"), heard.len());
    // the clip's sound begins two frames before its pictures
    let zero = heard[0].pts_ns;
    assert_eq!(first_picture(seen) - zero, 80_000_000);
    same_times(&shown_us(&path, "v"), &expected_us(seen, zero));
    same_times(&shown_us(&path, "a"), &expected_us(heard, zero));
    assert_eq!(pictures(&path), pictures(&dir.path().join("320x180.mp4")));
}

#[test]
fn sound_from_just_before_the_first_picture_is_cut_off() {
    let dir = tempfile::tempdir().unwrap();
    let Some(mut clip) = clip(dir.path(), "320x180", 48_000, 5, START_NS) else { return };
    for early_ms in [7, 0, -13] {
        let [(_, seen), (_, heard)] = &mut clip;
        let zero = first_picture(seen);
        if early_ms == 7 {
            // ffmpeg's first frame of AAC lasts until the sound begins
            heard.remove(0);
        }
        let shift = zero - early_ms * 1_000_000 - heard[0].pts_ns;
        heard.iter_mut().for_each(|frame| frame.pts_ns += shift);
        let (_, path) = write(dir.path(), &stored(&clip));
        decodes(&path);
        let [(_, seen), (_, heard)] = &clip;
        same_times(&shown_us(&path, "v"), &expected_us(seen, zero));
        let found = shown_us(&path, "a");
        let expected = expected_us(heard, zero);
        same_times(&found[1..], &expected[1..]);
        same_times(&found[..1], &[expected[0].max(0)]);
    }
}

#[test]
fn a_hole_keeps_sound_and_pictures_together() {
    let dir = tempfile::tempdir().unwrap();
    let Some(clip) = clip(dir.path(), "320x180", 44_100, 12, START_NS) else { return };
    let mut tracks = stored(&clip);
    tracks[0].segments.remove(&102);
    tracks[1].segments.remove(&103);
    let (_, path) = write(dir.path(), &tracks);
    decodes(&path);
    let [(_, seen), (_, heard)] = &clip;
    let zero = heard[0].pts_ns;
    same_times(&shown_us(&path, "v"), &expected_us(&[&seen[..100], &seen[150..]].concat(), zero));
    same_times(&shown_us(&path, "a"), &expected_us(&[&heard[..261], &heard[348..]].concat(), zero));
}

#[test]
fn two_configurations_play_in_one_file() {
    let dir = tempfile::tempdir().unwrap();
    let Some(first) = clip(dir.path(), "320x180", 48_000, 4, START_NS) else { return };
    let Some(second) = clip(dir.path(), "640x360", 48_000, 6, START_NS + 5 * SECOND_NS) else { return };
    let mut tracks = stored(&first);
    for (track, (config, frames)) in tracks.iter_mut().zip(&second) {
        let segment = if config.track == Track::Video { 50 } else { 87 };
        track.add(config, frames, segment, segment / 10);
    }
    let (_, path) = write(dir.path(), &tracks);
    decodes(&path);
    let seen = [&first[0].1[..], &second[0].1[..]].concat();
    assert_eq!(counted_frames(&path, "v"), 250);
    same_times(&shown_us(&path, "v"), &expected_us(&seen, first[1].1[0].pts_ns));
    let mut probe = Command::new("ffprobe");
    probe.args(["-v", "error", "-select_streams", "v", "-show_entries", "frame=width", "-of", "csv=p=0"]);
    let text = output(probe.arg(&path));
    let widths: Vec<_> =
        text.lines().filter(|line| !line.is_empty()).map(|line| line.trim_end_matches(',')).collect();
    assert_eq!(widths, [vec!["320"; 100], vec!["640"; 150]].concat());
}

#[test]
fn rates_of_sound_change_in_one_file() {
    let dir = tempfile::tempdir().unwrap();
    let Some(first) = clip(dir.path(), "320x180", 48_000, 4, START_NS) else { return };
    let Some(second) = clip(dir.path(), "322x180", 44_100, 4, START_NS + 4 * SECOND_NS) else { return };
    let mut sound = Stored::of(&first[1].0, &first[1].1[..180], 87, 9);
    sound.add(&second[1].0, &second[1].1[..160], 87, 9);
    let (_, path) = write(dir.path(), &[sound]);
    decodes(&path);
    let heard = [&first[1].1[..180], &second[1].1[..160]].concat();
    let found = shown_us(&path, "a");
    same_times(&found, &expected_us(&heard, heard[0].pts_ns));
}

/// A second of real pictures, five samples of nearly a gigabyte each that no one looks at, and real ones again.
#[test]
fn a_player_finds_pictures_beyond_4_gib() {
    let dir = tempfile::tempdir().unwrap();
    let Some(clip) = clip(dir.path(), "320x180", 48_000, 4, START_NS) else { return };
    let [stored, _] = stored(&clip);
    let sections = stored.sections();
    let scan = |name: u64| SegmentScan::of(&sections[&0], &stored.segments[&name].1).unwrap();
    let mut builder = OneFileBuilder::new();
    builder.add_track(&sections).unwrap();
    builder.push(0, 100, 0, &scan(100)).unwrap();
    for n in 0..5u64 {
        let at = scan(101).columns().start - (5 - n);
        let huge = Found { at, offset: 0, key: false, position: 0, size: 1_000_000_000 };
        builder.push(0, 7, 0, &SegmentScan::write(&[huge], at + 1)).unwrap();
    }
    builder.push(0, 101, 0, &scan(101)).unwrap();
    let file = builder.finish().unwrap();
    assert!(file.bytes() > 5_000_000_000);

    let path = dir.path().join("long.mp4");
    let disk = File::create(&path).unwrap();
    let mut at = 0;
    for piece in file.pieces(0..file.bytes()) {
        let length = match piece {
            Piece::Head { from, to } => {
                disk.write_all_at(&file.head(from..to), at).unwrap();
                to - from
            }
            // a hole in the file on disk too
            Piece::Source { source: 7, len, .. } => len,
            Piece::Source { source, offset, len, .. } => {
                let bytes = &stored.segments[&source].1[offset as usize..(offset + len) as usize];
                disk.write_all_at(bytes, at).unwrap();
                len
            }
        };
        at += length;
    }
    assert_eq!(at, file.bytes());
    let mut decode = Command::new("ffmpeg");
    decode.args(["-v", "warning", "-ss", "3", "-i"]).arg(&path).args(["-f", "framemd5", "-"]);
    let text = output(&mut decode);
    let found: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(found.len(), 25);
    let source = pictures(&dir.path().join("320x180.mp4"));
    for (row, expected) in found.iter().zip(&source[75..]) {
        assert!(row.ends_with(expected), "{row} instead of {expected}");
    }
}
