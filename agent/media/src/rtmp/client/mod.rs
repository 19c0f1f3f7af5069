//! The client's side of a connection: publishes one stream.

use bytes::BytesMut;

use super::amf0::{Value, object};
use super::chunk::{Message, message_type};
use super::command::{self, Command};
use super::connection::Connection;
use super::handshake::{ClientHandshake, HandshakeKind};
use super::{Limits, Refusal, RtmpError, StreamInfo};
use crate::Packet;

mod media;

use media::{Sender, Way};

/// What a client publishes, and how.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// The application: the URL's path, without a slash before it.
    pub app: String,
    /// The whole URL without the stream key.
    pub url: String,
    pub key: String,
    pub stream: StreamInfo,
    /// Bytes after which the server is to acknowledge.
    pub window_bytes: u32,
    /// Chunks that we send, in bytes.
    pub chunk_bytes: u32,
    pub handshake: HandshakeKind,
    pub limits: Limits,
    /// Fills the handshake; any number, best a random one.
    pub seed: u64,
    /// Whether the conversation ends once the server has accepted the connection: nothing is published, and the server
    /// is told no key.
    pub connect_only: bool,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            app: "live".to_owned(),
            url: String::new(),
            key: String::new(),
            stream: StreamInfo::default(),
            window_bytes: 500_000,
            chunk_bytes: 60_000,
            handshake: HandshakeKind::default(),
            limits: Limits::default(),
            seed: 1,
            connect_only: false,
        }
    }
}

/// What happened on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientEvent {
    /// The server takes the stream: from now on packets can be sent.
    Publishing,
    /// The server has accepted the connection, and that is all that is wanted of it.
    Connected,
}

/// A connection that publishes.
#[derive(Debug)]
pub struct ClientSession {
    config: ClientConfig,
    connection: Connection,
    state: State,
    sender: Sender,
}

#[derive(Debug)]
enum State {
    Handshake(ClientHandshake),
    Connecting,
    CreatingStream,
    Starting { stream_id: u32 },
    Publishing { stream_id: u32 },
    Ended,
}

/// Transactions of the calls whose answers matter, and of those that do not.
mod transaction {
    pub(super) const CONNECT: f64 = 1.0;
    pub(super) const RELEASE_STREAM: f64 = 2.0;
    pub(super) const FC_PUBLISH: f64 = 3.0;
    pub(super) const CREATE_STREAM: f64 = 4.0;
    pub(super) const PUBLISH: f64 = 5.0;
    pub(super) const FC_UNPUBLISH: f64 = 6.0;
    pub(super) const DELETE_STREAM: f64 = 7.0;
}

impl ClientSession {
    /// Starts with the handshake in the output.
    #[must_use]
    pub fn new(config: ClientConfig) -> Self {
        let mut connection = Connection::new(config.limits, config.window_bytes);
        let handshake = ClientHandshake::start(config.handshake, config.seed, &mut connection.output);
        let sender = Sender::new(config.stream.clone());
        Self { config, connection, state: State::Handshake(handshake), sender }
    }

    /// What is to be sent; the caller takes it away.
    pub fn output(&mut self) -> &mut BytesMut {
        &mut self.connection.output
    }

    /// Bytes that the server has acknowledged; `None` until it does so for the first time.
    ///
    /// Servers count from the first byte of the connection or from the first one after the handshake; the
    /// counter is good for seeing it move.
    #[must_use]
    pub fn acknowledged_bytes(&self) -> Option<u64> {
        self.connection.peer_acknowledged_bytes()
    }

    /// The most bytes that one acknowledgement added: of several that arrive together each counts by itself.
    #[must_use]
    pub fn longest_acknowledgement(&self) -> u64 {
        self.connection.longest_acknowledgement()
    }

    #[must_use]
    pub fn is_publishing(&self) -> bool {
        matches!(self.state, State::Publishing { .. })
    }

    /// The next event that the bytes in `input` make; `None` when it takes more of them.
    ///
    /// # Errors
    /// When the server refuses or ends the stream, or breaks the protocol or a limit.
    pub fn next(&mut self, input: &mut BytesMut) -> Result<Option<ClientEvent>, RtmpError> {
        if let State::Handshake(handshake) = &mut self.state {
            if !handshake.receive(input, &mut self.connection.output)? {
                return Ok(None);
            }
            self.connect();
        }
        while let Some(message) = self.connection.next(input)? {
            if let Some(event) = self.handle(&message)? {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }

    fn connect(&mut self) {
        let fields = object([
            ("app", Value::from(self.config.app.as_str())),
            ("type", Value::from("nonprivate")),
            ("flashVer", Value::from("FMLE/3.0 (compatible; Stagebox)")),
            ("tcUrl", Value::from(self.config.url.as_str())),
        ]);
        command::send(&mut self.connection, 0, "connect", transaction::CONNECT, &[fields]);
        self.state = State::Connecting;
    }

    fn handle(&mut self, message: &Message) -> Result<Option<ClientEvent>, RtmpError> {
        if !matches!(message.type_id, message_type::COMMAND_AMF0 | message_type::COMMAND_AMF3) {
            return Ok(None);
        }
        let command = Command::decode(message, &self.config.limits)?;
        match command.name.as_str() {
            "_result" => self.result(&command),
            "_error" => self.error(&command),
            "onStatus" => self.status(&command),
            "close" => Err(RtmpError::EndedByServer(refusal(&command))),
            _ => Ok(None),
        }
    }

    fn result(&mut self, command: &Command) -> Result<Option<ClientEvent>, RtmpError> {
        if command.transaction == transaction::CONNECT && matches!(self.state, State::Connecting) {
            if self.config.connect_only {
                self.state = State::Ended;
                return Ok(Some(ClientEvent::Connected));
            }
            self.create_stream();
        } else if command.transaction == transaction::CREATE_STREAM
            && matches!(self.state, State::CreatingStream)
        {
            let stream_id = match command.arguments.get(1).and_then(Value::as_number) {
                Some(number) if (0.0..4_294_967_296.0).contains(&number) => number as u32,
                _ => return Err(command::shape("_result", "createStream gave no stream id")),
            };
            let arguments = [Value::Null, Value::from(self.config.key.as_str()), Value::from("live")];
            command::send(&mut self.connection, stream_id, "publish", transaction::PUBLISH, &arguments);
            self.state = State::Starting { stream_id };
        }
        Ok(None)
    }

    fn create_stream(&mut self) {
        let key = Value::from(self.config.key.as_str());
        let connection = &mut self.connection;
        connection.send_window_ack_size(self.config.window_bytes);
        connection.send_chunk_size(self.config.chunk_bytes);
        // Both mean nothing to many servers and are waited for by some.
        command::send(
            connection,
            0,
            "releaseStream",
            transaction::RELEASE_STREAM,
            &[Value::Null, key.clone()],
        );
        command::send(connection, 0, "FCPublish", transaction::FC_PUBLISH, &[Value::Null, key]);
        command::send(connection, 0, "createStream", transaction::CREATE_STREAM, &[Value::Null]);
        self.state = State::CreatingStream;
    }

    fn error(&mut self, command: &Command) -> Result<Option<ClientEvent>, RtmpError> {
        let matters = [transaction::CONNECT, transaction::CREATE_STREAM, transaction::PUBLISH]
            .contains(&command.transaction);
        if matters { Err(RtmpError::Refused(refusal(command))) } else { Ok(None) }
    }

    fn status(&mut self, command: &Command) -> Result<Option<ClientEvent>, RtmpError> {
        let Some((code, _)) = command.status() else { return Ok(None) };
        let level = command.arguments.iter().find_map(|argument| argument.get("level")?.as_str());
        match self.state {
            State::Starting { stream_id } if code == "NetStream.Publish.Start" => {
                self.state = State::Publishing { stream_id };
                Ok(Some(ClientEvent::Publishing))
            }
            _ if level == Some("error") && !self.is_publishing() => Err(RtmpError::Refused(refusal(command))),
            State::Publishing { .. } if level == Some("error") || code == "NetStream.Unpublish.Success" => {
                Err(RtmpError::EndedByServer(refusal(command)))
            }
            _ => Ok(None),
        }
    }

    /// Puts a packet into the output.
    ///
    /// # Errors
    /// When the server does not take packets yet or any more, or RTMP has no way to say what the packet is.
    pub fn send(&mut self, packet: &Packet) -> Result<(), RtmpError> {
        let State::Publishing { stream_id } = self.state else {
            return Err(RtmpError::Unsendable("the server has not accepted the stream"));
        };
        self.sender.send(packet, &mut Way { connection: &mut self.connection, stream_id })
    }

    /// Ends the stream in order: the farewell is in the output then.
    pub fn finish(&mut self) {
        if let State::Publishing { stream_id } = self.state {
            let key = Value::from(self.config.key.as_str());
            let number = Value::from(f64::from(stream_id));
            let connection = &mut self.connection;
            command::send(connection, 0, "FCUnpublish", transaction::FC_UNPUBLISH, &[Value::Null, key]);
            command::send(connection, 0, "deleteStream", transaction::DELETE_STREAM, &[Value::Null, number]);
            self.state = State::Ended;
        }
    }
}

/// The server's words, or at least that it had none.
fn refusal(command: &Command) -> Refusal {
    let (code, description) = command.status().unwrap_or(("", "no reason given"));
    Refusal { code: code.to_owned(), description: description.to_owned() }
}
