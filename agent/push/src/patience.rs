//! How long an output waits for its server, and when it tries again.

use std::time::Duration;

/// What an output expects of its server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// For reaching the server: its name, TCP and TLS.
    pub connect_limit: Duration,
    /// For its consent to the stream, once reached: several round trips on a slow line.
    pub consent_limit: Duration,
    /// How long a server that does acknowledge what it receives (RTMP 5.4.3) may owe that before it counts as hung.
    pub hung_after: Duration,
    /// A stream that lasted this long ends a time of trouble.
    pub steady: Duration,
    pub retry: Retry,
}

/// When an attempt follows one that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// At a random time between `least` and `most`, for as long as it takes: a network that is back is not waited for.
    Steady { least: Duration, most: Duration },
    /// After `least` and then twice as long each time, `most` at most; up to half of it is left out at random.
    Doubling { least: Duration, most: Duration },
}

impl Patience {
    /// Towards a server that is there for this stream alone: a box's own cloud.
    pub const EAGER: Self = Self {
        connect_limit: Duration::from_secs(5),
        consent_limit: Duration::from_secs(4),
        hung_after: Duration::from_millis(2250),
        steady: Duration::from_secs(10),
        retry: Retry::Steady { least: Duration::from_millis(250), most: Duration::from_millis(1500) },
    };

    /// Towards a service of others, which is far away, has many streams, and acknowledges as it likes.
    pub const POLITE: Self = Self {
        connect_limit: Duration::from_secs(10),
        consent_limit: Duration::from_secs(10),
        hung_after: Duration::from_secs(20),
        steady: Duration::from_secs(30),
        retry: Retry::Doubling { least: Duration::from_secs(1), most: Duration::from_secs(60) },
    };
}

impl Retry {
    /// How long to wait, after `failures` others in the same time of trouble.
    pub(crate) fn delay(&self, failures: u32, random: u32) -> Duration {
        let chance = f64::from(random) / f64::from(u32::MAX);
        match *self {
            Self::Steady { least, most } => least + most.saturating_sub(least).mul_f64(chance),
            Self::Doubling { least, most } => {
                let whole = least.saturating_mul(2_u32.saturating_pow(failures)).min(most);
                whole - whole.mul_f64(chance / 2.0)
            }
        }
    }
}
