//! `GET /api/v1/events/<event>/health`

use serde::Serialize;
use utoipa::{OpenApi, ToSchema};
use warp::Filter;

use super::asked::{Known, of_owner};
use super::health::{Health, Resolution};
use super::stream::lock;
use super::vitals::{EventHealth, Vitals};
use crate::app::App;
use crate::event::Input;
use crate::http::{self, ApiError, Call, Response, Routes, answer};
use crate::id::EventId;

/// The operations in the API's document.
#[derive(OpenApi)]
#[openapi(paths(read))]
pub(crate) struct Operations;

/// How well an event's inputs arrive.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EventHealth)]
struct EventHealthView {
    /// By input.
    inputs: InputsHealth,
}

/// The inputs' health.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = InputsHealth)]
struct InputsHealth {
    /// The broadcast itself.
    main: Health,
    /// The one that takes over.
    backup: Health,
}

/// The slice's paths.
pub(crate) fn routes(app: App) -> Routes {
    warp::path!("api" / "v1" / "events" / EventId / "health")
        .and(http::call())
        .then(move |id, call| answer(read(app.clone(), id, call)))
        .boxed()
}

/// Read how well an event's broadcasts arrive
///
/// Bit rates, pictures a second, key frames, size, sound level, jitter and gaps of each input, as they were measured
/// where they came in; and what is wrong, in words. The newest second is told by the stream of changes too.
#[utoipa::path(
    get,
    path = "/api/v1/events/{event}/health",
    tag = "events",
    operation_id = "readEventHealth",
    params(("resolution" = inline(Option<Resolution>), Query, description = "`second`: the last hour; `minute`: the whole event.")),
    responses((status = 200, description = "How well they arrive, and how they did.", body = EventHealthView))
)]
async fn read(app: App, id: EventId, call: Call) -> Result<Response, ApiError> {
    if !call.is_safe() {
        return Err(ApiError::method_not_allowed(&["GET", "HEAD"]));
    }
    let mut resolution = Resolution::default();
    for (key, value) in call.query() {
        resolution = match (key.as_str(), value.as_str()) {
            ("resolution", "second") => Resolution::Second,
            ("resolution", "minute") => Resolution::Minute,
            // Which fields are shown is looked at by whoever shows them.
            ("fields", _) => resolution,
            ("resolution", _) => return Err(ApiError::field("resolution", "must be second or minute")),
            (other, _) => {
                let short: String = other.chars().take(64).collect();
                return Err(ApiError::field(short, "is not known here: this takes resolution"));
            }
        };
    }
    if let Some(told) = of_owner(&app, &id, Known::Health(resolution)).await? {
        return Ok(http::json_bytes(told));
    }
    if let Some(stream) = app.live.stream(&id) {
        let view = shown(&lock(&stream.vitals), resolution);
        return http::json(&view);
    }
    let kept = app.store.get::<EventHealth>(&id).await?;
    http::json(&shown(&Vitals::after(kept.as_ref().map(|kept| &kept.document)), resolution))
}

/// As the API shows it.
pub(super) fn shown(vitals: &Vitals, resolution: Resolution) -> impl Serialize + use<> {
    EventHealthView {
        inputs: InputsHealth {
            main: vitals.health(Input::Main, resolution),
            backup: vitals.health(Input::Backup, resolution),
        },
    }
}
