//! The server's side of a connection: takes a publisher.

use bytes::BytesMut;

use super::amf0::Value;
use super::chunk::{Message, message_type};
use super::command::{self, Command};
use super::connection::Connection;
use super::flv::Aggregate;
use super::handshake::ServerHandshake;
use super::{Limits, Metadata, RtmpError};
use crate::Packet;

mod answers;
mod fault;
mod media;

pub use fault::{Fault, LeftOut};

use media::Media;

/// How a server session behaves.
#[derive(Debug, Clone, Copy)]
pub struct ServerConfig {
    pub limits: Limits,
    /// What the client is asked to acknowledge, in bytes.
    pub window_bytes: u32,
    /// Chunks that we send, in bytes.
    pub chunk_bytes: u32,
    /// Fills the handshake; any number, best a random one.
    pub seed: u64,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self { limits: Limits::default(), window_bytes: 2_500_000, chunk_bytes: 4096, seed: 1 }
    }
}

/// A client's wish to publish, to be answered by [`ServerSession::accept`] or [`ServerSession::refuse`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishRequest {
    /// The application of the URL, without slashes around it and without a query.
    pub app: String,
    /// The stream key, without a query.
    pub key: String,
    /// What followed the key's `?`; empty when nothing did.
    pub query: String,
    /// What the client calls itself; up to 100 characters of its choice.
    pub client: String,
}

/// What happened on a connection.
#[derive(Debug, Clone, PartialEq)]
pub enum ServerEvent {
    /// Nothing more is read until the request is answered.
    PublishRequested(PublishRequest),
    Metadata(Metadata),
    Packet(Packet),
    /// Something of the stream cannot be used; the stream goes on without it.
    LeftOut(LeftOut),
    /// The client ended its stream in order; it may publish again.
    Unpublished,
}

/// One client's connection.
#[derive(Debug)]
pub struct ServerSession {
    config: ServerConfig,
    handshake: Option<ServerHandshake>,
    connection: Connection,
    app: Option<String>,
    client: String,
    streams: u32,
    announced_key: Option<String>,
    publishing: Publishing,
    aggregate: Option<Aggregate>,
}

#[derive(Debug)]
enum Publishing {
    No,
    /// Waits for our caller's answer.
    Asked {
        stream_id: u32,
        key: String,
    },
    Yes {
        stream_id: u32,
        key: String,
        media: Box<Media>,
    },
    Refused,
}

impl ServerSession {
    #[must_use]
    pub fn new(config: ServerConfig) -> Self {
        Self {
            config,
            handshake: Some(ServerHandshake::new(config.seed)),
            connection: Connection::new(config.limits, config.window_bytes),
            app: None,
            client: String::new(),
            streams: 0,
            announced_key: None,
            publishing: Publishing::No,
            aggregate: None,
        }
    }

    /// What is to be sent; the caller takes it away.
    pub fn output(&mut self) -> &mut BytesMut {
        &mut self.connection.output
    }

    /// The client has passed the handshake.
    #[must_use]
    pub fn is_past_handshake(&self) -> bool {
        self.handshake.is_none()
    }

    /// Bytes held for messages that are not complete.
    #[must_use]
    pub fn unfinished_bytes(&self) -> usize {
        self.connection.unfinished_bytes()
    }

    /// The next event that the bytes in `input` make; `None` when it takes more of them.
    ///
    /// # Errors
    /// When the client breaks the protocol or a limit. Nothing can be read after it, but [`Self::output`]
    /// may have something to say to the client.
    pub fn next(&mut self, input: &mut BytesMut) -> Result<Option<ServerEvent>, RtmpError> {
        if let Some(handshake) = &mut self.handshake {
            if !handshake.receive(input, &mut self.connection.output)? {
                return Ok(None);
            }
            self.handshake = None;
        }
        while !matches!(self.publishing, Publishing::Asked { .. } | Publishing::Refused) {
            if let Publishing::Yes { media, .. } = &mut self.publishing {
                let packet = media.take_next().map(ServerEvent::Packet);
                if let Some(event) = packet.or_else(|| media.take_left_out().map(ServerEvent::LeftOut)) {
                    return Ok(Some(event));
                }
            }
            let Some(message) = self.next_message(input)? else { return Ok(None) };
            if let Some(event) = self.handle(message)? {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }

    fn next_message(&mut self, input: &mut BytesMut) -> Result<Option<Message>, RtmpError> {
        if let Some(message) = self.aggregate.as_mut().and_then(Iterator::next) {
            return Ok(Some(message));
        }
        self.aggregate = None;
        self.connection.next(input)
    }

    fn handle(&mut self, message: Message) -> Result<Option<ServerEvent>, RtmpError> {
        match message.type_id {
            message_type::VIDEO | message_type::AUDIO => self.media(message),
            message_type::DATA_AMF0 | message_type::DATA_AMF3 => Ok(self.data(&message)),
            message_type::COMMAND_AMF0 | message_type::COMMAND_AMF3 => {
                let command = Command::decode(&message, &self.config.limits)?;
                self.command(&command, message.stream_id)
            }
            message_type::AGGREGATE if self.aggregate.is_none() => {
                self.aggregate = Some(Aggregate::new(message));
                Ok(None)
            }
            _ => Ok(None),
        }
    }

    fn media(&mut self, message: Message) -> Result<Option<ServerEvent>, RtmpError> {
        let Publishing::Yes { stream_id, media, .. } = &mut self.publishing else { return Ok(None) };
        if message.stream_id != *stream_id {
            return Ok(None);
        }
        let read = if message.type_id == message_type::VIDEO { Media::video } else { Media::audio };
        let packet = read(media, message.timestamp, message.payload);
        if let Err(RtmpError::Unsupported(reason)) = &packet {
            let stream_id = *stream_id;
            answers::refused(&mut self.connection, stream_id, "NetStream.Publish.Rejected", reason);
        }
        Ok(packet?.map(ServerEvent::Packet))
    }

    /// Metadata that cannot be read is not worth the stream.
    fn data(&mut self, message: &Message) -> Option<ServerEvent> {
        let Publishing::Yes { media, .. } = &mut self.publishing else { return None };
        let values = command::decode_data(message, &self.config.limits).ok()?;
        let metadata = Metadata::from_data(&values)?;
        media.metadata(&metadata);
        Some(ServerEvent::Metadata(metadata))
    }

    fn command(&mut self, command: &Command, stream_id: u32) -> Result<Option<ServerEvent>, RtmpError> {
        match command.name.as_str() {
            "connect" => self.connect(command)?,
            _ if self.app.is_none() => return Err(RtmpError::OutOfTurn(command.name.clone())),
            "createStream" => self.create_stream(command)?,
            "publish" => return self.publish(command, stream_id).map(Some),
            "FCPublish" => {
                self.announced_key = command.text(0).map(str::to_owned);
                answers::result(&mut self.connection, command.transaction, Value::Undefined);
            }
            // Bandwidth checks, and what Flash's encoder asks before it publishes.
            "releaseStream" | "getStreamLength" | "_checkbw" => {
                answers::result(&mut self.connection, command.transaction, Value::Undefined);
            }
            "FCUnpublish" | "deleteStream" | "closeStream" => return Ok(self.unpublish(command)),
            "play" | "play2" => {
                let text = "This server takes publishers only";
                answers::refused(&mut self.connection, stream_id, "NetStream.Play.Failed", text);
                return Err(RtmpError::PlayRefused);
            }
            // Whatever else a client calls has no bearing on its stream, and silence is what others answer.
            _ => {}
        }
        Ok(None)
    }

    fn connect(&mut self, command: &Command) -> Result<(), RtmpError> {
        if self.app.is_some() {
            return Err(RtmpError::OutOfTurn("connect".to_owned()));
        }
        let fields =
            command.arguments.first().ok_or_else(|| command::shape("connect", "has no arguments"))?;
        let app = fields.get("app").and_then(Value::as_str).unwrap_or("");
        let app = app.split('?').next().unwrap_or("").trim_matches('/');
        self.app = Some(app.to_owned());
        let client = fields.get("flashVer").and_then(Value::as_str).unwrap_or("");
        self.client = client.chars().filter(|c| !c.is_control()).take(100).collect();
        self.connection.send_window_ack_size(self.config.window_bytes);
        self.connection.send_peer_bandwidth(self.config.window_bytes);
        self.connection.send_chunk_size(self.config.chunk_bytes);
        answers::connected(&mut self.connection, command.transaction);
        Ok(())
    }

    fn create_stream(&mut self, command: &Command) -> Result<(), RtmpError> {
        let limit = self.config.limits.max_message_streams;
        if self.streams >= limit {
            return Err(RtmpError::TooManyStreams { limit });
        }
        self.streams += 1;
        answers::result(&mut self.connection, command.transaction, Value::from(f64::from(self.streams)));
        Ok(())
    }

    fn publish(&mut self, command: &Command, stream_id: u32) -> Result<ServerEvent, RtmpError> {
        if !matches!(self.publishing, Publishing::No) {
            return Err(RtmpError::OutOfTurn("publish".to_owned()));
        }
        let name = command.text(0).ok_or_else(|| command::shape("publish", "the stream key is missing"))?;
        let (key, query) = name.split_once('?').unwrap_or((name, ""));
        let request = PublishRequest {
            app: self.app.clone().unwrap_or_default(),
            key: key.to_owned(),
            query: query.to_owned(),
            client: self.client.clone(),
        };
        self.publishing = Publishing::Asked { stream_id, key: key.to_owned() };
        Ok(ServerEvent::PublishRequested(request))
    }

    /// Lets the client publish.
    pub fn accept(&mut self) {
        if let Publishing::Asked { stream_id, key } = std::mem::replace(&mut self.publishing, Publishing::No)
        {
            if let Some(announced) = self.announced_key.take() {
                answers::on_fc_publish(&mut self.connection, &announced);
            }
            self.connection.send_stream_begin(stream_id);
            answers::publishing(&mut self.connection, stream_id, &key);
            self.publishing = Publishing::Yes { stream_id, key, media: Box::default() };
        }
    }

    /// Tells the client why it may not publish; once that is sent, the connection is to be closed.
    pub fn refuse(&mut self, description: &str) {
        if let Publishing::Asked { stream_id, .. } = self.publishing {
            answers::refused(&mut self.connection, stream_id, "NetStream.Publish.BadName", description);
            self.publishing = Publishing::Refused;
        }
    }

    /// Tells a publisher why its stream ends here; once that is sent, the connection is to be closed.
    pub fn end(&mut self, description: &str) {
        if let Publishing::Yes { stream_id, .. } = self.publishing {
            answers::refused(&mut self.connection, stream_id, "NetStream.Publish.Rejected", description);
            self.publishing = Publishing::Refused;
        }
    }

    fn unpublish(&mut self, command: &Command) -> Option<ServerEvent> {
        if command.name == "FCUnpublish" {
            answers::result(&mut self.connection, command.transaction, Value::Undefined);
        }
        let Publishing::Yes { stream_id, key, .. } = std::mem::replace(&mut self.publishing, Publishing::No)
        else {
            return None;
        };
        answers::unpublished(&mut self.connection, stream_id, &key);
        Some(ServerEvent::Unpublished)
    }
}
