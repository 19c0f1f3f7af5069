//! What users ask for and what goes wrong while they do, by the run's seed.

use super::{Event, World};
use crate::broker::Client;
use rand::Rng;
use stagebox_protocol::Command;

impl World {
    /// A user gives a command or changes what is wanted.
    pub(super) fn user(&mut self, now_ms: u64) {
        if !self.agenda.is_bad {
            return;
        }
        let choice = self.agenda.dice.random_range(0..6);
        let event = format!("evt_{}", self.agenda.dice.random_range(0..3));
        self.with_cloud(|cloud, deeds| match choice {
            0 => cloud.give(now_ms, Command::StartStream, deeds),
            1 => cloud.give(now_ms, Command::StopStream, deeds),
            2 => cloud.give(now_ms, Command::StartRecording, deeds),
            3 => cloud.give(now_ms, Command::StopRecording, deeds),
            4 => cloud.want(now_ms, |state, version| state.name = Some(format!("box {version}")), deeds),
            _ => cloud.want(
                now_ms,
                |state, version| {
                    state.event_id = Some(event);
                    state.targets_version = Some(version);
                },
                deeds,
            ),
        });
        self.agenda.after(50..4_000, Event::User);
    }

    /// Something is killed or cut.
    pub(super) fn mischief(&mut self) {
        if !self.agenda.is_bad {
            return;
        }
        match self.agenda.dice.random_range(0..5) {
            0 if self.device.process.take().is_some() => self.box_died(),
            1 if self.cloud.process.is_some() => {
                self.cloud.kill();
                self.cloud_run += 1;
                self.cloud_session = None;
                self.broker.drop_client(Client::Cloud);
                self.agenda.after(100..4_000, Event::StartCloud);
            }
            2 => {
                self.broker.restart();
                self.cut(Client::Box);
                self.cut(Client::Cloud);
            }
            3 => self.cut(Client::Box),
            4 => self.cut(Client::Cloud),
            _ => {}
        }
        self.agenda.after(500..8_000, Event::Mischief);
    }

    /// A connection ends; its side finds out after a while.
    pub(super) fn cut(&mut self, client: Client) {
        if let Some(session) = self.session(client) {
            self.agenda.after(1..5_000, Event::Lost { client, session });
        }
    }

    /// From here on nothing is lost; what was lost before ends the connections it was lost on.
    pub(super) fn heal(&mut self) {
        self.agenda.is_bad = false;
        self.cut(Client::Box);
        self.cut(Client::Cloud);
    }
}
