//! Commands and data messages: a name, a transaction, arguments (RTMP 7.1.1 and 7.1.2).

use bytes::{Bytes, BytesMut};

use super::amf0::{self, Decoder, Value};
use super::chunk::{Message, message_type};
use super::connection::Connection;
use super::{Limits, RtmpError};

/// Chunk stream of commands about the connection.
pub(super) const COMMAND_CHUNK_STREAM: u32 = 3;
/// Chunk stream of commands and metadata about a stream.
pub(super) const STREAM_CHUNK_STREAM: u32 = 5;

/// A remote call, or the answer to one.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Command {
    pub(super) name: String,
    pub(super) transaction: f64,
    /// The command object and all after it.
    pub(super) arguments: Vec<Value>,
}

impl Command {
    pub(super) fn decode(message: &Message, limits: &Limits) -> Result<Self, RtmpError> {
        let payload = plain_amf0(message);
        let mut values = decoder(&payload, limits)?;
        let Some(Value::String(name)) = values.next_value()? else {
            return Err(shape("", "the name is not a string"));
        };
        // Status commands of some peers come without a transaction.
        let transaction = match values.next_value()? {
            Some(Value::Number(number)) => number,
            _ => 0.0,
        };
        let mut arguments = Vec::new();
        while let Some(value) = values.next_value()? {
            arguments.push(value);
        }
        Ok(Self { name, transaction, arguments })
    }

    /// A string argument, counted from 0 after the command object.
    pub(super) fn text(&self, index: usize) -> Option<&str> {
        self.arguments.get(index + 1)?.as_str()
    }

    /// Code and description of a status object, wherever it is among the arguments.
    pub(super) fn status(&self) -> Option<(&str, &str)> {
        self.arguments.iter().rev().find_map(|argument| {
            let code = argument.get("code")?.as_str()?;
            let description = argument.get("description").and_then(Value::as_str).unwrap_or("");
            Some((code, description))
        })
    }
}

/// The values of a data message.
pub(super) fn decode_data(message: &Message, limits: &Limits) -> Result<Vec<Value>, RtmpError> {
    let payload = plain_amf0(message);
    let mut decoder = decoder(&payload, limits)?;
    let mut values = Vec::new();
    while let Some(value) = decoder.next_value()? {
        values.push(value);
    }
    Ok(values)
}

/// Messages of the AMF3 types begin with a zero byte, and go on in AMF0.
fn plain_amf0(message: &Message) -> Bytes {
    let wrapped = matches!(message.type_id, message_type::COMMAND_AMF3 | message_type::DATA_AMF3);
    if wrapped && message.payload.first() == Some(&0) {
        message.payload.slice(1..)
    } else {
        message.payload.clone()
    }
}

fn decoder<'a>(payload: &'a Bytes, limits: &Limits) -> Result<Decoder<'a>, RtmpError> {
    let limit = limits.max_command_bytes;
    if payload.len() > limit {
        return Err(RtmpError::CommandTooLong { length: payload.len(), limit });
    }
    Ok(Decoder::new(payload, limits.max_amf_depth, limits.max_amf_values))
}

pub(super) fn shape(command: &str, problem: &'static str) -> RtmpError {
    RtmpError::CommandShape { command: command.to_owned(), problem }
}

/// Sends a command on message stream `stream_id`.
pub(super) fn send(
    connection: &mut Connection,
    stream_id: u32,
    name: &str,
    transaction: f64,
    arguments: &[Value],
) {
    let mut amf = BytesMut::with_capacity(256);
    amf0::encode(&Value::from(name), &mut amf);
    amf0::encode(&Value::Number(transaction), &mut amf);
    for argument in arguments {
        amf0::encode(argument, &mut amf);
    }
    let chunk_stream = if stream_id == 0 { COMMAND_CHUNK_STREAM } else { STREAM_CHUNK_STREAM };
    connection.send_amf(chunk_stream, message_type::COMMAND_AMF0, stream_id, &amf);
}
