//! What requests of many kinds can say in their query and headers, for the API's document.

use super::reply::{LIMIT, MAX_LIMIT};
use crate::store::Cursor;
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};

/// The query of a list; see [`super::page_request`].
pub struct PageQuery;

impl IntoParams for PageQuery {
    fn into_params(_place: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let limit = ObjectBuilder::new()
            .schema_type(Type::Integer)
            .minimum(Some(1))
            .maximum(Some(MAX_LIMIT))
            .default(Some(LIMIT.into()))
            .build();
        let after = ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some(Cursor::PATTERN))
            .max_length(Some(Cursor::LONGEST))
            .build();
        let query = |name, words, schema| parameter(ParameterIn::Query, name, words, schema);
        vec![
            query("limit", "How many things to answer at most.", limit),
            query("after", "Where to go on: `next` of the answer before.", after),
        ]
    }
}

/// The header of a change; see [`super::Call::if_match`].
pub struct IfMatch;

impl IntoParams for IfMatch {
    fn into_params(_place: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let etag = ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some(r#"^("[0-9]{1,18}"|[*])$"#))
            .examples(["\"3\""])
            .build();
        let words = "The ETag of the version that is to be changed; if it is not the present one any more, the \
                     answer is 412 and nothing changes. Without it, or with `*`, whatever is there is changed.";
        vec![parameter(ParameterIn::Header, "If-Match", words, etag)]
    }
}

/// One parameter, with words for it.
pub(crate) fn parameter(place: ParameterIn, name: &str, words: &str, schema: Object) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .description(Some(words))
        .schema(Some(schema))
        .build()
}
