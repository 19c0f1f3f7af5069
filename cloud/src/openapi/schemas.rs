//! Plain schemas, easy to read for people and for programs that make forms or clients of them.
//!
//! What is derived from Rust types is right but winding: each id is a component of its own, a struct in a struct an
//! `allOf`, what may be absent a `oneOf`. Here small types stand where they are used, objects are whole, whatever may
//! be `null` says so in its `type`, every field has a title, and what a body may not have is refused.

use super::problems;
use serde_json::{Map, Value, json};

const PREFIX: &str = "#/components/schemas/";

/// Makes all schemas of a document plain.
pub(super) fn plain(document: &mut Value) {
    let mut schemas = match document["components"]["schemas"].take() {
        Value::Object(schemas) => schemas,
        _ => Map::new(),
    };
    for (name, schema) in problems::schemas() {
        schemas.insert(name.to_owned(), schema);
    }
    let known = schemas.clone();
    walk(document, &known);
    for schema in schemas.values_mut() {
        walk(schema, &known);
    }
    optional_bodies(document);
    let bodies = bodies(document);
    for (name, schema) in &mut schemas {
        if bodies.contains(name) {
            schema["additionalProperties"] = false.into();
        } else {
            answered(schema);
        }
        title(name, schema);
    }
    let used = used(document, &schemas);
    schemas.retain(|name, _| used.contains(name));
    document["components"]["schemas"] = schemas.into();
}

fn walk(value: &mut Value, known: &Map<String, Value>) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(|value| walk(value, known)),
        Value::Object(object) => {
            // Examples are no schemas, whatever is in them.
            object.iter_mut().filter(|(key, _)| *key != "example").for_each(|(_, value)| walk(value, known));
            whole(object, known);
            in_place(object, known);
            nullable(object);
            bytes(object);
        }
        _ => {}
    }
}

/// A reference to what is no object, and no choice that deserves a name, becomes what it refers to.
fn in_place(object: &mut Map<String, Value>, known: &Map<String, Value>) {
    let Some(target) = referred(object).and_then(|name| known.get(name)).and_then(Value::as_object) else {
        return;
    };
    let small = matches!(
        target.get("type").and_then(Value::as_str),
        Some("string" | "integer" | "number" | "boolean")
    );
    if small && !target.contains_key("enum") {
        object.remove("$ref");
        for (key, value) in target {
            object.entry(key).or_insert_with(|| value.clone());
        }
    }
}

fn referred(object: &Map<String, Value>) -> Option<&str> {
    object.get("$ref")?.as_str()?.strip_prefix(PREFIX)
}

/// Parts of one object become one object.
fn whole(object: &mut Map<String, Value>, known: &Map<String, Value>) {
    let Some(Value::Array(parts)) = object.remove("allOf") else { return };
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for part in parts {
        let mut part = part.as_object().cloned().unwrap_or_default();
        if let Some(target) = referred(&part).and_then(|name| known.get(name)) {
            let mut target = target.clone();
            walk(&mut target, known);
            part = target.as_object().cloned().unwrap_or_default();
        }
        if let Some(Value::Object(more)) = part.remove("properties") {
            properties.extend(more);
        }
        if let Some(Value::Array(more)) = part.remove("required") {
            required.extend(more);
        }
    }
    object.insert("type".to_owned(), "object".into());
    object.insert("properties".to_owned(), properties.into());
    object.insert("required".to_owned(), required.into());
}

/// A choice between something and `null`.
fn nullable(object: &mut Map<String, Value>) {
    let Some(Value::Array(choices)) = object.get("oneOf") else { return };
    let is_null = |choice: &Value| *choice == json!({ "type": "null" });
    let others: Vec<&Value> = choices.iter().filter(|choice| !is_null(choice)).collect();
    let [Value::Object(other)] = others[..] else { return };
    let mut other = other.clone();
    if let Some(kind) = other.get("type").and_then(Value::as_str).map(str::to_owned) {
        other.insert("type".to_owned(), json!([kind, "null"]));
        object.remove("oneOf");
        object.extend(other);
    } else if other.contains_key("$ref") {
        // Its words belong to the field.
        if let Some(words) = other.remove("description") {
            object.insert("description".to_owned(), words);
        }
        object.insert("oneOf".to_owned(), json!([other, { "type": "null" }]));
    }
}

/// Bytes that are no JSON are described by their media type alone.
fn bytes(object: &mut Map<String, Value>) {
    for kind in ["application/octet-stream", "application/zip", "*/*"] {
        if let Some(content) = object.get_mut(kind) {
            *content = json!({ "schema": { "type": "string", "format": "binary" } });
        }
    }
}

/// A body that need not be there is not `null` when it is.
fn optional_bodies(document: &mut Value) {
    let items = document["paths"].as_object_mut().into_iter().flat_map(Map::values_mut);
    for operation in items.filter_map(Value::as_object_mut).flat_map(Map::values_mut) {
        let Some(body) = operation.get_mut("requestBody") else { continue };
        if body["content"].get("application/json").is_none() {
            continue;
        }
        let media = &mut body["content"]["application/json"]["schema"];
        if let Some(choices) = media["oneOf"].as_array() {
            *media = choices.iter().find(|choice| choice.get("$ref").is_some()).cloned().unwrap_or_default();
            body["required"] = false.into();
        }
    }
}

/// The components that request bodies are.
fn bodies(document: &Value) -> Vec<String> {
    let operations = document["paths"].as_object().into_iter().flat_map(Map::values);
    let operations = operations.filter_map(Value::as_object).flat_map(Map::values);
    let schemas = operations.filter_map(|one| one.pointer("/requestBody/content/application~1json/schema"));
    schemas.filter_map(|schema| referred(schema.as_object()?)).map(str::to_owned).collect()
}

/// What stands in for a field that is absent matters to readers only: answers have it.
fn answered(schema: &mut Value) {
    let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) else { return };
    let with = properties.iter_mut().filter_map(|(name, field)| {
        let default = field.as_object_mut()?.remove("default");
        default.map(|_| Value::from(name.as_str()))
    });
    let mut there: Vec<Value> = with.collect();
    if let Some(Value::Array(required)) = schema.get_mut("required") {
        there.retain(|name| !required.contains(name));
        required.append(&mut there);
    } else if !there.is_empty() {
        schema["required"] = there.into();
    }
}

/// Titles for a schema and its fields, of their names.
fn title(name: &str, schema: &mut Value) {
    let Some(object) = schema.as_object_mut() else { return };
    let mut words = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !words.is_empty() {
            words.push(' ');
            words.extend(letter.to_lowercase());
        } else {
            words.push(letter);
        }
    }
    object.entry("title").or_insert_with(|| words.into());
    for (name, field) in object.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten() {
        if let Some(field) = field.as_object_mut() {
            field.entry("title").or_insert_with(|| field_title(name).into());
        }
    }
}

/// `device_id` becomes `Device id`.
fn field_title(name: &str) -> String {
    let words = name.replace('_', " ");
    let mut letters = words.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// The components that something refers to, also by way of others.
fn used(document: &Value, schemas: &Map<String, Value>) -> Vec<String> {
    let mut used = Vec::new();
    let mut look: Vec<&Value> = vec![&document["paths"]];
    // Each operation's problems refer to it.
    look.extend(schemas.get("Problem"));
    used.push("Problem".to_owned());
    while let Some(value) = look.pop() {
        match value {
            Value::Array(values) => look.extend(values),
            Value::Object(object) => {
                if let Some((name, schema)) = referred(object).and_then(|name| schemas.get_key_value(name))
                    && !used.contains(name)
                {
                    used.push(name.clone());
                    look.push(schema);
                }
                look.extend(object.values());
            }
            _ => {}
        }
    }
    used
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_derived_becomes_plain() {
        let mut document = json!({
            "paths": { "/x": { "post": {
                "requestBody": { "content": { "application/json": { "schema": { "$ref": "#/components/schemas/NewThing" } } } },
                "responses": { "200": { "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Whole" } } } } },
            } } },
            "components": { "schemas": {
                "Id": { "type": "string", "pattern": "^x" },
                "Kind": { "type": "string", "enum": ["a", "b"] },
                "Unused": { "type": "object" },
                "Part": { "type": "object", "required": ["id"], "properties": { "id": { "$ref": "#/components/schemas/Id", "description": "Its id." } } },
                "Whole": { "allOf": [{ "$ref": "#/components/schemas/Part" }, { "type": "object", "required": ["n"], "properties": { "n": { "type": "integer" } } }] },
                "NewThing": { "type": "object", "properties": {
                    "other_id": { "oneOf": [{ "$ref": "#/components/schemas/Id", "description": "Another." }, { "type": "null" }] },
                    "kind": { "oneOf": [{ "type": "null" }, { "$ref": "#/components/schemas/Kind", "description": "Of two." }] },
                } },
            } },
        });
        plain(&mut document);
        let schemas = &document["components"]["schemas"];
        assert_eq!(
            schemas["Whole"],
            json!({ "type": "object", "title": "Whole", "required": ["id", "n"], "properties": {
                "id": { "type": "string", "pattern": "^x", "description": "Its id.", "title": "Id" },
                "n": { "type": "integer", "title": "N" },
            } })
        );
        assert_eq!(
            schemas["NewThing"],
            json!({ "type": "object", "title": "New thing", "additionalProperties": false, "properties": {
                "other_id": { "type": ["string", "null"], "pattern": "^x", "description": "Another.", "title": "Other id" },
                "kind": {
                    "oneOf": [{ "$ref": "#/components/schemas/Kind" }, { "type": "null" }],
                    "description": "Of two.", "title": "Kind",
                },
            } })
        );
        let names: Vec<&String> = schemas.as_object().unwrap().keys().collect();
        assert_eq!(names, ["FieldError", "Kind", "NewThing", "Problem", "Whole"]);
    }
}
