//! `/live/…` of an event that another process takes in: from memory, the media store, or that process.

use bytes::Bytes;
use http::StatusCode;
use object_store::path::Path;

use super::http::{Query, missing, not_started};
use crate::app::App;
use crate::cluster::{Answer, Relay};
use crate::http::{ApiError, Response, Text};
use crate::id::EventId;
use crate::media;
use crate::viewing::{Address, Asked, Grant, Kind, Wanted, media_answer, playlist_answer};

/// Answers by the owner's rules.
pub(super) async fn answer(
    app: &App,
    relay: &Relay,
    owner: &str,
    address: &Address<EventId>,
    asked: &Asked<'_>,
) -> Result<Response, ApiError> {
    let (grant, event) = (address.grant, address.id);
    let query = match address.wanted {
        Wanted::Master => Query { plain: asked.plain(), ..Query::default() },
        Wanted::Playlist(_) => Query::parse(asked)?,
        Wanted::Iframes(_) => Query { plain: true, ..Query::default() },
        Wanted::Init(..) | Wanted::Segment(..) | Wanted::Part(..) => {
            let from_msn = match grant {
                Grant::Preview => 0,
                Grant::Public => {
                    let from = relay.public_from(owner, &event).await.map_err(|answer| refused(&answer))?;
                    from.ok_or_else(not_started)?
                }
            };
            let (kind, data) = immutable(app, relay, owner, address, from_msn, asked.path).await?;
            return Ok(media_answer(kind, grant, data.into(), asked.headers));
        }
    };
    let answer = relay.ask(owner, &event, format!("{}?{query}", asked.path)).await;
    Ok(playlist_answer(Kind::LivePlaylist, grant, &body(answer)?, asked.headers))
}

/// What never changes once it is there.
async fn immutable(
    app: &App,
    relay: &Relay,
    owner: &str,
    address: &Address<EventId>,
    from_msn: u64,
    path: &str,
) -> Result<(Kind, Bytes), ApiError> {
    let event = address.id;
    let (kind, place, stored) = match address.wanted {
        Wanted::Init(rendition, init) => (Kind::Init, media::init_path(&event, rendition, init), true),
        Wanted::Segment(rendition, msn) if msn >= from_msn => {
            (Kind::Segment, media::segment_path(&event, rendition, msn), true)
        }
        Wanted::Part(rendition, msn, part) if msn >= from_msn => {
            (Kind::Segment, part_path(&event, rendition, msn, part), false)
        }
        _ => return Err(missing()),
    };
    if let Some(data) = app.media.remembered(&place) {
        return Ok((kind, data));
    }
    let (app, asking) = (app.clone(), relay.clone());
    // Whether it may be seen was decided above; so all who want it, by whichever right, can share one answer.
    let url = format!("http://{owner}{}", path.replacen("/public/", "/preview/", 1));
    let answer = relay.once(place.to_string(), async move {
        // A store that is away, or has it not yet, is no reason to fail: the owner has it.
        if stored && let Ok(Some(data)) = app.media.get(&place).await {
            return Answer::found(data);
        }
        let answer = asking.fetch(&event, &url).await;
        if answer.status == StatusCode::OK {
            app.media.remember(place, answer.body.plain());
        }
        answer
    });
    Ok((kind, body(answer.await)?.plain()))
}

/// Where a part lies in memory; no store has it.
fn part_path(event: &EventId, rendition: super::Rendition, msn: u64, part: u64) -> Path {
    Path::from(format!("live/{event}/{rendition}/{msn}.{part}.m4s"))
}

fn body(answer: Answer) -> Result<Text, ApiError> {
    if answer.status == StatusCode::OK { Ok(answer.body) } else { Err(refused(&answer)) }
}

fn refused(answer: &Answer) -> ApiError {
    let words = answer.words();
    match answer.status {
        StatusCode::BAD_REQUEST => ApiError::bad_request(words),
        StatusCode::FORBIDDEN => ApiError::forbidden(words),
        StatusCode::NOT_FOUND => ApiError::not_found(words),
        _ => ApiError::unavailable(words),
    }
}
