use bytes::BytesMut;

use super::{Pair, frame, video_config};
use crate::h264::{self, AvcConfig};
use crate::rtmp::amf0::{Decoder, Value, object};
use crate::rtmp::chunk::{ChunkReader, ChunkWriter, MessageHeader, message_type};
use crate::rtmp::{
    ClientConfig, Fault, LeftOut, Limits, PublishRequest, Refusal, RtmpError, ServerConfig, ServerEvent,
    ServerSession, amf0,
};
use crate::{Packet, Track};

#[test]
fn a_request_names_app_key_query_and_client() {
    let config = ClientConfig {
        app: "/live/?token=1".to_owned(),
        key: "abc?x=1&y=2".to_owned(),
        ..ClientConfig::default()
    };
    let mut pair = Pair::new(config, ServerConfig::default(), 100);
    pair.run().unwrap();
    let request = PublishRequest {
        app: "live".to_owned(),
        key: "abc".to_owned(),
        query: "x=1&y=2".to_owned(),
        client: "FMLE/3.0 (compatible; Stagebox)".to_owned(),
    };
    assert_eq!(pair.events, [ServerEvent::PublishRequested(request)]);
}

#[test]
fn a_refusal_reaches_the_client_in_the_servers_words() {
    let mut pair = Pair::new(ClientConfig::default(), ServerConfig::default(), 100);
    pair.refuse = Some("already publishing");
    let refusal = Refusal {
        code: "NetStream.Publish.BadName".to_owned(),
        description: "already publishing".to_owned(),
    };
    assert_eq!(pair.run(), Err(RtmpError::Refused(refusal)));
}

#[test]
fn a_stream_ends_in_order_from_both_sides() {
    let mut pair = Pair::new(ClientConfig::default(), ServerConfig::default(), 100);
    pair.run().unwrap();
    pair.client.finish();
    pair.run().unwrap();
    assert_eq!(pair.events.last(), Some(&ServerEvent::Unpublished));
    assert!(pair.client.send(&video_config(1)).is_err());

    let mut pair = Pair::new(ClientConfig::default(), ServerConfig::default(), 100);
    pair.run().unwrap();
    pair.server.end("the event has ended");
    let Err(RtmpError::EndedByServer(reason)) = pair.run() else { panic!("the client goes on") };
    assert_eq!(reason.description, "the event has ended");
}

#[test]
fn acknowledgements_follow_what_is_sent() {
    let config = ClientConfig { window_bytes: 10_000, ..ClientConfig::default() };
    let mut pair = Pair::new(config, ServerConfig::default(), 4000);
    pair.run().unwrap();
    assert_eq!(pair.client.acknowledged_bytes(), None);
    pair.client.send(&video_config(1)).unwrap();
    let mut last = 0;
    for ms in 0..20 {
        pair.client.send(&frame(Track::Video, 1, ms, 0, true, 12_000)).unwrap();
        pair.run().unwrap();
        let now = pair.client.acknowledged_bytes().unwrap();
        assert!(now >= last + 10_000, "{now} after {last}");
        last = now;
    }
    assert!((235_000..250_000).contains(&last), "{last}");
    // Many that arrive together are no long one.
    for ms in 20..40 {
        pair.client.send(&frame(Track::Video, 1, ms, 0, true, 12_000)).unwrap();
    }
    pair.run().unwrap();
    let more = pair.client.acknowledged_bytes().unwrap() - last;
    let longest = pair.client.longest_acknowledgement();
    assert!(more > 200_000 && (10_000..20_000).contains(&longest), "{longest} of {more}");
}

/// A client by hand: says what our own never would.
struct Raw {
    server: ServerSession,
    writer: ChunkWriter,
    reader: ChunkReader,
    heard: BytesMut,
}

impl Raw {
    fn connected() -> Self {
        let mut server = ServerSession::new(ServerConfig::default());
        let mut hello = BytesMut::zeroed(1 + 2 * 1536);
        hello[0] = 3;
        assert_eq!(server.next(&mut hello), Ok(None));
        let _ = server.output().split();
        let reader = ChunkReader::new(Limits::default());
        let mut raw = Self { server, writer: ChunkWriter::default(), reader, heard: BytesMut::new() };
        let fields = object([("app", Value::from("live")), ("flashVer", Value::from("LNX 9,0,124,2"))]);
        assert_eq!(raw.call(0, "connect", 1.0, &[fields]), Ok(None));
        assert_eq!(raw.answers(), ["_result"]);
        raw
    }

    fn send(&mut self, type_id: u8, stream_id: u32, data: &[u8]) -> Result<Option<ServerEvent>, RtmpError> {
        let mut input = BytesMut::new();
        let header = MessageHeader { chunk_stream: 3, type_id, stream_id, timestamp: 0 };
        self.writer.write(header, &[data], &mut input);
        self.server.next(&mut input)
    }

    fn call(
        &mut self,
        stream: u32,
        name: &str,
        transaction: f64,
        arguments: &[Value],
    ) -> Result<Option<ServerEvent>, RtmpError> {
        let mut amf = BytesMut::new();
        amf0::encode(&Value::from(name), &mut amf);
        amf0::encode(&Value::from(transaction), &mut amf);
        for argument in arguments {
            amf0::encode(argument, &mut amf);
        }
        self.send(message_type::COMMAND_AMF0, stream, &amf)
    }

    /// The commands that the server sent, by name.
    fn answers(&mut self) -> Vec<String> {
        self.heard.extend_from_slice(&self.server.output().split());
        let mut names = Vec::new();
        while let Some(message) = self.reader.next(&mut self.heard).unwrap() {
            match message.type_id {
                message_type::SET_CHUNK_SIZE => {
                    let size = u32::from_be_bytes(message.payload[..4].try_into().unwrap());
                    self.reader.set_chunk_size(size).unwrap();
                }
                message_type::COMMAND_AMF0 => {
                    let name = Decoder::new(&message.payload, 9, 99).next_value().unwrap().unwrap();
                    names.push(name.as_str().unwrap().to_owned());
                }
                _ => {}
            }
        }
        names
    }
}

#[test]
fn what_encoders_call_around_publish_is_answered() {
    let mut raw = Raw::connected();
    let key = [Value::Null, Value::from("key")];
    for (name, transaction) in
        [("releaseStream", 2.0), ("FCPublish", 3.0), ("_checkbw", 4.0), ("getStreamLength", 5.0)]
    {
        assert_eq!(raw.call(0, name, transaction, &key), Ok(None));
        assert_eq!(raw.answers(), ["_result"], "{name}");
    }
    assert_eq!(raw.call(0, "setPeerInfo", 6.0, &key), Ok(None));
    assert!(raw.answers().is_empty());
    assert_eq!(raw.call(0, "createStream", 7.0, &[Value::Null]), Ok(None));
    assert_eq!(raw.answers(), ["_result"]);
    let request = raw.call(1, "publish", 8.0, &key);
    assert!(matches!(request, Ok(Some(ServerEvent::PublishRequested(_)))), "{request:?}");
    raw.server.accept();
    assert_eq!(raw.answers(), ["onFCPublish", "onStatus"]);
    // Ends and begins again on the same connection.
    assert_eq!(raw.call(0, "FCUnpublish", 9.0, &key), Ok(Some(ServerEvent::Unpublished)));
    assert_eq!(raw.call(0, "deleteStream", 10.0, &[Value::Null, Value::from(1.0)]), Ok(None));
    assert!(matches!(raw.call(1, "publish", 11.0, &key), Ok(Some(_))));
}

#[test]
fn wrong_turns_are_named() {
    let mut raw = Raw::connected();
    assert_eq!(raw.call(0, "connect", 1.0, &[]), Err(RtmpError::OutOfTurn("connect".to_owned())));
    let mut raw = Raw::connected();
    assert_eq!(raw.call(1, "play", 2.0, &[Value::Null, Value::from("key")]), Err(RtmpError::PlayRefused));
    assert_eq!(raw.answers(), ["onStatus"]);
    let mut raw = Raw::connected();
    let keyless = raw.call(1, "publish", 2.0, &[Value::Null]);
    assert_eq!(
        keyless,
        Err(RtmpError::CommandShape { command: "publish".to_owned(), problem: "the stream key is missing" })
    );
    let mut raw = Raw::connected();
    for _ in 0..16 {
        raw.call(0, "createStream", 2.0, &[Value::Null]).unwrap();
    }
    assert_eq!(raw.call(0, "createStream", 2.0, &[]), Err(RtmpError::TooManyStreams { limit: 16 }));
}

#[test]
fn pings_are_answered_and_unsupported_codecs_refused() {
    let mut raw = Raw::connected();
    assert_eq!(raw.send(message_type::USER_CONTROL, 0, &[0, 6, 1, 2, 3, 4]), Ok(None));
    let pong = raw.server.output().split();
    assert_eq!(&pong[pong.len() - 6..], [0, 7, 1, 2, 3, 4]);
    raw.heard.unsplit(pong);

    raw.call(1, "publish", 2.0, &[Value::Null, Value::from("key")]).unwrap();
    raw.server.accept();
    raw.answers();
    let refused = raw.send(message_type::AUDIO, 1, &[0x2F, 0, 0]);
    assert_eq!(refused, Err(RtmpError::Unsupported("audio codec MP3 is not supported; set AAC".to_owned())));
    assert_eq!(raw.answers(), ["onStatus"]);
}

#[test]
fn what_nobody_can_use_is_left_out_and_the_stream_goes_on() {
    let mut raw = Raw::connected();
    raw.call(1, "publish", 2.0, &[Value::Null, Value::from("key")]).unwrap();
    raw.server.accept();
    let (video, audio) = (message_type::VIDEO, message_type::AUDIO);
    let left = |track, fault| Ok(Some(ServerEvent::LeftOut(LeftOut { track, fault })));
    let header = [0x17, 0, 0, 0, 0, 1, 100, 0, 31, 0xFF, 0xE1, 0, 1, 0x67, 1, 0, 1, 0x68];
    let picture = [0x17, 1, 0, 0, 0, 0, 0, 0, 2, 0x65, 7];
    assert_eq!(raw.send(video, 1, &picture), left(Track::Video, Fault::NoHeader));
    assert_eq!(raw.send(audio, 1, &[0xAF, 1, 5]), left(Track::Audio, Fault::NoHeader));
    for header in [&header[..5], &header[..14]] {
        assert_eq!(raw.send(video, 1, header), left(Track::Video, Fault::BrokenHeader));
    }
    assert_eq!(raw.send(audio, 1, &[0xAF, 0, 0x12]), left(Track::Audio, Fault::BrokenHeader));
    assert!(matches!(raw.send(video, 1, &header), Ok(Some(ServerEvent::Packet(_)))));
    let broken = [
        &[0x17][..],
        &[0x17, 1, 0],
        // Another codec's picture in the midst, one of which nothing is whole, one without a slice.
        &[0x12, 0],
        &[0x17, 1, 0, 0, 0, 0, 0, 0, 9, 0x65, 7],
        &[0x27, 1, 0, 0, 0, 0, 0, 0, 1, 0x06, 0, 0, 0, 0],
    ];
    for data in broken {
        assert_eq!(raw.send(video, 1, data), left(Track::Video, Fault::BrokenFrame), "{data:?}");
    }
    // What is whole of a picture stays; start codes become lengths.
    let cut = [&picture[..], &[0, 0, 0, 0, 0, 0, 9]].concat();
    let start_codes = [0x17, 1, 0, 0, 0, 0, 0, 0, 1, 0x67, 9, 0, 0, 0, 1, 0x65, 7];
    for data in [&cut[..], &start_codes] {
        let sent = raw.send(video, 1, data);
        let Ok(Some(ServerEvent::Packet(Packet::Frame(frame)))) = sent else { panic!("{sent:?}") };
        assert_eq!(&frame.data[..], &picture[5..]);
        assert_eq!(raw.server.next(&mut BytesMut::new()), left(Track::Video, Fault::BrokenFrame));
    }
    assert!(matches!(raw.send(video, 1, &picture), Ok(Some(ServerEvent::Packet(_)))));
    assert_eq!(raw.server.next(&mut BytesMut::new()), Ok(None));
}

#[test]
fn a_header_that_stands_in_the_key_frames_only_is_found_there() {
    let units = [&[0x67, 100, 0, 31, 0xAC][..], &[0x68, 0xEE], &[0x65, 7]];
    let lengths: Vec<u8> =
        units.iter().flat_map(|unit| [&[0, 0, 0, unit.len() as u8], *unit].concat()).collect();
    let start_codes: Vec<u8> = units.iter().flat_map(|unit| [&[0, 0, 0, 1], *unit].concat()).collect();
    for (picture, left) in [(lengths, false), (start_codes, true)] {
        let mut raw = Raw::connected();
        raw.call(1, "publish", 2.0, &[Value::Null, Value::from("key")]).unwrap();
        raw.server.accept();
        let message = [&[0x17, 1, 0, 0, 0][..], &picture].concat();
        let first = raw.send(message_type::VIDEO, 1, &message);
        let Ok(Some(ServerEvent::Packet(Packet::Config(config)))) = first else { panic!("{first:?}") };
        let parsed = AvcConfig::parse(&config.data).unwrap();
        assert_eq!((&parsed.sps[0][..], &parsed.pps[0][..]), (units[0], units[1]));
        let then = raw.server.next(&mut BytesMut::new());
        let Ok(Some(ServerEvent::Packet(Packet::Frame(frame)))) = then else { panic!("{then:?}") };
        assert!(frame.key && h264::is_whole(&frame.data));
        let last = raw.server.next(&mut BytesMut::new());
        assert_eq!(matches!(last, Ok(Some(ServerEvent::LeftOut(_)))), left, "{last:?}");
    }
}
