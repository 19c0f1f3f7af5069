//! What can be done to many boxes at once.

use super::DeviceError;
use crate::access::Thing;
use crate::batch::Action;
use crate::http::line;
use ::http::Method;
use serde_json::{Map, Value, json};
use stagebox_protocol::Command;

/// Longest name of a command in characters.
const NAME: usize = 100;

/// For `POST /api/v1/batches`.
pub(crate) const ACTIONS: &[Action] = &[Action {
    name: "command",
    words: "Give boxes a command",
    thing: Thing::Device,
    route: (Method::POST, "/api/v1/devices/x/commands/x"),
    at_broker: true,
    read: |fields| {
        let command = fields.required("command", line(NAME));
        let args = fields.optional("args", Ok::<Map<String, Value>, String>).value();
        let (command, args) = (command.unwrap_or_default(), args.unwrap_or_default());
        if !command.is_empty()
            && let Err(error) = Command::parse(&command, &args)
        {
            fields.wrong("command", error.to_string());
        }
        json!({ "command": command, "args": args })
    },
    run: |app, one| {
        Box::pin(async move {
            let args = one.with["args"].as_object().cloned().unwrap_or_default();
            let command = Command::parse(one.text("command"), &args).map_err(DeviceError::from)?;
            // Without the broker it says so, and another process may have it.
            Ok(app.devices.command(&one.id()?, &command).await.map(|_| ())?)
        })
    },
}];
