//! Which events of the outbox are on their way: each is sent again until the cloud's `ack` names it.

use stagebox_protocol::{Ack, OutboxId};

/// Events on their way at once.
pub const WINDOW: u64 = 32;
/// After so long without an `ack` everything not acknowledged is sent again.
pub const RESEND_MS: u64 = 10_000;

/// What is to be done about the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeliveryAction {
    /// Read so many events from `from` on; they come back as a batch.
    Read { from: u64, limit: u64 },
    /// The cloud has the events up to and with this one: they may be deleted.
    Release { up_to: u64 },
}

/// The cursor over the outbox.
#[derive(Debug)]
pub struct Delivery {
    outbox: OutboxId,
    oldest: u64,
    last: u64,
    /// The last one sent on this connection.
    sent: u64,
    link: Link,
}

#[derive(Debug, PartialEq, Eq)]
enum Link {
    Down,
    Up {
        /// A batch is being read.
        reading: bool,
        /// When what is out is sent again.
        resend_ms: Option<u64>,
    },
}

impl Delivery {
    /// Starts with an outbox that has `oldest` to `last`; empty if `oldest` is `last + 1`.
    #[must_use]
    pub fn new(outbox: OutboxId, oldest: u64, last: u64) -> Self {
        Self { outbox, oldest, last, sent: oldest.saturating_sub(1), link: Link::Down }
    }

    /// The connection is there: everything not acknowledged is sent, for the broker may have forgotten all.
    pub fn up(&mut self, out: &mut Vec<DeliveryAction>) {
        self.sent = self.oldest.saturating_sub(1);
        self.link = Link::Up { reading: false, resend_ms: None };
        self.pump(out);
    }

    pub fn down(&mut self) {
        self.link = Link::Down;
    }

    /// An event was stored; the oldest may have made room for it.
    pub fn appended(&mut self, seq: u64, oldest: u64, out: &mut Vec<DeliveryAction>) {
        self.last = self.last.max(seq);
        self.oldest = self.oldest.max(oldest);
        self.sent = self.sent.max(self.oldest.saturating_sub(1));
        self.pump(out);
    }

    /// Events up to `seq` were given to the connection; `None` if there was nothing to read.
    pub fn sent(&mut self, now_ms: u64, seq: Option<u64>, out: &mut Vec<DeliveryAction>) {
        let Link::Up { reading, resend_ms } = &mut self.link else { return };
        *reading = false;
        if let Some(seq) = seq {
            self.sent = self.sent.max(seq);
            resend_ms.get_or_insert(now_ms + RESEND_MS);
            self.pump(out);
        }
    }

    /// The cloud's journal has events up to there.
    pub fn acknowledged(&mut self, now_ms: u64, ack: &Ack, out: &mut Vec<DeliveryAction>) {
        if ack.outbox != self.outbox || ack.seq < self.oldest {
            return;
        }
        self.oldest = ack.seq.min(self.last) + 1;
        self.sent = self.sent.max(self.oldest - 1);
        if let Link::Up { resend_ms, .. } = &mut self.link {
            *resend_ms = (self.sent >= self.oldest).then_some(now_ms + RESEND_MS);
        }
        out.push(DeliveryAction::Release { up_to: self.oldest - 1 });
        self.pump(out);
    }

    /// Sends again what was not acknowledged in time.
    pub fn tick(&mut self, now_ms: u64, out: &mut Vec<DeliveryAction>) {
        let Link::Up { resend_ms, .. } = &mut self.link else { return };
        if resend_ms.take_if(|deadline| now_ms >= *deadline).is_some() {
            self.sent = self.oldest.saturating_sub(1);
            self.pump(out);
        }
    }

    #[must_use]
    pub fn next_deadline(&self) -> Option<u64> {
        match &self.link {
            Link::Up { resend_ms, .. } => *resend_ms,
            Link::Down => None,
        }
    }

    /// The oldest event that the outbox still has.
    #[must_use]
    pub fn oldest(&self) -> u64 {
        self.oldest
    }

    fn pump(&mut self, out: &mut Vec<DeliveryAction>) {
        let Link::Up { reading, .. } = &mut self.link else { return };
        let out_now = (self.sent + 1).saturating_sub(self.oldest);
        if !*reading && self.sent < self.last && out_now < WINDOW {
            *reading = true;
            out.push(DeliveryAction::Read { from: self.sent + 1, limit: WINDOW - out_now });
        }
    }
}
