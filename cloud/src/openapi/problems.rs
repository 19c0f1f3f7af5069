//! What can go wrong with requests, by kind of operation: said here once, not at each operation.

use super::operations::Asked;
use crate::access::{Need, Segment};
use crate::http::Problem;
use serde_json::{Map, Value, json};
use utoipa::PartialSchema;

/// The statuses that many operations can answer, with their component's name and what they mean.
const COMMON: &[(u16, &str, &str)] = &[
    (
        400,
        "BadRequest",
        "The request cannot be understood: its body is no JSON object, or a header is wrong.",
    ),
    (401, "Unauthorized", "Nobody is logged in, or not rightly."),
    (403, "Forbidden", "Whoever asks may not do this, or the session's `X-CSRF-Token` is missing or wrong."),
    (404, "NotFound", "There is no such thing in the caller's account."),
    (408, "Timeout", "The body came too slowly."),
    (409, "Conflict", "The state of things does not allow it."),
    (412, "ChangedMeanwhile", "It is not the version that `If-Match` names any more; nothing has changed."),
    (413, "TooLarge", "The body is too large."),
    (414, "UriTooLong", "The path and query are too long."),
    (415, "UnsupportedMediaType", "The body must be `application/json`."),
    (422, "Invalid", "Fields or parameters are wrong: `errors` names them all."),
    (429, "TooMany", "Too many requests or wrong passwords of late: wait for `Retry-After`."),
    (431, "HeadersTooLarge", "The header is too large."),
    (500, "Internal", "The server failed; its log says why."),
    (503, "Unavailable", "A part of the server is away for now: try again in a moment."),
    (507, "InsufficientStorage", "The disk or the account is full."),
];

/// Which of them an operation can answer.
fn statuses(asked: &Asked<'_>) -> Vec<u16> {
    let mut statuses = vec![400, 414, 429, 431, 500, 503];
    if asked.rule.need != Need::Public {
        statuses.extend([401, 403]);
    }
    let named = |part: &Segment| !matches!(part, Segment::Literal(_));
    if asked.rule.path.iter().any(named) {
        statuses.push(404);
    }
    let changes = asked.changes();
    if changes {
        statuses.extend([409, 507]);
    }
    if asked.has_parameter("If-Match") {
        statuses.push(412);
    }
    if asked.has_body() {
        statuses.extend([408, 413, 415]);
    }
    let is_keyed = asked.has_parameter("Idempotency-Key");
    if is_keyed {
        statuses.extend([408, 413]);
    }
    if asked.has_body() || is_keyed || asked.has_parameter("limit") || asked.has_parameter("fields") {
        statuses.push(422);
    }
    statuses
}

/// Adds the problems that an operation can answer to its responses; what it says of one itself stays.
pub(super) fn add(asked: &Asked<'_>, responses: &mut Map<String, Value>) {
    for status in statuses(asked) {
        if let Some((_, name, _)) = COMMON.iter().find(|(common, ..)| *common == status) {
            let reference = json!({ "$ref": format!("#/components/responses/{name}") });
            responses.entry(status.to_string()).or_insert(reference);
        }
    }
    for (status, response) in responses {
        if status.parse().is_ok_and(|status: u16| (400..600).contains(&status) && status != 416)
            && response.get("$ref").is_none()
        {
            response["content"] = content();
        }
    }
}

fn content() -> Value {
    json!({ "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } })
}

/// The problem's schema, to stand among the others.
pub(super) fn schemas() -> [(&'static str, Value); 2] {
    let of = |schema| serde_json::to_value(schema).unwrap_or_default();
    [("Problem", of(Problem::schema())), ("FieldError", of(crate::http::FieldError::schema()))]
}

/// The answers that operations refer to.
pub(super) fn responses() -> Value {
    let mut responses = Map::new();
    for (status, name, words) in COMMON {
        let mut response = json!({ "description": words, "content": content() });
        match status {
            401 => response["headers"]["WWW-Authenticate"] = super::operations::header("WWW-Authenticate"),
            429 => {
                for name in ["Retry-After", "RateLimit", "RateLimit-Policy"] {
                    response["headers"][name] = super::operations::header(name);
                }
            }
            _ => {}
        }
        responses.insert((*name).to_owned(), response);
    }
    responses.into()
}
