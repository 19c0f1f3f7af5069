//! A connection from an encoder to an input: it delays, stalls and leaves frames out, but keeps their order.

use rand::Rng as _;
use rand::rngs::SmallRng;

const MS_NS: i64 = 1_000_000;

/// One connection.
#[derive(Debug)]
pub(super) struct Line {
    delay_ns: i64,
    jitter_ns: i64,
    stalled_until_ns: i64,
    last_ns: i64,
    /// Frames that are still to be left out.
    losing: u32,
    /// How probable it is that frames are left out from one on.
    loss: f64,
}

impl Line {
    pub(super) fn new(dice: &mut SmallRng) -> Self {
        let most_ms = [20, 20, 120, 600][dice.random_range(0..4)];
        Self {
            delay_ns: dice.random_range(0..most_ms) * MS_NS,
            jitter_ns: dice.random_range(1..80) * MS_NS,
            stalled_until_ns: 0,
            last_ns: 0,
            losing: 0,
            loss: [0.0, 0.001, 0.01][dice.random_range(0..3)],
        }
    }

    /// Nothing arrives until then.
    pub(super) fn stall(&mut self, until_ns: i64) {
        self.stalled_until_ns = until_ns;
    }

    /// When a frame arrives that leaves the encoder at a time; never, if it is left out.
    pub(super) fn carry(&mut self, leaves_ns: i64, dice: &mut SmallRng) -> Option<i64> {
        if self.losing > 0 {
            self.losing -= 1;
            return None;
        }
        if dice.random_bool(self.loss) {
            self.losing =
                if dice.random_bool(0.8) { dice.random_range(0..4) } else { dice.random_range(4..120) };
            return None;
        }
        let arrives_ns = leaves_ns + self.delay_ns + dice.random_range(0..self.jitter_ns);
        self.last_ns = arrives_ns.max(self.stalled_until_ns).max(self.last_ns);
        Some(self.last_ns)
    }
}
