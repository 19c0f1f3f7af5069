//! Names of recordings: safe on every file system, in order within an event when sorted.

use std::fmt;

use time::OffsetDateTime;

/// Bytes of the longest part of a name that comes from outside: with the rest it stays far below the 255 that every
/// file system takes.
const LONGEST_SLUG: usize = 100;
/// What stands for a name in which nothing can be used.
const NAMELESS: &str = "recording";
/// Behind the time, where the box did not know what time it was.
const UNSET: &str = "_clock-not-set";

/// `Autumn-Gala_2026-11-21_22-30-05Z_1b9d6bcd_00001.mp4`: the event or the box, when the file began by the wall clock
/// (UTC), which boot, the how-manieth of that boot.
///
/// Wall time may be wrong before the clock is set, which the name says; boot and number put the files of one boot in
/// order all the same. Names of before there was an event in them (`2026-11-21T22-30-05Z_1b9d6bcd_00001.mp4`) are read
/// as well.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FileName(String);

/// What a name says.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Parts<'a> {
    date: &'a str,
    /// With dashes.
    clock: &'a str,
    /// The box knew what time it was; `None` where the name does not say.
    synced: Option<bool>,
    boot: &'a str,
    number: u32,
}

impl FileName {
    pub(super) fn new(title: &str, unix_ms: i64, synced: bool, boot_id: &str, number: u32) -> Self {
        let time = OffsetDateTime::from_unix_timestamp(unix_ms.div_euclid(1000))
            .ok()
            .filter(|time| (0..=9999).contains(&time.year()))
            .unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let (year, month, day) = (time.year(), u8::from(time.month()), time.day());
        let (hour, minute, second) = time.to_hms();
        let zone = if synced { "Z" } else { UNSET };
        let (slug, boot) = (slug(title), short_boot(boot_id));
        Self(format!(
            "{slug}_{year:04}-{month:02}-{day:02}_{hour:02}-{minute:02}-{second:02}{zone}_{boot}_{number:05}.mp4"
        ))
    }

    /// Reads a name; `None` for a file that is not a recording.
    pub(super) fn parse(text: &str) -> Option<Self> {
        parts(text).map(|_| Self(text.to_owned()))
    }

    /// The number, if the file is of this boot.
    pub(super) fn number_in(&self, boot_id: &str) -> Option<u32> {
        let parts = parts(&self.0)?;
        (parts.boot == short_boot(boot_id)).then_some(parts.number)
    }

    /// When the file began, as its name says, in RFC 3339.
    pub(super) fn started_at(&self) -> String {
        let (date, clock) = parts(&self.0).map_or(("", ""), |parts| (parts.date, parts.clock));
        format!("{date}T{}Z", clock.replace('-', ":"))
    }

    /// Whether the box knew what time it was; `None` where the name does not say.
    pub(super) fn synced(&self) -> Option<bool> {
        parts(&self.0)?.synced
    }

    /// Sorts recordings by age, whatever they are called.
    pub(super) fn age(&self) -> (String, String, u32) {
        parts(&self.0).map_or_else(Default::default, |parts| {
            (format!("{}{}", parts.date, parts.clock), parts.boot.to_owned(), parts.number)
        })
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

fn parts(text: &str) -> Option<Parts<'_>> {
    let (rest, number) = text.strip_suffix(".mp4")?.rsplit_once('_')?;
    let (time, boot) = rest.rsplit_once('_')?;
    let (time, synced) = match (time.strip_suffix('Z'), time.strip_suffix(UNSET)) {
        (Some(time), _) => (time, Some(true)),
        (None, Some(time)) => (time, Some(false)),
        (None, None) => return None,
    };
    let (date, clock, synced) = match time.rsplit_once('_') {
        Some((rest, clock)) => {
            let (name, date) = rest.rsplit_once('_')?;
            if slug(name) != name {
                return None;
            }
            (date, clock, synced)
        }
        // What was set then is not known.
        None if synced == Some(true) => {
            let (date, clock) = time.split_once('T')?;
            (date, clock, None)
        }
        None => return None,
    };
    let shape =
        |text: &str| text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect::<String>();
    let boot_fits = !boot.is_empty() && boot.len() <= 16 && boot.bytes().all(|b| b.is_ascii_alphanumeric());
    let number_fits = (5..=10).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit());
    let fits = shape(date) == "0000-00-00" && shape(clock) == "00-00-00" && boot_fits && number_fits;
    let number = number.parse().ok()?;
    fits.then_some(Parts { date, clock, synced, boot, number })
}

/// A title as a part of a name: letters and digits of any script, with a dash for whatever lies between them.
fn slug(title: &str) -> String {
    let mut slug = String::new();
    let mut dash = false;
    for c in title.chars() {
        match c {
            // Accents that follow their letter would cut a word in two.
            '\u{300}'..='\u{36f}' => {}
            _ if c.is_alphanumeric() => {
                let dashes = usize::from(dash && !slug.is_empty());
                if slug.len() + dashes + c.len_utf8() > LONGEST_SLUG {
                    break;
                }
                slug.extend(std::iter::repeat_n('-', dashes));
                slug.push(c);
                dash = false;
            }
            _ => dash = true,
        }
    }
    if slug.is_empty() { NAMELESS.to_owned() } else { slug }
}

fn short_boot(boot_id: &str) -> String {
    let short: String = boot_id.chars().filter(char::is_ascii_alphanumeric).take(8).collect();
    if short.is_empty() { "0".to_owned() } else { short }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::Path;

    const BOOT: &str = "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed";
    const AT: i64 = 1_795_300_205_500;

    #[test]
    fn a_name_says_what_when_which_boot_and_the_how_manieth() {
        let name = FileName::new("Autumn Gala", AT, true, BOOT, 7);
        assert_eq!(name.as_str(), "Autumn-Gala_2026-11-21_22-30-05Z_1b9d6bcd_00007.mp4");
        assert_eq!(FileName::parse(name.as_str()), Some(name.clone()));
        assert_eq!((name.number_in("1b9d6bcd-0000"), name.number_in("other")), (Some(7), None));
        assert_eq!((&*name.started_at(), name.synced()), ("2026-11-21T22:30:05Z", Some(true)));

        let unset = FileName::new("Autumn Gala", AT, false, BOOT, 8);
        assert_eq!(unset.as_str(), "Autumn-Gala_2026-11-21_22-30-05_clock-not-set_1b9d6bcd_00008.mp4");
        assert_eq!(FileName::parse(unset.as_str()), Some(unset.clone()));
        assert_eq!((&*unset.started_at(), unset.synced()), ("2026-11-21T22:30:05Z", Some(false)));

        let old = FileName::parse("2026-11-21T22-30-05Z_1b9d6bcd_00006.mp4").unwrap();
        assert_eq!((old.number_in(BOOT), old.synced()), (Some(6), None));
        assert_eq!(old.started_at(), "2026-11-21T22:30:05Z");
        assert!(old.age() < name.age() && name.age() < unset.age());
        let later = FileName::new("Another", AT + 1000, true, BOOT, 1);
        assert!(later.as_str() < name.as_str() && name.age() < later.age());
    }

    #[test]
    fn titles_are_made_safe() {
        for (title, wanted) in [
            ("Café Müller", "Café-Müller"),
            ("Cafe\u{301} au lait", "Cafe-au-lait"),
            ("東京 / 2026", "東京-2026"),
            ("../../etc/passwd", "etc-passwd"),
            ("a_b.mp4", "a-b-mp4"),
            ("<>:\"/\\|?*\u{7}\0", "recording"),
            ("", "recording"),
            ("  -- CON -- ", "CON"),
        ] {
            assert_eq!(slug(title), wanted, "{title:?}");
        }
        assert_eq!(slug(&"é ".repeat(500)).len(), 98);
    }

    #[test]
    fn other_files_are_not_recordings() {
        for other in [
            "film.mp4",
            "2026-11-21T22-30-05Z_b_1.mp4",
            "2026-11-21T22-30-05Z_../x_00001.mp4",
            "../x_2026-11-21_22-30-05Z_b_00001.mp4",
            "x y_2026-11-21_22-30-05Z_b_00001.mp4",
            "_2026-11-21_22-30-05Z_b_00001.mp4",
            "x_2026-11-21_22-30-05_b_00001.mp4",
            "x_2026-11-21_22-30-05Z_b_9999999999.mp4",
            ".mp4",
        ] {
            assert_eq!(FileName::parse(other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn no_title_leaves_the_folder(
            title in any::<String>(),
            unix_ms in any::<i64>(),
            synced in any::<bool>(),
            boot in any::<String>(),
            number in 0_u32..=u32::MAX,
        ) {
            let name = FileName::new(&title, unix_ms, synced, &boot, number);
            let text = name.as_str();
            prop_assert!(text.len() <= 255 - ".sha256.new".len());
            prop_assert!(!text.chars().any(|c| c.is_control() || "<>:\"/\\|?*".contains(c)), "{text:?}");
            prop_assert!(!text.starts_with('.'), "{text:?}");
            let path = Path::new("/folder").join(text);
            prop_assert_eq!(path.parent(), Some(Path::new("/folder")));
            prop_assert_eq!(FileName::parse(text), Some(name.clone()), "a rebuild finds it");
            prop_assert_eq!(name.number_in(&boot), Some(number));
            prop_assert_eq!(name.synced(), Some(synced));
        }
    }
}
