//! What each operation gets out of the table of routes: what it needs, and what its path names.

use super::problems;
use crate::access::{self, Need, Rule, Segment, Thing};
use crate::account::SESSION_COOKIE;
use crate::event::Input;
use crate::http::names;
use serde_json::{Map, Value, json};
use stagebox_protocol::Command;
use utoipa::PartialSchema;

/// An operation as the document has it so far, with its line of the table.
pub(super) struct Asked<'a> {
    pub(super) rule: &'a Rule,
    operation: &'a Map<String, Value>,
}

impl Asked<'_> {
    /// Whether it changes something.
    pub(super) fn changes(&self) -> bool {
        self.rule.method != http::Method::GET
    }

    /// Whether it takes a body.
    pub(super) fn has_body(&self) -> bool {
        self.operation.contains_key("requestBody")
    }

    /// Whether it takes this parameter.
    pub(super) fn has_parameter(&self, name: &str) -> bool {
        let parameters = self.operation.get("parameters").and_then(Value::as_array);
        parameters.is_some_and(|all| all.iter().any(|one| one["name"] == name))
    }
}

/// Completes all operations, and adds what they refer to.
pub(super) fn complete(document: &mut Value) {
    for rule in access::rules() {
        let (path, method) = (path(rule), rule.method.as_str().to_lowercase());
        // A test compares the document with the table.
        let fields = answer_fields(rule, document);
        if let Some(operation) = at(document, &["paths", &path, &method]) {
            finish(rule, &fields, operation);
        }
    }
    link(document);
    let components = &mut document["components"];
    components["responses"] = problems::responses();
    components["securitySchemes"] = schemes();
}

/// The names of the fields of what a route reads, if that is JSON.
pub(super) fn answer_fields(rule: &Rule, document: &Value) -> Vec<String> {
    let answer = &document["paths"][path(rule)]["get"]["responses"]["200"];
    let schema = &answer["content"]["application/json"]["schema"];
    if rule.method == http::Method::GET && schema.is_object() { names(schema, document) } else { Vec::new() }
}

/// An object of the document, if it is there.
fn at<'a>(document: &'a mut Value, keys: &[&str]) -> Option<&'a mut Map<String, Value>> {
    keys.iter().try_fold(document, |value, key| value.get_mut(*key))?.as_object_mut()
}

/// A rule's path as the document writes it.
pub(super) fn path(rule: &Rule) -> String {
    written(&rule.path)
}

fn written(path: &[Segment]) -> String {
    let segment = |segment: &Segment| match segment {
        Segment::Literal(word) => format!("/{word}"),
        Segment::Id(thing) => format!("/{{{}}}", thing.name()),
        Segment::Name => "/{name}".to_owned(),
        Segment::Rest => "/{path}".to_owned(),
    };
    path.iter().map(segment).collect()
}

fn finish(rule: &Rule, fields: &[String], operation: &mut Map<String, Value>) {
    let own = parameters(rule);
    let others = operation.remove("parameters");
    let all: Vec<Value> =
        own.into_iter().chain(others.and_then(|all| all.as_array().cloned()).into_iter().flatten()).collect();
    if !all.is_empty() {
        operation.insert("parameters".to_owned(), all.into());
    }
    super::conventions::add(rule, fields, operation);
    let asked = Asked { rule, operation };
    let mut responses = operation.get("responses").and_then(Value::as_object).cloned().unwrap_or_default();
    problems::add(&asked, &mut responses);
    let changes = asked.changes();
    for response in responses.values_mut() {
        for (name, value) in response.get_mut("headers").and_then(Value::as_object_mut).into_iter().flatten()
        {
            *value = header(name);
        }
    }
    operation.insert("responses".to_owned(), responses.into());
    let (permission, words) = needed(rule.need);
    let description = operation.get("description").and_then(Value::as_str).unwrap_or_default();
    operation.insert("description".to_owned(), format!("{description}\n\n{words}").into());
    operation.insert("x-permission".to_owned(), permission.into());
    operation.entry("security").or_insert_with(|| security(rule.need, changes));
}

/// Says which operations take the ids that lists and new things are answered with.
fn link(document: &mut Value) {
    for rule in access::rules() {
        let Some(place) = rule.path.iter().position(|part| matches!(part, Segment::Id(_))) else { continue };
        let (before, Segment::Id(thing)) = (&rule.path[..place], rule.path[place]) else { continue };
        let parent = written(before);
        let operation = &document["paths"][path(rule)][rule.method.as_str().to_lowercase()]["operationId"];
        let Some(name) = operation.as_str().map(str::to_owned) else { continue };
        for (method, status, id) in
            [("get", "200", "$response.body#/data/0/id"), ("post", "201", "$response.body#/id")]
        {
            if let Some(answer) = at(document, &["paths", &parent, method, "responses", status]) {
                let links = answer.entry("links").or_insert_with(|| json!({}));
                links[&name] = json!({ "operationId": name, "parameters": { thing.name(): id } });
            }
        }
    }
}

/// The name of what a route needs, and words for it.
fn needed(need: Need) -> (&'static str, String) {
    match need {
        Need::Public => ("public", "Needs no login.".to_owned()),
        Need::Login => ("login", "Needs a login, whatever it may do.".to_owned()),
        Need::Device => ("device", "For boxes: needs a box's id and secret by HTTP Basic.".to_owned()),
        Need::Permission(permission) => {
            (permission.name(), format!("Needs the permission `{permission}`: {}", permission.words()))
        }
    }
}

fn security(need: Need, changes: bool) -> Value {
    match need {
        Need::Public => json!([]),
        Need::Device => json!([{ "box": [] }]),
        Need::Login | Need::Permission(_) if changes => {
            json!([{ "token": [] }, { "basic": [] }, { "session": [], "csrf": [] }])
        }
        Need::Login | Need::Permission(_) => json!([{ "token": [] }, { "basic": [] }, { "session": [] }]),
    }
}

fn schemes() -> Value {
    json!({
        "token": { "type": "http", "scheme": "bearer", "description": "A personal token, `sbx_…`." },
        "basic": { "type": "http", "scheme": "basic", "description": "E-mail address and password." },
        "session": {
            "type": "apiKey", "in": "cookie", "name": SESSION_COOKIE, "description": "The cookie that `login` sets."
        },
        "csrf": {
            "type": "apiKey", "in": "header", "name": "X-CSRF-Token",
            "description": "The `csrf` of the session, where a session changes something."
        },
        "box": { "type": "http", "scheme": "basic", "description": "A box's id and secret." },
    })
}

/// What a path names.
fn parameters(rule: &Rule) -> Vec<Value> {
    let parameter = |name: &str, words: &str, schema: Value| json!({ "name": name, "in": "path", "required": true, "description": words, "schema": schema });
    let segment = |segment: &Segment| match segment {
        Segment::Literal(_) => None,
        Segment::Id(thing) => {
            let words = format!("The {}'s id.", thing.name());
            Some(parameter(thing.name(), &words, id(*thing)))
        }
        Segment::Name if rule.path.contains(&Segment::Literal("include-files")) => {
            let schema = json!({ "type": "string", "pattern": "^[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}$" });
            Some(parameter("name", "The file's name.", schema))
        }
        Segment::Name if rule.path.contains(&Segment::Literal("sessions")) => {
            Some(parameter("name", "The session's id.", json!({ "type": "string", "minLength": 1 })))
        }
        Segment::Name if rule.path.contains(&Segment::Literal("inputs")) => {
            let schema = json!({ "type": "string", "enum": Input::ALL.map(Input::name) });
            Some(parameter("name", "Which of the event's inputs.", schema))
        }
        Segment::Name => {
            let schema = json!({ "type": "string", "enum": Command::NAMES });
            Some(parameter("name", "The command's name.", schema))
        }
        Segment::Rest => {
            let schema = json!({ "type": "string", "minLength": 1 });
            Some(parameter("path", "The object's name; its slashes may be sent as they are.", schema))
        }
    };
    rule.path.iter().filter_map(segment).collect()
}

fn id(thing: Thing) -> Value {
    use crate::id::{BoxId, EventId, ItemId, JobId, RecordingId, RoleId, SimulcastId, TokenId, UserId};
    let schema = match thing {
        Thing::Device => BoxId::schema(),
        Thing::Event => EventId::schema(),
        Thing::Item => ItemId::schema(),
        Thing::Job => JobId::schema(),
        Thing::Recording => RecordingId::schema(),
        Thing::Role => RoleId::schema(),
        Thing::Simulcast => SimulcastId::schema(),
        Thing::Token => TokenId::schema(),
        Thing::User => UserId::schema(),
    };
    serde_json::to_value(schema).unwrap_or_default()
}

/// A header of answers, by its name.
pub(super) fn header(name: &str) -> Value {
    let (words, schema) = match name {
        "ETag" => ("The version, for `If-Match` or `If-None-Match`.", json!({ "type": "string" })),
        "Location" => ("Where it is found.", json!({ "type": "string", "format": "uri-reference" })),
        "Retry-After" => ("How many seconds to wait.", json!({ "type": "integer", "minimum": 0 })),
        "RateLimit" => {
            ("What may still be asked at once, and when all may be again.", json!({ "type": "string" }))
        }
        "RateLimit-Policy" => ("What may be asked at once, and how it fills.", json!({ "type": "string" })),
        "Set-Cookie" => ("The session's cookie.", json!({ "type": "string" })),
        "WWW-Authenticate" => ("How to log in.", json!({ "type": "string" })),
        "Content-Range" => ("Which bytes of how many.", json!({ "type": "string" })),
        _ => ("", json!({ "type": "string" })),
    };
    json!({ "description": words, "schema": schema })
}
