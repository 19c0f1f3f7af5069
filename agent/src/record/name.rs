//! Names of recordings: safe on every file system, in order when sorted.

use std::fmt;

use time::OffsetDateTime;

/// `2026-11-21T22-30-05Z_1b9d6bcd_00001.mp4`: when it began by the wall clock, which boot, the how-manieth of that boot.
///
/// Wall time may be wrong before the clock is set; boot and number put the files of one boot in order all the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FileName(String);

impl FileName {
    pub(super) fn new(unix_ms: i64, boot_id: &str, number: u32) -> Self {
        let time = OffsetDateTime::from_unix_timestamp(unix_ms.div_euclid(1000))
            .unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let (year, month, day) = (time.year(), u8::from(time.month()), time.day());
        let (hour, minute, second) = time.to_hms();
        let boot = short_boot(boot_id);
        Self(format!(
            "{year:04}-{month:02}-{day:02}T{hour:02}-{minute:02}-{second:02}Z_{boot}_{number:05}.mp4"
        ))
    }

    /// Reads a name; `None` for a file that is not a recording.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let stem = text.strip_suffix(".mp4")?;
        let (time, rest) = stem.split_once('_')?;
        let (boot, number) = rest.split_once('_')?;
        let shape: String = time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        let boot_fits =
            !boot.is_empty() && boot.len() <= 16 && boot.bytes().all(|b| b.is_ascii_alphanumeric());
        let number_fits = (5..=10).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit());
        (shape == "0000-00-00T00-00-00Z" && boot_fits && number_fits).then(|| Self(text.to_owned()))
    }

    /// The number, if the file is of this boot.
    pub(super) fn number_in(&self, boot_id: &str) -> Option<u32> {
        let (_, rest) = self.0.split_once('_')?;
        let (boot, number) = rest.strip_suffix(".mp4")?.split_once('_')?;
        (boot == short_boot(boot_id)).then(|| number.parse().ok())?
    }

    /// When the file began, as its name says, in RFC 3339.
    pub(super) fn started_at(&self) -> String {
        let time = self.0.split('_').next().unwrap_or_default();
        let (date, clock) = time.split_once('T').unwrap_or((time, ""));
        format!("{date}T{}", clock.replace('-', ":"))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn short_boot(boot_id: &str) -> String {
    let short: String = boot_id.chars().filter(char::is_ascii_alphanumeric).take(8).collect();
    if short.is_empty() { "0".to_owned() } else { short }
}

#[cfg(test)]
mod tests {
    use super::FileName;

    #[test]
    fn a_name_says_when_which_boot_and_the_how_manieth() {
        let name = FileName::new(1_795_300_205_500, "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed", 7);
        assert_eq!(name.as_str(), "2026-11-21T22-30-05Z_1b9d6bcd_00007.mp4");
        assert_eq!(FileName::parse(name.as_str()), Some(name.clone()));
        assert_eq!(name.number_in("1b9d6bcd-0000"), Some(7));
        assert_eq!(name.number_in("other"), None);
        assert_eq!(name.started_at(), "2026-11-21T22:30:05Z");
    }

    #[test]
    fn other_files_are_not_recordings() {
        for other in
            ["film.mp4", "2026-11-21T22-30-05Z_b_1.mp4", "2026-11-21T22-30-05Z_../x_00001.mp4", ".mp4"]
        {
            assert_eq!(FileName::parse(other), None, "{other}");
        }
    }
}
