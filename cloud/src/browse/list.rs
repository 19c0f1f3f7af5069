//! A list's page: its filters, its things as a table, and the ways to the pages around it.

use super::document::Operation;
use super::json::Node;
use super::links::{Links, is_web};
use super::prose::line;
use super::query::Query;
use super::schema::{Kind, plain};
use super::when;
use maud::{Markup, html};
use serde_json::Value;

/// Columns of the table.
const MAX_COLUMNS: usize = 6;
/// Longest text in a cell.
const MAX_CELL: usize = 80;
/// Fields that say most of a thing, in this order.
const FIRST: [&str; 21] = [
    "title",
    "name",
    "email",
    "words",
    "kind",
    "status",
    "state",
    "online",
    "running",
    "active",
    "enabled",
    "percent",
    "role",
    "roles",
    "description",
    "granted",
    "duration_ms",
    "created_at",
    "started_at",
    "since",
    "updated_at",
];

/// The things of a list's answer; `None` if it is another answer.
pub(super) fn things(body: &Node) -> Option<&[Node]> {
    match body.get("data")? {
        Node::List(things) => Some(things),
        _ => None,
    }
}

/// The query's parameters as a form, which works without a script.
pub(super) fn filter(get: &Operation<'_>, path: &str, query: &Query) -> Markup {
    let parameters = get.parameters();
    let asked: Vec<_> = parameters.iter().filter(|one| one.place == "query" && one.name != "after").collect();
    html! {
        @if !asked.is_empty() {
            form.filter method="get" action=(path) role="search" aria-label="What the list shows" {
                @for parameter in asked {
                    @let id = format!("filter-{}", parameter.name);
                    @let now = query.get(parameter.name).unwrap_or_default();
                    div.field title=(parameter.description) {
                        label for=(id) { (parameter.name) }
                        @match &parameter.shape.kind {
                            Kind::Choice(values) => (choice(&id, parameter.name, values.iter().map(|value| plain(value)), now)),
                            Kind::Flag => (choice(&id, parameter.name, ["true", "false"].map(String::from).into_iter(), now)),
                            Kind::Number { min, max, .. } => {
                                input.input id=(id) name=(parameter.name) type="number" min=[*min] max=[*max] value=(now)
                                    placeholder=[parameter.shape.default.map(plain)];
                            }
                            _ => {
                                input.input id=(id) name=(parameter.name) value=(now) spellcheck="false" autocomplete="off"
                                    placeholder=[parameter.shape.default.or(parameter.shape.example).map(plain)];
                            }
                        }
                    }
                }
                button.btn type="submit" { "Show" }
                @if !query.asked().is_empty() { a.btn.btn-bare href=(path) { "Reset" } }
            }
        }
    }
}

fn choice(id: &str, name: &str, values: impl Iterator<Item = String>, now: &str) -> Markup {
    html! {
        select.input id=(id) name=(name) {
            option value="" { "any" }
            @for value in values { option value=(value) selected[value == now] { (value) } }
        }
    }
}

/// The ways to the pages before and after.
pub(super) fn pager(body: &Node, query: &Query, count: usize) -> Markup {
    let next = body.get("next").and_then(Node::text).map(|cursor| query.next(cursor));
    let previous = query.previous();
    html! {
        nav.pager aria-label="Pages of the list" {
            @if let Some(first) = query.first() { a.btn.btn-small href=(first) { "First" } }
            @match &previous {
                Some(previous) => a.btn.btn-small href=(previous) rel="prev" { "Previous" },
                None => span.btn.btn-small.off { "Previous" },
            }
            @match &next {
                Some(next) => a.btn.btn-small href=(next) rel="next" { "Next" },
                None => span.btn.btn-small.off { "Next" },
            }
            span.soft { (count) @if count == 1 { " thing" } @else { " things" } " on page " (query.page()) }
        }
    }
}

/// The things one below the other; nothing where they are no objects.
///
/// `key` is the field that names one of them in a path, if one of them has an address.
pub(super) fn table(things: &[Node], path: &str, key: Option<&str>, links: &Links) -> Markup {
    let columns = columns(things);
    html! {
        @if !columns.is_empty() {
            div.scroll tabindex="0" role="region" aria-label="The list as a table" {
                table.things {
                    thead { tr { @for column in &columns { th scope="col" { (column) } } } }
                    tbody {
                        @for thing in things {
                            @let id = key.and_then(|key| thing.get(key)).and_then(Node::text);
                            tr {
                                @for (place, column) in columns.iter().enumerate() {
                                    td data-label=(column) { (cell(thing.get(column), id.filter(|_| place == 0), path, links)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Which fields are worth a column.
fn columns(things: &[Node]) -> Vec<String> {
    let Some(Node::Object(fields)) = things.first() else { return Vec::new() };
    let told = |name: &str| {
        let mut values = things.iter().filter_map(|thing| thing.get(name));
        values.any(|value| !matches!(value, Node::Null | Node::Object(_)))
    };
    let has = |name: &str| fields.iter().any(|(field, _)| field == name) && told(name);
    let mut columns: Vec<String> =
        FIRST.iter().filter(|name| has(name)).take(MAX_COLUMNS).map(|name| (*name).to_owned()).collect();
    let naming = ["title", "name", "email", "words"];
    if has("id") && !columns.first().is_some_and(|first| naming.contains(&first.as_str())) {
        columns.insert(0, "id".to_owned());
    }
    columns
}

fn cell(value: Option<&Node>, id: Option<&str>, path: &str, links: &Links) -> Markup {
    let text = value.map(words).unwrap_or_default();
    let shown = if text.is_empty() && id.is_some() { "(no name)".to_owned() } else { text.clone() };
    if let Some(id) = id {
        return html! { a.thing-link href={ (path) "/" (id) } { (shown) } };
    }
    match (links.target(&text), when::words(&text)) {
        (Some(target), _) if !is_web(&target) => html! { a href=(target) { (shown) } },
        (_, Some(words)) => html! { time datetime=(text) title=(words) data-short { (words) } },
        _ => html! { (shown) },
    }
}

fn words(value: &Node) -> String {
    let text = match value {
        Node::Null => String::new(),
        Node::Flag(flag) => (if *flag { "yes" } else { "no" }).to_owned(),
        Node::Number(number) => number.to_string(),
        Node::Text(text) => text.clone(),
        Node::List(items) => items.iter().map(words).collect::<Vec<_>>().join(", "),
        Node::Object(_) => "…".to_owned(),
    };
    match text.char_indices().nth(MAX_CELL) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// What a list says when nothing is in it.
pub(super) fn empty(query: &Query) -> Markup {
    html! { p.nothing { (line(if query.asked().is_empty() { "There is nothing here yet." } else { "Nothing fits." })) } }
}

/// The value that a form fills in: `now` as serde's JSON.
pub(super) fn value_of(body: &[u8]) -> Option<Value> {
    serde_json::from_slice(body).ok()
}

#[cfg(test)]
mod tests {
    use super::super::document::Document;
    use super::super::sample;
    use super::*;

    fn node(text: &str) -> Node {
        Node::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_lists_parameters_are_a_form_and_its_pages_are_linked() {
        let get = &Document(sample::document()).at("/api/v1/events")[0];
        let query = Query::parse("status=started&limit=2&after=b&walked=");
        let page = filter(get, "/api/v1/events", &query).into_string();
        assert!(page.contains(r#"<option value="started" selected>started</option>"#), "{page}");
        assert!(page.contains(r#"name="limit" type="number" min="1" max="200" value="2""#), "{page}");
        assert!(!page.contains(r#"name="after""#), "{page}");
        let page = pager(&node(r#"{"data":[],"next":"c"}"#), &query, 2).into_string();
        assert!(page.contains(r#"href="?status=started&amp;limit=2" rel="prev""#), "{page}");
        assert!(
            page.contains(
                r#"href="?status=started&amp;limit=2&amp;after=c&amp;walked=&amp;walked=b" rel="next""#
            ),
            "{page}"
        );
        assert!(page.contains("2 things on page 2"), "{page}");
    }

    #[test]
    fn things_are_rows_that_lead_to_them() {
        let body = node(
            r#"{"data":[{"id":"evt_1","number":3,"title":"</td><script>x</script>","status":"started","deep":{"a":1},
                "created_at":"2030-05-01T12:00:00Z","updated_at":null},{"id":"evt_2"}]}"#,
        );
        let things = things(&body).unwrap();
        let page = table(things, "/api/v1/events", Some("id"), &Links::default()).into_string();
        assert!(
            page.contains(
                "<th scope=\"col\">title</th><th scope=\"col\">status</th><th scope=\"col\">created_at</th>"
            ),
            "{page}"
        );
        assert!(!page.contains("<script") && page.contains("/api/v1/events/evt_2\">(no name)</a>"), "{page}");
        assert_eq!(table(&[node("1")], "/x", None, &Links::default()).into_string(), "");
    }
}
