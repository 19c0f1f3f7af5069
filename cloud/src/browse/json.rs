//! JSON as a person reads it: in the order in which it was written, coloured, with links.

use super::links::{Links, is_web};
use super::when;
use maud::{Markup, html};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Number;
use std::fmt;

/// A JSON value that keeps the order of its fields.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    Null,
    Flag(bool),
    Number(Number),
    Text(String),
    List(Vec<Node>),
    Object(Vec<(String, Node)>),
}

impl Node {
    /// Reads JSON.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        serde_json::from_slice(text).ok()
    }

    /// A field of an object.
    pub(super) fn get(&self, name: &str) -> Option<&Self> {
        let Self::Object(fields) = self else { return None };
        fields.iter().find(|(field, _)| field == name).map(|(_, value)| value)
    }

    /// The text that it is.
    pub(super) fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Flag(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Number::from_f64(value).map_or(Node::Null, Node::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Node, A::Error> {
        let mut object = Vec::new();
        while let Some(field) = fields.next_entry()? {
            object.push(field);
        }
        Ok(Node::Object(object))
    }
}

/// A text in JSON's quotes.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A whole answer, of which a copy is JSON again; `next` is where the list's next cursor leads.
pub(super) fn pretty(node: &Node, links: &Links, next: Option<&str>) -> Markup {
    html! {
        pre.json data-json tabindex="0" aria-label="The answer as JSON" { code {
            @match (node, next) {
                (Node::Object(fields), Some(next)) => (object(fields, links, 0, Some(next))),
                _ => (value(node, links, 0)),
            }
        } }
    }
}

fn value(node: &Node, links: &Links, depth: usize) -> Markup {
    html! {
        @match node {
            Node::Null => span.b { "null" },
            Node::Flag(flag) => span.b { (flag) },
            Node::Number(number) => span.n { (number.to_string()) },
            Node::Text(text) => (string(text, links)),
            Node::List(items) if items.is_empty() => "[]",
            Node::List(items) => {
                "[\n"
                @for (place, item) in items.iter().enumerate() {
                    (indent(depth + 1)) (value(item, links, depth + 1))
                    @if place + 1 < items.len() { "," }
                    "\n"
                }
                (indent(depth)) "]"
            }
            Node::Object(fields) => (object(fields, links, depth, None)),
        }
    }
}

fn object(fields: &[(String, Node)], links: &Links, depth: usize, next: Option<&str>) -> Markup {
    if fields.is_empty() {
        return html! { "{}" };
    }
    html! {
        "{\n"
        @for (place, (name, field)) in fields.iter().enumerate() {
            (indent(depth + 1)) span.k { (quoted(name)) } ": "
            @match (name.as_str(), field, next) {
                ("next", Node::Text(cursor), Some(next)) => a.s href=(next) rel="next" { (quoted(cursor)) },
                _ => (value(field, links, depth + 1)),
            }
            @if place + 1 < fields.len() { "," }
            "\n"
        }
        (indent(depth)) "}"
    }
}

fn string(text: &str, links: &Links) -> Markup {
    let shown = quoted(text);
    if let Some(target) = links.target(text) {
        return if is_web(&target) {
            html! { a.s href=(target) rel="noreferrer noopener" target="_blank" { (shown) } }
        } else {
            html! { a.s href=(target) { (shown) } }
        };
    }
    match when::words(text) {
        Some(words) => html! { time.s datetime=(text) title=(words) { (shown) } },
        None => html! { span.s { (shown) } },
    }
}

fn indent(depth: usize) -> String {
    "  ".repeat(depth)
}

#[cfg(test)]
mod tests {
    use super::super::document::Document;
    use super::super::sample;
    use super::*;

    fn shown(text: &str) -> String {
        let links = Links::of(Document(sample::document()));
        pretty(&Node::parse(text.as_bytes()).unwrap(), &links, Some("?after=x&walked=")).into_string()
    }

    /// What a reader sees of a page.
    fn seen(page: &str) -> String {
        let mut out = String::new();
        let mut inside = false;
        for c in page.chars() {
            match c {
                '<' => inside = true,
                '>' => inside = false,
                c if !inside => out.push(c),
                _ => {}
            }
        }
        out.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&")
    }

    #[test]
    fn what_is_seen_is_what_was_answered_in_its_order() {
        let text = r#"{"z":1,"a":[true,null,-2.5,[],{}],"m":{"t":"é \"\\\n</script><img src=x onerror=alert(1)>"},"next":null}"#;
        let page = shown(text);
        let read: Node = serde_json::from_str(&seen(&page)).unwrap();
        assert_eq!(read, Node::parse(text.as_bytes()).unwrap());
        assert!(page.find("&quot;z&quot;").unwrap() < page.find("&quot;a&quot;").unwrap());
        assert!(!page.contains("<img") && !page.contains("</script"), "{page}");
    }

    #[test]
    fn ids_times_and_cursors_can_be_used() {
        let page = shown(
            r#"{"event_id":"evt_0123456789abcdefghjk","at":"2030-05-01T12:00:00.5Z","url":"https://example.org/\"x","next":"abc"}"#,
        );
        assert!(page.contains(r#"href="/api/v1/events/evt_0123456789abcdefghjk""#), "{page}");
        assert!(page.contains("Wed 1 May 2030, 12:00:00 UTC"), "{page}");
        assert!(page.contains(r#"href="?after=x&amp;walked=" rel="next""#), "{page}");
        assert!(page.contains(r#"href="https://example.org/&quot;x" rel="noreferrer noopener""#), "{page}");
    }
}
