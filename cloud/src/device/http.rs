//! `/api/v1/devices`.

use super::{DeviceView, NewDevice, away};
use crate::app::App;
use crate::http::{self, ApiError, Call, Parsed, Response, Routes, answer, line};
use crate::id::BoxId;
use crate::tls::Tls;
use ::http::{HeaderValue, Method, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use stagebox_protocol::{Command, ResponseStatus};
use warp::Filter;

/// Longest name in characters.
const NAME: usize = 100;
/// Longest Authorization header that is looked at.
const MAX_HEADER: usize = 512;

/// The slice's paths.
pub fn routes(app: App) -> Routes {
    let (all_app, one_app, targets_app) = (app.clone(), app.clone(), app.clone());
    let all = warp::path!("api" / "v1" / "devices")
        .and(http::call())
        .then(move |call| answer(all(all_app.clone(), call)));
    let one = warp::path!("api" / "v1" / "devices" / BoxId)
        .and(http::call())
        .then(move |id, call| answer(one(one_app.clone(), id, call)));
    let targets = warp::path!("api" / "v1" / "devices" / "self" / "targets")
        .and(http::call())
        .then(move |call| answer(targets(targets_app.clone(), call)));
    let command = warp::path!("api" / "v1" / "devices" / BoxId / "commands" / String)
        .and(http::call())
        .then(move |id, name, call| answer(command(app.clone(), id, name, call)));
    all.or(one).unify().or(targets).unify().or(command).unify().boxed()
}

async fn all(app: App, mut call: Call) -> Result<Response, ApiError> {
    let caller = call.caller()?;
    if let Some(answer) = away::ask(&app, &mut call).await? {
        return Ok(answer);
    }
    match call.method {
        Method::GET | Method::HEAD => {
            let (after, limit) = http::page_request(&call)?;
            http::list(&app.devices.list(caller.account, after, limit).await?)
        }
        Method::POST => {
            let mut fields = call.fields().await?;
            let name = fields.required("name", line(NAME));
            fields.finish()?;
            let new = NewDevice { account: caller.account, name: name.unwrap_or_default() };
            let (device, secret) = app.devices.create(new, Some(caller.user)).await?;
            let path = format!("/api/v1/devices/{}", device.id);
            let mut shown = serde_json::to_value(&device).map_err(|error| ApiError::internal(&error))?;
            shown["secret"] = secret.into();
            shown["url"] = app.addresses.http_url(&app.config).into();
            shown["mqtt_url"] = app.addresses.mqtt_url(&app.config).into();
            shown["tls_fingerprint"] = app.tls.as_ref().and_then(Tls::fingerprint).into();
            Ok(tagged(http::created(&path, &shown)?, &device))
        }
        _ => Err(ApiError::method_not_allowed(&["GET", "HEAD", "POST"])),
    }
}

async fn one(app: App, id: BoxId, mut call: Call) -> Result<Response, ApiError> {
    let caller = call.caller()?;
    if let Some(answer) = away::ask(&app, &mut call).await? {
        return Ok(answer);
    }
    match call.method {
        Method::GET | Method::HEAD => {
            let device = app.devices.get(&id).await?;
            let device = device.ok_or_else(|| ApiError::not_found(format!("there is no device {id}")))?;
            Ok(tagged(http::json(&device)?, &device))
        }
        Method::PATCH => {
            let expected = call.if_match()?;
            let mut fields = call.fields().await?;
            let name = fields.optional("name", line(NAME));
            let enabled = fields.optional("enabled", Ok::<bool, String>);
            if name == Parsed::Null {
                fields.wrong("name", "cannot be null");
            }
            if enabled == Parsed::Null {
                fields.wrong("enabled", "cannot be null");
            }
            fields.finish()?;
            let (name, enabled) = (name.value(), enabled.value());
            let device =
                app.devices.patch(&id, name.as_deref(), enabled, expected, Some(caller.user)).await?;
            Ok(tagged(http::json(&device)?, &device))
        }
        _ => Err(ApiError::method_not_allowed(&["GET", "HEAD", "PATCH"])),
    }
}

/// Has the box carry out a command: 200 when done, 202 when accepted, 409 when refused or offline, 504 without an answer.
async fn command(app: App, id: BoxId, name: String, mut call: Call) -> Result<Response, ApiError> {
    if let Some(answer) = away::ask(&app, &mut call).await? {
        return Ok(answer);
    }
    let args = arguments(&mut call).await?;
    let command = Command::parse(&name, &args).map_err(super::DeviceError::from)?;
    let response = app.devices.command(&id, &command).await?;
    let mut reply = http::json(&response)?;
    if response.status == ResponseStatus::Accepted {
        *reply.status_mut() = StatusCode::ACCEPTED;
    }
    Ok(reply)
}

/// The command's arguments: an optional JSON object.
async fn arguments(call: &mut Call) -> Result<Map<String, Value>, ApiError> {
    let body = call.body().await?;
    if body.is_empty() {
        return Ok(Map::new());
    }
    match serde_json::from_slice(&body) {
        Ok(Value::Object(args)) => Ok(args),
        Ok(_) => Err(ApiError::bad_request("the body must be a JSON object: the command's arguments")),
        Err(error) => Err(ApiError::bad_request(format!("the body is no JSON: {error}"))),
    }
}

/// Where the box that asks pushes to.
async fn targets(app: App, call: Call) -> Result<Response, ApiError> {
    let refused = || {
        ApiError::unauthorized("show the device's id and secret by HTTP Basic").header(
            header::WWW_AUTHENTICATE,
            HeaderValue::from_static("Basic realm=\"device\", charset=\"UTF-8\""),
        )
    };
    let (id, secret) = call.header(header::AUTHORIZATION).and_then(basic).ok_or_else(refused)?;
    let id = app.devices.authenticate(&id, &secret).await?.ok_or_else(refused)?;
    http::json(&json!(app.devices.targets(&id).await?))
}

/// Reads HTTP Basic (RFC 7617).
fn basic(value: &str) -> Option<(String, String)> {
    if value.len() > MAX_HEADER {
        return None;
    }
    let (scheme, rest) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(rest.trim()).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

fn tagged(response: Response, device: &DeviceView) -> Response {
    http::with_header(response, header::ETAG, &format!("\"{}\"", device.version))
}
