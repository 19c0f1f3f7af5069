//! What is wrong with a configuration's text, in words that may leave the box: where, and never what stands there.

use toml::de::Error;

/// A shorter value gives no key away.
const SHORT: usize = 6;
const HIDDEN: &str = "***";

/// Line and column of a fault in this text, and what is wrong there; the line itself may hold a secret.
pub(super) fn in_text(error: &Error, text: &str) -> String {
    let words = in_words(error);
    let before = error.span().and_then(|span| text.get(..span.start));
    let Some(before) = before else { return words };
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1;
    format!("line {line}, column {column}: {words}")
}

/// What is wrong, without the value that it is wrong of.
pub(super) fn in_words(error: &Error) -> String {
    without_value(error.message())
}

/// Names of keys and short values stay, as they show what was mistyped.
fn without_value(message: &str) -> String {
    // As serde words it: `invalid type: string "value", expected …`.
    if let Some(begin) = message.find("string \"").map(|at| at + "string \"".len()) {
        let end = message.rfind("\", expected").filter(|end| *end >= begin).unwrap_or(message.len());
        return format!("{}{HIDDEN}{}", &message[..begin], &message[end..]);
    }
    let Some(begin) = message.find('`').map(|at| at + 1) else { return message.to_owned() };
    let ends = ["`, expected", "`, there are", "` is no"];
    let end = ends.iter().filter_map(|end| message.rfind(end)).max().or_else(|| message.rfind('`'));
    let end = end.filter(|end| *end >= begin).unwrap_or(message.len());
    let value = &message[begin..end];
    let is_word = value.chars().all(|letter| letter.is_ascii_lowercase() || "_.".contains(letter));
    if is_word || value.chars().count() < SHORT {
        return message.to_owned();
    }
    format!("{}{HIDDEN}{}", &message[..begin], &message[end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_names_what_was_mistyped_and_no_value() {
        for (message, shown) in [
            (
                "invalid type: string \"a \\\"b\", expected c\", expected u32",
                "invalid type: string \"***\", expected u32",
            ),
            (
                "invalid type: integer `123456789`, expected a string",
                "invalid type: integer `***`, expected a string",
            ),
            ("invalid value: integer `-1`, expected u32", "invalid value: integer `-1`, expected u32"),
            ("unknown field `fsp`, expected `fps`", "unknown field `fsp`, expected `fps`"),
            (
                "unknown field `framerate`, expected one of `a`, `b`",
                "unknown field `framerate`, expected one of `a`, `b`",
            ),
            (
                "unknown variant `ab`c-12`, expected `main` or `backup`",
                "unknown variant `***`, expected `main` or `backup`",
            ),
            (
                "`sk-0123456789` is no fingerprint; copy it from `there`",
                "`***` is no fingerprint; copy it from `there`",
            ),
            ("missing field `mqtt_url`", "missing field `mqtt_url`"),
            ("extra `=`, expected nothing", "extra `=`, expected nothing"),
            ("string values must be quoted", "string values must be quoted"),
        ] {
            assert_eq!(without_value(message), shown);
        }
    }

    #[test]
    fn a_fault_is_told_by_line_and_column() {
        let text = "[cloud]\nid = \"box_1\"\nsecret = \"hush-hush";
        let error = toml::from_str::<toml::Table>(text).unwrap_err();
        let words = in_text(&error, text);
        assert!(words.starts_with("line 3, column ") && !words.contains("hush"), "{words}");
    }
}
