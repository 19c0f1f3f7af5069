//! `fields=id,inputs.main.url`: which fields of each thing an answer shows.

use super::Response;
use super::problem::ApiError;
use http::StatusCode;
use http_body_util::BodyExt as _;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Most names in a request.
pub(crate) const MOST: usize = 100;

/// Fields by name; what is chosen within each, everything if nothing is.
#[derive(Debug, Default, PartialEq, Eq)]
struct Chosen(BTreeMap<String, Chosen>);

/// What a request wants to be shown.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Selection(Chosen);

impl Selection {
    /// Reads `fields` of a query, if it is there; `known` are the names that the answer's things have.
    ///
    /// # Errors
    /// A name is unknown: the error lists those that are known.
    pub(super) fn of(query: &str, known: impl FnOnce() -> Vec<String>) -> Result<Option<Self>, ApiError> {
        if !query.contains("fields") {
            return Ok(None);
        }
        let pairs = url::form_urlencoded::parse(query.as_bytes());
        let given: Vec<_> = pairs.filter(|(key, _)| key == "fields").map(|(_, value)| value).collect();
        if given.is_empty() {
            return Ok(None);
        }
        let known = known();
        if known.is_empty() {
            return Err(ApiError::field("fields", "is not known here: this answer has no fields to choose"));
        }
        let mut chosen = Chosen::default();
        let names: Vec<&str> = given
            .iter()
            .flat_map(|value| value.split(','))
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .collect();
        let unknown: Vec<String> = names
            .iter()
            .filter(|name| !known.iter().any(|known| known == *name))
            .map(|name| name.chars().take(64).collect())
            .take(10)
            .collect();
        if !unknown.is_empty() || names.is_empty() || names.len() > MOST {
            let what = if unknown.is_empty() {
                format!("must be 1 to {MOST} names")
            } else {
                format!("{} is not known", unknown.join(", "))
            };
            return Err(ApiError::field("fields", format!("{what}: there are {}", known.join(", "))));
        }
        for name in names {
            chosen.add(name);
        }
        Ok(Some(Self(chosen)))
    }

    /// Leaves of an answer what was chosen: of each thing in a list, or of the one thing.
    pub(super) async fn narrow(&self, response: Response) -> Response {
        if response.status() != StatusCode::OK {
            return response;
        }
        let (mut parts, body) = response.into_parts();
        // Made by this server, which limits lists.
        let whole = match body.collect().await {
            Ok(whole) => whole.to_bytes(),
            Err(_) => return ApiError::unavailable("the answer broke off").into_response(),
        };
        let Ok(mut value) = serde_json::from_slice::<Value>(&whole) else {
            return Response::from_parts(parts, whole.into());
        };
        match value.get_mut("data").and_then(Value::as_array_mut) {
            Some(things) => things.iter_mut().for_each(|thing| self.0.narrow(thing)),
            None => self.0.narrow(&mut value),
        }
        parts.headers.remove(http::header::CONTENT_LENGTH);
        Response::from_parts(parts, value.to_string().into())
    }
}

impl Chosen {
    fn add(&mut self, name: &str) {
        let (first, rest) = name.split_once('.').map_or((name, None), |(first, rest)| (first, Some(rest)));
        let is_new = !self.0.contains_key(first);
        let within = self.0.entry(first.to_owned()).or_default();
        match rest {
            // All of it was chosen before.
            Some(_) if !is_new && within.0.is_empty() => {}
            Some(rest) => within.add(rest),
            None => within.0.clear(),
        }
    }

    fn narrow(&self, value: &mut Value) {
        match value {
            Value::Object(object) if !self.0.is_empty() => {
                object.retain(|name, _| self.0.contains_key(name));
                for (name, value) in object {
                    if let Some(within) = self.0.get(name) {
                        within.narrow(value);
                    }
                }
            }
            Value::Array(values) => values.iter_mut().for_each(|value| self.narrow(value)),
            _ => {}
        }
    }
}

/// The names that a schema's things have, with dots between levels; of a list, those of the things in it.
pub(crate) fn names(schema: &Value, document: &Value) -> Vec<String> {
    let schema = resolved(schema, document);
    let list = &resolved(&schema["properties"]["data"], document)["items"];
    let thing = if list.is_object() { list } else { schema };
    let mut names = Vec::new();
    collect(thing, document, "", &mut names);
    names
}

fn resolved<'a>(schema: &'a Value, document: &'a Value) -> &'a Value {
    let Some(name) = schema["$ref"].as_str().and_then(|name| name.strip_prefix("#/components/schemas/"))
    else {
        return schema;
    };
    &document["components"]["schemas"][name]
}

fn collect(schema: &Value, document: &Value, before: &str, names: &mut Vec<String>) {
    /// No thing is deeper; a schema that refers to itself has an end here.
    const DEEPEST: usize = 4;
    let schema = resolved(schema, document);
    if before.matches('.').count() >= DEEPEST {
        return;
    }
    for choices in ["oneOf", "anyOf", "allOf"] {
        for choice in schema[choices].as_array().into_iter().flatten() {
            collect(choice, document, before, names);
        }
    }
    if schema["items"].is_object() {
        collect(&schema["items"], document, before, names);
    }
    for (name, property) in schema["properties"].as_object().unwrap_or(&Map::new()) {
        let name = format!("{before}{name}");
        if !names.contains(&name) {
            names.push(name.clone());
        }
        collect(property, document, &format!("{name}."), names);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn known() -> Vec<String> {
        let document = json!({ "components": { "schemas": {
            "ThingList": { "properties": { "data": { "items": { "$ref": "#/components/schemas/Thing" } }, "next": {} } },
            "Thing": { "properties": {
                "id": {}, "title": {},
                "size": { "oneOf": [{ "type": "null" }, { "properties": { "width": {}, "height": {} } }] },
                "tracks": { "items": { "properties": { "codec": {}, "rate": {} } } },
            } },
        } } });
        names(&json!({ "$ref": "#/components/schemas/ThingList" }), &document)
    }

    async fn narrowed(query: &str, value: Value) -> Value {
        let selection = Selection::of(query, known).unwrap().unwrap();
        let response = selection.narrow(Response::new(value.to_string().into())).await;
        serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap()
    }

    fn thing() -> Value {
        json!({ "id": 1, "title": "t", "size": { "width": 2, "height": 3 },
                "tracks": [{ "codec": "a", "rate": 4 }, { "codec": "b", "rate": 5 }] })
    }

    #[tokio::test]
    async fn what_was_chosen_is_left() {
        let all = json!({ "data": [thing(), thing()], "next": "n" });
        let few = narrowed("fields=id,size.width&limit=2", all).await;
        let one = json!({ "id": 1, "size": { "width": 2 } });
        assert_eq!(few, json!({ "data": [one, one], "next": "n" }));
        let tracks = narrowed("fields=tracks.codec,title", thing()).await;
        assert_eq!(tracks, json!({ "title": "t", "tracks": [{ "codec": "a" }, { "codec": "b" }] }));
        for query in ["fields=size,size.width", "fields=size.width,size", "fields=size&fields=size.width"] {
            assert_eq!(
                narrowed(query, thing()).await,
                json!({ "size": { "width": 2, "height": 3 } }),
                "{query}"
            );
        }
        let absent = json!({ "id": 1, "size": null });
        assert_eq!(narrowed("fields=size.width", absent).await, json!({ "size": null }));
    }

    #[test]
    fn unknown_names_are_told_with_those_that_are_known() {
        assert_eq!(Selection::of("limit=3", known).unwrap(), None);
        assert_eq!(Selection::of("after=fields", known).unwrap(), None);
        for wrong in ["fields=colour", "fields=id,size.depth", "fields=", "fields=id.x", "fields=,"] {
            let error = Selection::of(wrong, known).unwrap_err();
            let text = String::from_utf8(error.body()).unwrap();
            assert!(error.status() == 422 && text.contains("size.width, title"), "{wrong}: {text}");
        }
        assert!(Selection::of("fields=id", Vec::new).is_err());
    }
}
