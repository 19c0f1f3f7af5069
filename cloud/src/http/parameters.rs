//! What requests of many kinds can say in their query and headers, for the API's document.

use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};

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
