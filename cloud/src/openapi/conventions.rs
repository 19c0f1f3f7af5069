//! What many operations have in common: lists, keys of requests, quotas, and routes on their way out.

use super::operations::path;
use crate::access::{Need, Rule};
use crate::http::MAX_FIELDS;
use crate::http::listing::{LIMIT, Listing, MAX_LIMIT};
use crate::idempotency::KEY_PATTERN;
use crate::store::Cursor;
use crate::{account, alarm, browse, cluster, device, event, include, item, job, log, recording, simulcast};
use http::Method;
use serde_json::{Map, Value, json};

/// All lists.
static LISTINGS: [&Listing; 17] = [
    &account::PERMISSIONS,
    &account::ROLES,
    &account::SESSIONS,
    &account::TOKENS,
    &account::USERS,
    &alarm::LISTING,
    &browse::LISTING,
    &cluster::LISTING,
    &device::LISTING,
    &event::LISTING,
    &include::LISTING,
    &item::LISTING,
    &job::LISTING,
    &job::RESULTS,
    &log::LISTING,
    &recording::LISTING,
    &simulcast::LISTING,
];

/// Adds what an operation has in common with others, out of the table's line and the list's declaration.
///
/// `fields` are the names of the answer's fields.
pub(super) fn add(rule: &Rule, fields: &[String], operation: &mut Map<String, Value>) {
    let mut more = Vec::new();
    if let Some(listing) = listing(rule) {
        more.extend(of_list(listing));
        let words = operation.get("description").and_then(Value::as_str).unwrap_or_default();
        let words = format!("{words}\n\nIt can be filtered and sorted so:\n\n{}", ways(listing));
        operation.insert("description".to_owned(), words.into());
    }
    if rule.method == Method::GET
        && rule.need != Need::Public
        && rule.need != Need::Device
        && !fields.is_empty()
    {
        let words = "Which fields of each thing to answer, with dots between levels; all if absent.";
        let schema = json!({ "type": "array", "minItems": 1, "maxItems": MAX_FIELDS, "items": { "type": "string", "enum": fields } });
        let mut chosen = parameter("query", "fields", words, &schema);
        chosen["style"] = "form".into();
        chosen["explode"] = false.into();
        more.push(chosen);
    }
    if takes_key(rule) {
        let words = "What the client calls this request: sent again within a day with the same key and body, it is answered \
                     as before (`Idempotency-Replayed: true`) and not done again. With another body 422, while the first one \
                     runs 409.";
        let schema = json!({ "type": "string", "pattern": KEY_PATTERN, "examples": ["\"8e03978e-40d5-43e8-bc93-6894a57f9324\""] });
        more.push(parameter("header", "Idempotency-Key", words, &schema));
    }
    if !more.is_empty() {
        let known = operation.entry("parameters").or_insert_with(|| json!([]));
        if let Some(known) = known.as_array_mut() {
            known.extend(more);
        }
    }
    if let Some(deprecation) = &rule.deprecation {
        operation.insert("deprecated".to_owned(), true.into());
        let words = operation.get("description").and_then(Value::as_str).unwrap_or_default();
        let words = format!("{words}\n\n{}", deprecation.words());
        operation.insert("description".to_owned(), words.into());
    }
}

/// Whether an operation is done once for a key.
fn takes_key(rule: &Rule) -> bool {
    rule.method == Method::POST && matches!(rule.need, Need::Login | Need::Permission(_))
}

/// The list that a route answers.
fn listing(rule: &Rule) -> Option<&'static Listing> {
    let path = path(rule);
    LISTINGS.iter().copied().find(|listing| rule.method == Method::GET && listing.path == path)
}

fn parameter(place: &str, name: &str, words: &str, schema: &Value) -> Value {
    json!({ "name": name, "in": place, "required": false, "description": words, "schema": schema })
}

fn of_list(listing: &Listing) -> Vec<Value> {
    let mut sorts: Vec<String> = Vec::new();
    for way in listing.ways {
        for sort in [way.sort.to_owned(), format!("-{}", way.sort)] {
            if !sorts.contains(&sort) {
                sorts.push(sort);
            }
        }
    }
    let limit = json!({ "type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": LIMIT });
    let cursor = json!({ "type": "string", "pattern": Cursor::PATTERN, "maxLength": Cursor::LONGEST });
    let mut all = vec![
        parameter("query", "limit", "How many things to answer at most.", &limit),
        parameter(
            "query",
            "after",
            "Where to go on: `next` of the answer before, to the same filters and order.",
            &cursor,
        ),
        parameter(
            "query",
            "sort",
            "A field to sort by, rising; with `-` before it, falling.",
            &json!({ "type": "string", "enum": sorts }),
        ),
    ];
    all.extend(listing.filters.iter().map(|filter| {
        let schema = match filter.one_of {
            [] => json!({ "type": "string", "minLength": 1 }),
            values => json!({ "type": "string", "enum": values }),
        };
        parameter("query", filter.name, filter.words, &schema)
    }));
    all
}

/// What goes together, as a list.
fn ways(listing: &Listing) -> String {
    let way = |way: &crate::http::listing::Way| {
        let filters = way
            .filters
            .iter()
            .map(|name| format!("`{name}`"))
            .collect::<Vec<_>>()
            .join(if way.loose { ", " } else { " and " });
        let order = if way.falling { format!("-{}", way.sort) } else { way.sort.to_owned() };
        let filters = match (filters.is_empty(), way.loose) {
            (true, _) => "all".to_owned(),
            (false, true) => format!("by none, any or all of {filters}"),
            (false, false) => format!("by {filters}"),
        };
        format!("- {filters}, `sort={order}` or the other way round")
    };
    listing.ways.iter().map(way).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::rules;
    use crate::openapi::document;

    #[test]
    fn every_list_declares_what_it_takes() {
        for rule in rules().filter(|rule| rule.method == Method::GET) {
            let operation = &document()["paths"][path(rule)]["get"];
            let schema =
                operation["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].as_str();
            let is_list = schema.is_some_and(|name| name.ends_with("List"));
            assert_eq!(is_list, listing(rule).is_some(), "{}", path(rule));
        }
        for listing in LISTINGS.iter().copied() {
            assert!(rules().any(|rule| path(rule) == listing.path), "{}", listing.path);
            let names = listing.filters.iter().map(|filter| filter.name);
            for name in names {
                assert!(listing.ways.iter().any(|way| way.filters.contains(&name)), "{name} is in no way");
            }
        }
    }

    #[test]
    fn a_route_on_its_way_out_is_marked() {
        let rule = rules().find(|rule| path(rule) == "/api/v1/events").unwrap();
        let since = time::macros::date!(2026 - 11 - 01);
        let deprecation =
            Some(crate::access::Deprecation { since, sunset: None, successor: Some("/api/v2/events") });
        let mut operation = Map::new();
        add(&Rule { deprecation, ..rule.clone() }, &[], &mut operation);
        assert_eq!(operation["deprecated"], true);
        assert!(operation["description"].as_str().unwrap().contains("/api/v2/events"));
        let mut operation = Map::new();
        add(rule, &[], &mut operation);
        assert!(!operation.contains_key("deprecated"));
    }
}
