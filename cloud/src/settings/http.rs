//! `/api/v1/account/settings`: each setting with its value, its default and what it does.
//!
//! `PATCH` takes values by name; `null` takes one back to its default.

use super::view::{SettingView, SettingsChange, SettingsView};
use super::{AccountSettings, Declared, Kind, Settings};
use crate::app::App;
use crate::http::{self, ApiError, Call, IfMatch, Parsed, Response, Routes, answer};
use crate::include;
use crate::store::{StoreError, Versioned};
use ::http::{Method, header};
use serde_json::{Map, Value};
use utoipa::OpenApi;
use warp::Filter;

/// The operations in the API's document.
#[derive(OpenApi)]
#[openapi(paths(read, change))]
pub(crate) struct Operations;

/// How often a change is tried when others are quicker.
const TRIES: usize = 8;

/// The slice's paths.
pub(crate) fn routes(app: App) -> Routes {
    warp::path!("api" / "v1" / "account" / "settings")
        .and(http::call())
        .then(move |call| answer(settings(app.clone(), call)))
        .boxed()
}

async fn settings(app: App, call: Call) -> Result<Response, ApiError> {
    match call.method {
        Method::PATCH => change(app, call).await,
        _ => read(app, call).await,
    }
}

/// Read the account's settings
///
/// All that there are, each with what it does, its value and its default.
#[utoipa::path(
    get,
    path = "/api/v1/account/settings",
    tag = "account",
    operation_id = "readSettings",
    responses((status = 200, description = "The settings.", body = SettingsView, headers(("ETag"))))
)]
async fn read(app: App, call: Call) -> Result<Response, ApiError> {
    shown(app.store.get::<AccountSettings>(call.caller()?.account).await?.as_ref())
}

/// Change the account's settings
///
/// By their names; `null` takes one back to its default, and what is absent stays.
#[utoipa::path(
    patch,
    path = "/api/v1/account/settings",
    tag = "account",
    operation_id = "changeSettings",
    params(IfMatch),
    request_body(
        content = SettingsChange,
        example = json!({ "time_zone": "Europe/Vienna", "accent_colour": "#c2410c", "lookback_s": 3600, "waiting_title": null })
    ),
    responses((status = 200, description = "The settings as they are now.", body = SettingsView, headers(("ETag"))))
)]
async fn change(app: App, mut call: Call) -> Result<Response, ApiError> {
    let caller = call.caller()?;
    let expected = call.if_match()?;
    let mut fields = call.fields().await?;
    let mut wanted: Vec<(&Declared, Option<Value>)> = Vec::new();
    for declared in Settings::ALL {
        match fields.optional(declared.name, |value: Value| declared.kind.check(value)) {
            Parsed::Absent => {}
            Parsed::Null => wanted.push((declared, None)),
            Parsed::Value(value) => wanted.push((declared, Some(value))),
        }
    }
    for (declared, value) in &wanted {
        let name = value.as_ref().and_then(Value::as_str).unwrap_or_default();
        if declared.kind == Kind::Picture
            && !name.is_empty()
            && !include::is_picture(&app.store, caller.account, name).await?
        {
            fields.wrong(declared.name, "must name an include file that is a picture: upload it first");
        }
    }
    fields.finish()?;
    for _ in 0..TRIES {
        let old = app.store.get::<AccountSettings>(caller.account).await?;
        let version = old.as_ref().map_or(0, |old| old.version);
        if expected.is_some_and(|expected| expected != version) {
            let words = format!("the settings have been changed meanwhile; they are at version {version}");
            return Err(ApiError::changed_meanwhile(words));
        }
        let mut values = old.as_ref().map(|old| old.document.values.clone()).unwrap_or_default();
        for (declared, value) in &wanted {
            match value {
                Some(value) => values.insert(declared.name.to_owned(), value.clone()),
                None => values.remove(declared.name),
            };
        }
        if old.as_ref().map_or(values.is_empty(), |old| old.document.values == values) {
            return shown(old.as_ref());
        }
        let batch = app.store.batch().by(Some(caller.user));
        let new = AccountSettings { account: caller.account, values, updated_at: batch.at() };
        let batch = match &old {
            Some(old) => batch.update(old, &new),
            None => batch.create(&new),
        };
        match app.store.commit(batch).await {
            Ok(_) => return shown(Some(&Versioned { version: version + 1, document: new })),
            Err(StoreError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(StoreError::Conflict { kind: "account_settings", id: caller.account.to_string() }.into())
}

fn shown(settings: Option<&Versioned<AccountSettings>>) -> Result<Response, ApiError> {
    let version = settings.map_or(0, |settings| settings.version);
    let (none, values) = (Map::new(), settings.map(|settings| &settings.document.values));
    let values = values.unwrap_or(&none);
    let data = Settings::ALL.iter().map(|declared| SettingView::of(declared, values)).collect();
    let response = http::json(&SettingsView { data, version })?;
    Ok(http::with_header(response, header::ETAG, &format!("\"{version}\"")))
}
