//! Titles with a date or a time in them.

use crate::clock::Timestamp;
use jiff::tz::TimeZone;

/// What is replaced.
const PLACES: [&str; 2] = ["{date}", "{time}"];

/// Refuses what would stand in the title as it is.
pub(super) fn check(template: &str) -> Result<(), String> {
    let rest = PLACES.iter().fold(template.to_owned(), |rest, place| rest.replace(place, ""));
    if rest.contains(['{', '}']) {
        return Err(format!("may have {} in braces, and nothing else", PLACES.join(" and ")));
    }
    Ok(())
}

/// The title that a template makes at a time in a zone, UTC where none is set.
pub(crate) fn expand(template: &str, zone: &str, now: Timestamp) -> String {
    let zone = TimeZone::get(zone).unwrap_or(TimeZone::UTC);
    let Ok(now) = jiff::Timestamp::from_millisecond(now.unix_ms()) else { return template.to_owned() };
    let local = now.to_zoned(zone);
    let date = local.strftime("%Y-%m-%d").to_string();
    let time = local.strftime("%H:%M").to_string();
    template.replace("{date}", &date).replace("{time}", &time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_has_the_date_where_the_account_is() {
        let late = Timestamp::from_unix_ms(1_700_000_000_000 + 60_000);
        let title = "Evening of {date}, {time}";
        assert_eq!(expand(title, "", late), "Evening of 2023-11-14, 22:14");
        assert_eq!(expand(title, "Europe/Vienna", late), "Evening of 2023-11-14, 23:14");
        assert_eq!(expand(title, "Asia/Tokyo", late), "Evening of 2023-11-15, 07:14");
        assert!(check(title).is_ok() && check("").is_ok());
        for wrong in ["{", "}", "{number}", "{Date}", "{date", "{{date}}"] {
            assert!(check(wrong).is_err(), "{wrong}");
        }
    }
}
