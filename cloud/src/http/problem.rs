//! Errors as the client sees them: RFC 9457 problems that name every wrong field.

use super::Response;
use super::request_id::RequestId;
use crate::store::StoreError;
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

/// One wrong field of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// The field's name, with dots between levels.
    pub field: String,
    /// What is wrong with it, and what would be right.
    pub detail: String,
}

/// An error of the API.
#[derive(Debug, Clone)]
pub struct ApiError {
    status: StatusCode,
    code: &'static str,
    detail: String,
    errors: Vec<FieldError>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// What went wrong (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
pub struct Problem<'a> {
    /// The kind of problem: `/problems/` and a short name that does not change.
    #[schema(examples("/problems/invalid"))]
    r#type: String,
    /// The status in words.
    #[schema(examples("Unprocessable Entity"))]
    title: &'a str,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599, examples(422))]
    status: u16,
    /// What is wrong, and what to do about it.
    #[schema(examples("wrong: title"))]
    detail: &'a str,
    /// Every wrong field of the request; absent if there is none.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [FieldError],
    /// Where the server failed: what its log calls the request, as in `X-Request-Id`; else absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    /// Where the server failed: this one failure, by the request; else absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<String>,
}

impl ApiError {
    /// Makes an error; `code` is its short name, the end of the problem's `type`.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), errors: Vec::new(), headers: Vec::new() }
    }

    /// 400: the request cannot be understood.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-request", detail)
    }

    /// 422: the request is understood, but fields of it are wrong.
    pub fn invalid(errors: Vec<FieldError>) -> Self {
        let names: Vec<_> = errors.iter().map(|error| error.field.as_str()).collect();
        let detail = format!("wrong: {}", names.join(", "));
        Self { errors, ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail) }
    }

    /// 422 with one wrong field.
    pub fn field(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::invalid(vec![FieldError { field: field.into(), detail: detail.into() }])
    }

    /// 401: nobody is logged in.
    pub fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
    }

    /// 403: whoever asks may not do this.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", detail)
    }

    /// 404.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", detail)
    }

    /// 405, with the methods that would do.
    pub fn method_not_allowed(allowed: &[&str]) -> Self {
        let allowed = allowed.join(", ");
        let error = Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method-not-allowed",
            format!("allowed here: {allowed}"),
        );
        match HeaderValue::from_str(&allowed) {
            Ok(value) => error.header(header::ALLOW, value),
            Err(_) => error,
        }
    }

    /// 409: the state of things does not allow it.
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", detail)
    }

    /// 412: the document is not the one that the client has seen.
    pub fn changed_meanwhile(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::PRECONDITION_FAILED, "changed-meanwhile", detail)
    }

    /// 413.
    pub fn too_large(limit: u64) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too-large",
            format!("the body may have {limit} bytes at most"),
        )
    }

    /// 415.
    pub fn unsupported_media_type(wanted: &str) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", format!("send {wanted}"))
    }

    /// 429, with the seconds to wait.
    pub fn too_many(detail: impl Into<String>, retry_after_s: u64) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many", detail)
            .header(header::RETRY_AFTER, HeaderValue::from(retry_after_s))
    }

    /// 503: a part of the server is away for now.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail)
    }

    /// 500: what is wrong is logged, not told.
    pub fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(%error, "a request failed");
        Self::panicked()
    }

    /// 500 after a panic, which the log has already.
    pub(crate) fn panicked() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the server failed; its log says why")
    }

    /// Adds a header to the answer.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// What is wrong, in words.
    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The problem as JSON.
    pub(crate) fn body(&self) -> Vec<u8> {
        let request_id = if self.status.is_server_error() { RequestId::current() } else { None };
        let request_id = request_id.map(|id| id.to_string());
        let problem = Problem {
            r#type: format!("/problems/{}", self.code),
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: &self.detail,
            errors: &self.errors,
            instance: request_id.as_ref().map(|id| format!("/requests/{id}")),
            request_id,
        };
        serde_json::to_vec(&problem).unwrap_or_default()
    }

    /// Renders the problem.
    pub fn into_response(self) -> Response {
        let mut response = Response::new(self.body().into());
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.extend(self.headers);
        response
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::Conflict { .. } | StoreError::Taken { .. } => Self::conflict(error.to_string()),
            StoreError::Full { .. } | StoreError::OverLimit { .. } | StoreError::NoRoom => {
                Self::new(StatusCode::INSUFFICIENT_STORAGE, "insufficient-storage", error.to_string())
            }
            StoreError::Away(_) => {
                tracing::warn!(%error, "a request failed");
                Self::unavailable("the store is out of reach for now; try again in a moment")
            }
            StoreError::Engine(_) | StoreError::Closed => {
                tracing::error!(%error, "a request failed");
                Self::unavailable("the store takes no writes; the server's log says why")
            }
            _ => Self::internal(&error),
        }
    }
}
