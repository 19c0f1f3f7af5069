//! How long an output waits for its server, and when it tries again.

use std::time::Duration;

/// What an output expects of its server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// For reaching the server: its name, TCP and TLS.
    pub connect_limit: Duration,
    /// For its consent to the stream, once reached: several round trips on a slow line.
    pub consent_limit: Duration,
    /// Windows (each about a second of the stream) without an acknowledgement after which a server that does
    /// acknowledge counts as hung.
    pub hung_windows: u32,
    /// A stream that lasted this long ends a time of trouble.
    pub steady: Duration,
    pub retry: Retry,
}

/// When an attempt follows one that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// At a random time between `quick_least` and `quick_most`, and once the trouble has lasted for `quick_for`
    /// after `slow`.
    Quick { quick_for: Duration, quick_least: Duration, quick_most: Duration, slow: Duration },
    /// After `least` and then twice as long each time, `most` at most; up to half of it is left out at random.
    Doubling { least: Duration, most: Duration },
}

impl Patience {
    /// Towards a server that is there for this stream alone: a box's own cloud.
    pub const EAGER: Self = Self {
        connect_limit: Duration::from_millis(1500),
        consent_limit: Duration::from_secs(4),
        hung_windows: 3,
        steady: Duration::from_secs(10),
        retry: Retry::Quick {
            quick_for: Duration::from_secs(120),
            quick_least: Duration::from_millis(250),
            quick_most: Duration::from_millis(1500),
            slow: Duration::from_secs(5),
        },
    };

    /// Towards a service of others, which is far away, has many streams, and acknowledges as it likes.
    pub const POLITE: Self = Self {
        connect_limit: Duration::from_secs(10),
        consent_limit: Duration::from_secs(10),
        hung_windows: 20,
        steady: Duration::from_secs(30),
        retry: Retry::Doubling { least: Duration::from_secs(1), most: Duration::from_secs(60) },
    };
}

impl Retry {
    /// How long to wait, after `failures` others since the trouble began `lasted` ago.
    pub(crate) fn delay(&self, lasted: Duration, failures: u32, random: u32) -> Duration {
        let chance = f64::from(random) / f64::from(u32::MAX);
        match *self {
            Self::Quick { quick_for, quick_least, quick_most, slow } => {
                if lasted < quick_for {
                    quick_least + quick_most.saturating_sub(quick_least).mul_f64(chance)
                } else {
                    slow
                }
            }
            Self::Doubling { least, most } => {
                let whole = least.saturating_mul(2_u32.saturating_pow(failures)).min(most);
                whole - whole.mul_f64(chance / 2.0)
            }
        }
    }
}
