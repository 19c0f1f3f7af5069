//! When recordings go by themselves: pure, with the time as an argument.
//!
//! A recording is kept for the account's number of days from its end. Where that number is set or lowered, what is older
//! already is left for another day, so that whoever made a mistake can take it back.

use crate::account::AccountRecord;
use crate::clock::Timestamp;
use crate::recording::Recording;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// When a recording and what was made of it are deleted; none where they are kept.
pub(crate) fn deletes_at(account: &AccountRecord, recording: &Recording) -> Option<Timestamp> {
    let days = u32::try_from(account.limits.recording_days?).unwrap_or(u32::MAX);
    let ended_at = recording.ended_at?;
    let due = ended_at.plus(DAY.saturating_mul(days));
    Some(account.recording_days_since.map_or(due, |since| due.max(since.plus(DAY))))
}

/// Whatever began after this cannot be due.
pub(super) fn horizon(account: &AccountRecord, now: Timestamp) -> Option<Timestamp> {
    let days = i64::try_from(account.limits.recording_days?).unwrap_or(i64::MAX);
    let kept_ms = days.saturating_mul(24 * 3_600_000);
    Some(Timestamp::from_unix_ms(now.unix_ms().saturating_sub(kept_ms)))
}

#[cfg(test)]
mod tests;
