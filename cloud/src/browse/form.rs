//! A form for each thing that can be done at an address and below it.

use super::details::details;
use super::document::{Need, Operation};
use super::field::fields;
use super::page::{Page, Who};
use super::prose::line;
use super::schema::{Kind, plain};
use http::Method;
use maud::{Markup, html};
use serde_json::Value;

/// How an operation's method is shown.
pub(super) fn method(method: &Method) -> Markup {
    html! { span class={ "method method-" (method.as_str().to_ascii_lowercase()) } { (method.as_str()) } }
}

/// Why somebody may not use an operation; `None` if they may.
pub(super) fn refusal(need: Need<'_>, who: Option<&Who>) -> Option<String> {
    match need {
        Need::Login => None,
        Need::Device => Some("This is for boxes, which show their own id and secret.".to_owned()),
        Need::Permission(name) => {
            let has =
                name.parse().is_ok_and(|permission| who.is_some_and(|who| who.permissions.has(permission)));
            (!has).then(|| format!("It needs `{name}`, which your role does not allow."))
        }
    }
}

/// The forms of a page: `now` is what is at its address, with its ETag.
pub(super) fn forms(
    page: &Page<'_>,
    own: &[Operation<'_>],
    below: &[Operation<'_>],
    now: Option<&Value>,
) -> Markup {
    let changing = own.iter().filter(|operation| operation.method != Method::GET);
    let offered: Vec<&Operation<'_>> = changing.chain(below).collect();
    let usable = |operation: &Operation<'_>| refusal(operation.need(), page.who).is_none();
    let first = offered
        .iter()
        .position(|one| usable(one) && one.method != Method::DELETE && one.method != Method::GET);
    html! {
        @if !offered.is_empty() {
            section.forms aria-label="What can be done here" {
                h2 { "What can be done here" }
                noscript { p.note { "The forms need JavaScript: switch it on for this site and load the page again." } }
                @for (place, operation) in offered.iter().enumerate() {
                    (form(page, operation, now, Some(place) == first))
                }
            }
        }
    }
}

fn form(page: &Page<'_>, operation: &Operation<'_>, now: Option<&Value>, open: bool) -> Markup {
    let id = operation.id();
    let refusal = refusal(operation.need(), page.who);
    html! {
        details.card.operation id=(id) open[open] {
            summary {
                (method(&operation.method))
                span.operation-name { (operation.summary()) }
                @if operation.is_deprecated() { span.chip.chip-warn { "deprecated" } }
                @if refusal.is_some() { span.chip title=[refusal.as_deref()] { "not allowed" } }
            }
            div.card-body {
                @if operation.path != page.path { p.mono.soft.path { (operation.path) } }
                @if let Some(words) = &refusal { p.note { (line(words)) } }
                @if operation.method == Method::GET && operation.open_words().is_empty() {
                    @if refusal.is_none() { p { a.btn href=(operation.path) { "Open" } } }
                } @else {
                    (inputs(page, operation, now, &id, refusal.is_some()))
                }
                (details(page, operation))
            }
        }
    }
}

fn inputs(
    page: &Page<'_>,
    operation: &Operation<'_>,
    now: Option<&Value>,
    id: &str,
    refused: bool,
) -> Markup {
    let body = operation.body();
    let shapes = match body.as_ref().map(|(shape, _)| &shape.kind) {
        Some(Kind::Object(shapes)) => Some(shapes),
        _ => None,
    };
    let own = operation.path == page.path;
    let changes = own && matches!(operation.method, Method::PATCH | Method::PUT | Method::DELETE);
    let etag = page.etag().filter(|_| changes || operation.heeds("if-match"));
    let now = now.filter(|_| own && operation.method != Method::POST);
    let kind = match (&body, shapes) {
        (None, _) if operation.takes_file() => "file",
        (None, _) => "none",
        (Some(_), Some(_)) => "form",
        (Some(_), None) => "json",
    };
    let must = body.as_ref().is_some_and(|(_, must)| *must);
    html! {
        form.op-form data-method=(operation.method.as_str()) data-path=(operation.path) data-etag=[etag]
            data-body=(kind) data-must[must] data-changes-only[operation.method == Method::PATCH]
            data-idempotent[operation.heeds("idempotency-key")] data-once=(once(operation)) autocomplete="off" {
            fieldset disabled[refused] {
                (words(operation, id))
                @if let Some(shapes) = shapes {
                    div.tabs role="group" aria-label="How to write the body" {
                        button.tab type="button" data-tab="form" aria-pressed="true" { "Form" }
                        button.tab type="button" data-tab="json" aria-pressed="false" { "JSON" }
                    }
                    div.pane data-pane="form" {
                        (fields(shapes, now, id))
                        @if shapes.is_empty() { p.soft { "Nothing has to be said." } }
                    }
                }
                @if kind == "file" { (file(id)) }
                @if matches!(kind, "form" | "json") {
                    div.pane data-pane="json" hidden[kind == "form"] {
                        label.label for={ (id) "-json" } { "Body as JSON" }
                        textarea.input.code id={ (id) "-json" } data-raw rows="8" spellcheck="false" {
                            @if kind == "json" {
                                (operation.example().map_or_else(|| "{}".to_owned(), |example| format!("{example:#}")))
                            }
                        }
                    }
                }
                div.faults data-faults role="alert" hidden {}
                div.conflict data-conflict hidden {}
                div.form-foot { (button(operation)) }
            }
            @if operation.method == Method::DELETE { (confirm(page, operation, id)) }
        }
    }
}

/// Inputs for what the path leaves open.
fn words(operation: &Operation<'_>, id: &str) -> Markup {
    let parameters = operation.parameters();
    html! {
        @for name in operation.open_words() {
            @let parameter = parameters.iter().find(|one| one.place == "path" && one.name == name);
            @let id = format!("{id}-path-{name}");
            div.field {
                div.field-head { label for=(id) { (name) } em.required { "in the path" } }
                @match parameter.map(|parameter| &parameter.shape.kind) {
                    Some(Kind::Choice(values)) => {
                        select.input id=(id) data-word=(name) required {
                            @for value in values { option value=(plain(value)) { (plain(value)) } }
                        }
                    }
                    _ => { input.input id=(id) data-word=(name) required spellcheck="false"; }
                }
                @if let Some(parameter) = parameter { p.hint { (line(parameter.description)) } }
            }
        }
    }
}

/// A body that is a file as it is.
fn file(id: &str) -> Markup {
    html! {
        div.field {
            div.field-head { label for={ (id) "-file" } { "File" } em.required { "required" } }
            input.input.file id={ (id) "-file" } type="file" data-file required;
        }
        div.field {
            div.field-head { label for={ (id) "-type" } { "Content-Type" } }
            input.input id={ (id) "-type" } data-type placeholder="as the browser knows it" spellcheck="false" autocomplete="off";
        }
    }
}

fn button(operation: &Operation<'_>) -> Markup {
    match operation.method {
        Method::DELETE => html! { button.btn.btn-end type="submit" { (operation.summary()) "…" } },
        Method::GET => html! { button.btn type="submit" { "Open" } },
        _ => html! { button.btn.btn-main type="submit" { (operation.summary()) } },
    }
}

/// The question before something is deleted: it names the thing.
fn confirm(page: &Page<'_>, operation: &Operation<'_>, id: &str) -> Markup {
    html! {
        dialog data-confirm aria-labelledby={ (id) "-title" } {
            div.dialog {
                h2 id={ (id) "-title" } { (operation.summary()) "?" }
                @if let Some(name) = page.name() { p.thing { (name) } }
                p.mono.soft.path { (operation.path) }
                div.dialog-foot {
                    button.btn type="button" data-cancel { "Keep it" }
                    button.btn.btn-air type="button" data-really { (operation.summary()) }
                }
            }
        }
    }
}

/// The fields of an answer that are told only in it.
fn once(operation: &Operation<'_>) -> String {
    let properties = operation.answer_properties().into_iter().flatten();
    let secret = properties.filter(|(name, schema)| {
        let said = schema["description"].as_str().unwrap_or_default().to_ascii_lowercase();
        schema["format"] == "password"
            || said.contains("once")
            || said.contains("only in this")
            || said.contains("this one answer")
            || matches!(name.as_str(), "secret" | "token" | "password" | "recovery_codes")
    });
    secret.map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(" ")
}
