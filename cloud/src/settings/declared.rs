//! All settings: name, type, default, what is allowed and what it does. All else follows from this list.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// What a value may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// On or off.
    Flag,
    /// A line of so many characters at most; it may be empty.
    Text(usize),
    /// A line of so many characters at most, in which `{date}` and `{time}` are replaced.
    Title(usize),
    /// A whole number.
    Number {
        /// At least.
        min: u64,
        /// At most.
        max: u64,
    },
    /// One of these.
    Choice(&'static [&'static str]),
    /// `#rrggbb`, or nothing.
    Colour,
    /// A name of the IANA's, such as `Europe/Vienna`, or nothing.
    TimeZone,
    /// The name of one of the account's include files that is a picture, or nothing.
    Picture,
}

/// One setting.
#[derive(Debug, Clone, Copy)]
pub struct Declared {
    /// Its name in the API.
    pub name: &'static str,
    /// Under which heading pages show it.
    pub group: &'static str,
    /// What it may be.
    pub kind: Kind,
    /// Of a number.
    pub unit: Option<&'static str>,
    /// What it does, in a sentence.
    pub words: &'static str,
    /// What it is where the account has not set it.
    pub default: fn() -> Value,
}

macro_rules! settings {
    ($($group:literal {$(
        $name:ident: $type:ty = $default:expr, $kind:expr, $unit:expr, $words:literal;
    )*})*) => {
        /// The settings of an account.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct Settings {
            $($(#[doc = $words] pub $name: $type,)*)*
        }

        impl Settings {
            /// All of them, in the order in which pages show them.
            pub const ALL: &'static [Declared] = &[$($(
                Declared {
                    name: stringify!($name),
                    group: $group,
                    kind: $kind,
                    unit: $unit,
                    words: $words,
                    default: || Value::from($default),
                },
            )*)*];

            /// Reads what is kept; what is not there, or not as it must be, has its default.
            pub(super) fn of(values: &Map<String, Value>) -> Self {
                Self { $($($name: read(values, stringify!($name)).unwrap_or_else(|| $default.into()),)*)* }
            }
        }
    };
}

fn read<T: DeserializeOwned>(values: &Map<String, Value>, name: &str) -> Option<T> {
    serde_json::from_value(values.get(name)?.clone()).ok()
}

impl Default for Settings {
    fn default() -> Self {
        Self::of(&Map::new())
    }
}

const TEXT: Kind = Kind::Text(200);

settings! {
    "Events" {
        event_title: String = "", Kind::Title(120), None,
            "The title of an event that is made without one: {date} and {time} are replaced. Empty: each event needs a title.";
        time_zone: String = "", Kind::TimeZone, None,
            "In which time zone the pages show times, and titles have their date. Empty: pages use the browser's, titles UTC.";
        start_together: bool = false, Kind::Flag, None,
            "Whether an event and its box go live together: GO LIVE on the box starts the event, starting the event has its box go live, and ending it has the box stop.";
        record: bool = true, Kind::Flag, None,
            "Whether what is broadcast while an event is started is recorded and becomes an item.";
        auto_convert: String = "each", Kind::Choice(&["each", "joined", "off"]), None,
            "What becomes of an event's recordings when it ends. each: an item of each started span; joined: one item of all of them; off: none, until somebody makes one.";
        lookback_s: u64 = 86_400u64, Kind::Number { min: 10, max: 86_400 }, Some("s"),
            "How far back viewers of a live event can go, within what the server allows. Takes effect with the next broadcast.";
        main_back_s: u64 = 10u64, Kind::Number { min: 0, max: 3_600 }, Some("s"),
            "How long the main broadcast must be good again before viewers are taken back to it from the backup; 0: never. Takes effect with the next event.";
        switch_on_black_s: u64 = 0u64, Kind::Number { min: 0, max: 600 }, Some("s"),
            "For how long the broadcast that is shown may be black before viewers are taken to the other one, if that is better; 0: for ever. Takes effect with the next event.";
        switch_on_frozen_s: u64 = 0u64, Kind::Number { min: 0, max: 600 }, Some("s"),
            "For how long its picture may stand still before they are; 0: for ever. Takes effect with the next event.";
        switch_on_silent_s: u64 = 0u64, Kind::Number { min: 0, max: 600 }, Some("s"),
            "For how long nothing may be heard of it before they are; 0: for ever. Takes effect with the next event.";
        slate: bool = true, Kind::Flag, None,
            "Whether a started event shows a slate while nothing is broadcast to it. Off: its picture stands still until a broadcast comes. Takes effect with the next event.";
        slate_text: String = "The broadcast goes on soon", Kind::Text(60), None,
            "The line on that slate; empty: a dark picture. Takes effect with the next event.";
    }
    "Player" {
        accent_colour: String = "", Kind::Colour, None,
            "The colour of the player's time bar and buttons, such as #c2410c. Empty: Stagebox's own.";
        logo: String = "", Kind::Picture, None,
            "An include file that is shown above the messages of the event page, such as logo.svg.";
        low_latency: bool = true, Kind::Flag, None,
            "Whether live players stay as close to the stage as they can. Off: a few seconds behind, which survives worse networks.";
        autoplay: bool = true, Kind::Flag, None,
            "Whether the event page begins to play by itself when the event starts.";
    }
    "Messages" {
        waiting_title: String = "Starting soon", TEXT, None, "The heading before an event is started.";
        waiting_text: String = "The stream begins here by itself.", TEXT, None, "The text below that heading.";
        paused_title: String = "We will be right back", TEXT, None, "The heading while an event is paused.";
        paused_text: String = "The stream is paused. It goes on by itself.", TEXT, None, "The text below that heading.";
        ended_title: String = "This event has ended", TEXT, None, "The heading after an event.";
        ended_text: String = "Thank you for watching.", TEXT, None, "The text below that heading.";
        replay_link: bool = true, Kind::Flag, None,
            "Whether the page of an ended event leads to its recording.";
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_setting_has_a_name_of_its_own_words_and_a_default_that_it_may_have() {
        let names: BTreeSet<_> = Settings::ALL.iter().map(|one| one.name).collect();
        assert_eq!(names.len(), Settings::ALL.len());
        for one in Settings::ALL {
            assert!(one.words.ends_with('.') && one.words.len() > 20, "{}", one.name);
            let default = (one.default)();
            assert_eq!(one.kind.check(default.clone()), Ok(default), "{}", one.name);
        }
    }

    #[test]
    fn what_is_set_counts_and_what_is_broken_does_not() {
        let values = serde_json::json!({ "record": false, "logo": 7, "lookback_s": 60, "gone": 1 });
        let settings = Settings::of(values.as_object().unwrap());
        assert_eq!((settings.record, settings.lookback_s, settings.logo.as_str()), (false, 60, ""));
        assert_eq!(settings.waiting_title, "Starting soon");
    }
}
