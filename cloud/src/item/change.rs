//! Changing an item: its title, and what of its recording it shows.

use super::{Item, ItemView};
use crate::app::App;
use crate::http::{ApiError, Parsed};
use crate::id::{ItemId, UserId};
use crate::recording::Trim;

/// What is to be changed.
pub(super) struct Change {
    pub(super) title: Option<String>,
    pub(super) from_ms: Parsed<u64>,
    pub(super) to_ms: Parsed<u64>,
}

/// Changes an item; `expected` is the version that the user has seen. `None` means no such item.
pub(super) async fn change(
    app: &App,
    id: &ItemId,
    change: &Change,
    expected: Option<u64>,
    by: UserId,
) -> Result<Option<ItemView>, ApiError> {
    let Some(item) = app.items.get(id).await? else { return Ok(None) };
    let trim = Trim {
        from_ms: change.from_ms.or(item.trim_from_ms).filter(|from_ms| *from_ms > 0),
        to_ms: change.to_ms.or(item.trim_to_ms),
    };
    let duration_ms = if trim == item.trim() { item.duration_ms } else { length(app, &item, trim).await? };
    // What was reckoned is of the item as it was read.
    let seen = if trim == item.trim() { expected } else { Some(expected.unwrap_or(item.version)) };
    let changed = app
        .store
        .update::<Item, ApiError>(id, Some(by), |item, version, now| {
            if seen.is_some_and(|seen| seen != version) {
                let detail = format!("the item is at version {version} now: read it again");
                return Err(ApiError::changed_meanwhile(detail));
            }
            let mut new = item.clone();
            if let Some(title) = &change.title {
                title.clone_into(&mut new.title);
            }
            (new.trim_from_ms, new.trim_to_ms) = (trim.from_ms, trim.to_ms);
            new.duration_ms = duration_ms;
            if new == *item {
                return Ok(false);
            }
            new.updated_at = now;
            *item = new;
            Ok(true)
        })
        .await?;
    Ok(changed.map(Into::into))
}

/// How long a part of an item's recording is, in milliseconds.
async fn length(app: &App, item: &Item, trim: Trim) -> Result<u64, ApiError> {
    let missing = || ApiError::not_found("nothing was recorded");
    let whole = app.live.recordings().manifest(&item.recording_id).await?.ok_or_else(missing)?;
    let whole_ms = whole.duration_ms();
    let (from_ms, to_ms) = (trim.from_ms.unwrap_or(0), trim.to_ms.unwrap_or(u64::MAX));
    let nothing = || {
        if from_ms >= whole_ms {
            ApiError::field(
                "trim_from_ms",
                format!("must be less than the recording's length, {whole_ms} ms"),
            )
        } else if to_ms <= from_ms {
            ApiError::field("trim_to_ms", format!("must be more than trim_from_ms, {from_ms} ms"))
        } else {
            ApiError::field("trim_from_ms", "nothing was recorded in that part")
        }
    };
    if from_ms >= whole_ms || to_ms <= from_ms {
        return Err(nothing());
    }
    whole.trimmed(trim).map(|part| part.duration_ms()).ok_or_else(nothing)
}
