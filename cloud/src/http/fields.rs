//! A JSON object taken apart field by field, so that every mistake is told at once.

use super::problem::{ApiError, FieldError};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::borrow::Cow;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// Names of unknown fields that an error lists at most.
const MAX_UNKNOWN: usize = 20;

/// Longest detail of a field that has the wrong type, in characters.
const MAX_WORDS: usize = 200;

/// The fields of a request that have not been asked for yet.
#[derive(Debug, Default)]
pub struct Fields {
    rest: Map<String, Value>,
    errors: Vec<FieldError>,
}

/// What a field holds; see [`Fields::optional`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parsed<T> {
    /// It is not in the request.
    Absent,
    /// It is `null`.
    Null,
    /// It has a value.
    Value(T),
}

impl<T: Copy> Parsed<T> {
    /// The value as it is then, where it was `before`; `null` takes it away.
    pub fn or(&self, before: Option<T>) -> Option<T> {
        match self {
            Self::Absent => before,
            Self::Null => None,
            Self::Value(value) => Some(*value),
        }
    }
}

impl<T> Parsed<T> {
    /// The value, where `null` and absence are the same.
    pub fn value(self) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Absent | Self::Null => None,
        }
    }
}

/// What is wrong, without all of a long text that is in the wrong place.
fn short(error: &serde_json::Error) -> String {
    let words = error.to_string();
    match words.char_indices().nth(MAX_WORDS) {
        Some((at, _)) => format!("{}…", &words[..at]),
        None => words,
    }
}

impl Fields {
    /// Reads a JSON object.
    pub fn parse(body: &[u8]) -> Result<Self, ApiError> {
        match serde_json::from_slice::<Value>(body) {
            Ok(Value::Object(rest)) => Ok(Self { rest, errors: Vec::new() }),
            Ok(_) => Err(ApiError::bad_request("the body must be a JSON object")),
            Err(error) => Err(ApiError::bad_request(format!("the body is no JSON: {error}"))),
        }
    }

    /// Notes that a field is wrong.
    pub fn wrong(&mut self, field: impl Into<String>, detail: impl Into<String>) {
        self.errors.push(FieldError { field: field.into(), detail: detail.into() });
    }

    /// Whether something is wrong with a field.
    pub(crate) fn is_wrong(&self, field: &str) -> bool {
        self.errors.iter().any(|error| error.field == field)
    }

    /// Takes a field that may be missing or `null`, checked by `parse`, whose error says what would be right.
    pub fn optional<J, T>(&mut self, field: &str, parse: impl FnOnce(J) -> Result<T, String>) -> Parsed<T>
    where
        J: DeserializeOwned,
    {
        match self.rest.remove(field) {
            None => Parsed::Absent,
            Some(Value::Null) => Parsed::Null,
            Some(value) => {
                let parsed =
                    serde_json::from_value::<J>(value).map_err(|error| short(&error)).and_then(parse);
                match parsed {
                    Ok(value) => Parsed::Value(value),
                    Err(detail) => {
                        self.wrong(field, detail);
                        Parsed::Absent
                    }
                }
            }
        }
    }

    /// Takes a field that may be missing, but not `null`.
    pub fn present<J, T>(&mut self, field: &str, parse: impl FnOnce(J) -> Result<T, String>) -> Option<T>
    where
        J: DeserializeOwned,
    {
        match self.optional(field, parse) {
            Parsed::Absent => None,
            Parsed::Null => {
                self.wrong(field, "cannot be null");
                None
            }
            Parsed::Value(value) => Some(value),
        }
    }

    /// Takes a field that must be there; `None` means that its error has been noted.
    pub fn required<J, T>(&mut self, field: &str, parse: impl FnOnce(J) -> Result<T, String>) -> Option<T>
    where
        J: DeserializeOwned,
    {
        let noted = self.errors.len();
        let value = self.optional(field, parse).value();
        if value.is_none() && self.errors.len() == noted {
            self.wrong(field, "is required");
        }
        value
    }

    /// Takes a field that is an object itself, to be taken apart and given back to [`Fields::absorb`].
    pub fn inner(&mut self, field: &str) -> Self {
        let object = self.optional(field, Ok::<Map<String, Value>, String>).value();
        Self { rest: object.unwrap_or_default(), errors: Vec::new() }
    }

    /// Takes over what is wrong in an object within this one, and what is unknown there.
    pub fn absorb(&mut self, field: &str, inner: Self) {
        for error in inner.errors {
            self.wrong(format!("{field}.{}", error.field), error.detail);
        }
        for unknown in inner.rest.keys().take(MAX_UNKNOWN) {
            let short: String = unknown.chars().take(64).collect();
            self.wrong(format!("{field}.{short}"), "is not known here");
        }
    }

    /// Ends the reading: the error names all wrong and unknown fields.
    pub fn finish(mut self) -> Result<(), ApiError> {
        let unknown: Vec<String> = self.rest.keys().take(MAX_UNKNOWN).cloned().collect();
        for field in unknown {
            let short: String = field.chars().take(64).collect();
            self.wrong(short, "is not known here");
        }
        if self.errors.is_empty() { Ok(()) } else { Err(ApiError::invalid(self.errors)) }
    }
}

/// Checks a text that people read: 1 to `max` characters, no control characters, not blank; its ends are trimmed.
pub fn line(max: usize) -> impl FnOnce(String) -> Result<String, String> {
    move |text| {
        let trimmed = text.trim();
        if trimmed.is_empty() || text.chars().count() > max || text.chars().any(char::is_control) {
            return Err(format!("must be a line of 1 to {max} characters"));
        }
        Ok(trimmed.to_owned())
    }
}

/// What [`line`] takes, in the API's document.
pub struct Line<const MAX: usize>;

impl<const MAX: usize> PartialSchema for Line<MAX> {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .min_length(Some(1))
            .max_length(Some(MAX))
            .pattern(Some(r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"))
            .into()
    }
}

impl<const MAX: usize> ToSchema for Line<MAX> {
    fn name() -> Cow<'static, str> {
        format!("Line{MAX}").into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mistake_is_named_at_once() {
        let mut fields = Fields::parse(br#"{"title":" ","count":"x","extra":1}"#).unwrap();
        assert_eq!(fields.required("title", line(10)), None);
        assert_eq!(fields.required::<u64, _>("count", Ok), None);
        assert_eq!(fields.required::<String, _>("name", Ok), None);
        assert_eq!(fields.optional::<String, _>("gone", Ok), Parsed::Absent);
        let problem = fields.finish().unwrap_err().into_response();
        assert_eq!(problem.status(), 422);
    }

    #[test]
    fn null_and_absence_differ() {
        let mut fields = Fields::parse(br#"{"a":null}"#).unwrap();
        assert_eq!(fields.optional::<String, _>("a", Ok), Parsed::Null);
        assert_eq!(fields.optional::<String, _>("b", Ok), Parsed::Absent);
        assert!(fields.finish().is_ok());
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for body in ["", "[]", "\"x\"", "{", "{\"a\":1}x"] {
            assert!(Fields::parse(body.as_bytes()).is_err(), "{body}");
        }
    }
}
