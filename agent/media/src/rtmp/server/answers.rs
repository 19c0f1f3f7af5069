//! What a server says to a publisher, in the words that clients wait for.

use super::super::amf0::{Value, object};
use super::super::command;
use super::super::connection::Connection;

/// The answer to `connect` (RTMP 7.2.1.1).
pub(super) fn connected(connection: &mut Connection, transaction: f64) {
    let server = object([("fmsVer", Value::from("FMS/3,5,7,7009")), ("capabilities", Value::from(31.0))]);
    let mut info = status("status", "NetConnection.Connect.Success", "Connection succeeded.");
    if let Value::Object(fields) = &mut info {
        fields.push(("objectEncoding".to_owned(), Value::from(0.0)));
    }
    command::send(connection, 0, "_result", transaction, &[server, info]);
}

/// An answer without a story; calls without a transaction get none.
pub(super) fn result(connection: &mut Connection, transaction: f64, value: Value) {
    if transaction != 0.0 {
        command::send(connection, 0, "_result", transaction, &[Value::Null, value]);
    }
}

/// The answer that FMLE waits for after FCPublish.
pub(super) fn on_fc_publish(connection: &mut Connection, key: &str) {
    let info = status("status", "NetStream.Publish.Start", key);
    command::send(connection, 0, "onFCPublish", 0.0, &[Value::Null, info]);
}

pub(super) fn publishing(connection: &mut Connection, stream_id: u32, key: &str) {
    on_status(
        connection,
        stream_id,
        status("status", "NetStream.Publish.Start", &format!("Publishing {key}.")),
    );
}

pub(super) fn unpublished(connection: &mut Connection, stream_id: u32, key: &str) {
    let text = format!("{key} is now unpublished.");
    on_status(connection, stream_id, status("status", "NetStream.Unpublish.Success", &text));
}

pub(super) fn refused(connection: &mut Connection, stream_id: u32, code: &str, description: &str) {
    on_status(connection, stream_id, status("error", code, description));
}

fn on_status(connection: &mut Connection, stream_id: u32, info: Value) {
    command::send(connection, stream_id, "onStatus", 0.0, &[Value::Null, info]);
}

fn status(level: &str, code: &str, description: &str) -> Value {
    object([
        ("level", Value::from(level)),
        ("code", Value::from(code)),
        ("description", Value::from(description)),
    ])
}
