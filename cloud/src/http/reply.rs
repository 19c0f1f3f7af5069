//! Answers of the API.

use super::Response;
use super::call::Call;
use super::problem::ApiError;
use crate::store::{Cursor, Page};
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;
use std::borrow::Cow;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Ref, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// Documents in a list if the request does not say.
pub(super) const LIMIT: usize = 50;
/// Most documents in a list.
pub(super) const MAX_LIMIT: usize = 200;

/// 200 with JSON that no cache keeps.
pub fn json(value: &impl Serialize) -> Result<Response, ApiError> {
    let body = serde_json::to_vec(value).map_err(|error| ApiError::internal(&error))?;
    let mut response = Response::new(body.into());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// 201 with JSON and the new thing's path.
pub fn created(path: &str, value: &impl Serialize) -> Result<Response, ApiError> {
    let mut response = json(value)?;
    *response.status_mut() = StatusCode::CREATED;
    Ok(with_header(response, header::LOCATION, path))
}

/// 202 with JSON and the path at which to follow what was begun.
pub fn accepted(path: &str, value: &impl Serialize) -> Result<Response, ApiError> {
    let mut response = json(value)?;
    *response.status_mut() = StatusCode::ACCEPTED;
    Ok(with_header(response, header::LOCATION, path))
}

/// 204.
pub fn empty() -> Response {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// A part of a list, as every list of the API is answered.
#[derive(Debug, Serialize)]
pub struct Listed<T> {
    data: Vec<T>,
    next: Option<String>,
}

impl<T: ToSchema> PartialSchema for Listed<T> {
    fn schema() -> RefOr<Schema> {
        let things = ArrayBuilder::new().items(Ref::from_schema_name(T::name()));
        let next = ObjectBuilder::new()
            .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
            .description(Some("What `after` must be in the next request; `null` at the end of the list."));
        ObjectBuilder::new()
            .property("data", things.description(Some("The things, in the list's order.")))
            .required("data")
            .property("next", next)
            .required("next")
            .description(Some("A part of a list."))
            .into()
    }
}

impl<T: ToSchema> ToSchema for Listed<T> {
    fn name() -> Cow<'static, str> {
        format!("{}List", T::name()).into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((T::name().into_owned(), T::schema()));
        T::schemas(schemas);
    }
}

/// 200 with `{"data":[…],"next":…}`.
pub fn list<T: Serialize>(page: &Page<T>) -> Result<Response, ApiError> {
    json(&Listed { data: page.items.iter().collect(), next: page.next.as_ref().map(ToString::to_string) })
}

/// Adds a header; a value that no header may have is left out.
pub fn with_header(mut response: Response, name: HeaderName, value: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
    response
}

/// Reads `limit` and `after` of a list request; other keys are refused.
pub fn page_request(call: &Call) -> Result<(Option<Cursor>, usize), ApiError> {
    filtered_request(call, |_, _| None)
}

/// Reads `limit` and `after` of a list request, and what else `filter` knows: it says what is wrong with a value.
pub fn filtered_request(
    call: &Call,
    mut filter: impl FnMut(&str, &str) -> Option<Result<(), String>>,
) -> Result<(Option<Cursor>, usize), ApiError> {
    let (mut after, mut limit, mut errors) = (None, LIMIT, Vec::new());
    let mut wrong = |field: &str, detail: String| {
        errors.push(super::FieldError { field: field.chars().take(64).collect(), detail });
    };
    for (key, value) in call.query() {
        match key.as_str() {
            "after" => match value.parse::<Cursor>() {
                Ok(cursor) => after = Some(cursor),
                Err(detail) => wrong("after", detail.to_owned()),
            },
            "limit" => match value.parse::<usize>() {
                Ok(count) if (1..=MAX_LIMIT).contains(&count) => limit = count,
                _ => wrong("limit", format!("must be a number from 1 to {MAX_LIMIT}")),
            },
            other => match filter(other, &value) {
                Some(Ok(())) => {}
                Some(Err(detail)) => wrong(other, detail),
                None => wrong(other, "is not known here".to_owned()),
            },
        }
    }
    if errors.is_empty() { Ok((after, limit)) } else { Err(ApiError::invalid(errors)) }
}
