//! The transcoding worker as a process of its own, with the real GStreamer.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use bytes::BytesMut;
use stagebox_media::cmaf::{CmafReader, TrackFormat};
use stagebox_media::wire::{self, Decoder, WireMessage};
use stagebox_media::{Frame, Packet, Track};

fn picture() -> Vec<Packet> {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i", "testsrc2=size=640x368:rate=15:duration=4"])
        .args(["-c:v", "libx264", "-preset", "ultrafast", "-g", "30", "-bf", "2", "-pix_fmt", "yuv420p"])
        .args(["-f", "mp4", "-movflags", "frag_keyframe+empty_moov", "-"])
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    let mut reader = CmafReader::new();
    reader.push(&output.stdout);
    std::iter::from_fn(|| reader.next().unwrap()).filter(|packet| packet.track() == Track::Video).collect()
}

fn order(json: &str, out: &mut BytesMut) {
    wire::encode(&WireMessage::Control(json.as_bytes().to_vec().into()), out).unwrap();
}

fn frames(packets: &[Packet]) -> Vec<&Frame> {
    packets
        .iter()
        .filter_map(|packet| if let Packet::Frame(frame) = packet { Some(frame) } else { None })
        .collect()
}

#[test]
fn a_worker_makes_a_smaller_picture_with_the_same_key_frames() {
    let given = picture();
    let mut child = Command::new(env!("CARGO_BIN_EXE_stagebox-cloud"))
        .arg("worker")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut bytes = BytesMut::new();
    let scaled = r#"{"width":320,"height":184,"bitrate_kbps":300}"#;
    let wanted = format!(r#"{{"number":0,"scaled":{scaled},"after_ns":null}}"#);
    let begin = format!(r#"{{"kind":"begin","renditions":[{wanted}],"software":true,"trials":null}}"#);
    order(&begin, &mut bytes);
    for packet in &given {
        wire::encode(&WireMessage::Packet { stream: 0, packet: packet.clone() }, &mut bytes).unwrap();
    }
    order(r#"{"kind":"drain"}"#, &mut bytes);
    let mut input = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || {
        input.write_all(&bytes).unwrap();
        input
    });
    let mut output = child.stdout.take().unwrap();
    let (mut decoder, mut made, mut buffer) = (Decoder::new(), Vec::new(), vec![0; 65536]);
    'reading: loop {
        let read = output.read(&mut buffer).unwrap();
        assert!(read > 0, "the worker ended");
        decoder.push(&buffer[..read]);
        while let Some(message) = decoder.next().unwrap() {
            match message {
                WireMessage::Packet { packet, .. } => made.push(packet),
                WireMessage::Control(json) if json.starts_with(br#"{"kind":"ready""#) => {}
                WireMessage::Control(json) => {
                    assert_eq!(json, r#"{"kind":"drained"}"#);
                    break 'reading;
                }
            }
        }
    }
    let Packet::Config(config) = &made[0] else { panic!("no configuration first") };
    assert_eq!(TrackFormat::parse(config).unwrap().resolution(), Some((320, 184)));
    let (small, large) = (frames(&made), frames(&given));
    let mut shown: Vec<(i64, bool)> = large.iter().map(|frame| (frame.pts_ns, frame.key)).collect();
    shown.sort_unstable();
    assert_eq!(small.iter().map(|frame| (frame.pts_ns, frame.key)).collect::<Vec<_>>(), shown);
    assert!(small.iter().all(|frame| frame.dts_ns == frame.pts_ns));
    // Its input ends, and so does the worker.
    drop(writer.join().unwrap());
    assert!(child.wait().unwrap().success());
}
