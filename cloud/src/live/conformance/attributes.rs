//! Attribute lists (RFC 8216bis, 4.2).

use super::number;
use super::report::Report;
use super::rule;

/// No list that is believed has more.
const MAX_ATTRIBUTES: usize = 128;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Value<'a> {
    Quoted(&'a str),
    Plain(&'a str),
}

/// One tag's attributes; every way to read one reports what is wrong with it.
#[derive(Debug)]
pub(super) struct Attributes<'a> {
    tag: &'a str,
    pub(super) line: u32,
    list: Vec<(&'a str, Value<'a>)>,
}

impl<'a> Attributes<'a> {
    pub(super) fn parse(tag: &'a str, value: Option<&'a str>, line: u32, report: &mut Report) -> Self {
        let mut attributes = Self { tag, line, list: Vec::new() };
        let mut rest = Some(value.unwrap_or_default());
        while let Some(text) = rest {
            match pair(text) {
                Ok((name, value, after)) => {
                    attributes.push(name, value, report);
                    rest = after.filter(|_| attributes.list.len() < MAX_ATTRIBUTES);
                }
                Err(words) => {
                    report.add(rule::LIST_SYNTAX, line, format!("{tag}: {words}"));
                    break;
                }
            }
        }
        attributes
    }

    fn push(&mut self, name: &'a str, value: Value<'a>, report: &mut Report) {
        if self.has(name) {
            let words = format!("{}: {name} stands there twice", self.tag);
            report.add(rule::ATTRIBUTE_ONCE, self.line, words);
        } else {
            self.list.push((name, value));
        }
    }

    fn get(&self, name: &str) -> Option<Value<'a>> {
        self.list.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &'a str> + '_ {
        self.list.iter().map(|(name, _)| *name)
    }

    /// Name and value as they are written, for comparing one list with another.
    pub(super) fn written(&self) -> impl Iterator<Item = (&'a str, &'a str)> + '_ {
        self.list.iter().map(|(name, value)| match value {
            Value::Quoted(text) | Value::Plain(text) => (*name, *text),
        })
    }

    /// Reports the attributes of `names` that are not there.
    pub(super) fn need(&self, names: &[&str], report: &mut Report) {
        for name in names.iter().filter(|name| !self.has(name)) {
            report.add(rule::ATTRIBUTE_REQUIRED, self.line, format!("{} has no {name}", self.tag));
        }
    }

    fn wrong(&self, name: &str, kind: &str, report: &mut Report) {
        let value = self.written().find(|(known, _)| *known == name).map_or("", |(_, value)| value);
        let words = format!("{}: {name} is `{value}`, which is no {kind}", self.tag);
        report.add(rule::VALUE_TYPE, self.line, words);
    }

    /// A quoted string with something in it.
    pub(super) fn quoted(&self, name: &str, report: &mut Report) -> Option<&'a str> {
        match self.get(name)? {
            Value::Quoted(text) if !text.is_empty() => Some(text),
            _ => {
                self.wrong(name, "quoted string with something in it", report);
                None
            }
        }
    }

    /// A quoted string that may be empty.
    pub(super) fn quoted_or_empty(&self, name: &str, report: &mut Report) -> Option<&'a str> {
        match self.get(name)? {
            Value::Quoted(text) => Some(text),
            Value::Plain(_) => {
                self.wrong(name, "quoted string", report);
                None
            }
        }
    }

    fn plain<T>(
        &self,
        name: &str,
        kind: &str,
        read: impl Fn(&str) -> Option<T>,
        report: &mut Report,
    ) -> Option<T> {
        let read = match self.get(name)? {
            Value::Plain(text) => read(text),
            Value::Quoted(_) => None,
        };
        if read.is_none() {
            self.wrong(name, kind, report);
        }
        read
    }

    pub(super) fn integer(&self, name: &str, report: &mut Report) -> Option<u64> {
        self.plain(name, "decimal integer", number::integer, report)
    }

    /// A decimal number of seconds, or of anything else, times a million.
    pub(super) fn micros(&self, name: &str, report: &mut Report) -> Option<u64> {
        self.plain(name, "decimal number", number::seconds_us, report)
    }

    pub(super) fn signed_micros(&self, name: &str, report: &mut Report) -> Option<i64> {
        self.plain(name, "signed decimal number", number::signed_seconds_us, report)
    }

    pub(super) fn resolution(&self, name: &str, report: &mut Report) -> Option<(u64, u64)> {
        self.plain(name, "resolution", number::resolution, report)
    }

    pub(super) fn hexadecimal(&self, name: &str, report: &mut Report) -> Option<String> {
        let read = |text: &str| {
            let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"))?;
            let hex = |byte: u8| byte.is_ascii_digit() || (b'A'..=b'F').contains(&byte);
            (!digits.is_empty() && digits.bytes().all(hex)).then(|| digits.to_owned())
        };
        self.plain(name, "hexadecimal sequence", read, report)
    }

    /// A byte range within quotes.
    pub(super) fn byte_range(&self, name: &str, report: &mut Report) -> Option<(u64, Option<u64>)> {
        let range = self.quoted(name, report)?;
        let read = number::byte_range(range);
        if read.is_none() {
            self.wrong(name, "byte range", report);
        }
        read
    }

    /// An enumerated string, one of `words`.
    pub(super) fn word(&self, name: &str, words: &[&str], report: &mut Report) -> Option<&'a str> {
        match self.get(name)? {
            Value::Plain(text) if words.contains(&text) => Some(text),
            Value::Plain(text) => {
                let known = words.join(", ");
                let words = format!("{}: {name} is `{text}`, not one of {known}", self.tag);
                report.add(rule::VALUE_KNOWN, self.line, words);
                None
            }
            Value::Quoted(_) => {
                self.wrong(name, "enumerated string", report);
                None
            }
        }
    }

    /// Whether an attribute whose only value is YES is there.
    pub(super) fn yes(&self, name: &str, report: &mut Report) -> bool {
        self.word(name, &["YES"], report).is_some()
    }

    pub(super) fn yes_or_no(&self, name: &str, report: &mut Report) -> Option<bool> {
        self.word(name, &["YES", "NO"], report).map(|word| word == "YES")
    }
}

/// The first pair of a list, and what follows its comma.
fn pair(text: &str) -> Result<(&str, Value<'_>, Option<&str>), String> {
    let Some((name, rest)) = text.split_once('=') else { return Err(format!("`{text}` is no NAME=value")) };
    let letter = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'-';
    if name.is_empty() || !name.bytes().all(letter) {
        return Err(format!("`{name}` is no attribute name"));
    }
    if let Some(quoted) = rest.strip_prefix('"') {
        let Some((value, after)) = quoted.split_once('"') else {
            return Err(format!("the quotes of {name} are not closed"));
        };
        return match after.strip_prefix(',') {
            Some(more) => Ok((name, Value::Quoted(value), Some(more))),
            None if after.is_empty() => Ok((name, Value::Quoted(value), None)),
            None => Err(format!("`{after}` follows the quotes of {name}")),
        };
    }
    let (value, after) = rest.split_once(',').map_or((rest, None), |(value, after)| (value, Some(after)));
    if value.is_empty() || value.contains('"') || value.contains(char::is_whitespace) {
        return Err(format!("{name} has the value `{value}`"));
    }
    Ok((name, Value::Plain(value), after))
}
