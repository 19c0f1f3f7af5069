//! How far something long has come, and whether it is still wanted.

use super::error::StoreError;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Who is told how far it has come, in percent and in words.
type Teller = Arc<dyn Fn(u8, String) + Send + Sync>;

/// Given to whatever takes long.
#[derive(Clone)]
pub struct Progress {
    tell: Teller,
    cancelled: CancellationToken,
}

impl Progress {
    /// Tells `tell`, and ends when `cancelled` is.
    pub fn new(tell: impl Fn(u8, String) + Send + Sync + 'static, cancelled: CancellationToken) -> Self {
        Self { tell: Arc::new(tell), cancelled }
    }

    /// Nobody looks, and nobody cancels.
    pub fn unwatched() -> Self {
        Self::new(|_, _| {}, CancellationToken::new())
    }

    /// Tells how far it has come.
    pub fn tell(&self, percent: u8, words: impl Into<String>) {
        (self.tell)(percent.min(100), words.into());
    }

    /// Tells `done` of `all` things.
    pub fn tell_part(&self, done: u64, all: u64, what: &str) {
        let percent = (done * 100).checked_div(all).unwrap_or(100).min(99) as u8;
        self.tell(percent, format!("{done} of {} {what}", all.max(done)));
    }

    /// The same for a part of the whole, which goes from one percentage to the other.
    pub fn part(&self, from: u8, to: u8) -> Self {
        let (tell, width) = (Arc::clone(&self.tell), u32::from(to.saturating_sub(from)));
        let tell =
            move |percent: u8, words| tell(from + (u32::from(percent.min(100)) * width / 100) as u8, words);
        Self { tell: Arc::new(tell), cancelled: self.cancelled.clone() }
    }

    /// An error once it is cancelled.
    pub fn check(&self) -> Result<(), StoreError> {
        if self.cancelled.is_cancelled() { Err(StoreError::Cancelled) } else { Ok(()) }
    }
}
