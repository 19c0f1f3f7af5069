//! Descriptions as HTML: paragraphs, lists, code; whatever else stands in them is text.

use maud::{Markup, html};

/// A description of several paragraphs.
pub(super) fn prose(text: &str) -> Markup {
    let blocks = text.split("\n\n").map(str::trim).filter(|block| !block.is_empty());
    html! {
        @for block in blocks {
            @if block.lines().all(|line| bullet(line).is_some() || line.starts_with("  ")) {
                ul { @for item in items(block) { li { (line(&item)) } } }
            } @else if block.starts_with('|') || block.starts_with("```") {
                pre.plain { (block.trim_matches('`').trim()) }
            } @else {
                p { (line(block)) }
            }
        }
    }
}

fn bullet(line: &str) -> Option<&str> {
    line.strip_prefix("- ").or_else(|| line.strip_prefix("* "))
}

fn items(block: &str) -> Vec<String> {
    let mut items: Vec<String> = Vec::new();
    for line in block.lines() {
        match (bullet(line), items.last_mut()) {
            (Some(item), _) => items.push(item.to_owned()),
            (None, Some(last)) => *last = format!("{last} {}", line.trim()),
            (None, None) => items.push(line.trim().to_owned()),
        }
    }
    items
}

/// One paragraph: what stands in backticks is code.
pub(super) fn line(text: &str) -> Markup {
    html! {
        @for (place, part) in text.split('`').enumerate() {
            @if place % 2 == 1 { code { (part) } } @else { (part.replace("**", "")) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_keep_their_structure_and_nothing_else() {
        let page = prose("One `a<b`\nline.\n\n- x\n  y\n- <b>z</b>\n\n| a | b |").into_string();
        assert_eq!(
            page,
            "<p>One <code>a&lt;b</code>\nline.</p><ul><li>x y</li><li>&lt;b&gt;z&lt;/b&gt;</li></ul>\
             <pre class=\"plain\">| a | b |</pre>"
        );
    }
}
