//! `/vod/<grant>/<item>/…`: an item's playlists, over the very segments that were live.

use bytes::Bytes;
use object_store::path::Path;

use super::answer::{Kind, media as media_answer, media_range, playlist};
use super::asked::Asked;
use super::path::{Address, Grant, Wanted};
use crate::access::Permission;
use crate::app::App;
use crate::http::{ApiError, Range, Response};
use crate::id::ItemId;
use crate::item::Item;
use crate::media;

/// Of segments longer than this, only the part that is asked for is read.
const KEPT_WHOLE: u64 = 4 * 1024 * 1024;

/// Answers a playback request of an item.
pub(super) async fn answer(app: &App, asked: &Asked<'_>) -> Result<Response, ApiError> {
    let address = Address::<ItemId>::parse(asked.path).ok_or_else(missing)?;
    if address.grant == Grant::Preview {
        let caller = app.accounts.caller(asked.method, asked.headers, asked.peer).await?;
        caller.demand(Permission::ItemsRead)?;
        app.store.get_of::<Item>(caller.account, address.id).await?.ok_or_else(missing)?;
    }
    let no_item = || ApiError::not_found(format!("there is no item {}", address.id));
    let item = app.items.get(&address.id).await?.ok_or_else(no_item)?;
    let title = app.live.titles().get(app.live.recordings(), &item).await;
    let title = title?.ok_or_else(missing)?;
    let list = match address.wanted {
        Wanted::Master => Some(title.master(asked.plain())),
        Wanted::Playlist(rendition) => Some(title.playlist(rendition)),
        Wanted::Iframes(rendition) => Some(title.iframes(rendition)),
        Wanted::Init(..) | Wanted::Segment(..) | Wanted::Part(..) => None,
    };
    if let Some(list) = list {
        let list = list.ok_or_else(missing)?;
        return Ok(playlist(Kind::FinalPlaylist, address.grant, &list, asked.headers));
    }
    let (kind, data) = match address.wanted {
        Wanted::Init(rendition, init) if title.has_init(rendition, init) => {
            (Kind::Init, stored(app, &media::init_path(&title.event_id, rendition, init)).await?.into())
        }
        Wanted::Segment(rendition, msn) => {
            let length = title.segment_length(rendition, msn).ok_or_else(missing)?;
            let path = media::segment_path(&title.event_id, rendition, msn);
            match (app.media.opened(&path).await, Range::of(asked.headers, length)) {
                (Some(content), _) => (Kind::Segment, content),
                // A small one is read once and kept, whatever parts of it are asked for.
                (None, range @ Range::Of(first, last)) if length > KEPT_WHOLE => {
                    let data = app.media.range(&path, first..last + 1).await?.ok_or_else(missing)?;
                    return Ok(media_range(Kind::Segment, address.grant, Some(data.into()), range, length));
                }
                (None, _) => (Kind::Segment, stored(app, &path).await?.into()),
            }
        }
        _ => return Err(missing()),
    };
    Ok(media_answer(kind, address.grant, data, asked.headers))
}

fn missing() -> ApiError {
    ApiError::not_found("there is nothing at this address")
}

async fn stored(app: &App, path: &Path) -> Result<Bytes, ApiError> {
    app.media.get(path).await?.ok_or_else(missing)
}
