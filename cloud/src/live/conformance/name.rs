//! How a playlist's URI and the name that it is checked under belong together.

/// File names that say nothing: the folder is the name.
const PLAIN_STEMS: [&str; 6] = ["index", "playlist", "media", "prog_index", "stream", "chunklist"];

/// The name that a playlist with this URI is to be given to the checker with.
///
/// That is the last folder and the file's stem, the stem left out where it says nothing (`index`),
/// and the query but for delivery directives: `source/index.m3u8?plain=1` is `source?plain=1`,
/// `../360p/iframes.m3u8` is `360p/iframes`, `low.m3u8` is `low`.
pub(crate) fn name_of(uri: &str) -> String {
    let uri = uri.split('#').next().unwrap_or_default();
    let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
    let mut folders = path.rsplit('/');
    let file = folders.next().unwrap_or_default();
    let folder = folders.next().filter(|folder| !matches!(*folder, "" | "." | ".."));
    let stem = file.strip_suffix(".m3u8").or_else(|| file.strip_suffix(".m3u")).unwrap_or(file);
    let mut name = match folder {
        Some(folder) if PLAIN_STEMS.contains(&stem) => folder.to_owned(),
        Some(folder) => format!("{folder}/{stem}"),
        None => stem.to_owned(),
    };
    let mut separator = '?';
    for pair in query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("_HLS_")) {
        name.push(separator);
        name.push_str(pair);
        separator = '&';
    }
    name
}

/// Playlists that belong to one multivariant playlist have the same query.
pub(super) fn family(name: &str) -> &str {
    name.split_once('?').map_or("", |(_, query)| query)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_uris() {
        for (uri, name) in [
            ("source/index.m3u8", "source"),
            ("source/index.m3u8?plain=1", "source?plain=1"),
            ("../audio/index.m3u8?_HLS_msn=3&_HLS_part=1", "audio"),
            ("source/iframes.m3u8", "source/iframes"),
            ("https://host/a/b/low.m3u8#x", "b/low"),
            ("low.m3u8", "low"),
            ("../index.m3u8", "index"),
            ("", ""),
        ] {
            assert_eq!(name_of(uri), name, "{uri}");
        }
        assert_eq!(family("audio?plain=1"), "plain=1");
        assert_eq!(family("audio"), "");
    }
}
