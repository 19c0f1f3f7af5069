//! What waits for the media store: what goes when, what gives way, and when to say so.
//!
//! ```text
//! admit ─▶ Writing ─written─▶ Waiting ◀─failed─ Sending ─sent─▶ gone
//!                                └──────next──────▲
//! ```
//!
//! The store is *here* until two attempts in a row have failed; then it is *away*,
//! and one object after the other is tried, ever more seldom, until one gets through.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{Duration, Instant};

use object_store::path::Path;

use super::order::{Admission, Attempt, Job, Level, Order, Status, Worth};

/// Objects on their way at once.
const PARALLEL: usize = 4;
/// Failures in a row after which the store is called away.
const FAILURES: u32 = 2;
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// Left free on the disk for documents and for what else runs on the machine.
pub(in crate::media) const RESERVE_BYTES: u64 = 256 * 1024 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Not on disk yet.
    Writing,
    Waiting {
        not_before: Instant,
    },
    Sending,
}

#[derive(Debug, Clone)]
struct Entry {
    path: Path,
    order: Order,
    bytes: u64,
    attempts: u32,
    /// The store may have it although nobody heard so.
    maybe_sent: bool,
    stage: Stage,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Health {
    Here { failures: u32 },
    Away { failures: u32, retry_at: Instant, words: String },
}

/// All that waits.
#[derive(Debug)]
pub(in crate::media) struct Ledger {
    limit_bytes: u64,
    entries: BTreeMap<u64, Entry>,
    /// The newest of each path that is on disk.
    newest: HashMap<Path, u64>,
    sending: HashSet<Path>,
    probing: bool,
    next_number: u64,
    bytes: u64,
    health: Health,
    level: Level,
    given_up: u64,
    refused: Option<String>,
}

impl Ledger {
    pub(in crate::media) fn new(limit_bytes: u64) -> Self {
        Self {
            limit_bytes,
            entries: BTreeMap::new(),
            newest: HashMap::new(),
            sending: HashSet::new(),
            probing: false,
            next_number: 1,
            bytes: 0,
            health: Health::Here { failures: 0 },
            level: Level::Low,
            given_up: 0,
            refused: None,
        }
    }

    /// Takes up what lay on disk before a restart, the lowest number first; gives back what is outdated.
    pub(in crate::media) fn restore(&mut self, now: Instant, job: Job) -> Option<Job> {
        let Job { number, path, order, bytes } = job;
        self.next_number = self.next_number.max(number + 1);
        let stage = Stage::Waiting { not_before: now };
        let entry = Entry { path: path.clone(), order, bytes, attempts: 0, maybe_sent: true, stage };
        self.bytes += bytes;
        self.entries.insert(number, entry);
        let older = self.newest.insert(path, number);
        self.measure();
        older.and_then(|older| self.remove(older))
    }

    /// Decides about an object of so many bytes, with so much free on the disk.
    pub(in crate::media) fn admit(&mut self, path: &Path, order: Order, bytes: u64, free: u64) -> Admission {
        let mut free = free;
        let mut give_way = Vec::new();
        let over = |ledger: &Self| ledger.bytes + bytes > ledger.limit_bytes;
        let no_disk = |free: u64| free < RESERVE_BYTES.saturating_add(bytes);
        // A deletion takes no room, and makes some.
        while order != Order::Delete && (over(self) || no_disk(free)) {
            self.level = Level::Full;
            let Some(job) = self.oldest_look_back().and_then(|oldest| self.take(oldest)) else { break };
            free = free.saturating_add(job.bytes);
            self.given_up += 1;
            give_way.push(job);
        }
        let refused = match order {
            Order::Put(Worth::LookBack) if over(self) || no_disk(free) => {
                self.given_up += 1;
                Some("there is no room for viewers' look-back until the media store is back".to_owned())
            }
            Order::Put(Worth::Recorded) if no_disk(free) => {
                let words = "this machine's disk is full, so that what is recorded now is lost: \
                             make room on it, or bring the media store back";
                self.refused = Some(words.to_owned());
                Some(words.to_owned())
            }
            Order::Put(_) | Order::Delete => None,
        };
        if let Some(words) = refused {
            self.measure();
            return Admission { give_way, verdict: Err(words) };
        }
        if order == Order::Put(Worth::Recorded) {
            self.refused = None;
        }
        let number = self.next_number;
        self.next_number += 1;
        self.bytes += bytes;
        let (path, stage) = (path.clone(), Stage::Writing);
        self.entries.insert(number, Entry { path, order, bytes, attempts: 0, maybe_sent: false, stage });
        self.measure();
        Admission { give_way, verdict: Ok(number) }
    }

    /// An admitted object is on disk; gives back the older one that it replaces.
    pub(in crate::media) fn written(&mut self, now: Instant, number: u64) -> Option<Job> {
        let entry = self.entries.get_mut(&number)?;
        entry.stage = Stage::Waiting { not_before: now };
        let path = entry.path.clone();
        let older = self.newest.get(&path).copied();
        if older.is_some_and(|older| older > number) {
            // Another writer of the same path was quicker, and is newer.
            return self.remove(number);
        }
        self.newest.insert(path, number);
        let older = older?;
        // What is on its way ends first, and this one goes after it.
        let waits = self.entries.get(&older)?.due().is_some();
        waits.then(|| self.remove(older)).flatten()
    }

    /// An admitted object could not be written.
    pub(in crate::media) fn abandoned(&mut self, number: u64) {
        self.remove(number);
    }

    /// Whether and as what the newest order for a path waits here.
    pub(in crate::media) fn find(&self, path: &Path) -> Option<Job> {
        let number = *self.newest.get(path)?;
        self.entries.get(&number).map(|entry| entry.job(number))
    }

    /// Takes back what waits for a path if the store cannot have heard of it.
    pub(in crate::media) fn take_back(&mut self, path: &Path) -> Option<Job> {
        let number = *self.newest.get(path)?;
        let entry = self.entries.get(&number)?;
        let unheard = !entry.maybe_sent && entry.due().is_some();
        (unheard && matches!(entry.order, Order::Put(_))).then(|| self.remove(number)).flatten()
    }

    /// All that is to be in the store but waits here.
    pub(in crate::media) fn waiting(&self) -> impl Iterator<Item = Job> {
        self.newest.values().filter_map(|number| Some(self.entries.get(number)?.job(*number)))
    }

    /// Picks what to try now; it is on its way until the outcome is told.
    pub(in crate::media) fn next(&mut self, now: Instant) -> Option<Attempt> {
        let number = match &self.health {
            Health::Away { retry_at, .. } if !self.is_idle() || *retry_at > now => return None,
            // The least tried first: one object that the store will not have must not hide that it is back.
            Health::Away { .. } => {
                let least = self.ready().min_by_key(|(number, entry)| (entry.attempts, **number));
                let Some((number, _)) = least else {
                    self.probing = true;
                    return Some(Attempt::Probe);
                };
                *number
            }
            Health::Here { .. } if self.sending.len() >= PARALLEL => return None,
            Health::Here { .. } => {
                *self.ready().find(|(_, entry)| entry.due().is_some_and(|due| due <= now))?.0
            }
        };
        let entry = self.entries.get_mut(&number)?;
        entry.stage = Stage::Sending;
        entry.maybe_sent = true;
        self.sending.insert(entry.path.clone());
        Some(Attempt::Send(entry.job(number)))
    }

    /// When [`Self::next`] may have something again by itself.
    pub(in crate::media) fn next_deadline(&self) -> Option<Instant> {
        match &self.health {
            Health::Away { retry_at, .. } => self.is_idle().then_some(*retry_at),
            Health::Here { .. } if self.sending.len() >= PARALLEL => None,
            Health::Here { .. } => self.ready().filter_map(|(_, entry)| entry.due()).min(),
        }
    }

    /// The store has it; gives back what need not lie here any more.
    pub(in crate::media) fn sent(&mut self, now: Instant, number: u64) -> Option<Job> {
        self.reached(now);
        let path = self.entries.get(&number).map(|entry| entry.path.clone())?;
        self.sending.remove(&path);
        self.remove(number)
    }

    /// The store did not take it; gives it back if something newer has replaced it meanwhile.
    pub(in crate::media) fn failed(&mut self, now: Instant, number: u64, words: String) -> Option<Job> {
        self.unreachable(now, words);
        let entry = self.entries.get_mut(&number)?;
        entry.attempts = entry.attempts.saturating_add(1);
        entry.stage = Stage::Waiting { not_before: now + wait(entry.attempts) };
        let path = entry.path.clone();
        self.sending.remove(&path);
        (self.newest.get(&path) != Some(&number)).then(|| self.remove(number)).flatten()
    }

    /// What was on its way is gone from this disk: it cannot be sent, through no fault of the store.
    pub(in crate::media) fn vanished(&mut self, number: u64) {
        if let Some(path) = self.entries.get(&number).map(|entry| entry.path.clone()) {
            self.sending.remove(&path);
        }
        self.remove(number);
    }

    /// The store answers: what waited for it to come back need not wait any longer.
    pub(in crate::media) fn reached(&mut self, now: Instant) {
        self.probing = false;
        if matches!(self.health, Health::Away { .. }) {
            for entry in self.entries.values_mut() {
                if let Stage::Waiting { not_before } = &mut entry.stage {
                    *not_before = now;
                }
            }
        }
        self.health = Health::Here { failures: 0 };
    }

    /// An attempt to reach the store failed.
    pub(in crate::media) fn unreachable(&mut self, now: Instant, words: String) {
        self.probing = false;
        let failures = match &self.health {
            Health::Here { failures } | Health::Away { failures, .. } => failures.saturating_add(1),
        };
        self.health = if failures < FAILURES {
            Health::Here { failures }
        } else {
            Health::Away { failures, retry_at: now + wait(failures), words }
        };
    }

    /// Whether the store took what was last given to it.
    pub(in crate::media) fn is_here(&self) -> bool {
        matches!(self.health, Health::Here { .. })
    }

    pub(in crate::media) fn status(&self) -> Status {
        let away = match &self.health {
            Health::Here { .. } => None,
            Health::Away { words, .. } => Some(words.clone()),
        };
        Status {
            bytes: self.bytes,
            objects: self.entries.len(),
            limit_bytes: self.limit_bytes,
            away,
            level: self.level,
            given_up: self.given_up,
            refused: self.refused.clone(),
        }
    }

    /// What waits, and nothing of the same path is on its way.
    fn ready(&self) -> impl Iterator<Item = (&u64, &Entry)> {
        self.entries.iter().filter(|(_, entry)| entry.due().is_some() && !self.sending.contains(&entry.path))
    }

    /// Nothing is being tried.
    fn is_idle(&self) -> bool {
        self.sending.is_empty() && !self.probing
    }

    fn oldest_look_back(&self) -> Option<u64> {
        let droppable = |entry: &Entry| entry.order == Order::Put(Worth::LookBack) && entry.due().is_some();
        self.entries.iter().find(|(_, entry)| droppable(entry)).map(|(number, _)| *number)
    }

    fn remove(&mut self, number: u64) -> Option<Job> {
        let job = self.take(number);
        self.measure();
        job
    }

    fn take(&mut self, number: u64) -> Option<Job> {
        let entry = self.entries.remove(&number)?;
        self.bytes -= entry.bytes;
        if self.newest.get(&entry.path) == Some(&number) {
            self.newest.remove(&entry.path);
        }
        Some(entry.job(number))
    }

    /// Levels are left a little lower than they are reached, so that they do not flicker.
    fn measure(&mut self) {
        let percent = self.bytes.saturating_mul(100) / self.limit_bytes.max(1);
        self.level = match self.level {
            Level::Full if percent >= 90 => Level::Full,
            _ if percent >= 100 => Level::Full,
            Level::Half | Level::Full if percent >= 40 => Level::Half,
            Level::Low if percent >= 50 => Level::Half,
            _ => Level::Low,
        };
        if self.level == Level::Low {
            self.given_up = 0;
        }
        if self.entries.is_empty() {
            self.refused = None;
        }
    }
}

impl Entry {
    /// When it may be sent; `None` unless it waits.
    fn due(&self) -> Option<Instant> {
        match self.stage {
            Stage::Waiting { not_before } => Some(not_before),
            Stage::Writing | Stage::Sending => None,
        }
    }

    fn job(&self, number: u64) -> Job {
        Job { number, path: self.path.clone(), order: self.order, bytes: self.bytes }
    }
}

/// Doubles with each failure, up to the longest.
fn wait(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(10);
    FIRST_WAIT.saturating_mul(1 << doublings).min(LONGEST_WAIT)
}

#[cfg(test)]
mod tests;
