//! What values a setting takes.

use super::declared::Kind;
use super::title;
use jiff::tz::TimeZone;
use serde_json::Value;

impl Kind {
    /// Checks a value; the error says what would be right.
    pub(super) fn check(self, value: Value) -> Result<Value, String> {
        match self {
            Self::Flag if value.is_boolean() => Ok(value),
            Self::Flag => Err("must be true or false".to_owned()),
            Self::Number { min, max } => match value.as_u64() {
                Some(number) if (min..=max).contains(&number) => Ok(value),
                _ => Err(format!("must be a whole number from {min} to {max}")),
            },
            Self::Text(max) => line(&value, max).map(Value::from),
            Self::Choice(choices) => match value.as_str() {
                Some(chosen) if choices.contains(&chosen) => Ok(value),
                _ => Err(format!("must be one of {}", choices.join(", "))),
            },
            Self::Title(max) => {
                let text = line(&value, max)?;
                title::check(&text)?;
                Ok(text.into())
            }
            Self::Colour => {
                let wrong = || "must be a colour such as #c2410c, or empty".to_owned();
                let text = line(&value, 7).map_err(|_| wrong())?.to_ascii_lowercase();
                let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6);
                let is_colour =
                    digits.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
                if text.is_empty() || is_colour { Ok(text.into()) } else { Err(wrong()) }
            }
            Self::TimeZone => {
                let text = line(&value, 60)?;
                if text.is_empty() || TimeZone::get(&text).is_ok() {
                    Ok(text.into())
                } else {
                    Err("must be a time zone such as Europe/Vienna or UTC, or empty".to_owned())
                }
            }
            Self::Picture => line(&value, 100).map(Value::from),
        }
    }

    /// How many characters a text may have.
    pub(super) fn max_length(self) -> Option<usize> {
        match self {
            Self::Text(max) | Self::Title(max) => Some(max),
            Self::Colour => Some(7),
            Self::TimeZone => Some(60),
            Self::Picture => Some(100),
            Self::Flag | Self::Number { .. } | Self::Choice(_) => None,
        }
    }

    /// Its name in the API.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Flag => "flag",
            Self::Text(_) => "text",
            Self::Title(_) => "title",
            Self::Number { .. } => "number",
            Self::Choice(_) => "choice",
            Self::Colour => "colour",
            Self::TimeZone => "time_zone",
            Self::Picture => "picture",
        }
    }
}

/// A line that may be empty.
fn line(value: &Value, max: usize) -> Result<String, String> {
    let text = value.as_str().filter(|text| !text.chars().any(char::is_control));
    match text {
        Some(text) if text.chars().count() <= max => Ok(text.trim().to_owned()),
        _ => Err(format!("must be a line of at most {max} characters")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_checked_by_their_kind() {
        let number = Kind::Number { min: 2, max: 9 };
        for (kind, value) in [
            (Kind::Flag, json!(true)),
            (Kind::Text(3), json!("äöü")),
            (Kind::Text(3), json!("")),
            (Kind::Title(30), json!("Sermon of {date}")),
            (number, json!(9)),
            (Kind::Colour, json!("#00ffaa")),
            (Kind::Colour, json!("")),
            (Kind::TimeZone, json!("Europe/Vienna")),
            (Kind::TimeZone, json!("")),
            (Kind::Picture, json!("logo.svg")),
        ] {
            assert_eq!(kind.check(value.clone()), Ok(value));
        }
        assert_eq!(Kind::Colour.check(json!("#AABBCC")), Ok(json!("#aabbcc")));
        assert_eq!(Kind::Text(3).check(json!(" a ")), Ok(json!("a")));
        for (kind, value) in [
            (Kind::Flag, json!("yes")),
            (Kind::Text(3), json!("four")),
            (Kind::Text(30), json!("two\nlines")),
            (Kind::Text(30), json!(null)),
            (Kind::Title(30), json!("{day}")),
            (number, json!(1)),
            (number, json!(2.5)),
            (number, json!("3")),
            (Kind::Colour, json!("red")),
            (Kind::Colour, json!(" #AABBCC ")),
            (Kind::Colour, json!("#12345g")),
            (Kind::TimeZone, json!("Europe/Atlantis")),
            (Kind::TimeZone, json!("../../etc/passwd")),
        ] {
            assert!(kind.check(value.clone()).is_err(), "{kind:?} takes {value}");
        }
    }
}
