//! What a live event's or an item's playlists say, read as a foreign player would.

use anyhow::{Context, Result, ensure};

use super::Cloud;

/// The address of `name`, relative to that of the playlist which names it.
#[must_use]
pub fn beside(path: &str, name: &str) -> String {
    let folder = path.split('?').next().unwrap_or(path).rsplit_once('/').map_or("", |(folder, _)| folder);
    format!("{folder}/{name}")
}

/// The lines of a playlist that are addresses.
pub fn uris(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// The address of the first media playlist that the master at `path` names: the source's video.
///
/// # Errors
/// When the master cannot be had or names none.
pub async fn source_playlist(cloud: &Cloud, path: &str) -> Result<String> {
    let master = cloud.api.fetch_text(path).await?;
    let name = uris(&master).next().context("the master playlist names no rendition")?;
    Ok(beside(path, name))
}

/// The numbers of the complete segments that a live event's playlist shows: first, and one past the last.
///
/// # Errors
/// When the playlist cannot be had or has no segment yet.
pub async fn segments(cloud: &Cloud, event: &str) -> Result<(u64, u64)> {
    let path = source_playlist(cloud, &format!("/live/public/{event}/index.m3u8?plain=1")).await?;
    let text = cloud.api.fetch_text(&path).await?;
    let first = text.lines().find_map(|line| line.strip_prefix("#EXT-X-MEDIA-SEQUENCE:"));
    let first: u64 = first.and_then(|number| number.trim().parse().ok()).unwrap_or(0);
    let count = text.lines().filter(|line| line.starts_with("#EXTINF:")).count() as u64;
    ensure!(count > 0, "the playlist has no segment yet");
    Ok((first, first + count))
}

/// The number of the last complete segment of a live event's playlist.
///
/// # Errors
/// As [`segments`].
pub async fn last_segment(cloud: &Cloud, event: &str) -> Result<u64> {
    Ok(segments(cloud, event).await?.1 - 1)
}
