//! One encoder's hold of one of an event's inputs.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use stagebox_media::Packet;
use stagebox_media::cmaf::CmafError;
use stagebox_media::rtmp::{Fault, LeftOut};

use super::allowance::Allowance;
use super::driver::Command;
use super::stream::{Holder, Stream, lock};
use super::timeline::InputId;
use super::{LiveError, segmenter};
use crate::clock::Clock;
use crate::event::{Input, Source, StreamKey};

/// A publisher that has sent nothing for this long gives way to another one with its key.
const SILENCE: Duration = Duration::from_secs(5);

/// Who publishes.
#[derive(Debug, Clone, Default)]
pub struct SourceInfo {
    /// The encoder's network address.
    pub address: String,
    /// What it calls itself, if it does.
    pub encoder: String,
    /// The stream key that it showed: it is cut off once the key works no more.
    pub key: Option<StreamKey>,
    /// What it may send, in kbit/s, if that is limited.
    pub most_kbps: Option<u64>,
}

/// An encoder's hold of an input; dropping it says that the broadcast is gone.
#[derive(Debug)]
pub struct Publisher {
    stream: Arc<Stream>,
    input: Input,
    id: InputId,
    clock: Clock,
    allowance: Option<Mutex<Allowance>>,
}

impl Publisher {
    pub(super) fn claim(
        stream: Arc<Stream>,
        input: Input,
        id: InputId,
        source: &SourceInfo,
        clock: Clock,
    ) -> Result<Self, LiveError> {
        let key = source.key.clone();
        {
            let now = clock.instant();
            let mut holders = lock(&stream.holders);
            let silent = |holder: &Holder| now.saturating_duration_since(holder.last_seen) > SILENCE;
            if holders.get(&input).is_some_and(|holder| !silent(holder)) {
                return Err(LiveError::Busy(input));
            }
            holders.insert(input, Holder { id, last_seen: now, key, until: None });
        }
        stream.hold.set_busy(true);
        let allowance = source.most_kbps.map(|most| Mutex::new(Allowance::new(most, clock.instant())));
        Ok(Self { stream, input, id, clock, allowance })
    }

    pub(super) async fn join(&self, source: SourceInfo) -> Result<(), LiveError> {
        // An event that lay idle may have been taken over by another process a moment ago.
        if self.stream.hold.confirm().await.is_err() && self.stream.hold.is_lost() {
            return Err(LiveError::TakenOver);
        }
        let SourceInfo { address, encoder, key: _, most_kbps: _ } = source;
        let source = Source { address, encoder, since: self.clock.now() };
        self.tell(Command::Join(self.id, self.input, source)).await
    }

    /// Hands a packet on; waits while the event's task is behind.
    ///
    /// A header that cannot be read is left out: the one before it stays in force.
    ///
    /// # Errors
    /// The event has ended, another encoder has taken over, the stream key was replaced, more is sent than is allowed,
    /// or the codec cannot be packaged: the connection is to be closed.
    pub async fn send(&self, packet: Packet) -> Result<(), LiveError> {
        if let Packet::Config(config) = &packet {
            match segmenter::check(config) {
                Ok(()) => {}
                Err(CmafError::H264(_) | CmafError::Aac(_)) => {
                    return self.left_out(LeftOut { track: config.track, fault: Fault::BrokenHeader }).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
        self.seen()?;
        if let (Some(allowance), Packet::Frame(frame)) = (&self.allowance, &packet) {
            lock(allowance).spend(self.clock.instant(), frame.data.len())?;
        }
        self.tell(Command::Packet(self.id, packet)).await
    }

    /// Tells what of the stream could not be used.
    ///
    /// # Errors
    /// The event has ended, another encoder has taken over, or the stream key was replaced: the connection is to be
    /// closed.
    pub async fn left_out(&self, left_out: LeftOut) -> Result<(), LiveError> {
        self.seen()?;
        self.tell(Command::LeftOut(self.id, left_out)).await
    }

    /// Notes that the encoder sends; says no where it may not any more.
    fn seen(&self) -> Result<(), LiveError> {
        let now = self.clock.instant();
        let mut holders = lock(&self.stream.holders);
        let holder = holders.get_mut(&self.input).filter(|holder| holder.id == self.id);
        let holder = holder.ok_or(LiveError::Replaced)?;
        if holder.until.is_some_and(|until| now >= until) {
            return Err(LiveError::KeyReplaced);
        }
        holder.last_seen = now;
        Ok(())
    }

    async fn tell(&self, command: Command) -> Result<(), LiveError> {
        let gone = || if self.stream.hold.is_lost() { LiveError::TakenOver } else { LiveError::Ended };
        self.stream.commands.send(command).await.map_err(|_| gone())
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        {
            let mut holders = lock(&self.stream.holders);
            if holders.get(&self.input).is_some_and(|holder| holder.id == self.id) {
                holders.remove(&self.input);
            }
            if holders.is_empty() {
                self.stream.hold.set_busy(false);
            }
        }
        let leave = Command::Leave(self.id, self.input);
        // Only a full queue is waited for; without a task there is nobody to tell.
        if let Err(tokio::sync::mpsc::error::TrySendError::Full(leave)) = self.stream.commands.try_send(leave)
        {
            let commands = self.stream.commands.clone();
            if let Ok(runtime) = tokio::runtime::Handle::try_current() {
                runtime.spawn(async move { commands.send(leave).await });
            }
        }
    }
}
