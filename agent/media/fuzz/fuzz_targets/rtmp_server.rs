//! A publisher that says anything. The first byte sets how its bytes are cut; an even one lets it be
//! accepted before, as random bytes would seldom get that far.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use stagebox_media::rtmp::amf0::{Value, encode, object};
use stagebox_media::rtmp::chunk::{ChunkWriter, MessageHeader, message_type};
use stagebox_media::rtmp::{Limits, ServerConfig, ServerEvent, ServerSession};

fn call(stream_id: u32, values: &[Value], out: &mut BytesMut) {
    let mut amf = BytesMut::new();
    for value in values {
        encode(value, &mut amf);
    }
    let type_id = message_type::COMMAND_AMF0;
    let header = MessageHeader { chunk_stream: 3, type_id, stream_id, timestamp: 0 };
    ChunkWriter::default().write(header, &[&amf], out);
}

fuzz_target!(|data: &[u8]| {
    let Some((step, data)) = data.split_first() else { return };
    let limits = Limits { max_message_bytes: 1 << 20, max_unfinished_bytes: 1 << 21, ..Limits::default() };
    let mut server = ServerSession::new(ServerConfig { limits, ..ServerConfig::default() });
    let mut input = BytesMut::zeroed(1 + 2 * 1536);
    input[0] = 3;
    if step % 2 == 0 {
        call(0, &["connect".into(), 1.0.into(), object([("app", "live".into())])], &mut input);
        call(1, &["publish".into(), 2.0.into(), Value::Null, "key".into()], &mut input);
    }
    for part in data.chunks(usize::from(*step) + 1) {
        input.extend_from_slice(part);
        loop {
            match server.next(&mut input) {
                Ok(Some(ServerEvent::PublishRequested(_))) => server.accept(),
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(_) => return,
            }
        }
        assert!(server.unfinished_bytes() <= limits.max_unfinished_bytes);
        assert!(server.output().len() <= 5000 + 8 * data.len());
    }
});
