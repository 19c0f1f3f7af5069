//! Inputs for the fields of a body, filled with what is there now.
//!
//! The page's script reads them back by their `data-` attributes:
//!
//! | attribute | what it says |
//! |---|---|
//! | `data-key` | the field's name |
//! | `data-kind` | `text`, `number`, `flag`, `value`, `values`, `time`, `list`, `object` or `json` |
//! | `data-required` | it is sent even if it is empty |
//! | `data-null`, `data-include` | the box that makes the value null, or an optional object part of the body |
//! | `data-item` | one value of a list; in a `template` the next one |
//! | `data-error` | the place for what is wrong with it |

use super::prose::line;
use super::schema::{Field, Kind, Shape, plain};
use maud::{Markup, html};
use serde_json::Value;

/// Texts longer than this get a box of several lines.
const LONG: u64 = 300;

/// The inputs of an object's fields; `id` is the form's own.
pub(super) fn fields(fields: &[Field<'_>], now: Option<&Value>, id: &str) -> Markup {
    html! {
        @for field in fields {
            (one(field, now.and_then(|now| now.get(field.name)), &format!("{id}-{}", field.name)))
        }
    }
}

fn one(field: &Field<'_>, now: Option<&Value>, id: &str) -> Markup {
    let shape = &field.shape;
    let label = if shape.title.is_empty() { field.name } else { shape.title };
    let boxed = matches!(shape.kind, Kind::Object(_) | Kind::List(_) | Kind::Choices(_));
    let null = shape.nullable && !matches!(shape.kind, Kind::Flag | Kind::Choice(_));
    let is_null = now.is_some_and(Value::is_null);
    let optional_object = matches!(shape.kind, Kind::Object(_)) && !field.required;
    let included = now.is_some_and(Value::is_object);
    html! {
        div.field data-key=(field.name) data-kind=(word(field, now)) data-required[field.required]
            role=[boxed.then_some("group")] aria-label=[boxed.then_some(label)] {
            div.field-head {
                @if boxed { span.label { (label) } } @else { label for=(id) { (label) } }
                @if !label.replace(' ', "_").eq_ignore_ascii_case(field.name) { code.key { (field.name) } }
                @if field.required { em.required { "required" } }
                span.gap {}
                @if optional_object {
                    label.tick { input type="checkbox" data-include checked[included]; "include" }
                }
                @if null {
                    label.tick { input type="checkbox" data-null checked[is_null]; "null" }
                }
            }
            (input(field, now, id))
            p.hint id={ (id) "-hint" } {
                (line(shape.description))
                @let limits = shape.limits();
                @if !limits.is_empty() { " " span.limits { "(" (limits) ")" } }
            }
            p.bad data-error id={ (id) "-bad" } role="alert" hidden {}
        }
    }
}

/// What the script takes the field for.
fn word(field: &Field<'_>, now: Option<&Value>) -> &'static str {
    match &field.shape.kind {
        Kind::Text { .. } => "text",
        Kind::Number { .. } => "number",
        Kind::Flag if is_tick(field, now) => "flag",
        Kind::Flag | Kind::Choice(_) => "value",
        Kind::Choices(_) => "values",
        Kind::Time => "time",
        Kind::List(_) => "list",
        Kind::Object(_) => "object",
        Kind::Any => "json",
    }
}

/// Whether yes and no are all that there is to say.
fn is_tick(field: &Field<'_>, now: Option<&Value>) -> bool {
    let known = now.or(field.shape.default).is_some_and(Value::is_boolean);
    !field.shape.nullable && (field.required || known)
}

fn input(field: &Field<'_>, now: Option<&Value>, id: &str) -> Markup {
    let shape = &field.shape;
    let text = now.filter(|now| !now.is_null()).map(plain).unwrap_or_default();
    let hint = format!("{id}-hint {id}-bad");
    let placeholder = shape.default.or(shape.example).map(plain);
    html! {
        @match &shape.kind {
            Kind::Text { max, format, .. } => {
                @if max.is_some_and(|max| max > LONG) && *format != "uri" {
                    textarea.input id=(id) rows="3" maxlength=[*max] required[field.required]
                        placeholder=[placeholder] aria-describedby=(hint) { (text) }
                } @else {
                    input.input id=(id) type=(input_type(format)) value=(text) maxlength=[*max]
                        required[field.required] placeholder=[placeholder] aria-describedby=(hint)
                        autocomplete=(if *format == "password" { "new-password" } else { "off" }) spellcheck="false";
                }
            }
            Kind::Number { whole, min, max } => {
                input.input id=(id) type="number" inputmode=(if *whole { "numeric" } else { "decimal" }) value=(text)
                    min=[*min] max=[*max] step=(if *whole { "1" } else { "any" })
                    required[field.required] placeholder=[placeholder] aria-describedby=(hint);
            }
            Kind::Flag if is_tick(field, now) => {
                label.tick.wide {
                    input id=(id) type="checkbox" checked[now.or(shape.default) == Some(&Value::Bool(true))]
                        aria-describedby=(hint);
                    "yes"
                }
            }
            Kind::Flag => { (select(field, &[&Value::Bool(true), &Value::Bool(false)], now, id)) }
            Kind::Choice(values) => { (select(field, values, now, id)) }
            Kind::Time => {
                input.input id=(id) type="datetime-local" step="1" data-value=(text)
                    required[field.required] aria-describedby=(hint);
            }
            Kind::Choices(values) => { (ticks(values, now)) }
            Kind::List(inner) => { (list(inner, now, id)) }
            Kind::Object(inner) => { div.inner { (fields(inner, now, id)) } }
            Kind::Any => {
                textarea.input.code id=(id) rows="3" spellcheck="false" placeholder="JSON" aria-describedby=(hint) {
                    (now.map(|now| format!("{now:#}")).unwrap_or_default())
                }
            }
        }
    }
}

fn input_type(format: &str) -> &'static str {
    match format {
        "email" => "email",
        "password" => "password",
        "uri" | "url" => "url",
        "date" => "date",
        _ => "text",
    }
}

/// A choice of values; each option's value is JSON.
fn select(field: &Field<'_>, values: &[&Value], now: Option<&Value>, id: &str) -> Markup {
    let shape = &field.shape;
    let chosen = now.or(shape.default);
    let foreign = now.filter(|now| !now.is_null() && !values.contains(now));
    html! {
        select.input id=(id) required[field.required] aria-describedby={ (id) "-hint " (id) "-bad" } {
            @if chosen.is_none() || !field.required {
                option value="" selected[chosen.is_none()] { (if field.required { "choose…" } else { "– not sent –" }) }
            }
            @for value in values.iter().copied().chain(foreign) {
                option value=(value) selected[chosen == Some(value)] { (plain(value)) }
            }
            @if shape.nullable {
                option value="null" selected[chosen.is_some_and(Value::is_null)] { "null" }
            }
        }
    }
}

fn ticks(values: &[&Value], now: Option<&Value>) -> Markup {
    let now = now.and_then(Value::as_array);
    html! {
        div.ticks {
            @for value in values {
                label.tick {
                    input type="checkbox" value=(value) checked[now.is_some_and(|now| now.contains(value))];
                    (plain(value))
                }
            }
        }
    }
}

fn list(inner: &Shape<'_>, now: Option<&Value>, id: &str) -> Markup {
    let field = Field { name: "", required: true, shape: inner.clone() };
    let item = |now: Option<&Value>, id: &str| {
        html! {
            div.item data-item data-kind=(word(&field, now)) {
                div.item-input { (input(&field, now, id)) }
                button.btn.btn-bare.btn-small type="button" data-remove aria-label="Remove this one" { "Remove" }
            }
        }
    };
    let items = now.and_then(Value::as_array).into_iter().flatten();
    html! {
        div.items data-items {
            @for (place, now) in items.enumerate() { (item(Some(now), &format!("{id}-{place}"))) }
        }
        template { (item(None, &format!("{id}-new"))) }
        button.btn.btn-small type="button" data-add { "Add one" }
    }
}

#[cfg(test)]
mod tests {
    use super::super::document::Document;
    use super::super::sample;
    use super::*;
    use serde_json::json;

    fn form(now: Option<&Value>) -> String {
        let operations = Document(sample::document()).at("/api/v1/events");
        let Kind::Object(shapes) = operations[1].body().unwrap().0.kind else { panic!("no object") };
        fields(&shapes, now, "f").into_string()
    }

    #[test]
    fn each_kind_has_its_input() {
        let page = form(None);
        for part in [
            r#"data-key="title" data-kind="text" data-required"#,
            r#"<label for="f-title">Title</label>"#,
            r#"maxlength="200" required"#,
            "What viewers read. <span class=\"limits\">(1 to 200 characters)</span>",
            r#"type="number" inputmode="numeric" value="" min="1" max="50" step="1" placeholder="5""#,
            r#"data-key="public" data-kind="flag""#,
            r#"id="f-public" type="checkbox" checked"#,
            r#"type="datetime-local""#,
            r#"data-key="days" data-kind="values""#,
            r#"<input type="checkbox" value="&quot;sat&quot;">"#,
            r#"data-key="tags" data-kind="list""#,
            "<template><div class=\"item\" data-item data-kind=\"text\">",
            r#"data-key="place" data-kind="object""#,
            "data-include",
            r#"data-key="room" data-kind="number""#,
            r#"data-key="extra" data-kind="json""#,
        ] {
            assert!(page.contains(part), "{part} is not in {page}");
        }
    }

    #[test]
    fn what_is_there_fills_the_inputs_and_cannot_leave_them() {
        let hostile = "\"></textarea></script><img src=x onerror=alert(1)>";
        let page = form(Some(&json!({ "title": hostile, "device_id": null, "seats": 7, "public": false,
            "tags": [hostile], "days": ["sun"], "place": { "name": hostile }, "extra": { "a": hostile } })));
        assert!(!page.contains("<img") && !page.contains("</script"), "{page}");
        assert_eq!(page.matches("&lt;img src=x onerror=alert(1)&gt;").count(), 4, "{page}");
        assert!(page.contains(r#"value="7""#) && !page.contains(r#"id="f-public" type="checkbox" checked"#));
        assert!(page.contains(r#"value="&quot;sun&quot;" checked"#), "{page}");
        assert!(page.contains(r#"<input type="checkbox" data-null checked>"#), "{page}");
        assert!(page.contains(r#"<input type="checkbox" data-include checked>"#), "{page}");
    }
}
