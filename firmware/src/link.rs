//! The line to the agent over its Unix socket: never blocks, connects again by itself.

#[cfg(test)]
mod tests;

use std::{
    io::{ErrorKind, Read, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
};

use stagebox_protocol::panel::{Decoder, FrameError, FromAgent, ToAgent, encode};

use crate::{Action, Gesture, Input, Panel, panel::Actions};

/// Time between two attempts to connect.
const RETRY_MS: u64 = 500;
/// An agent that lets this much pile up does not read.
const MAX_UNSENT: usize = 16 * 1024;

#[derive(Debug)]
enum State {
    Down { retry_ms: u64 },
    Up { stream: UnixStream, decoder: Box<Decoder<FromAgent>>, unsent: Vec<u8> },
}

/// A panel tied to an agent's socket.
#[derive(Debug)]
pub struct Link {
    path: PathBuf,
    state: State,
    panel: Panel,
    trouble: Option<String>,
}

impl Link {
    #[must_use]
    pub fn new(path: PathBuf, panel: Panel) -> Self {
        Self { path, state: State::Down { retry_ms: 0 }, panel, trouble: None }
    }

    #[must_use]
    pub fn panel(&self) -> &Panel {
        &self.panel
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Why there is no agent, as far as the line itself can tell.
    #[must_use]
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// Lets the panel see what came in and the time; call it every few ten milliseconds.
    ///
    /// Answers with actions that are not the line's own: see [`Action::Settled`].
    pub fn step(&mut self, now_ms: u64, gesture: Option<Gesture>) -> Vec<Action> {
        let mut settled = Vec::new();
        for input in self.receive(now_ms) {
            let actions = self.panel.handle(now_ms, input);
            self.perform(now_ms, actions, &mut settled);
        }
        let input = gesture.map_or(Input::Tick, Input::Gesture);
        let actions = self.panel.handle(now_ms, input);
        self.perform(now_ms, actions, &mut settled);
        if let Err(reason) = self.write() {
            self.lose(now_ms, &reason, &mut settled);
        }
        settled
    }

    fn perform(&mut self, now_ms: u64, actions: Actions, settled: &mut Vec<Action>) {
        for action in actions {
            match (action, &mut self.state) {
                (Action::Send(frame), State::Up { unsent, .. }) => unsent.extend(encode::<ToAgent>(&frame)),
                (Action::Send(_), State::Down { .. }) => {}
                (action @ Action::Settled(_), _) => settled.push(action),
            }
        }
        if matches!(&self.state, State::Up { unsent, .. } if unsent.len() > MAX_UNSENT) {
            self.lose(now_ms, "the agent does not read", settled);
        }
    }

    fn lose(&mut self, now_ms: u64, reason: &str, settled: &mut Vec<Action>) {
        self.trouble = Some(reason.to_owned());
        self.state = State::Down { retry_ms: now_ms + RETRY_MS };
        for action in self.panel.handle(now_ms, Input::Disconnected) {
            if matches!(action, Action::Settled(_)) {
                settled.push(action);
            }
        }
    }

    fn receive(&mut self, now_ms: u64) -> Vec<Input> {
        let mut inputs = Vec::new();
        match &mut self.state {
            State::Down { retry_ms } if now_ms >= *retry_ms => match self.connect() {
                Ok(stream) => {
                    self.state = State::Up { stream, decoder: Box::default(), unsent: Vec::new() };
                    self.trouble = None;
                    inputs.push(Input::Connected);
                }
                Err(error) => {
                    self.trouble = Some(format!("connect to {}: {error}", self.path.display()));
                    self.state = State::Down { retry_ms: now_ms + RETRY_MS };
                }
            },
            State::Down { .. } => {}
            State::Up { stream, decoder, .. } => {
                let mut frames = Vec::new();
                let end = read(stream, decoder, &mut frames);
                for frame in frames {
                    match frame {
                        Ok(frame) => inputs.push(Input::Frame(frame)),
                        // What a newer agent says beyond this program's understanding is no trouble.
                        Err(FrameError::UnknownKind { .. }) => {}
                        Err(error) => self.trouble = Some(error.to_string()),
                    }
                }
                if let Err(reason) = end {
                    self.trouble = Some(reason);
                    self.state = State::Down { retry_ms: now_ms + RETRY_MS };
                    inputs.push(Input::Disconnected);
                }
            }
        }
        inputs
    }

    fn connect(&self) -> std::io::Result<UnixStream> {
        let stream = UnixStream::connect(&self.path)?;
        stream.set_nonblocking(true)?;
        Ok(stream)
    }

    fn write(&mut self) -> Result<(), String> {
        let State::Up { stream, unsent, .. } = &mut self.state else { return Ok(()) };
        while !unsent.is_empty() {
            match stream.write(unsent) {
                Ok(written) => drop(unsent.drain(..written)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(format!("write to the agent: {error}")),
            }
        }
        Ok(())
    }
}

/// Takes what is there; an error says that the line is gone.
fn read(
    stream: &mut UnixStream,
    decoder: &mut Decoder<FromAgent>,
    frames: &mut Vec<Result<FromAgent, FrameError>>,
) -> Result<(), String> {
    let mut buffer = [0; 1024];
    // Bounded, so that an agent that floods cannot keep the buttons from being read.
    for _ in 0..16 {
        match stream.read(&mut buffer) {
            Ok(0) => return Err("the agent closed the line".to_owned()),
            Ok(length) => {
                let mut bytes = &buffer[..length];
                while let Some(frame) = decoder.next(&mut bytes) {
                    frames.push(frame);
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(format!("read from the agent: {error}")),
        }
    }
    Ok(())
}
