//! An event's task as it judges what its inputs show, where that is a reason to show another one.

use stagebox_media::{Packet, Track};

use super::driver::Driver;
use super::stream::lock;
use super::timeline::InputId;
use crate::event::Input;
use crate::transcode::{Look, Looker};

/// What the worker that looks calls an input.
fn number(input: Input) -> u8 {
    match input {
        Input::Main => 0,
        Input::Backup => 1,
    }
}

impl Driver {
    /// Has an input's key frames looked at.
    pub(super) fn show_to_looker(&mut self, id: InputId, packet: &Packet) {
        let (Some(looker), Some(input)) = (&mut self.looker, self.faults.input(id)) else { return };
        match packet {
            Packet::Config(config) if config.track == Track::Video => looker.configure(number(input), config),
            Packet::Frame(frame) if frame.track == Track::Video && frame.key => {
                looker.push(number(input), frame);
            }
            Packet::Config(_) | Packet::Frame(_) => {}
        }
    }

    pub(super) async fn looked(&mut self, look: Look) {
        let now = self.now().instant;
        if let Some(input) = Input::ALL.into_iter().find(|input| number(*input) == look.input) {
            self.faults.seen(now, input, look);
        }
        self.judge().await;
    }

    /// Listens to the second that is over, and judges.
    pub(super) async fn listen(&mut self) {
        let now = self.now().instant;
        for input in Input::ALL {
            let is_silent = lock(&self.stream.vitals).is_silent(input);
            self.faults.heard(now, input, is_silent);
        }
        self.judge().await;
    }

    async fn judge(&mut self) {
        let now = self.now();
        let judged = self.faults.judge(now.instant);
        if judged.is_empty() {
            return;
        }
        let mut timed = Vec::new();
        for (id, is_bad) in judged {
            self.timeline.judge(now, id, is_bad, &mut timed);
        }
        self.package(timed).await;
        self.warn(self.pause()).await;
    }
}

/// What is seen next; for ever nothing, where nobody looks.
pub(super) async fn next_look(looker: &mut Option<Looker>) -> Option<Look> {
    match looker {
        Some(looker) => looker.next().await,
        None => std::future::pending().await,
    }
}
