//! What ffprobe says of our files, for a clip that ffmpeg made.

use std::path::Path;
use std::process::Command;

use super::tests::read;
use super::{CmafTrack, MovieWriter};
use crate::{Frame, Packet, Track, TrackConfig};

/// Two seconds of B-frames and AAC, fragmented; `None` where there is no ffmpeg.
fn clip(dir: &Path) -> Option<(Vec<TrackConfig>, Vec<Frame>)> {
    let path = dir.join("clip.mp4");
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=2"])
        .args(["-f", "lavfi", "-i", "sine=r=44100:d=2", "-c:v", "libx264", "-preset", "veryfast", "-bf", "2"])
        .args(["-g", "25", "-pix_fmt", "yuv420p", "-c:a", "aac", "-use_editlist", "0"])
        .args(["-video_track_timescale", "90000"])
        .args(["-movflags", "frag_keyframe+empty_moov+default_base_moof"])
        .arg(&path)
        .status();
    if !made.is_ok_and(|status| status.success()) {
        eprintln!("skipped: ffmpeg is not there");
        return None;
    }
    let mut configs = Vec::new();
    let mut frames = Vec::new();
    for packet in read(&std::fs::read(&path).unwrap(), &[7, 1000]).unwrap() {
        match packet {
            Packet::Config(config) => configs.push(config),
            Packet::Frame(frame) => frames.push(frame),
        }
    }
    assert_eq!(configs.len(), 2);
    Some((configs, frames))
}

/// pts, dts, duration and key flag of each packet of a stream, in ticks.
fn probe(path: &Path, stream: &str) -> Vec<(i64, i64, i64, bool)> {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-select_streams", stream, "-show_entries", "packet=pts,dts,duration,flags"])
        .args(["-of", "csv=p=0"])
        .arg(path)
        .output()
        .unwrap();
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let row = |line: &str| {
        let fields: Vec<_> = line.split(',').collect();
        let number = |index: usize| fields[index].parse::<i64>().unwrap_or(-1);
        (number(0), number(1), number(2), fields[3].starts_with('K'))
    };
    text.lines().map(row).collect()
}

/// What ffprobe says to a question, a line each.
fn text(path: &Path, entry: &str) -> String {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-show_entries", entry, "-of", "csv=p=0"])
        .arg(path)
        .output()
        .unwrap();
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn stream_duration_s(path: &Path, entry: &str) -> f64 {
    text(path, entry).lines().next().unwrap_or_default().trim().parse().unwrap()
}

/// Decodes all of it; a decoder or demuxer that complains fails the test.
fn decodes(path: &Path) {
    let output = Command::new("ffmpeg")
        .args(["-v", "warning", "-i"])
        .arg(path)
        .args(["-f", "null", "-"])
        .output()
        .unwrap();
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn expected(frames: &[Frame], track: Track, timescale: i64, duration: i64) -> Vec<(i64, i64, i64, bool)> {
    let ticks = |ns: i64| (ns * timescale + 500_000_000) / 1_000_000_000;
    frames
        .iter()
        .filter(|frame| frame.track == track)
        .map(|frame| (ticks(frame.pts_ns), ticks(frame.dts_ns), duration, frame.key))
        .collect()
}

#[test]
fn track_files_say_what_the_clip_said() {
    let dir = tempfile::tempdir().unwrap();
    let Some((configs, frames)) = clip(dir.path()) else { return };
    for (config, timescale, duration) in [(&configs[0], 90_000, 3600), (&configs[1], 44_100, 1024)] {
        let mut track = CmafTrack::new(config).unwrap();
        let mut bytes = track.init().to_vec();
        let mut fragments = 0;
        for frame in frames.iter().filter(|frame| frame.track == config.track) {
            track.push(frame).unwrap();
            if track.pending_ticks() >= u64::from(track.timescale()) / 2 {
                bytes.extend_from_slice(&track.cut().unwrap().data);
                fragments += 1;
            }
        }
        bytes.extend_from_slice(&track.finish().unwrap().data);
        assert!(fragments >= 3);
        let path = dir.path().join("track.mp4");
        std::fs::write(&path, &bytes).unwrap();
        let probed = probe(&path, "0");
        let expected = expected(&frames, config.track, timescale, duration);
        assert_eq!(probed.len(), expected.len());
        // ffmpeg's first frame of AAC lasts until the sound begins
        assert_eq!(probed[1..], expected[1..]);
        decodes(&path);
    }
}

#[test]
fn a_movie_plays_after_each_fragment_and_has_its_length_when_closed() {
    let dir = tempfile::tempdir().unwrap();
    let Some((configs, frames)) = clip(dir.path()) else { return };
    let mut movie = MovieWriter::new(&configs, 0).unwrap();
    let header = movie.header();
    let mut bytes = header.to_vec();
    let path = dir.path().join("movie.mp4");
    let mut sorted = frames.clone();
    sorted.sort_by_key(|frame| frame.dts_ns);
    for frame in &sorted {
        movie.push(frame).unwrap();
        if movie.pending_ns() >= 500_000_000 {
            bytes.extend_from_slice(&movie.cut().unwrap().data);
            std::fs::write(&path, &bytes).unwrap();
            decodes(&path);
        }
    }
    let end = movie.finish();
    bytes.extend_from_slice(&end.last.unwrap().data);
    bytes.extend_from_slice(&end.tables);
    // A power cut between the two writes leaves the file as it was, with tables behind it that nobody needs.
    std::fs::write(&path, &bytes).unwrap();
    assert_eq!(probe(&path, "v"), expected(&frames, Track::Video, 90_000, 3600));
    bytes[..header.len()].copy_from_slice(&end.header);
    std::fs::write(&path, &bytes).unwrap();
    decodes(&path);
    let format = text(&path, "format=format_name,nb_streams");
    assert!(format.contains("mp4") && format.contains('2'), "{format}");
    assert!(!text(&path, "packet=flags").contains('D'), "a packet to be discarded");
    assert_eq!(probe(&path, "v"), expected(&frames, Track::Video, 90_000, 3600));
    assert_eq!(probe(&path, "a").len(), frames.iter().filter(|frame| frame.track == Track::Audio).count());
    let length = stream_duration_s(&path, "format=duration");
    assert!((length - 2.1).abs() < 0.05, "{length}");
}
