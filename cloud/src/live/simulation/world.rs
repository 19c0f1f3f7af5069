//! One run: encoders, lines and all that befalls them, in the order of a seed.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};
use stagebox_media::Packet;

use super::Weather;
use super::chain::{Chain, Settings};
use super::encoder::Encoder;
use super::line::Line;
use crate::event::Input;
use crate::live::timeline::{InputId, Policy};

const MS_NS: i64 = 1_000_000;
const SECOND_NS: i64 = 1_000_000_000;
/// Frames are made in steps of this length.
const STEP_NS: i64 = 200 * MS_NS;
/// How long a run takes, in virtual seconds.
const LENGTH_S: std::ops::Range<i64> = 60..420;

#[derive(Debug)]
enum Event {
    Arrives(InputId, Packet),
    Leaves(InputId),
    Connects(usize),
    Captures,
    Trouble,
    Looks,
}

/// An event at its time; the order of those of one time is that in which they were planned.
#[derive(Debug)]
struct Planned(i64, u64, Event);

impl PartialEq for Planned {
    fn eq(&self, other: &Self) -> bool {
        (self.0, self.1) == (other.0, other.1)
    }
}

impl Eq for Planned {}

impl PartialOrd for Planned {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Planned {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.0, self.1).cmp(&(other.0, other.1))
    }
}

/// A connection that is there.
#[derive(Debug)]
struct Session {
    id: InputId,
    encoder: u32,
    line: Line,
    /// It begins with a key frame, as a box does, or with whatever comes.
    is_begun: bool,
}

pub(super) struct World {
    dice: SmallRng,
    now_ns: i64,
    planned: u64,
    agenda: BinaryHeap<Reverse<Planned>>,
    chain: Chain,
    encoders: Vec<Encoder>,
    numbers: u32,
    sessions: [Option<Session>; 2],
    ids: u64,
    /// One encoder feeds both inputs.
    is_box: bool,
    is_slated: bool,
    kills: u64,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let mut dice = SmallRng::seed_from_u64(seed);
        let return_after = [None, Some(3), Some(10)][dice.random_range(0..3)].map(Duration::from_secs);
        let settings = Settings {
            policy: Policy { return_after, ..Policy::default() },
            window_us: [20, 60, 600][dice.random_range(0..3)] * 1_000_000,
            transcodes: dice.random_bool(0.4),
            reads_back: true,
        };
        let is_box = dice.random_bool(0.6);
        Self {
            dice,
            now_ns: 0,
            planned: 0,
            agenda: BinaryHeap::new(),
            chain: Chain::new(settings),
            encoders: Vec::new(),
            numbers: 0,
            sessions: [None, None],
            ids: 0,
            is_box,
            is_slated: false,
            kills: 0,
        }
    }

    /// Plays the run to its end.
    pub(super) fn run(mut self) -> Weather {
        let length_ns = self.dice.random_range(LENGTH_S) * SECOND_NS;
        self.is_slated = self.dice.random_bool(0.6);
        self.chain.want_slate(self.is_slated, &mut self.dice);
        self.plan(0, Event::Captures);
        for input in 0..2 {
            let at_ns = self.dice.random_range(0..3_000) * MS_NS;
            self.plan(at_ns, Event::Connects(input));
        }
        self.plan(SECOND_NS, Event::Trouble);
        self.plan(SECOND_NS, Event::Looks);
        while let Some(Reverse(Planned(at_ns, _, event))) = self.agenda.pop() {
            if at_ns > length_ns {
                break;
            }
            self.now_ns = at_ns;
            self.chain.run_until(at_ns as u64, &mut self.dice);
            self.happen(event);
        }
        self.chain.finish(&mut self.dice);
        Weather {
            tally: self.chain.ledger.tally,
            segments: self.chain.product.closed,
            gaps: self.chain.product.gaps,
            kills: self.kills,
            looks: self.chain.player.looks(),
        }
    }

    fn plan(&mut self, at_ns: i64, event: Event) {
        self.planned += 1;
        self.agenda.push(Reverse(Planned(at_ns, self.planned, event)));
    }

    fn after(&mut self, range_ms: std::ops::Range<i64>, event: Event) {
        let at_ns = self.now_ns + self.dice.random_range(range_ms) * MS_NS;
        self.plan(at_ns, event);
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Arrives(id, packet) => {
                // What was under way when its connection or the process broke is lost.
                if self.sessions.iter().flatten().any(|session| session.id == id) {
                    self.chain.packet(id, packet, &mut self.dice);
                }
            }
            Event::Leaves(id) => self.chain.leave(id, &mut self.dice),
            Event::Connects(input) => self.connect(input),
            Event::Captures => {
                self.capture();
                self.plan(self.now_ns + STEP_NS, Event::Captures);
            }
            Event::Trouble => {
                self.trouble();
                self.after(200..8_000, Event::Trouble);
            }
            Event::Looks => {
                self.chain.look();
                self.after(100..6_000, Event::Looks);
            }
        }
    }

    fn capture(&mut self) {
        let mut leaving = Vec::new();
        for encoder in &mut self.encoders {
            let number = encoder.number;
            encoder.leave_until(self.now_ns + STEP_NS, &mut self.dice, &mut leaving);
            for left in leaving.drain(..) {
                let begins = encoder.begins_with(&left.frame);
                for session in self.sessions.iter_mut().flatten().filter(|session| session.encoder == number)
                {
                    session.is_begun |= begins;
                    if !session.is_begun {
                        continue;
                    }
                    let at_ns = session.line.carry(left.at_ns.max(self.now_ns), &mut self.dice);
                    if let Some(at_ns) = at_ns {
                        self.planned += 1;
                        let event = Event::Arrives(session.id, Packet::Frame(left.frame.clone()));
                        self.agenda.push(Reverse(Planned(at_ns, self.planned, event)));
                    }
                }
            }
        }
    }

    /// An encoder connects to an input that nobody publishes to.
    fn connect(&mut self, input: usize) {
        if self.sessions[input].is_some() {
            return;
        }
        let other = self.sessions[1 - input].as_ref().map(|session| session.encoder);
        let of_box = other.filter(|_| self.is_box);
        let number = match of_box {
            Some(number) => number,
            None => self.encoder(),
        };
        self.ids += 1;
        let id = InputId(self.ids);
        let role = if input == 0 { Input::Main } else { Input::Backup };
        self.chain.join(id, role, number);
        let Some(encoder) = self.encoders.iter().find(|encoder| encoder.number == number) else { return };
        for config in encoder.configs() {
            self.chain.packet(id, Packet::Config(config), &mut self.dice);
        }
        let is_begun = self.dice.random_bool(0.3);
        let line = Line::new(&mut self.dice);
        self.sessions[input] = Some(Session { id, encoder: number, line, is_begun });
    }

    /// An encoder that nobody is connected to goes on, or one is started.
    fn encoder(&mut self) -> u32 {
        let used: Vec<u32> = self.sessions.iter().flatten().map(|session| session.encoder).collect();
        let ended = self.dice.random_bool(0.3);
        self.encoders.retain(|encoder| used.contains(&encoder.number) || !ended);
        let idle = self.encoders.iter().find(|encoder| !used.contains(&encoder.number));
        if let Some(idle) = idle.filter(|_| self.dice.random_bool(0.5)) {
            return idle.number;
        }
        let number = self.numbers;
        self.numbers += 1;
        let encoder = Encoder::new(number, self.is_box, self.now_ns, &mut self.dice);
        self.encoders.push(encoder);
        number
    }

    fn trouble(&mut self) {
        let input = self.dice.random_range(0..2);
        match self.dice.random_range(0..100) {
            0..30 => self.disconnect(input),
            30..50 => {
                let until_ns = self.now_ns + self.dice.random_range(50..6_000) * MS_NS;
                if let Some(session) = &mut self.sessions[input] {
                    session.line.stall(until_ns);
                }
            }
            50..60 => {
                let until_ns = self.now_ns + self.dice.random_range(20..4_000) * MS_NS;
                if let Some(encoder) = self.encoders.last_mut() {
                    encoder.mute(until_ns);
                }
            }
            60..70 => self.unsteady(input),
            70..75 => {
                // The whole encoder starts anew.
                self.disconnect(0);
                self.disconnect(1);
                self.encoders.clear();
            }
            75..85 => {
                self.is_slated = !self.is_slated;
                self.chain.want_slate(self.is_slated, &mut self.dice);
            }
            85..95 => {
                let for_good = self.dice.random_bool(0.2);
                self.chain.lose_worker(for_good);
            }
            _ => self.kill(),
        }
    }

    fn disconnect(&mut self, input: usize) {
        if let Some(session) = self.sessions[input].take() {
            // A server learns of it at once, or much later.
            if self.dice.random_bool(0.7) {
                self.chain.leave(session.id, &mut self.dice);
            } else {
                // What says nothing of its epoch is another source to it then.
                self.encoders.retain(|encoder| self.is_box || encoder.number != session.encoder);
                self.after(100..8_000, Event::Leaves(session.id));
            }
            self.after(100..9_000, Event::Connects(input));
        }
    }

    /// What only encoders do that say nothing of an epoch: clocks that jump, and other pictures in mid-stream.
    fn unsteady(&mut self, input: usize) {
        let Some(session) = self.sessions[input].as_ref().filter(|_| !self.is_box) else { return };
        let (id, number) = (session.id, session.encoder);
        let Some(encoder) = self.encoders.iter_mut().find(|encoder| encoder.number == number) else { return };
        if self.dice.random_bool(0.6) {
            encoder.jump(self.dice.random_range(-90_000..90_000) * MS_NS);
            return;
        }
        encoder.change();
        let configs = encoder.configs();
        let Some(line) = self.sessions[input].as_mut().map(|session| &mut session.line) else { return };
        if let Some(at_ns) = line.carry(self.now_ns, &mut self.dice) {
            for config in configs {
                self.plan(at_ns, Event::Arrives(id, Packet::Config(config)));
            }
        }
    }

    /// The process that takes the event in is killed, and all connections with it.
    fn kill(&mut self) {
        self.kills += 1;
        self.sessions = [None, None];
        self.agenda
            .retain(|Reverse(Planned(_, _, event))| !matches!(event, Event::Leaves(_) | Event::Connects(_)));
        self.chain.restart(&mut self.dice);
        for input in 0..2 {
            self.after(100..4_000, Event::Connects(input));
        }
    }
}
