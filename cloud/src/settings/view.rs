//! Settings as the API shows them, and its document describes them: all out of the one list.

use super::{Declared, Kind, Settings};
use serde::Serialize;
use serde_json::{Map, Value};
use std::borrow::Cow;
use utoipa::openapi::schema::{Object, ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// The settings of an account.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Settings)]
pub(super) struct SettingsView {
    /// All of them, in the order in which pages show them.
    pub(super) data: Vec<SettingView>,
    /// Goes up with each change; also the ETag. Zero as long as nothing was set.
    pub(super) version: u64,
}

/// One setting: what it does, what it is and what it may be.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Setting)]
pub(super) struct SettingView {
    /// Its name, by which it is changed.
    name: &'static str,
    /// Under which heading pages show it.
    group: &'static str,
    /// What it may be: `flag`, `text`, `title` (a text in which `{date}` and `{time}` are replaced), `number`, `choice`,
    /// `colour`, `time_zone` or `picture` (the name of an include file).
    r#type: &'static str,
    /// The unit of a number.
    #[schema(required)]
    unit: Option<&'static str>,
    /// What it does.
    description: &'static str,
    /// What it is.
    #[schema(schema_with = value_schema)]
    value: Value,
    /// What it is where the account has not set it.
    #[schema(schema_with = default_schema)]
    default: Value,
    /// Whether the account has set it.
    is_set: bool,
    /// The least that a number may be.
    #[schema(required)]
    min: Option<u64>,
    /// The most that a number may be.
    #[schema(required)]
    max: Option<u64>,
    /// How many characters a text may have.
    #[schema(required)]
    max_length: Option<usize>,
    /// What may be chosen, if it is a choice.
    #[schema(required)]
    choices: Option<&'static [&'static str]>,
}

impl SettingView {
    pub(super) fn of(declared: &Declared, values: &Map<String, Value>) -> Self {
        let default = (declared.default)();
        // What an earlier release took and this one does not, has no effect.
        let set = values.get(declared.name).filter(|value| declared.kind.check((*value).clone()).is_ok());
        let (min, max) = match declared.kind {
            Kind::Number { min, max } => (Some(min), Some(max)),
            _ => (None, None),
        };
        Self {
            name: declared.name,
            group: declared.group,
            r#type: declared.kind.name(),
            unit: declared.unit,
            description: declared.words,
            value: set.unwrap_or(&default).clone(),
            is_set: set.is_some(),
            default,
            min,
            max,
            max_length: declared.kind.max_length(),
            choices: match declared.kind {
                Kind::Choice(choices) => Some(choices),
                _ => None,
            },
        }
    }
}

fn value_schema() -> Object {
    any_value("What it is.")
}

fn default_schema() -> Object {
    any_value("What it is where the account has not set it.")
}

fn any_value(words: &str) -> Object {
    let kinds = SchemaType::from_iter([Type::Boolean, Type::Integer, Type::String]);
    ObjectBuilder::new().schema_type(kinds).description(Some(words)).build()
}

/// What may be changed, in the API's document.
pub(super) struct SettingsChange;

impl PartialSchema for SettingsChange {
    fn schema() -> RefOr<Schema> {
        let words = "What is to be changed of an account's settings, by their names; `null` is the default.";
        let mut object = ObjectBuilder::new().schema_type(Type::Object).description(Some(words));
        for declared in Settings::ALL {
            object = object.property(declared.name, property(declared));
        }
        object.into()
    }
}

impl ToSchema for SettingsChange {
    fn name() -> Cow<'static, str> {
        "SettingsChange".into()
    }
}

fn property(declared: &Declared) -> Object {
    let of = |kind| ObjectBuilder::new().schema_type(SchemaType::from_iter([kind, Type::Null]));
    let property = match declared.kind {
        Kind::Flag => of(Type::Boolean),
        Kind::Number { min, max } => of(Type::Integer).minimum(Some(min)).maximum(Some(max)),
        Kind::Choice(choices) => {
            let values = choices.iter().copied().map(Value::from).chain([Value::Null]);
            of(Type::String).enum_values(Some(values))
        }
        Kind::Colour => of(Type::String).pattern(Some("^\\s*(#[0-9A-Fa-f]{6})?\\s*$")),
        Kind::Text(_) | Kind::Title(_) | Kind::TimeZone | Kind::Picture => {
            of(Type::String).max_length(declared.kind.max_length()).pattern(Some(r"^[^\x00-\x1f\x7f-\x9f]*$"))
        }
    };
    property.description(Some(declared.words)).build()
}
