//! `/vod/<grant>/<item>/…`: an item's playlists, over the very segments that were live.

use bytes::Bytes;
use warp::Filter;

use super::answer::{Kind, media as answer_media, method, shared};
use super::path::{Address, Grant, Wanted};
use crate::app::App;
use crate::http::{ApiError, Call, Response, Routes, call};
use crate::id::ItemId;
use crate::live::{MediaPlaylist, PlaylistKind, Rates, Rendition, Segment, master};
use crate::media;
use crate::recording::{Manifest, Track};

/// The slice's paths.
pub fn routes(app: App) -> Routes {
    warp::any()
        .and(call())
        .then(move |call| {
            let app = app.clone();
            async move { serve(&app, &call).await }
        })
        .boxed()
}

/// Answers a playback request of an item.
pub(crate) async fn serve(app: &App, call: &Call) -> Response {
    match answer(app, call).await {
        Ok(response) => response,
        Err(error) => shared(error.into_response()),
    }
}

async fn answer(app: &App, call: &Call) -> Result<Response, ApiError> {
    if let Some(response) = method(&call.method)? {
        return Ok(response);
    }
    let address = Address::<ItemId>::parse(&call.path).ok_or_else(missing)?;
    if address.grant == Grant::Preview {
        app.accounts.admin(call).await?;
    }
    let no_item = || ApiError::not_found(format!("there is no item {}", address.id));
    let item = app.items.get(&address.id).await?.ok_or_else(no_item)?;
    let manifest = app.live.recordings().manifest(&item.recording_id).await;
    let manifest = manifest.map_err(|error| ApiError::internal(&error))?.ok_or_else(missing)?;
    let (kind, data) = match address.wanted {
        Wanted::Master => (Kind::FinalPlaylist, render_master(&manifest, &call.query).ok_or_else(missing)?),
        Wanted::Playlist(rendition) => {
            let track = manifest.track(rendition).ok_or_else(missing)?;
            (Kind::FinalPlaylist, render_playlist(&manifest, track))
        }
        Wanted::Init(rendition, init) => {
            let listed = has(&manifest, rendition, |segment| segment.init == init);
            let path = media::init_path(&manifest.event_id, rendition, init);
            (Kind::Init, stored(app, listed, &path).await?)
        }
        Wanted::Segment(rendition, msn) => {
            let listed = has(&manifest, rendition, |segment| segment.msn == msn && !segment.gap);
            let path = media::segment_path(&manifest.event_id, rendition, msn);
            (Kind::Segment, stored(app, listed, &path).await?)
        }
        Wanted::Part(..) => return Err(missing()),
    };
    Ok(answer_media(kind, address.grant, data, &call.headers))
}

fn missing() -> ApiError {
    ApiError::not_found("there is nothing at this address")
}

/// Whether a segment belongs to the recording: others of the same event are not for its viewers.
fn has(manifest: &Manifest, rendition: Rendition, wanted: impl Fn(&Segment) -> bool) -> bool {
    manifest.track(rendition).is_some_and(|track| track.segments.iter().any(wanted))
}

async fn stored(app: &App, listed: bool, path: &object_store::path::Path) -> Result<Bytes, ApiError> {
    if !listed {
        return Err(missing());
    }
    let found = app.live.cache().get(path).await.map_err(|error| ApiError::internal(&error))?;
    found.ok_or_else(missing)
}

fn render_master(manifest: &Manifest, query: &str) -> Option<Bytes> {
    // Whole segments are all there is, so both forms differ only in what the links say.
    let plain = query.split('&').any(|pair| pair == "plain=1");
    let tracks = manifest.tracks.iter().map(|track| {
        let segments = track.segments.iter().filter(|segment| !segment.gap);
        (track.rendition, &track.description, Rates::of(segments))
    });
    master(&tracks, plain).map(Bytes::from)
}

fn render_playlist(manifest: &Manifest, track: &Track) -> Bytes {
    let segments: Vec<&Segment> = track.segments.iter().collect();
    let playlist = MediaPlaylist {
        target_duration_s: manifest.target_duration_s,
        discontinuity_sequence: 0,
        first_msn: segments.first().map_or(0, |first| first.msn),
        segments: &segments,
        low_latency: None,
        kind: PlaylistKind::OnDemand,
    };
    playlist.render().into()
}
