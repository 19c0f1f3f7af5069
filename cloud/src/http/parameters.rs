//! What requests of many kinds can say in their query and headers, for the API's document.

use super::reply::{LIMIT, MAX_LIMIT};
use utoipa::IntoParams;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};

/// The query of a list; see [`super::page_request`].
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(
    dead_code,
    reason = "a schema: queries are read pair by pair, so that all mistakes are told at once"
)]
pub struct PageQuery {
    /// How many things to answer at most.
    #[param(required = false, schema_with = limit)]
    limit: u64,
    /// Where to go on: `next` of the answer before.
    #[param(required = false, schema_with = cursor)]
    after: String,
}

/// The header of a change; see [`super::Call::if_match`].
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "a schema: see `Call::if_match`")]
pub struct IfMatch {
    /// The ETag of the version that is to be changed; if it is not the present one any more, the answer is 412 and
    /// nothing changes. Without it, or with `*`, whatever is there is changed.
    #[param(rename = "If-Match", required = false, schema_with = etag)]
    if_match: String,
}

fn limit() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(1))
        .maximum(Some(MAX_LIMIT))
        .default(Some(LIMIT.into()))
        .build()
}

fn cursor() -> Object {
    ObjectBuilder::new().schema_type(Type::String).max_length(Some(400)).build()
}

fn etag() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some("^(\\*|\"[0-9]{1,18}\")$"))
        .examples(["\"3\""])
        .build()
}
