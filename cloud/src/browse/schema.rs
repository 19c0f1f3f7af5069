//! What a JSON Schema of the document asks for, in the terms of a form.

use super::document::Document;
use serde_json::Value;

/// Levels of objects and lists that a form has; what lies deeper is JSON.
const MAX_DEPTH: usize = 5;

/// What a value may be.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind<'a> {
    /// Text, with the names that the document uses for its limits.
    Text { min: u64, max: Option<u64>, format: &'a str, pattern: &'a str },
    /// A number.
    Number { whole: bool, min: Option<f64>, max: Option<f64> },
    /// Yes or no.
    Flag,
    /// One of these.
    Choice(Vec<&'a Value>),
    /// A moment (RFC 3339).
    Time,
    /// Any of these.
    Choices(Vec<&'a Value>),
    /// Any number of such values.
    List(Box<Shape<'a>>),
    /// These fields.
    Object(Vec<Field<'a>>),
    /// Whatever JSON has.
    Any,
}

/// A value's kind with what is said of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Shape<'a> {
    pub(super) kind: Kind<'a>,
    /// Whether it may be `null`.
    pub(super) nullable: bool,
    pub(super) title: &'a str,
    pub(super) description: &'a str,
    pub(super) default: Option<&'a Value>,
    pub(super) example: Option<&'a Value>,
}

/// A field of an object.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Field<'a> {
    pub(super) name: &'a str,
    pub(super) required: bool,
    pub(super) shape: Shape<'a>,
}

/// Reads a schema.
pub(super) fn shape<'a>(document: Document<'a>, schema: &'a Value) -> Shape<'a> {
    read(document, schema, 0)
}

fn read<'a>(document: Document<'a>, given: &'a Value, depth: usize) -> Shape<'a> {
    let schema = document.resolve(given);
    // What stands beside a reference says more than what it leads to.
    let word = |key: &str| given[key].as_str().or_else(|| schema[key].as_str()).unwrap_or_default();
    let value = |key: &str| given.get(key).or_else(|| schema.get(key));
    let mut shape = match alternatives(schema) {
        Some(others) => of_alternatives(document, others, depth),
        None => Shape { kind: kind(document, schema, depth), ..Shape::of(Kind::Any) },
    };
    shape.nullable |= types(schema).any(|name| name == "null") || is_null_among(schema);
    for (own, said) in [(&mut shape.title, word("title")), (&mut shape.description, word("description"))] {
        if !said.is_empty() {
            *own = said;
        }
    }
    shape.default = value("default").or(shape.default);
    let examples = value("examples").and_then(|examples| examples.get(0));
    shape.example = value("example").or(examples).or(shape.example);
    shape
}

impl<'a> Shape<'a> {
    fn of(kind: Kind<'a>) -> Self {
        Self { kind, nullable: false, title: "", description: "", default: None, example: None }
    }

    /// Its kind in words, as a table shows it.
    pub(super) fn words(&self) -> String {
        let words = match &self.kind {
            Kind::Text { format: "", .. } => "text".to_owned(),
            Kind::Text { format, .. } => format!("text ({format})"),
            Kind::Number { whole: true, .. } => "whole number".to_owned(),
            Kind::Number { .. } => "number".to_owned(),
            Kind::Flag => "true or false".to_owned(),
            Kind::Choice(values) => join(values, " | "),
            Kind::Time => "time (RFC 3339)".to_owned(),
            Kind::Choices(values) => format!("list of {}", join(values, " | ")),
            Kind::List(inner) => format!("list of {}", inner.words()),
            Kind::Object(_) => "object".to_owned(),
            Kind::Any => "any JSON".to_owned(),
        };
        if self.nullable { format!("{words}, or null") } else { words }
    }

    /// Its limits in words; empty if there are none.
    pub(super) fn limits(&self) -> String {
        match &self.kind {
            Kind::Text { min, max, .. } => match (*min, *max) {
                (0, None) => String::new(),
                (min, None) => format!("{min} characters at least"),
                (0, Some(max)) => format!("{max} characters at most"),
                (min, Some(max)) => format!("{min} to {max} characters"),
            },
            Kind::Number { min, max, .. } => match (min, max) {
                (None, None) => String::new(),
                (Some(min), None) => format!("{min} at least"),
                (None, Some(max)) => format!("{max} at most"),
                (Some(min), Some(max)) => format!("{min} to {max}"),
            },
            _ => String::new(),
        }
    }
}

/// What ids of such a shape begin with: `evt_`, by their pattern or an example.
pub(super) fn id_prefix(shape: &Shape<'_>) -> Option<String> {
    let Kind::Text { pattern, .. } = &shape.kind else { return None };
    let text = match pattern.strip_prefix('^') {
        Some(pattern) => pattern,
        None => shape.example?.as_str()?,
    };
    let (word, _) = text.split_once('_')?;
    let is_word = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase());
    is_word.then(|| format!("{word}_"))
}

/// A value as it reads best: text without its quotes.
pub(super) fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn join(values: &[&Value], between: &str) -> String {
    values.iter().map(|value| plain(value)).collect::<Vec<_>>().join(between)
}

fn types(schema: &Value) -> impl Iterator<Item = &str> {
    let one = schema["type"].as_str();
    one.into_iter().chain(schema["type"].as_array().into_iter().flatten().filter_map(Value::as_str))
}

fn alternatives(schema: &Value) -> Option<&Vec<Value>> {
    ["oneOf", "anyOf", "allOf"].iter().find_map(|key| schema[*key].as_array())
}

fn is_null(schema: &Value) -> bool {
    schema["type"] == "null"
}

fn is_null_among(schema: &Value) -> bool {
    alternatives(schema).is_some_and(|others| others.iter().any(is_null))
        || schema["enum"].as_array().is_some_and(|values| values.contains(&Value::Null))
}

fn of_alternatives<'a>(document: Document<'a>, others: &'a [Value], depth: usize) -> Shape<'a> {
    let mut shapes: Vec<Shape<'a>> = others
        .iter()
        .filter(|other| !is_null(other))
        .map(|other| read(document, other, depth + usize::from(others.len() > 2)))
        .collect();
    if shapes.len() == 1 {
        return shapes.remove(0);
    }
    // Named values, each with a description of its own, are one choice.
    let mut values = Vec::new();
    for shape in &shapes {
        match &shape.kind {
            Kind::Choice(more) => values.extend(more),
            _ => return Shape::of(Kind::Any),
        }
    }
    Shape::of(if values.is_empty() { Kind::Any } else { Kind::Choice(values) })
}

fn kind<'a>(document: Document<'a>, schema: &'a Value, depth: usize) -> Kind<'a> {
    if let Some(values) = schema["enum"].as_array() {
        return Kind::Choice(values.iter().filter(|value| !value.is_null()).collect());
    }
    if let Some(value) = schema.get("const") {
        return Kind::Choice(vec![value]);
    }
    if depth >= MAX_DEPTH {
        return Kind::Any;
    }
    let word = |key: &str| schema[key].as_str().unwrap_or_default();
    let mut named = types(schema).filter(|name| *name != "null");
    let (Some(name), None) = (named.next(), named.next()) else {
        return if schema["properties"].is_object() { object(document, schema, depth) } else { Kind::Any };
    };
    match name {
        "string" if word("format") == "date-time" => Kind::Time,
        "string" => Kind::Text {
            min: schema["minLength"].as_u64().unwrap_or(0),
            max: schema["maxLength"].as_u64(),
            format: word("format"),
            pattern: word("pattern"),
        },
        "integer" | "number" => Kind::Number {
            whole: name == "integer",
            min: schema["minimum"].as_f64(),
            max: schema["maximum"].as_f64(),
        },
        "boolean" => Kind::Flag,
        "array" => {
            let inner = read(document, &schema["items"], depth + 1);
            match inner.kind {
                Kind::Choice(values) => Kind::Choices(values),
                _ => Kind::List(Box::new(inner)),
            }
        }
        "object" if schema["properties"].is_object() => object(document, schema, depth),
        _ => Kind::Any,
    }
}

/// The fields, those first that must be there.
fn object<'a>(document: Document<'a>, schema: &'a Value, depth: usize) -> Kind<'a> {
    let required = |name: &str| {
        let names = schema["required"].as_array().into_iter().flatten();
        names.filter_map(Value::as_str).any(|required| required == name)
    };
    let properties = schema["properties"].as_object().into_iter().flatten();
    let mut fields: Vec<Field<'a>> = properties
        .map(|(name, property)| Field {
            name,
            required: required(name),
            shape: read(document, property, depth + 1),
        })
        .collect();
    let naming = |name: &str| matches!(name, "title" | "name" | "email");
    fields.sort_by_key(|field| (!field.required, !naming(field.name)));
    Kind::Object(fields)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(schema: &Value) -> Shape<'_> {
        shape(Document(&Value::Null), schema)
    }

    #[test]
    fn kinds_are_told_apart() {
        for (schema, words) in [
            (json!({ "type": "string" }), "text"),
            (json!({ "type": ["string", "null"], "format": "email" }), "text (email), or null"),
            (json!({ "type": "string", "format": "date-time" }), "time (RFC 3339)"),
            (json!({ "type": "integer", "minimum": 1 }), "whole number"),
            (json!({ "type": "boolean" }), "true or false"),
            (json!({ "type": "string", "enum": ["a", "b"] }), "a | b"),
            (json!({ "enum": ["a", null] }), "a, or null"),
            (json!({ "type": "array", "items": { "type": "string", "enum": ["a", "b"] } }), "list of a | b"),
            (json!({ "type": "array", "items": { "type": "number" } }), "list of number"),
            (json!({ "oneOf": [{ "type": "null" }, { "type": "boolean" }] }), "true or false, or null"),
            (json!({ "oneOf": [{ "const": "a" }, { "enum": ["b"] }] }), "a | b"),
            (json!({ "oneOf": [{ "type": "string" }, { "type": "integer" }] }), "any JSON"),
            (json!({ "type": "object" }), "any JSON"),
            (json!({ "properties": { "a": {} } }), "object"),
            (json!(true), "any JSON"),
            (Value::Null, "any JSON"),
        ] {
            assert_eq!(of(&schema).words(), words, "{schema}");
        }
    }

    #[test]
    fn references_are_followed_and_what_stands_beside_them_counts() {
        let root = json!({ "s": { "type": "string", "title": "There", "maxLength": 3, "description": "there" },
            "loop": { "$ref": "#/loop" }, "deep": { "type": "array", "items": { "$ref": "#/deep" } } });
        let given = json!({ "$ref": "#/s", "description": "here" });
        let found = shape(Document(&root), &given);
        assert_eq!(
            (found.title, found.description, found.limits().as_str()),
            ("There", "here", "3 characters at most")
        );
        let around = json!({ "$ref": "#/loop" });
        assert_eq!(shape(Document(&root), &around).kind, Kind::Any);
        let deep = json!({ "$ref": "#/deep" });
        assert!(matches!(shape(Document(&root), &deep).kind, Kind::List(_)), "a schema may hold itself");
    }

    #[test]
    fn required_fields_come_first() {
        let schema = json!({ "type": "object", "required": ["z"], "properties": { "a": {}, "z": {} } });
        let Kind::Object(fields) = of(&schema).kind else { panic!("no object") };
        assert_eq!(fields.iter().map(|field| field.name).collect::<Vec<_>>(), ["z", "a"]);
    }
}
