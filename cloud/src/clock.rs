//! The wall clock and the monotonic clock as values that a test can set.
#![allow(clippy::disallowed_methods, reason = "a driver: it reads the clock for the core")]

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// Milliseconds since 1970 in UTC; written as RFC 3339 in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// Takes milliseconds since 1970, held to the years 1970 to 9999.
    pub fn from_unix_ms(ms: i64) -> Self {
        Self(ms.clamp(0, 253_402_300_799_999))
    }

    /// Milliseconds since 1970.
    pub fn unix_ms(self) -> i64 {
        self.0
    }

    /// The time so long after this one.
    pub fn plus(self, by: Duration) -> Self {
        let by_ms = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        Self::from_unix_ms(self.0.saturating_add(by_ms))
    }
}

impl std::str::FromStr for Timestamp {
    type Err = String;

    /// Reads a time of RFC 3339; the error says what would be right.
    fn from_str(text: &str) -> Result<Self, String> {
        serde_json::from_value(text.into())
            .map_err(|_| "must be a time (RFC 3339), such as 2026-05-01T18:30:00Z".to_owned())
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000_000)
            .map_err(|_| fmt::Error)?;
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
            time.year(),
            u8::from(time.month()),
            time.day(),
            time.hour(),
            time.minute(),
            time.second(),
            time.millisecond()
        )
    }
}

impl PartialSchema for Timestamp {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .examples(["2026-05-01T18:30:00.000Z"])
            .into()
    }
}

impl ToSchema for Timestamp {
    fn name() -> Cow<'static, str> {
        "Timestamp".into()
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        let time = OffsetDateTime::parse(&text, &Rfc3339).map_err(serde::de::Error::custom)?;
        Ok(Self::from_unix_ms((time.unix_timestamp_nanos() / 1_000_000) as i64))
    }
}

#[derive(Debug)]
enum Source {
    System,
    Manual { start: Instant, wall_start_ms: i64, elapsed_ms: AtomicI64 },
}

/// Tells the time; cloned freely.
#[derive(Debug, Clone)]
pub struct Clock(Arc<Source>);

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self(Arc::new(Source::System))
    }

    /// A clock that stands still until [`Clock::advance`].
    pub fn manual(start: Timestamp) -> Self {
        Self(Arc::new(Source::Manual {
            start: Instant::now(),
            wall_start_ms: start.unix_ms(),
            elapsed_ms: AtomicI64::new(0),
        }))
    }

    /// Moves a manual clock on; a system clock is left as it is.
    pub fn advance(&self, by: Duration) {
        if let Source::Manual { elapsed_ms, .. } = &*self.0 {
            elapsed_ms.fetch_add(by.as_millis() as i64, Ordering::SeqCst);
        }
    }

    /// The wall clock.
    pub fn now(&self) -> Timestamp {
        match &*self.0 {
            Source::System => {
                Timestamp::from_unix_ms((OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000_000) as i64)
            }
            Source::Manual { wall_start_ms, elapsed_ms, .. } => {
                Timestamp::from_unix_ms(wall_start_ms + elapsed_ms.load(Ordering::SeqCst))
            }
        }
    }

    /// The monotonic clock.
    pub fn instant(&self) -> Instant {
        match &*self.0 {
            Source::System => Instant::now(),
            Source::Manual { start, elapsed_ms, .. } => {
                *start + Duration::from_millis(elapsed_ms.load(Ordering::SeqCst).max(0) as u64)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_as_rfc_3339_and_read_back() {
        let time = Timestamp::from_unix_ms(1_700_000_000_123);
        assert_eq!(time.to_string(), "2023-11-14T22:13:20.123Z");
        let json = serde_json::to_string(&time).unwrap();
        assert_eq!(serde_json::from_str::<Timestamp>(&json).unwrap(), time);
    }

    #[test]
    fn no_time_lies_beyond_the_last_one() {
        let time = Timestamp::from_unix_ms(1_000);
        assert_eq!(time.plus(Duration::from_millis(250)).unix_ms(), 1_250);
        assert_eq!(time.plus(Duration::MAX).to_string(), "9999-12-31T23:59:59.999Z");
    }

    #[test]
    fn a_manual_clock_moves_only_when_told() {
        let clock = Clock::manual(Timestamp::from_unix_ms(1_000));
        let before = clock.instant();
        clock.advance(Duration::from_millis(250));
        assert_eq!(clock.now().unix_ms(), 1_250);
        assert_eq!(clock.instant() - before, Duration::from_millis(250));
    }
}
