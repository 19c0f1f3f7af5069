//! Measures one input of an event.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use stagebox_media::Packet;
use stagebox_media::rtmp::Fault;

use super::broadcast::Broadcast;
use super::history::{History, SECONDS};
use super::minute::Minute;
use super::rules;
use super::sample::Flags;
use super::second::Second;
use super::warning::Warning;
use crate::live::timeline::Now;

const SECOND: Duration = Duration::from_secs(1);
/// Over how long connections are counted.
pub(super) const BEGINS_OVER_S: u32 = 300;
/// Connections that are remembered.
const MAX_BEGINS: usize = 16;
/// The wall clock was set, if it is off by more than this from what the other clock says.
const CLOCK_SET_MS: i64 = 2_000;

/// Who broadcasts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Source {
    pub(crate) address: String,
    /// What the encoder calls itself; empty if it does not say.
    pub(crate) encoder: String,
}

/// The health of one input, main or backup, over all broadcasts to it.
///
/// Seconds are those of the wall clock, so that the samples of both inputs lie side by side. Each is closed by
/// the first call after it. From the first broadcast on there is a sample for every second in which a broadcast
/// is there or the event runs.
#[derive(Default)]
pub(crate) struct Meter {
    seconds: Option<Seconds>,
    second: Second,
    broadcast: Option<Box<Broadcast>>,
    is_running: bool,
    history: History,
    /// When broadcasts began of late, in seconds since 1970.
    begins: VecDeque<u32>,
    kept: u64,
}

/// Which second it is.
#[derive(Debug, Clone, Copy)]
struct Seconds {
    /// When the present one began, by both clocks.
    began: Instant,
    at_s: i64,
}

impl Meter {
    /// Goes on after a restart with the minutes that were kept.
    pub(crate) fn after(minutes: Vec<Minute>) -> Self {
        Self { history: History::after(minutes), ..Self::default() }
    }

    /// A broadcast begins; if there was one, it ends.
    pub(crate) fn begin(&mut self, now: Now, source: Source) {
        self.pass(now);
        let seconds = self.seconds.get_or_insert_with(|| Seconds::at(now));
        self.begins.truncate(MAX_BEGINS - 1);
        self.begins.push_front(seconds.at_s());
        self.second.is_connected = true;
        self.second.is_whole = false;
        self.broadcast = Some(Box::new(Broadcast::new(now, source)));
    }

    /// A packet of the broadcast came in; without a broadcast it counts for nothing.
    pub(crate) fn packet(&mut self, now: Now, packet: &Packet) {
        self.pass(now);
        let Some(broadcast) = &mut self.broadcast else { return };
        match packet {
            Packet::Config(config) => broadcast.configure(config),
            Packet::Frame(frame) => broadcast.frame(now.instant, frame, &mut self.second),
        }
    }

    /// Something of the broadcast could not be used.
    pub(crate) fn left_out(&mut self, now: Now, fault: Fault) {
        self.pass(now);
        if self.broadcast.is_some() {
            let flag = if fault == Fault::NoHeader { Flags::NO_HEADER } else { Flags::BROKEN };
            self.second.flags.set(flag, true);
        }
    }

    /// The broadcast is over; its warnings go with it.
    pub(crate) fn end(&mut self, now: Now) {
        self.pass(now);
        self.broadcast = None;
        self.second.is_whole = false;
    }

    /// The event has been started, paused or ended: while it runs, seconds between broadcasts are kept as well.
    pub(crate) fn set_running(&mut self, now: Now, is_running: bool) {
        self.pass(now);
        self.is_running = is_running;
    }

    /// Closes the seconds that are over.
    pub(crate) fn tick(&mut self, now: Now) {
        self.pass(now);
    }

    /// When the next second is over that is to be kept.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let is_kept = self.broadcast.is_some() || self.is_running || self.second.is_connected;
        self.seconds.filter(|_| is_kept).map(|seconds| seconds.began + SECOND)
    }

    /// Closes the minute too, since nothing more is to come.
    pub(crate) fn finish(&mut self, now: Now) {
        self.pass(now);
        self.broadcast = None;
        self.history.close_minute();
    }

    /// The minutes that were closed since this was called last: they are to be kept.
    pub(crate) fn take_minutes(&mut self) -> Vec<Minute> {
        self.history.take_minutes()
    }

    /// All minutes as lines of JSON, the begun one too: [`super::read_minutes`] reads them back.
    pub(crate) fn lines(&self) -> String {
        self.history.minutes().map(Minute::to_line).collect()
    }

    /// How many seconds were kept so far: there is something new to tell if it has risen.
    pub(crate) fn kept(&self) -> u64 {
        self.kept
    }

    /// Whether the last second had pictures without anything to be heard; unknown where the sound cannot be decoded.
    pub(crate) fn is_silent(&self) -> Option<bool> {
        let last = self.broadcast.as_ref().and_then(|_| self.history.seconds().back())?;
        rules::is_silent(last)
    }

    pub(super) fn history(&self) -> &History {
        &self.history
    }

    /// Who broadcasts, and since when.
    pub(super) fn source(&self) -> Option<(&Source, i64)> {
        self.broadcast.as_ref().map(|broadcast| (&broadcast.source, broadcast.since_unix_ms))
    }

    pub(super) fn warnings(&self) -> impl Iterator<Item = Warning<'_>> {
        self.broadcast.iter().flat_map(|broadcast| broadcast.warnings())
    }

    fn pass(&mut self, now: Now) {
        let Some(mut seconds) = self.seconds else { return };
        seconds.skip_to_last_hour(now.instant);
        while now.instant.saturating_duration_since(seconds.began) >= SECOND {
            self.close(seconds.at_s());
            seconds.go_on();
        }
        self.seconds = Some(if seconds.is_off(now) { Seconds::at(now) } else { seconds });
    }

    fn close(&mut self, at_s: u32) {
        let next = Second::new(self.broadcast.is_some());
        let second = std::mem::replace(&mut self.second, next);
        if !second.is_connected && !self.is_running {
            self.history.pass(at_s);
            return;
        }
        self.kept += 1;
        let standing = self.broadcast.as_ref().map(|broadcast| broadcast.standing()).unwrap_or_default();
        self.history.push(second.close(at_s, standing));
        let begins = self.begins.iter().filter(|begin| at_s.abs_diff(**begin) < BEGINS_OVER_S).count();
        if let Some(broadcast) = &mut self.broadcast {
            broadcast.look(at_s, second.is_whole, &self.history, begins);
        }
    }
}

impl Seconds {
    fn at(now: Now) -> Self {
        let into = Duration::from_millis(now.unix_ms.rem_euclid(1_000).unsigned_abs());
        Self {
            began: now.instant.checked_sub(into).unwrap_or(now.instant),
            at_s: now.unix_ms.div_euclid(1_000),
        }
    }

    fn at_s(&self) -> u32 {
        u32::try_from(self.at_s.max(0)).unwrap_or(u32::MAX)
    }

    fn go_on(&mut self) {
        self.began += SECOND;
        self.at_s = self.at_s.saturating_add(1);
    }

    /// Leaves out what would not be kept anyway, after a sleep of hours.
    fn skip_to_last_hour(&mut self, now: Instant) {
        let over_s = now.saturating_duration_since(self.began).as_secs().saturating_sub(SECONDS as u64);
        if let Some(began) = self.began.checked_add(Duration::from_secs(over_s)) {
            self.began = began;
            self.at_s = self.at_s.saturating_add_unsigned(over_s);
        }
    }

    /// Whether the wall clock was set meanwhile.
    fn is_off(&self, now: Now) -> bool {
        let into_ms =
            i64::try_from(now.instant.saturating_duration_since(self.began).as_millis()).unwrap_or(0);
        let due_ms = self.at_s.saturating_mul(1_000).saturating_add(into_ms);
        now.unix_ms.saturating_sub(due_ms).saturating_abs() > CLOCK_SET_MS
    }
}
