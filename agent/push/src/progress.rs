//! Tells a server that hangs from one that is slow, and how fast an output is.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Time in which a server has to take something of what waits for it, whoever it is.
const STALL_LIMIT: Duration = Duration::from_secs(3);
/// What the rate is averaged over.
const RATE_SPAN: Duration = Duration::from_secs(2);

/// Follows what was sent and what the server says it has.
#[derive(Debug)]
pub(super) struct Progress {
    window_bytes: u64,
    /// How long it may owe an acknowledgement.
    hung_after: Duration,
    sent_bytes: u64,
    acknowledged_bytes: Option<u64>,
    /// What had been sent when the last acknowledgement came.
    sent_at_acknowledgement: u64,
    /// The longest step of one acknowledgement: some servers choose their own.
    longest_step: u64,
    /// Since when it owes one: a window has been sent since the last.
    owed_since: Option<Instant>,
    last_sent: Instant,
    samples: VecDeque<(Instant, u64)>,
}

impl Progress {
    pub(super) fn new(now: Instant, window_bytes: u32, hung_after: Duration) -> Self {
        Self {
            window_bytes: u64::from(window_bytes.max(1)),
            hung_after,
            sent_bytes: 0,
            acknowledged_bytes: None,
            sent_at_acknowledgement: 0,
            longest_step: 0,
            owed_since: None,
            last_sent: now,
            samples: VecDeque::new(),
        }
    }

    pub(super) fn sent(&mut self, now: Instant, bytes: usize) {
        self.sent_bytes += bytes as u64;
        self.last_sent = now;
        let limit = self.window_bytes.max(self.longest_step);
        if self.unacknowledged_bytes().is_some_and(|behind| behind > limit) {
            self.owed_since.get_or_insert(now);
        }
    }

    pub(super) fn sent_bytes(&self) -> u64 {
        self.sent_bytes
    }

    /// Takes what the server says that it has, and the longest step that one of its acknowledgements ever made. What
    /// several add that are read at once is none: after a burst it would be seconds of the stream.
    pub(super) fn acknowledged(&mut self, total: Option<u64>, longest_step: u64) {
        let Some(total) = total.filter(|_| total != self.acknowledged_bytes) else { return };
        self.longest_step = longest_step;
        self.acknowledged_bytes = Some(total);
        self.sent_at_acknowledgement = self.sent_bytes;
        self.owed_since = None;
    }

    /// Sent since the last acknowledgement; `None` for a server that never acknowledges.
    pub(super) fn unacknowledged_bytes(&self) -> Option<u64> {
        self.acknowledged_bytes.map(|_| self.sent_bytes - self.sent_at_acknowledgement)
    }

    /// Why the server counts as hung, if it does; `waiting` says that it has not taken all yet.
    pub(super) fn hung(&self, now: Instant, waiting: bool) -> Option<String> {
        let owed = self.owed_since.map(|since| now.saturating_duration_since(since));
        if let (Some(owed), Some(behind)) =
            (owed.filter(|owed| *owed >= self.hung_after), self.unacknowledged_bytes())
        {
            let (kb, s) = (behind.div_ceil(1000), owed.as_secs_f32());
            return Some(format!("the server hangs: {kb} kB sent and nothing acknowledged for {s:.1} s"));
        }
        let stalled = now.saturating_duration_since(self.last_sent);
        (waiting && stalled >= STALL_LIMIT.min(self.hung_after))
            .then(|| format!("the server hangs: it has taken nothing for {:.1} s", stalled.as_secs_f32()))
    }

    /// Sent lately, in kbit/s; to be asked at regular times.
    pub(super) fn kbps(&mut self, now: Instant) -> u32 {
        self.samples.push_back((now, self.sent_bytes));
        while self.samples.len() > 2
            && self.samples.get(1).is_some_and(|(at, _)| now.saturating_duration_since(*at) >= RATE_SPAN)
        {
            self.samples.pop_front();
        }
        let Some((at, bytes)) = self.samples.front() else { return 0 };
        let ms = now.saturating_duration_since(*at).as_millis().max(1) as u64;
        u32::try_from((self.sent_bytes - bytes) * 8 / ms).unwrap_or(u32::MAX)
    }
}
