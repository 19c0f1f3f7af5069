//! A worker's process and its pipes.

use std::collections::VecDeque;
use std::path::Path;
use std::process::Stdio;

use bytes::BytesMut;
use stagebox_media::wire::{self, Decoder, WireMessage};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// Room for what is read at once.
const READ_BYTES: usize = 64 * 1024;

/// A running worker: messages go in and come out.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
    decoder: Decoder,
    waiting: BytesMut,
}

/// What a wait for the worker's pipes brought.
#[derive(Debug)]
pub(super) enum Moved {
    /// It took some bytes.
    Took,
    /// It gave messages.
    Gave(VecDeque<WireMessage>),
    /// It has ended, or its pipes make no sense.
    Broken(String),
}

impl Process {
    pub(super) fn spawn(program: &Path) -> Result<Self, String> {
        let told = |error: std::io::Error| format!("cannot start {}: {error}", program.display());
        let mut child = Command::new(program)
            .arg("worker")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .map_err(told)?;
        let missing = || told(std::io::Error::other("the child has no pipes"));
        let input = child.stdin.take().ok_or_else(missing)?;
        let output = child.stdout.take().ok_or_else(missing)?;
        Ok(Self { child, input, output, decoder: Decoder::new(), waiting: BytesMut::new() })
    }

    /// Puts a message behind those that wait.
    pub(super) fn give(&mut self, message: &WireMessage) {
        // A frame over the limit is left out; the decoder makes do without.
        let _ = wire::encode(message, &mut self.waiting);
    }

    /// Whether bytes wait that the worker has not taken.
    pub(super) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Waits until something moves; reads only if `read` says so. Loses nothing when it is dropped.
    pub(super) async fn moved(&mut self, read: bool) -> Moved {
        let (writes, buffer) = (!self.waiting.is_empty(), self.decoder.buffer_mut());
        buffer.reserve(READ_BYTES);
        tokio::select! {
            taken = self.input.write_buf(&mut self.waiting), if writes => match taken {
                Ok(0) => Moved::Broken("it takes no more input".to_owned()),
                Ok(_) => Moved::Took,
                Err(error) => Moved::Broken(format!("cannot write to it: {error}")),
            },
            given = self.output.read_buf(buffer), if read => match given {
                Ok(0) => Moved::Broken("it ended".to_owned()),
                Ok(_) => self.messages(),
                Err(error) => Moved::Broken(format!("cannot read from it: {error}")),
            },
            else => std::future::pending().await,
        }
    }

    fn messages(&mut self) -> Moved {
        let mut messages = VecDeque::new();
        loop {
            match self.decoder.next() {
                Ok(Some(message)) => messages.push_back(message),
                Ok(None) => return Moved::Gave(messages),
                Err(error) => return Moved::Broken(error.to_string()),
            }
        }
    }

    /// Ends it, whatever it is doing, stopped or not.
    pub(super) async fn kill(mut self) {
        // Ended already, or of no use any more.
        let _ = self.child.kill().await;
    }
}
