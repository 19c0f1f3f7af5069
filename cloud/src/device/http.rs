//! `/api/v1/devices`.

use super::listing::LISTING;
use super::upload_test::{Measuring, measured};
use super::{DeviceChange, DeviceView, NewDevice, Targets, WantedConfig, away};
use crate::app::App;
use crate::http::{self, ApiError, Call, IfMatch, Line, Listed, Parsed, Response, Routes, answer, line};
use crate::id::BoxId;
use crate::tls::Tls;
use ::http::{HeaderValue, Method, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::{Map, Value};
use stagebox_protocol::{Command, CommandId, CommandResponse, LogLevel, OutputRole, ResponseStatus};
use utoipa::{OpenApi, ToSchema};
use warp::Filter;

/// Longest name in characters.
const NAME: usize = 100;
/// Longest Authorization header that is looked at.
const MAX_HEADER: usize = 512;

/// The operations in the API's document.
#[derive(OpenApi)]
#[openapi(paths(list, create, read, change, command, targets, super::upload_test::measure))]
pub struct Operations;

type DeviceList = Listed<DeviceView>;
type Name = Line<NAME>;

/// A new box.
#[derive(ToSchema)]
#[schema(as = NewDevice)]
#[expect(dead_code, reason = "a schema: bodies are read field by field")]
struct CreateBody {
    /// What it is called.
    name: Name,
}

/// A new box, with what it needs to connect.
#[derive(Serialize, ToSchema)]
#[schema(as = CreatedDevice)]
struct Created {
    /// The box.
    #[serde(flatten)]
    device: DeviceView,
    /// The box's secret: it is told in this answer only.
    secret: String,
    /// Where the box reaches this server over HTTP.
    url: String,
    /// Where it reaches the broker.
    mqtt_url: String,
    /// The SHA-256 of the server's certificate, if the server has made it itself: the box trusts no other.
    #[schema(required)]
    tls_fingerprint: Option<String>,
}

/// What is to be changed of a box; what is absent stays.
#[derive(ToSchema)]
#[schema(as = DeviceChange)]
#[expect(dead_code, reason = "a schema: bodies are read field by field")]
struct ChangeBody {
    /// What it is called.
    #[schema(required = false)]
    name: Name,
    /// A box that is not enabled can neither connect nor fetch anything.
    #[schema(required = false)]
    enabled: bool,
    /// What the box's configuration is to have that its own file has not: sections and keys as there, of `source`,
    /// `video`, `audio`, `alarms`, `record` and `backup`; `null` for the file alone. The box answers in `reported`;
    /// said once more, it tries again what it refused.
    config: Option<Map<String, Value>>,
    /// Whether `config`, or what was wanted last, is to hold at once, though that interrupts a stream or a recording for a
    /// moment; otherwise the box waits with what begins the picture anew.
    #[schema(required = false, default = false)]
    config_now: bool,
}

/// A command's arguments; most take none.
#[derive(ToSchema)]
#[schema(as = CommandArguments)]
#[expect(dead_code, reason = "a schema: the box's contract reads them")]
struct Arguments {
    /// Of `reconnect`: which output; absent or `null` means both.
    output: Option<OutputRole>,
    /// Of `identify`: for how many milliseconds.
    #[schema(required = false, minimum = 1, maximum = 600_000, default = 10_000)]
    duration_ms: u32,
    /// Of `fetch_logs`: how far back, in minutes.
    #[schema(required = false, minimum = 1, maximum = 1_440, default = 60)]
    minutes: u32,
    /// Of `fetch_logs`: lines of this level and worse.
    #[schema(required = false)]
    level: LogLevel,
    /// Of `fetch_more_logs`: the id of the `fetch_logs` whose lines they are.
    #[schema(required = false)]
    of: CommandId,
    /// Of `fetch_more_logs`: where the piece begins, in bytes.
    #[schema(required = false)]
    offset: u32,
    /// Of `preflight`: for how many seconds the upload is measured.
    #[schema(required = false, minimum = 1, maximum = 30, default = 10)]
    upload_s: u32,
    /// Of `mark`: what happens at that moment of the recording, in one line.
    #[schema(max_length = 200, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    label: Option<String>,
}

/// The slice's paths.
pub fn routes(app: App) -> Routes {
    let (all_app, one_app, targets_app, upload_app) = (app.clone(), app.clone(), app.clone(), app.clone());
    let measuring = Measuring::default();
    let all = warp::path!("api" / "v1" / "devices")
        .and(http::call())
        .then(move |call| answer(all(all_app.clone(), call)));
    let one = warp::path!("api" / "v1" / "devices" / BoxId)
        .and(http::call())
        .then(move |id, call| answer(one(one_app.clone(), id, call)));
    let targets = warp::path!("api" / "v1" / "devices" / "self" / "targets")
        .and(http::call())
        .then(move |call| answer(targets(targets_app.clone(), call)));
    let upload = warp::path!("api" / "v1" / "devices" / "self" / "upload-test")
        .and(http::call())
        .then(move |call| answer(measured(upload_app.clone(), measuring.clone(), call)));
    let command = warp::path!("api" / "v1" / "devices" / BoxId / "commands" / String)
        .and(http::call())
        .then(move |id, name, call| answer(command(app.clone(), id, name, call)));
    all.or(one).unify().or(targets).unify().or(upload).unify().or(command).unify().boxed()
}

async fn all(app: App, mut call: Call) -> Result<Response, ApiError> {
    if let Some(answer) = away::ask(&app, &mut call).await? {
        return Ok(answer);
    }
    match call.method {
        Method::GET | Method::HEAD => list(app, call).await,
        Method::POST => create(app, call).await,
        _ => Err(ApiError::method_not_allowed(&["GET", "HEAD", "POST"])),
    }
}

async fn one(app: App, id: BoxId, mut call: Call) -> Result<Response, ApiError> {
    if let Some(answer) = away::ask(&app, &mut call).await? {
        return Ok(answer);
    }
    match call.method {
        Method::GET | Method::HEAD => read(app, id).await,
        Method::PATCH => change(app, id, call).await,
        _ => Err(ApiError::method_not_allowed(&["GET", "HEAD", "PATCH"])),
    }
}

/// List boxes
///
/// The account's boxes, the newest first, with what each said last.
#[utoipa::path(
    get,
    path = "/api/v1/devices",
    tag = "devices",
    operation_id = "listDevices",
    responses((status = 200, description = "A part of the list.", body = DeviceList))
)]
async fn list(app: App, call: Call) -> Result<Response, ApiError> {
    let wanted = LISTING.wanted(&call)?;
    wanted.reply(app.devices.wanted(call.caller()?.account, &wanted).await?)
}

/// Make a box
///
/// The answer has what a box needs to connect; its secret is told this once and kept as a hash.
#[utoipa::path(
    post,
    path = "/api/v1/devices",
    tag = "devices",
    operation_id = "createDevice",
    request_body(content = CreateBody, example = json!({ "name": "Main stage" })),
    responses((status = 201, description = "The new box.", body = Created, headers(("Location"), ("ETag"))))
)]
async fn create(app: App, mut call: Call) -> Result<Response, ApiError> {
    let caller = call.caller()?;
    let mut fields = call.fields().await?;
    let name = fields.required("name", line(NAME));
    fields.finish()?;
    let new = NewDevice { account: caller.account, name: name.unwrap_or_default() };
    let (device, secret) = app.devices.create(new, Some(caller.user)).await?;
    let (path, version) = (format!("/api/v1/devices/{}", device.id), device.version);
    let created = Created {
        device,
        secret,
        url: app.addresses.http_url(&app.config),
        mqtt_url: app.addresses.mqtt_url(&app.config),
        tls_fingerprint: app.tls.as_ref().and_then(Tls::fingerprint),
    };
    Ok(tagged(http::created(&path, &created)?, version))
}

/// Read a box
///
/// Whether it is there, what it measures, and how far it came with what is wanted of it.
#[utoipa::path(
    get,
    path = "/api/v1/devices/{device}",
    tag = "devices",
    operation_id = "readDevice",
    responses((status = 200, description = "The box.", body = DeviceView, headers(("ETag"))))
)]
async fn read(app: App, id: BoxId) -> Result<Response, ApiError> {
    let device = app.devices.get(&id).await?;
    shown(&device.ok_or_else(|| ApiError::not_found(format!("there is no device {id}")))?)
}

/// Change a box
///
/// Its name, its configuration, and whether it may connect: one that is switched off loses its connection at once.
#[utoipa::path(
    patch,
    path = "/api/v1/devices/{device}",
    tag = "devices",
    operation_id = "changeDevice",
    params(IfMatch),
    request_body(content = ChangeBody, example = json!({ "name": "Side stage", "enabled": true })),
    responses((status = 200, description = "The box as it is now.", body = DeviceView, headers(("ETag"))))
)]
async fn change(app: App, id: BoxId, mut call: Call) -> Result<Response, ApiError> {
    let caller = call.caller()?;
    let expected = call.if_match()?;
    let mut fields = call.fields().await?;
    let name = fields.present("name", line(NAME));
    let enabled = fields.present("enabled", Ok::<bool, String>);
    let config = match fields.optional("config", WantedConfig::checked) {
        Parsed::Absent => None,
        Parsed::Null => Some(WantedConfig::default()),
        Parsed::Value(config) => Some(config),
    };
    let now = fields.present("config_now", Ok::<bool, String>);
    fields.finish()?;
    let config = config.map(|config| WantedConfig { now: now.unwrap_or_default(), ..config });
    let change = DeviceChange { name, enabled, config, config_now: now };
    shown(&app.devices.patch(&id, &change, expected, Some(caller.user)).await?)
}

/// Give a box a command
///
/// Waits up to eight seconds for the box's answer. The answer to `fetch_logs` has the first piece of the box's log
/// lines as its `result`, and `fetch_more_logs` the others: together they are one gzip file.
#[utoipa::path(
    post,
    path = "/api/v1/devices/{device}/commands/{name}",
    tag = "devices",
    operation_id = "commandDevice",
    request_body(content = Option<Arguments>, example = json!({})),
    responses(
        (status = 200, description = "The box has done it.", body = CommandResponse),
        (status = 202, description = "The box has begun it.", body = CommandResponse),
        (status = 404, description = "There is no such box, or no such command."),
        (status = 409, description = "The box is offline, or refused the command in its present state."),
        (status = 429, description = "Too many commands wait for this box.", headers(("Retry-After"))),
        (status = 502, description = "The box failed to carry it out."),
        (status = 503, description = "The box or the server cannot take commands for now."),
        (status = 504, description = "The box did not answer in time."),
    )
)]
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

/// Where the box that asks pushes to
///
/// The inputs of the event that is assigned to the box, with their stream keys; none without an event.
#[utoipa::path(
    get,
    path = "/api/v1/devices/self/targets",
    tag = "devices",
    operation_id = "readOwnTargets",
    responses((status = 200, description = "The targets.", body = Targets))
)]
async fn targets(app: App, call: Call) -> Result<Response, ApiError> {
    let id = own(&app, &call).await?;
    http::json(&app.devices.targets(&id).await?)
}

/// The box that asks.
pub(super) async fn own(app: &App, call: &Call) -> Result<BoxId, ApiError> {
    let refused = || {
        ApiError::unauthorized("show the device's id and secret by HTTP Basic").header(
            header::WWW_AUTHENTICATE,
            HeaderValue::from_static("Basic realm=\"device\", charset=\"UTF-8\""),
        )
    };
    let (id, secret) = call.header(header::AUTHORIZATION).and_then(basic).ok_or_else(refused)?;
    app.devices.authenticate(&id, &secret).await?.ok_or_else(refused)
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

fn shown(device: &DeviceView) -> Result<Response, ApiError> {
    Ok(tagged(http::json(device)?, device.version))
}

fn tagged(response: Response, version: u64) -> Response {
    http::with_header(response, header::ETAG, &format!("\"{version}\""))
}
