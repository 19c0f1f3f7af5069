//! Cuts a playlist's text into tags and URIs (RFC 8216bis, 4.1).

use super::report::Report;
use super::rule;

/// What one line says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Say<'a> {
    /// Name without `#`, and what follows the colon.
    Tag(&'a str, Option<&'a str>),
    Uri(&'a str),
}

/// A line that is neither blank nor a comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// Counted from 1.
    pub(super) number: u32,
    pub(super) say: Say<'a>,
}

/// The lines that say something, in order; what is wrong with the text as such is reported.
pub(super) fn lines<'a>(text: &'a str, report: &mut Report) -> Vec<Line<'a>> {
    let body = text.strip_prefix('\u{feff}').unwrap_or(text);
    if body.len() != text.len() {
        report.add(rule::NO_BOM, 1, "the text begins with a byte order mark");
    }
    let mut found = Vec::new();
    for (number, raw) in (1..).zip(body.split('\n')) {
        let line = raw.strip_suffix('\r').unwrap_or(raw);
        if number == 1 && line != "#EXTM3U" {
            report.add(rule::EXTM3U_FIRST, 1, format!("the first line is `{line}`"));
        }
        control(line, number, report);
        if line.is_empty() || line == "#EXTM3U" {
            continue;
        }
        let say = if let Some(rest) = line.strip_prefix("#EXT") {
            // A title may have any white space; elsewhere it cannot end a tag.
            if !rest.starts_with("INF:") && line.ends_with(is_blank) {
                report.add(rule::NO_WHITESPACE, number, "a tag ends with white space");
            }
            let tag = line.get(1..).unwrap_or_default();
            tag.split_once(':').map_or(Say::Tag(tag, None), |(name, value)| Say::Tag(name, Some(value)))
        } else if line.starts_with('#') {
            continue;
        } else {
            if line.contains(is_blank) {
                report.add(rule::NO_WHITESPACE, number, format!("the URI `{line}` has white space in it"));
            }
            let uri = line.trim();
            if uri.is_empty() {
                continue;
            }
            Say::Uri(uri)
        };
        found.push(Line { number, say });
    }
    found
}

/// White space that is no control character, which is told of as such.
fn is_blank(c: char) -> bool {
    c.is_whitespace() && !c.is_control()
}

fn control(line: &str, number: u32, report: &mut Report) {
    // Removed date ranges are told with tabs between them (4.4.5.2).
    let tabs = line.starts_with("#EXT-X-SKIP:");
    let wrong = line.chars().find(|c| c.is_control() && !(tabs && *c == '\t'));
    if let Some(wrong) = wrong {
        report.add(
            rule::NO_CONTROL,
            number,
            format!("the line has the character U+{:04X}", u32::from(wrong)),
        );
    }
}
