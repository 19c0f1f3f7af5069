//! A route that is on its way out: since when, until when, and what to use instead.
//!
//! In the table, after what the route needs: `deprecated=2026-11-01 sunset=2027-05-01 successor=/api/v1/…`. Answers say it
//! by `Deprecation` (RFC 9745), `Sunset` (RFC 8594) and a `Link` of the relation `successor-version` (RFC 5829).

use http::{HeaderMap, HeaderName, HeaderValue, header};
use time::{Date, Month, UtcDateTime};

const DEPRECATION: HeaderName = HeaderName::from_static("deprecation");
const SUNSET: HeaderName = HeaderName::from_static("sunset");

/// What is said of a route that is on its way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deprecation {
    /// The day from which on new programs should not use it.
    pub since: Date,
    /// The day from which on it may be gone.
    pub sunset: Option<Date>,
    /// The path that takes its place.
    pub successor: Option<&'static str>,
}

impl Deprecation {
    /// Reads the words of a line that follow what its route needs.
    pub(super) fn parse(words: impl Iterator<Item = &'static str>) -> Result<Option<Self>, String> {
        let (mut since, mut sunset, mut successor) = (None, None, None);
        for word in words {
            match word.split_once('=') {
                Some(("deprecated", text)) => since = Some(day(text)?),
                Some(("sunset", text)) => sunset = Some(day(text)?),
                Some(("successor", path)) if path.starts_with("/api/") => successor = Some(path),
                _ => return Err(format!("`{word}` is none of deprecated=, sunset= and successor=/api/…")),
            }
        }
        let Some(since) = since else {
            let alone = sunset.is_some() || successor.is_some();
            return if alone {
                Err("without deprecated= there is no sunset= and no successor=".to_owned())
            } else {
                Ok(None)
            };
        };
        if sunset.is_some_and(|sunset| sunset < since) {
            return Err("sunset= lies before deprecated=".to_owned());
        }
        Ok(Some(Self { since, sunset, successor }))
    }

    /// What it says, in a sentence.
    pub fn words(&self) -> String {
        let mut words = format!("On its way out since {}", self.since);
        if let Some(sunset) = self.sunset {
            words.push_str(&format!("; it may be gone from {sunset} on"));
        }
        if let Some(successor) = self.successor {
            words.push_str(&format!("; use `{successor}` instead"));
        }
        words + "."
    }

    /// Writes it into an answer.
    pub fn onto(&self, headers: &mut HeaderMap) {
        let mut put = |name: HeaderName, text: &str| {
            // Dates and the table's paths are plain text.
            if let Ok(value) = HeaderValue::from_str(text) {
                headers.append(name, value);
            }
        };
        put(
            DEPRECATION,
            &format!("@{}", UtcDateTime::new(self.since, time::Time::MIDNIGHT).unix_timestamp()),
        );
        if let Some(sunset) = self.sunset {
            put(SUNSET, &http_date(sunset));
        }
        if let Some(successor) = self.successor {
            put(header::LINK, &format!("<{successor}>; rel=\"successor-version\""));
        }
    }
}

fn day(text: &str) -> Result<Date, String> {
    let wrong = || format!("`{text}` is no day such as 2026-11-01");
    let mut parts = text.splitn(3, '-');
    let mut number = || parts.next().and_then(|part| part.parse::<u16>().ok()).ok_or_else(wrong);
    let (year, month, day) = (number()?, number()?, number()?);
    let month = u8::try_from(month).ok().and_then(|month| Month::try_from(month).ok()).ok_or_else(wrong)?;
    let day = u8::try_from(day).map_err(|_| wrong())?;
    Date::from_calendar_date(i32::from(year), month, day).map_err(|_| wrong())
}

/// Midnight of a day as HTTP writes it (RFC 9110, 5.6.7).
fn http_date(day: Date) -> String {
    let (weekday, month) = (day.weekday().to_string(), day.month().to_string());
    format!("{}, {:02} {} {:04} 00:00:00 GMT", &weekday[..3], day.day(), &month[..3], day.year())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &'static str) -> Result<Option<Deprecation>, String> {
        Deprecation::parse(text.split_whitespace())
    }

    #[test]
    fn answers_say_since_when_until_when_and_what_instead() {
        let text = "deprecated=2026-11-01 sunset=2027-05-01 successor=/api/v2/events";
        let mut headers = HeaderMap::new();
        parse(text).unwrap().unwrap().onto(&mut headers);
        assert_eq!(headers["deprecation"], "@1793491200");
        assert_eq!(headers["sunset"], "Sat, 01 May 2027 00:00:00 GMT");
        assert_eq!(headers["link"], "</api/v2/events>; rel=\"successor-version\"");
        let mut headers = HeaderMap::new();
        parse("deprecated=2026-11-01").unwrap().unwrap().onto(&mut headers);
        assert_eq!(headers.len(), 1);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        assert_eq!(parse(""), Ok(None));
        for wrong in [
            "deprecated=2026-13-01",
            "deprecated=2026-02-30",
            "deprecated=2026",
            "deprecated",
            "sunset=2026-11-01",
            "deprecated=2026-11-01 sunset=2026-10-01",
            "deprecated=2026-11-01 successor=events",
            "deprecated=2026-11-01 since=1",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
