//! A publisher's bytes, all the way to parts and segments, without a socket: whatever they are, time goes on.
#![allow(clippy::disallowed_methods, reason = "tests need some instant to count from")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use proptest::prelude::*;
use stagebox_media::Packet;
use stagebox_media::cmaf::CmafReader;
use stagebox_media::rtmp::amf0::{self, Value, object};
use stagebox_media::rtmp::chunk::{ChunkWriter, MessageHeader, message_type};
use stagebox_media::rtmp::{ServerConfig, ServerEvent, ServerSession};

use super::health::{Meter, Source};
use super::lane::Packaged;
use super::rendition::Rendition;
use super::segment::Segment;
use super::segmenter::tests::video_config;
use super::segmenter::{self, Lengths, Resume, Segmenter};
use super::timeline::{InputId, Now, Policy, Timed, Timeline};
use crate::event::Input;

const ID: InputId = InputId(1);
const PICTURES: u32 = 75;
const PICTURE_MS: u32 = 67;
const SOUND_MS: u32 = 21;
const LENGTHS: Lengths = Lengths { part_ms: 500, segment_ms: 2_000 };

/// One message of a stream, and when it is sent.
#[derive(Debug, Clone, PartialEq)]
struct Message {
    sent_ms: u32,
    time_ms: u32,
    type_id: u8,
    data: Vec<u8>,
}

impl Message {
    fn new(type_id: u8, time_ms: u32, data: &[&[u8]]) -> Self {
        Self { sent_ms: time_ms, time_ms, type_id, data: data.concat() }
    }

    fn is_picture(&self) -> bool {
        self.type_id == message_type::VIDEO && self.data.get(1) == Some(&1)
    }
}

/// Five seconds as they should be, with a key frame each second, and both headers told anew with each.
fn good() -> Vec<Message> {
    let (video, audio) = (message_type::VIDEO, message_type::AUDIO);
    let mut all = Vec::new();
    for number in 0..PICTURES {
        let (at, is_key) = (number * PICTURE_MS, number % 15 == 0);
        if is_key {
            all.push(Message::new(video, at, &[&[0x17, 0, 0, 0, 0], &video_config().data]));
            all.push(Message::new(audio, at, &[&[0xAF, 0, 0x11, 0x90]]));
        }
        let (tag, nal) = if is_key { (0x17, 0x65) } else { (0x27, 0x41) };
        all.push(Message::new(video, at, &[&[tag, 1, 0, 0, 0, 0, 0, 0, 4, nal, 1, 2, 3]]));
    }
    for number in 0..PICTURES * PICTURE_MS / SOUND_MS {
        all.push(Message::new(audio, number * SOUND_MS, &[&[0xAF, 1, 0x21, 0x00, 0x49, 0x90]]));
    }
    all.sort_by_key(|message| message.time_ms);
    all
}

/// What may be done to a message.
#[derive(Debug, Clone)]
enum Edit {
    Drop,
    Double,
    Swap,
    /// This one alone.
    Time(u32),
    /// All from here on.
    Leap(u32),
    Truncate(usize),
    Byte(usize, u8),
}

fn time() -> impl Strategy<Value = u32> {
    prop_oneof![0..3_000_u32, (0..3_000_u32).prop_map(u32::wrapping_neg), any::<u32>()]
}

fn edit() -> impl Strategy<Value = Edit> {
    let at = 0..60_usize;
    prop_oneof![
        Just(Edit::Drop),
        Just(Edit::Double),
        Just(Edit::Swap),
        time().prop_map(Edit::Time),
        time().prop_map(Edit::Leap),
        at.clone().prop_map(Edit::Truncate),
        // Behind the tag's own header: another codec's stream is refused, and rightly so.
        (at, any::<u8>()).prop_map(|(at, byte)| Edit::Byte(at + 2, byte)),
    ]
}

fn apply(messages: &mut Vec<Message>, at: usize, edit: &Edit) {
    let Some(message) = messages.get(at).cloned() else { return };
    match *edit {
        Edit::Drop => drop(messages.remove(at)),
        Edit::Double => messages.insert(at, message),
        Edit::Swap if at + 1 < messages.len() => messages.swap(at, at + 1),
        Edit::Swap => {}
        Edit::Time(by_ms) => messages[at].time_ms = message.time_ms.wrapping_add(by_ms),
        Edit::Leap(by_ms) => {
            let later = messages[at..].iter_mut();
            later.for_each(|message| message.time_ms = message.time_ms.wrapping_add(by_ms));
        }
        Edit::Truncate(length) => messages[at].data.truncate(length),
        Edit::Byte(index, byte) => {
            if let Some(there) = messages[at].data.get_mut(index) {
                *there = byte;
            }
        }
    }
}

/// A server's inside, from a connection to what viewers fetch.
struct Line {
    session: ServerSession,
    writer: ChunkWriter,
    start: Instant,
    meter: Meter,
    timeline: Timeline,
    segmenter: Segmenter,
    out: Vec<Packaged>,
}

impl Line {
    fn open() -> Self {
        let start = Instant::now();
        let mut line = Self {
            session: ServerSession::new(ServerConfig::default()),
            writer: ChunkWriter::default(),
            start,
            meter: Meter::default(),
            timeline: Timeline::new(0, Policy::default()),
            segmenter: Segmenter::new(LENGTHS, Resume::default()),
            out: Vec::new(),
        };
        let mut hello = BytesMut::zeroed(1 + 2 * 1536);
        hello[0] = 3;
        assert_eq!(line.session.next(&mut hello), Ok(None));
        line.call(0, &["connect".into(), 1.0.into(), object([("app", "live".into())])]);
        line.call(1, &["publish".into(), 2.0.into(), Value::Null, "key".into()]);
        line.session.accept();
        line.meter.begin(line.now(0), Source::default());
        line.timeline.join(ID, Input::Main);
        line
    }

    fn now(&self, ms: u32) -> Now {
        let instant = self.start + Duration::from_millis(ms.into());
        Now { instant, unix_ms: 1_790_000_000_000 + i64::from(ms) }
    }

    fn call(&mut self, stream_id: u32, values: &[Value]) {
        let (mut amf, mut input) = (BytesMut::new(), BytesMut::new());
        values.iter().for_each(|value| amf0::encode(value, &mut amf));
        let type_id = message_type::COMMAND_AMF0;
        self.writer.write(
            MessageHeader { chunk_stream: 3, type_id, stream_id, timestamp: 0 },
            &[&amf],
            &mut input,
        );
        self.session.next(&mut input).unwrap();
    }

    /// Sends a message; the stream must go on.
    fn send(&mut self, message: &Message) {
        let mut input = BytesMut::new();
        let header = MessageHeader {
            chunk_stream: 4 + u32::from(message.type_id),
            type_id: message.type_id,
            stream_id: 1,
            timestamp: message.time_ms,
        };
        self.writer.write(header, &[&message.data], &mut input);
        let now = self.now(message.sent_ms);
        while let Some(event) = self.session.next(&mut input).unwrap() {
            match event {
                // As a publisher's packets are let through.
                ServerEvent::Packet(Packet::Config(config)) if segmenter::check(&config).is_err() => {}
                ServerEvent::Packet(packet) => self.packet(now, packet),
                ServerEvent::LeftOut(left_out) => self.meter.left_out(now, left_out.fault),
                other => panic!("{other:?}"),
            }
        }
    }

    fn packet(&mut self, now: Now, packet: Packet) {
        self.meter.packet(now, &packet);
        let mut timed = Vec::new();
        self.timeline.handle(now, ID, packet, &mut timed);
        self.package(timed);
    }

    fn package(&mut self, timed: Vec<Timed>) {
        for timed in timed {
            match timed {
                Timed::Begin(start) => drop(self.segmenter.begin(&start, &[], &mut self.out).unwrap()),
                Timed::Frame(frame) => self.segmenter.frame(frame, &mut self.out),
                Timed::End => drop(self.segmenter.end(&mut self.out)),
            }
        }
    }

    fn close(&mut self) {
        let mut timed = Vec::new();
        self.timeline.leave(self.now(PICTURES * PICTURE_MS), ID, &mut timed);
        self.package(timed);
        self.segmenter.close_before(self.segmenter.next_msn(), &mut self.out);
    }
}

/// What came out of one rendition.
#[derive(Default)]
struct Outcome {
    frames: Vec<i64>,
    segments: Vec<Segment>,
}

/// Sends all of it, and looks whether time went on in what came out.
fn broadcast(messages: &[Message]) -> Result<BTreeMap<Rendition, Outcome>, TestCaseError> {
    let mut line = Line::open();
    messages.iter().for_each(|message| line.send(message));
    line.close();
    let mut readers: BTreeMap<Rendition, CmafReader> = BTreeMap::new();
    let mut outcome: BTreeMap<Rendition, Outcome> = BTreeMap::new();
    let mut inits = BTreeMap::new();
    for packaged in &line.out {
        match packaged {
            Packaged::Target { .. } => {}
            Packaged::Init { rendition, init, data, .. } => drop(inits.insert((*rendition, *init), data)),
            Packaged::Part { rendition, data, segment } => {
                let reader = readers.entry(*rendition).or_default();
                if segment.parts.len() == 1 {
                    reader.push(inits[&(*rendition, segment.init)]);
                }
                reader.push(data);
            }
            Packaged::Close { rendition, segment } => {
                outcome.entry(*rendition).or_default().segments.push(segment.clone());
            }
        }
    }
    for (rendition, mut reader) in readers {
        let Outcome { frames, .. } = outcome.entry(rendition).or_default();
        while let Some(packet) = reader.next().unwrap() {
            if let Packet::Frame(frame) = packet {
                frames.push(frame.dts_ns);
            }
        }
    }
    for (rendition, Outcome { frames, segments }) in &outcome {
        let rise = |pair: &[i64]| pair[0] < pair[1];
        prop_assert!(frames.windows(2).all(rise), "{:?}: {:?}", rendition, frames);
        let ends: Vec<i64> = segments.iter().filter(|one| !one.gap).map(|one| one.end_ns).collect();
        prop_assert!(ends.windows(2).all(rise), "{:?}: {:?}", rendition, ends);
        for pair in segments.windows(2) {
            prop_assert_eq!(pair[0].msn + 1, pair[1].msn);
            prop_assert!(pair[0].start_unix_ms <= pair[1].start_unix_ms, "{:?}: {:?}", rendition, pair);
            prop_assert!(pair[0].discontinuity_sequence <= pair[1].discontinuity_sequence);
        }
    }
    Ok(outcome)
}

fn pictures(outcome: &BTreeMap<Rendition, Outcome>) -> usize {
    outcome.get(&Rendition::Source).map_or(0, |source| source.frames.len())
}

#[test]
fn a_good_stream_comes_out_as_it_is() {
    let outcome = broadcast(&good()).unwrap();
    assert_eq!(pictures(&outcome), PICTURES as usize);
    assert_eq!(outcome[&Rendition::Source].segments.len(), 3);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_sent_the_stream_goes_on_and_time_never_falls(
        edits in prop::collection::vec((0..400_usize, edit()), 1..30),
    ) {
        let mut messages = good();
        edits.iter().for_each(|(at, edit)| apply(&mut messages, *at, edit));
        broadcast(&messages)?;
    }

    #[test]
    fn whatever_its_times_say_no_picture_is_lost(
        edits in prop::collection::vec((0..400_usize, time(), any::<bool>()), 1..30),
    ) {
        let mut messages = good();
        for (at, by_ms, all) in edits {
            apply(&mut messages, at, &if all { Edit::Leap(by_ms) } else { Edit::Time(by_ms) });
        }
        prop_assert_eq!(pictures(&broadcast(&messages)?), PICTURES as usize);
    }

    #[test]
    fn of_what_is_left_out_or_cut_the_rest_comes(
        cuts in prop::collection::vec((0..400_usize, 0..9_usize), 1..30),
    ) {
        let (mut messages, good) = (good(), good());
        let (mut cut, mut sent) = (0, PICTURES as usize);
        for (at, length) in cuts {
            // The first key frame and the headers before it are there.
            if let Some(message) = messages.get_mut(at).filter(|message| message.time_ms > 0) {
                cut += usize::from(message.is_picture() && *message == good[at]);
                message.data.truncate(length);
            }
        }
        sent -= cut;
        prop_assert_eq!(pictures(&broadcast(&messages)?), sent);
    }
}
