//! Sends a file's tags to a server as they stand in it: nothing of them is looked at or set right.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use bytes::BytesMut;
use stagebox_media::rtmp::chunk::{ChunkWriter, MessageHeader};
use stagebox_media::rtmp::{ClientConfig, ClientEvent, ClientSession};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};

use super::flv;

/// The first stream that a client creates.
const STREAM: u32 = 1;
/// Chunk streams of our own, so that the session's are left alone.
const CHUNK_STREAMS: u32 = 10;

/// A publisher that was let in.
pub(super) struct Pusher {
    socket: TcpStream,
    session: ClientSession,
    input: BytesMut,
    writer: ChunkWriter,
}

impl Pusher {
    pub(super) async fn connect(address: SocketAddr, key: &str) -> Self {
        let config = ClientConfig { key: key.to_owned(), ..ClientConfig::default() };
        let mut writer = ChunkWriter::default();
        writer.set_chunk_size(config.chunk_bytes as usize);
        let socket = TcpStream::connect(address).await.unwrap();
        let mut pusher = Self { socket, session: ClientSession::new(config), input: BytesMut::new(), writer };
        loop {
            let event = pusher.session.next(&mut pusher.input).unwrap();
            pusher.socket.write_all_buf(pusher.session.output()).await.unwrap();
            if event == Some(ClientEvent::Publishing) {
                return pusher;
            }
            assert!(pusher.socket.read_buf(&mut pusher.input).await.unwrap() > 0, "closed without a word");
        }
    }

    /// Sends a file, evenly spread over its length.
    ///
    /// # Errors
    /// The server has ended the stream: in its words.
    pub(super) async fn send(&mut self, file: &Path, length: Duration) -> Result<(), String> {
        let tags = flv::read(&std::fs::read(file).unwrap());
        let began = Instant::now();
        for (number, tag) in tags.iter().enumerate() {
            sleep_until(began + length * number as u32 / tags.len() as u32).await;
            let header = MessageHeader {
                chunk_stream: CHUNK_STREAMS + u32::from(tag.kind),
                type_id: tag.kind,
                stream_id: STREAM,
                timestamp: tag.time_ms,
            };
            let mut out = BytesMut::new();
            self.writer.write(header, &[&tag.data], &mut out);
            self.socket.write_all_buf(&mut out).await.map_err(|error| error.to_string())?;
            self.hear()?;
        }
        Ok(())
    }

    /// Reads what the server has said, if anything.
    fn hear(&mut self) -> Result<(), String> {
        match self.socket.try_read_buf(&mut self.input) {
            Ok(0) => return Err("the server has closed the connection".to_owned()),
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error.to_string()),
        }
        loop {
            match self.session.next(&mut self.input) {
                Ok(None) => return Ok(()),
                Ok(Some(_)) => {}
                Err(error) => return Err(error.to_string()),
            }
        }
    }
}
