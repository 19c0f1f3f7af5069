//! `/live/<grant>/<event>/…`: playlists, parts and segments of what goes on now.
#![allow(clippy::disallowed_methods, reason = "a driver: a player waits only so long")]

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout, timeout_at};

use super::relayed;
use super::rendition::Rendition;
use super::stream::Stream;
use super::window::{Edge, Found, View};
use crate::access::Permission;
use crate::app::App;
use crate::event::{Event, EventStatus};
use crate::http::{ApiError, Content, Response, Text};
use crate::id::EventId;
use crate::media;
use crate::viewing::{Address, Asked, Grant, Kind, Wanted, media_answer, playlist_answer};

/// How long a request for what is still to come may wait.
const MAX_WAIT: Duration = Duration::from_secs(6);
/// How far ahead a request may reach (RFC 8216bis, 6.2.5.2).
const MAX_AHEAD: u64 = 2;

/// Answers a playback request of a live event.
pub(crate) async fn answer(app: &App, asked: &Asked<'_>) -> Result<Response, ApiError> {
    let address = Address::<EventId>::parse(asked.path).ok_or_else(missing)?;
    if address.grant == Grant::Preview {
        let caller = app.accounts.caller(asked.method, asked.headers, asked.peer).await?;
        caller.demand(Permission::EventsRead)?;
        app.store.get_of::<Event>(caller.account, address.id).await?.ok_or_else(missing)?;
    }
    if let (None, Some(relay)) = (app.live.stream(&address.id), app.cluster.relay())
        && let Some(owner) = relay.owner(app, &address.id).await?
    {
        return relayed::answer(app, relay, &owner, &address, asked).await;
    }
    here(app, &address, asked).await
}

/// Answers another process, which has looked whether a preview may be seen.
pub(crate) async fn answer_inside(app: &App, asked: &Asked<'_>) -> Result<Response, ApiError> {
    let address = Address::<EventId>::parse(asked.path).ok_or_else(missing)?;
    here(app, &address, asked).await
}

/// Answers from a stream of this process.
async fn here(app: &App, address: &Address<EventId>, asked: &Asked<'_>) -> Result<Response, ApiError> {
    let Some(stream) = app.live.stream(&address.id) else { return Err(absent(app, address).await?) };
    let from_msn = match (address.grant, stream.public_from()) {
        (Grant::Preview, _) => 0,
        (Grant::Public, Some(from)) => from,
        (Grant::Public, None) => return Err(not_started()),
    };
    let list = match address.wanted {
        Wanted::Master => Some(Text::new(stream.master(asked.plain()).ok_or_else(nothing_yet)?)),
        Wanted::Playlist(rendition) => {
            let query = Query::parse(asked)?;
            Some(playlist(&stream, rendition, from_msn, query).await?)
        }
        Wanted::Iframes(rendition) => {
            let view = View { from_msn, plain: true, skip: false, iframes: true };
            Some(stream.playlist(rendition, view).ok_or_else(missing)?)
        }
        Wanted::Init(..) | Wanted::Segment(..) | Wanted::Part(..) => None,
    };
    if let Some(list) = list {
        return Ok(playlist_answer(Kind::LivePlaylist, address.grant, &list, asked.headers));
    }
    let (kind, data) = match address.wanted {
        Wanted::Init(rendition, init) => {
            (Kind::Init, stream.init(rendition, init).ok_or_else(missing)?.into())
        }
        Wanted::Segment(rendition, msn) if msn >= from_msn => {
            (Kind::Segment, segment(app, &stream, rendition, msn).await?)
        }
        Wanted::Part(rendition, msn, part) if msn >= from_msn => {
            (Kind::Segment, awaited_part(&stream, rendition, msn, part).await?)
        }
        _ => return Err(missing()),
    };
    Ok(media_answer(kind, address.grant, data, asked.headers))
}

pub(super) fn missing() -> ApiError {
    ApiError::not_found("there is nothing at this address")
}

fn nothing_yet() -> ApiError {
    ApiError::not_found("nothing has been received for this event yet")
}

pub(super) fn not_started() -> ApiError {
    ApiError::forbidden("the event is not started")
}

/// Why there is no running stream of an event.
async fn absent(app: &App, address: &Address<EventId>) -> Result<ApiError, ApiError> {
    let event = app.events.get(&address.id).await?;
    let Some(event) = event else {
        return Ok(ApiError::not_found(format!("there is no event {}", address.id)));
    };
    let allowed = address.grant == Grant::Preview || event.status == EventStatus::Started;
    Ok(if allowed { nothing_yet() } else { not_started() })
}

/// What a playlist request says in its query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Query {
    pub(super) plain: bool,
    pub(super) skip: bool,
    pub(super) until: Option<(u64, Option<u64>)>,
}

impl Query {
    /// Reads the delivery directives (RFC 8216bis, 6.2.5); other keys are let be.
    pub(super) fn parse(asked: &Asked<'_>) -> Result<Self, ApiError> {
        let mut parsed = Self { plain: asked.plain(), ..Self::default() };
        let (mut msn, mut part) = (None, None);
        for (key, value) in asked.query.split('&').filter_map(|pair| pair.split_once('=')) {
            let number = || {
                value
                    .parse::<u64>()
                    .map_err(|_| ApiError::bad_request(format!("`{key}` must be a whole number")))
            };
            match key {
                "_HLS_msn" => msn = Some(number()?),
                "_HLS_part" => part = Some(number()?),
                "_HLS_skip" => match value {
                    "YES" | "v2" => parsed.skip = true,
                    _ => return Err(ApiError::bad_request("`_HLS_skip` must be `YES` or `v2`")),
                },
                _ => {}
            }
        }
        parsed.until = match (msn, part) {
            (Some(msn), part) => Some((msn, part)),
            (None, None) => None,
            (None, Some(_)) => return Err(ApiError::bad_request("`_HLS_part` needs `_HLS_msn` beside it")),
        };
        Ok(parsed)
    }
}

impl std::fmt::Display for Query {
    /// What it says and nothing else: the same for all who ask the same.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "plain={}", u8::from(self.plain))?;
        if self.skip {
            f.write_str("&_HLS_skip=YES")?;
        }
        match self.until {
            None => Ok(()),
            Some((msn, None)) => write!(f, "&_HLS_msn={msn}"),
            Some((msn, Some(part))) => write!(f, "&_HLS_msn={msn}&_HLS_part={part}"),
        }
    }
}

/// The playlist, once it holds what the player waits for; after a while, as it is.
///
/// The draft would have 503 after three target durations. Players give up for good
/// on repeated errors, and a publisher that reconnects takes longer than that.
async fn playlist(
    stream: &Stream,
    rendition: Rendition,
    from_msn: u64,
    query: Query,
) -> Result<Text, ApiError> {
    let view = View { from_msn, plain: query.plain, skip: query.skip, iframes: false };
    let mut edge = stream.edge(rendition).ok_or_else(missing)?;
    let until = Instant::now() + MAX_WAIT;
    // Running out of time and the end of the event are both answered with what there is.
    if let Some((msn, part)) = query.until {
        let newest = edge.borrow().newest_msn().unwrap_or(0).max(from_msn);
        if msn > newest.saturating_add(MAX_AHEAD) {
            let detail = format!("`_HLS_msn` is too far ahead: the newest segment is {newest}");
            return Err(ApiError::bad_request(detail));
        }
        let _ = timeout_at(until, edge.wait_for(|edge| edge.reached(msn, part))).await;
    } else if !query.plain {
        let _ = timeout_at(until, edge.wait_for(|edge| edge.begun(from_msn))).await;
    }
    if let Some(playlist) = stream.playlist(rendition, view) {
        return Ok(playlist);
    }
    let listed = async {
        loop {
            if edge.changed().await.is_err() {
                return stream.playlist(rendition, view);
            }
            if let Some(playlist) = stream.playlist(rendition, view) {
                return Some(playlist);
            }
        }
    };
    timeout_at(until, listed).await.ok().flatten().ok_or_else(nothing_yet)
}

async fn segment(
    app: &App,
    stream: &Arc<Stream>,
    rendition: Rendition,
    msn: u64,
) -> Result<Content, ApiError> {
    match stream.segment(rendition, msn) {
        Found::Here(data) => Ok(data),
        Found::Missing | Found::Coming => Err(missing()),
        Found::Stored => {
            let path = media::segment_path(&stream.event, rendition, msn);
            app.media.content(&path).await?.ok_or_else(missing)
        }
    }
}

/// A part, also the one that is announced as the next (RFC 8216bis, 6.2.6).
async fn awaited_part(
    stream: &Stream,
    rendition: Rendition,
    msn: u64,
    part: u64,
) -> Result<Content, ApiError> {
    let mut edge = stream.edge(rendition).ok_or_else(missing)?;
    match stream.part(rendition, msn, part) {
        Found::Here(data) => return Ok(data),
        Found::Coming => {}
        Found::Missing | Found::Stored => return Err(missing()),
    }
    let past = |edge: &Edge| edge.reached(msn, Some(part));
    // A part that did not come is not there, whatever kept it.
    let _ = timeout(MAX_WAIT, edge.wait_for(past)).await;
    match stream.part(rendition, msn, part) {
        Found::Here(data) => Ok(data),
        _ => Err(missing()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, Method};

    #[test]
    fn delivery_directives() {
        let parse = |query: &str| {
            let headers = HeaderMap::new();
            let asked = Asked { method: &Method::GET, path: "", query, headers: &headers, peer: None };
            Query::parse(&asked).map_err(|error| error.status().as_u16())
        };
        assert_eq!(parse(""), Ok(Query::default()));
        assert_eq!(parse("plain=1&x=y"), Ok(Query { plain: true, ..Query::default() }));
        assert_eq!(
            parse("_HLS_msn=12&_HLS_part=3&_HLS_skip=YES"),
            Ok(Query { plain: false, skip: true, until: Some((12, Some(3))) })
        );
        for wrong in [
            "_HLS_msn=x",
            "_HLS_msn=-1",
            "_HLS_msn=",
            "_HLS_part=1",
            "_HLS_skip=NO",
            "_HLS_msn=1&_HLS_part=a",
        ] {
            assert_eq!(parse(wrong), Err(400), "{wrong}");
        }
    }
}
