//! A connection and what is said over it.
#![allow(clippy::disallowed_methods, reason = "a driver: it reads the clock for the core")]

use std::io;
use std::time::Instant;

use bytes::BytesMut;
use stagebox_media::Packet;
use stagebox_media::rtmp::{ClientConfig, ClientEvent, ClientSession, RtmpError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::driver::{Times, sleep_until};
use crate::from_zero::FromZero;
use crate::progress::Progress;
use crate::{Subscriber, Target, Transport, transport};

/// Packets beyond this many bytes wait where they can still be dropped.
const AT_ONCE: usize = 16 * 1024;

pub(super) struct Link {
    transport: Box<dyn Transport>,
    session: ClientSession,
    progress: Progress,
    input: BytesMut,
    /// Gives frames other times than their own, where that is wanted.
    from_zero: Option<FromZero>,
    /// TLS may hold bytes back that it has taken.
    unflushed: bool,
}

pub(super) enum LinkError {
    Io(io::Error),
    Rtmp(RtmpError),
}

impl LinkError {
    pub(super) fn describe(&self, target: &Target) -> String {
        match self {
            Self::Io(error) => transport::describe(error, target),
            Self::Rtmp(error) => error.to_string(),
        }
    }
}

/// What a link did.
enum Step {
    Wrote(usize),
    Flushed,
    Read(usize),
    Took(Option<Packet>),
    /// What waited for its turn has waited long enough.
    Due,
}

impl Link {
    pub(super) fn new(
        transport: Box<dyn Transport>,
        config: ClientConfig,
        progress: Progress,
        times: Times,
    ) -> Self {
        Self {
            transport,
            session: ClientSession::new(config),
            progress,
            input: BytesMut::new(),
            from_zero: (times == Times::FromZero).then(FromZero::default),
            unflushed: false,
        }
    }

    pub(super) fn progress(&mut self) -> &mut Progress {
        &mut self.progress
    }

    /// Why the server counts as hung, if it does.
    pub(super) fn hung(&mut self, now: Instant) -> Option<String> {
        let waiting = !self.session.output().is_empty();
        self.progress.hung(now, waiting)
    }

    /// Bytes that were taken and wait to be sent.
    pub(super) fn queued_bytes(&mut self) -> usize {
        self.session.output().len() + self.from_zero.as_ref().map_or(0, FromZero::queued_bytes)
    }

    /// Sends what is to be sent and waits for an answer.
    pub(super) async fn converse(&mut self) -> Result<Option<ClientEvent>, LinkError> {
        loop {
            if let Some(event) = self.session.next(&mut self.input).map_err(LinkError::Rtmp)? {
                return Ok(Some(event));
            }
            if !self.session.output().is_empty() {
                self.write().await?;
            } else {
                self.read().await?;
            }
        }
    }

    /// Writes, reads, takes or sends one packet, whichever can be done; false once there are no more packets.
    pub(super) async fn step(&mut self, frames: &mut Subscriber) -> Result<bool, LinkError> {
        if self.session.output().is_empty() && self.send_due()? {
            return Ok(true);
        }
        let due_at = self.from_zero.as_ref().and_then(FromZero::next_deadline);
        let (mut reader, mut writer) = tokio::io::split(&mut self.transport);
        self.input.reserve(4096);
        let output = self.session.output();
        let sending = !output.is_empty();
        let flushing = self.unflushed && !sending;
        let put = async {
            if sending {
                writer.write_buf(output).await.map(Step::Wrote)
            } else {
                writer.flush().await.map(|()| Step::Flushed)
            }
        };
        let step = tokio::select! {
            put = put, if sending || flushing => put.map_err(LinkError::Io)?,
            read = reader.read_buf(&mut self.input) => Step::Read(read.map_err(LinkError::Io)?),
            // What is still in the queue can be dropped, so it stays there until the server is ready.
            packet = frames.recv(), if !sending => Step::Took(packet),
            () = sleep_until(due_at), if !sending => Step::Due,
        };
        match step {
            Step::Wrote(bytes) => {
                self.progress.sent(Instant::now(), bytes);
                self.unflushed = true;
            }
            Step::Flushed => self.unflushed = false,
            Step::Read(0) => return Err(LinkError::Io(io::ErrorKind::UnexpectedEof.into())),
            Step::Read(_) => {
                while self.session.next(&mut self.input).map_err(LinkError::Rtmp)?.is_some() {}
                let longest = self.session.longest_acknowledgement();
                self.progress.acknowledged(self.session.acknowledged_bytes(), longest);
            }
            Step::Took(None) => return Ok(false),
            Step::Took(Some(packet)) => {
                let mut bytes = self.take(packet)?;
                // What has come along goes out along with it: a call for each frame is most of what sending costs.
                while bytes < AT_ONCE
                    && let Some(packet) = frames.try_recv()
                {
                    bytes += self.take(packet)?;
                }
            }
            Step::Due => {}
        }
        Ok(true)
    }

    /// Sends a packet, or has it wait for its turn; returns how long it is.
    fn take(&mut self, packet: Packet) -> Result<usize, LinkError> {
        let bytes = match &packet {
            Packet::Frame(frame) => frame.data.len(),
            Packet::Config(_) => 0,
        };
        match &mut self.from_zero {
            Some(times) => times.push(Instant::now(), packet),
            None => self.send(&packet)?,
        }
        Ok(bytes)
    }

    /// Sends packets whose turn has come; false if there is none.
    fn send_due(&mut self) -> Result<bool, LinkError> {
        let mut any = false;
        while self.session.output().len() < AT_ONCE
            && let Some(packet) = self.from_zero.as_mut().and_then(|times| times.pop(Instant::now()))
        {
            self.send(&packet)?;
            any = true;
        }
        Ok(any)
    }

    fn send(&mut self, packet: &Packet) -> Result<(), LinkError> {
        // The time in which nothing had to be sent is no stall.
        self.progress.sent(Instant::now(), 0);
        self.session.send(packet).map_err(LinkError::Rtmp)
    }

    async fn write(&mut self) -> Result<(), LinkError> {
        let written = self.transport.write_buf(self.session.output()).await.map_err(LinkError::Io)?;
        self.progress.sent(Instant::now(), written);
        self.transport.flush().await.map_err(LinkError::Io)
    }

    async fn read(&mut self) -> Result<(), LinkError> {
        match self.transport.read_buf(&mut self.input).await.map_err(LinkError::Io)? {
            0 => Err(LinkError::Io(io::ErrorKind::UnexpectedEof.into())),
            _ => Ok(()),
        }
    }

    /// Completes the frame begun, ends the stream in order and waits until the server has closed.
    pub(super) async fn farewell(mut self) -> Option<()> {
        if !self.session.is_publishing() {
            return None;
        }
        self.session.finish();
        self.transport.write_all_buf(self.session.output()).await.ok()?;
        self.transport.shutdown().await.ok()?;
        while self.transport.read_buf(&mut self.input).await.ok()? > 0 {
            self.input.clear();
        }
        Some(())
    }
}
