//! What the document says of an operation.

use super::document::{Need, Operation};
use super::page::Page;
use super::prose::{line, prose};
use super::schema::{Field, Kind, Shape, plain};
use http::Method;
use maud::{Markup, html};
use serde_json::{Map, Value};

/// Rows of one table; what a schema has beyond them stands in the document.
const MAX_ROWS: usize = 80;

/// Everything about an operation, folded away.
pub(super) fn details(page: &Page<'_>, operation: &Operation<'_>) -> Markup {
    let parameters = operation.parameters();
    let (good, bad): (Vec<_>, Vec<_>) =
        operation.answers().into_iter().partition(|answer| answer.status.starts_with(['1', '2', '3']));
    html! {
        details.docs {
            summary { "Details" }
            div.prose { (prose(operation.description())) }
            @if !operation.description().contains("Needs ") { p { (need(operation.need())) } }
            @if !parameters.is_empty() {
                h3 { "Parameters" }
                (table("Parameters", parameters.iter().map(|parameter| {
                    let name = html! { code { (parameter.name) } " " span.soft { "in the " (parameter.place) } };
                    row(&name, parameter.required, &parameter.shape, parameter.description)
                }).collect()))
            }
            @if let Some((shape, _)) = operation.body() {
                h3 { "Body" }
                (schema("Body", &shape))
            }
            @if operation.takes_file() { h3 { "Body" } p { "A file as it is, with its type in " code { "Content-Type" } "." } }
            h3 { "Answers" }
            @for answer in &good {
                p { b { (answer.status) } " " (line(answer.description)) }
                @for (kind, content) in &answer.contents {
                    p.mono.soft { (kind) }
                    @if let Some(content) = content { (schema("Answer", &operation.shape(content))) }
                }
            }
            @if !bad.is_empty() {
                h3 { "Possible errors" }
                ul.errors { @for answer in &bad { li { b { (answer.status) } " " (line(answer.description)) } } }
            }
            h3 { "With curl" }
            div.copy { pre.curl data-copied { (curl(page, operation)) } button.btn.btn-small type="button" data-copy hidden { "Copy" } }
        }
    }
}

fn need(need: Need<'_>) -> Markup {
    html! {
        @match need {
            Need::Login => "A login is enough.",
            Need::Device => "For boxes: HTTP Basic with the box's id and secret.",
            Need::Permission(name) => { "Needs the permission " code { (name) } "." }
        }
    }
}

struct Row(Markup);

fn row(name: &Markup, required: bool, shape: &Shape<'_>, description: &str) -> Row {
    let default = shape.default.map(plain);
    Row(html! {
        tr {
            th scope="row" { (name) @if required { " " em.required { "required" } } }
            td { (shape.words()) @let limits = shape.limits(); @if !limits.is_empty() { ", " (limits) } }
            td { (line(description)) @if let Some(default) = default { " Default: " code { (default) } } }
        }
    })
}

fn table(what: &str, rows: Vec<Row>) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label=(what) {
            table.schema {
                thead { tr { th scope="col" { "Name" } th scope="col" { "Kind" } th scope="col" { "What it is" } } }
                tbody { @for row in rows { (row.0) } }
            }
        }
    }
}

fn schema(what: &str, shape: &Shape<'_>) -> Markup {
    let mut rows = Vec::new();
    match inner(shape) {
        Some((prefix, fields)) => collect(fields, &prefix, &mut rows),
        None => return html! { p { (shape.words()) ". " (line(shape.description)) } },
    }
    if rows.is_empty() {
        html! { p.soft { "An empty object." } }
    } else {
        table(what, rows)
    }
}

/// The fields of an object, or of each object of a list.
fn inner<'s, 'a>(shape: &'s Shape<'a>) -> Option<(String, &'s [Field<'a>])> {
    match &shape.kind {
        Kind::Object(fields) => Some((String::new(), fields)),
        Kind::List(item) => inner(item).map(|(prefix, fields)| (format!("[]{prefix}."), fields)),
        _ => None,
    }
}

fn collect(fields: &[Field<'_>], prefix: &str, rows: &mut Vec<Row>) {
    for field in fields {
        if rows.len() >= MAX_ROWS {
            return;
        }
        let name = format!("{}{}", prefix.replace("..", "."), field.name);
        rows.push(row(&html! { code { (name) } }, field.required, &field.shape, field.shape.description));
        if let Some((more, fields)) = inner(&field.shape) {
            let dot = if more.is_empty() { "." } else { "" };
            collect(fields, &format!("{name}{more}{dot}"), rows);
        }
    }
}

/// A line for a shell, with a token to be put in.
fn curl(page: &Page<'_>, operation: &Operation<'_>) -> String {
    let mut lines = vec![match operation.method {
        Method::GET => format!("curl {}", quoted(&format!("{}{}", page.base, operation.path))),
        _ => format!("curl -X {} {}", operation.method, quoted(&format!("{}{}", page.base, operation.path))),
    }];
    match operation.need() {
        Need::Device => lines.push("-u 'BOX_ID:SECRET'".to_owned()),
        _ => lines.push("-H 'Authorization: Bearer sbx_YOUR_TOKEN'".to_owned()),
    }
    if operation.method != Method::GET
        && operation.heeds("if-match")
        && let Some(etag) = page.etag()
    {
        lines.push(format!("-H {}", quoted(&format!("If-Match: {etag}"))));
    }
    if let Some((shape, _)) = operation.body() {
        let body = operation.example().cloned().unwrap_or_else(|| example(&shape));
        lines.push("-H 'Content-Type: application/json'".to_owned());
        lines.push(format!("-d {}", quoted(&body.to_string())));
    }
    if operation.takes_file() {
        lines.push("-H 'Content-Type: text/plain' --data-binary @FILE".to_owned());
    }
    lines.join(" \\\n  ")
}

/// A word for a POSIX shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// A value that fits: an object's required fields.
pub(super) fn example(shape: &Shape<'_>) -> Value {
    if let Some(value) = shape.example.or(shape.default) {
        return value.clone();
    }
    match &shape.kind {
        Kind::Text { .. } => Value::from("…"),
        Kind::Number { min, .. } => Value::from(min.unwrap_or(1.0) as i64),
        Kind::Flag => Value::from(true),
        Kind::Choice(values) => values.first().map_or(Value::Null, |value| (*value).clone()),
        Kind::Time => Value::from("2030-05-01T12:00:00Z"),
        Kind::Choices(values) => {
            Value::Array(values.first().map(|value| (*value).clone()).into_iter().collect())
        }
        Kind::List(inner) => Value::Array(vec![example(inner)]),
        Kind::Object(fields) => {
            let required = fields.iter().filter(|field| field.required);
            Value::Object(required.map(|field| (field.name.to_owned(), example(&field.shape))).collect())
        }
        Kind::Any => Value::Object(Map::new()),
    }
}
