//! Commands are carried out once, however often they arrive, and answered from memory after that.
//!
//! A command is kept before it is carried out, and its answer before it is sent. After a crash in between it is carried
//! out again before any other: commands are intents, so doing the same one twice in a row is doing it once.
//!
//! Questions change nothing: they are neither kept nor remembered, and no command waits for their answers.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use stagebox_protocol::{Command, CommandEnvelope, CommandId, CommandResponse, Outcome, Timestamp};

use super::state::Now;

/// Commands whose answers are remembered; the oldest are forgotten first.
pub const REMEMBERED: usize = 512;
/// Commands that may wait; more are refused with 503.
pub const WAITING: usize = 32;
/// Questions that are answered at a time; more are refused with 503.
pub const QUESTIONS: usize = 4;
/// A command issued longer ago is refused (408): its answer may be forgotten already.
pub const OLDEST_MS: u64 = 10 * 60_000;
/// Requesters of one command that get an answer, the latest first.
const REPLIES: usize = 4;

/// Where an answer goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub topic: String,
    pub correlation: Option<Bytes>,
}

/// What is known of a command, as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Known {
    /// Kept, and perhaps carried out.
    Begun {
        name: String,
        args: serde_json::Map<String, serde_json::Value>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires_at: Option<Timestamp>,
    },
    Answered(CommandResponse),
}

/// One remembered command; `order` counts up, so that a restart finds the order again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    pub order: u64,
    pub id: CommandId,
    pub known: Known,
}

/// What is to be done about commands, in this order.
#[derive(Debug, Clone, PartialEq)]
pub enum CommandAction {
    /// Write and sync before going on.
    Keep(Record),
    Forget(u64),
    Execute {
        id: CommandId,
        command: Command,
        expires_at: Option<Timestamp>,
    },
    Answer(Reply, CommandResponse),
}

#[derive(Debug)]
struct Job {
    id: CommandId,
    command: Command,
    replies: Vec<Reply>,
    /// In monotonic milliseconds; none for a command taken up after a restart.
    expires_ms: Option<u64>,
    /// By the requester's clock.
    expires_at: Option<Timestamp>,
    /// Its record's place in the order, once it was kept.
    order: Option<u64>,
}

/// The commands that wait, the one being carried out, and the answers given.
#[derive(Debug, Default)]
pub struct Commands {
    answers: BTreeMap<CommandId, CommandResponse>,
    /// Answered commands by age.
    ages: VecDeque<(u64, CommandId)>,
    waiting: VecDeque<Job>,
    running: Option<Job>,
    questions: Vec<Job>,
    next_order: u64,
}

impl Commands {
    /// Takes up what was kept: answers are remembered, what was begun is carried out again, oldest first.
    #[must_use]
    pub fn restore(mut records: Vec<Record>) -> Self {
        records.sort_by_key(|record| record.order);
        let mut commands = Self::default();
        for Record { order, id, known } in records {
            commands.next_order = order + 1;
            match known {
                Known::Answered(response) => commands.remember(order, id, response),
                Known::Begun { name, args, expires_at } => match Command::parse(&name, &args) {
                    Ok(command) => commands.waiting.push_back(Job {
                        id,
                        command,
                        replies: Vec::new(),
                        expires_ms: None,
                        expires_at,
                        order: Some(order),
                    }),
                    // Kept by a later version that knew more: it cannot be taken up, and says so when asked.
                    Err(rejection) => {
                        let response = Outcome::from(rejection).response(id.clone());
                        commands.remember(order, id, response);
                    }
                },
            }
        }
        commands
    }

    /// Starts the first waiting command, if none is running; called once after [`Commands::restore`].
    pub fn resume(&mut self, now: &Now, out: &mut Vec<CommandAction>) {
        self.start_next(now, out);
    }

    /// Takes a command that arrived.
    ///
    /// `expiry_s` is what is left of its Message Expiry Interval (MQTT 5, section 3.3.2.3.3).
    pub fn take(
        &mut self,
        now: &Now,
        name: &str,
        envelope: &CommandEnvelope,
        expiry_s: Option<u32>,
        reply: Option<Reply>,
        out: &mut Vec<CommandAction>,
    ) {
        let id = envelope.id.clone();
        if let Some(response) = self.answers.get(&id) {
            out.extend(reply.map(|reply| CommandAction::Answer(reply, response.clone())));
            return;
        }
        let mut jobs = self.running.iter_mut().chain(&mut self.waiting).chain(&mut self.questions);
        if let Some(job) = jobs.find(|job| job.id == id) {
            if let Some(reply) = reply.filter(|reply| !job.replies.contains(reply)) {
                job.replies.insert(0, reply);
                job.replies.truncate(REPLIES);
            }
            return;
        }
        let refused = match Command::parse(name, &envelope.args) {
            Err(rejection) => Outcome::from(rejection),
            Ok(_) if is_expired(now, envelope, expiry_s) => expired(envelope),
            Ok(command) if command.is_question() && self.questions.len() < QUESTIONS => {
                let (replies, expires_at) = (reply.into_iter().collect(), envelope.expires_at);
                out.push(CommandAction::Execute { id: id.clone(), command: command.clone(), expires_at });
                self.questions.push(Job { id, command, replies, expires_ms: None, expires_at, order: None });
                return;
            }
            Ok(command) if command.is_question() => Outcome::Rejected {
                code: 503,
                error: format!("{QUESTIONS} questions are being answered; try again later"),
            },
            Ok(_) if self.waiting.len() >= WAITING => Outcome::Rejected {
                code: 503,
                error: format!("{WAITING} commands wait already; try again later"),
            },
            Ok(command) => {
                let expires_ms = expiry_s.map(|seconds| now.mono_ms + u64::from(seconds) * 1000);
                let replies = reply.into_iter().collect();
                let expires_at = envelope.expires_at;
                self.waiting.push_back(Job { id, command, replies, expires_ms, expires_at, order: None });
                self.start_next(now, out);
                return;
            }
        };
        out.extend(reply.map(|reply| CommandAction::Answer(reply, refused.response(id))));
    }

    /// Takes the outcome of the running command: keeps it, answers, and starts the next one.
    pub fn executed(&mut self, now: &Now, id: &CommandId, outcome: &Outcome, out: &mut Vec<CommandAction>) {
        if let Some(place) = self.questions.iter().position(|job| job.id == *id) {
            let (job, response) = (self.questions.swap_remove(place), outcome.response(id.clone()));
            out.extend(job.replies.into_iter().map(|reply| CommandAction::Answer(reply, response.clone())));
            return;
        }
        let Some(job) = self.running.take_if(|job| job.id == *id) else { return };
        self.finish(job, outcome, out);
        self.start_next(now, out);
    }

    fn start_next(&mut self, now: &Now, out: &mut Vec<CommandAction>) {
        while self.running.is_none() {
            let Some(mut job) = self.waiting.pop_front() else { return };
            if job.expires_ms.is_some_and(|expires_ms| now.mono_ms > expires_ms) {
                let error = "expired while other commands were carried out".to_owned();
                self.finish(job, &Outcome::Rejected { code: 408, error }, out);
                continue;
            }
            if job.order.is_none() {
                let order = self.take_order();
                let known = Known::Begun {
                    name: job.command.name().to_owned(),
                    args: job.command.args(),
                    expires_at: job.expires_at,
                };
                out.push(CommandAction::Keep(Record { order, id: job.id.clone(), known }));
                job.order = Some(order);
            }
            let (id, command, expires_at) = (job.id.clone(), job.command.clone(), job.expires_at);
            out.push(CommandAction::Execute { id, command, expires_at });
            self.running = Some(job);
        }
    }

    fn finish(&mut self, job: Job, outcome: &Outcome, out: &mut Vec<CommandAction>) {
        let response = outcome.response(job.id.clone());
        let order = job.order.unwrap_or_else(|| self.take_order());
        let known = Known::Answered(response.clone());
        out.push(CommandAction::Keep(Record { order, id: job.id.clone(), known }));
        self.remember(order, job.id, response.clone());
        out.extend(job.replies.into_iter().map(|reply| CommandAction::Answer(reply, response.clone())));
        while self.ages.len() > REMEMBERED {
            if let Some((order, id)) = self.ages.pop_front() {
                self.answers.remove(&id);
                out.push(CommandAction::Forget(order));
            }
        }
    }

    fn remember(&mut self, order: u64, id: CommandId, response: CommandResponse) {
        self.ages.push_back((order, id.clone()));
        self.answers.insert(id, response);
    }

    fn take_order(&mut self) -> u64 {
        let order = self.next_order;
        self.next_order += 1;
        order
    }
}

fn is_expired(now: &Now, envelope: &CommandEnvelope, expiry_s: Option<u32>) -> bool {
    let late = envelope.expires_at.is_some_and(|expires_at| now.wall > expires_at)
        || now.wall.ms_since(envelope.issued_at) > OLDEST_MS;
    expiry_s == Some(0) || (now.clock_synced && late)
}

fn expired(envelope: &CommandEnvelope) -> Outcome {
    let error = match envelope.expires_at {
        Some(expires_at) => format!("expired at {expires_at}"),
        None => format!("expired: issued at {}, too long ago", envelope.issued_at),
    };
    Outcome::Rejected { code: 408, error }
}
