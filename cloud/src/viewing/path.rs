//! Playback addresses: `/<live|vod>/<grant>/<id>/…`, parsed once.

use std::str::FromStr;

use crate::live::{IFRAMES_URI, Rendition};

/// Who may watch with this address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Grant {
    /// Everybody, while the event is started.
    Public,
    /// Administrators, at any time.
    Preview,
}

/// What of an event or item is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    Master,
    Playlist(Rendition),
    /// The list of pictures that decoding can begin with.
    Iframes(Rendition),
    Init(Rendition, u32),
    Segment(Rendition, u64),
    Part(Rendition, u64, u64),
}

/// A playback address without what comes before the grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Address<Id> {
    pub(crate) grant: Grant,
    pub(crate) id: Id,
    pub(crate) wanted: Wanted,
}

impl<Id: FromStr> Address<Id> {
    /// Reads a path such as `/live/public/evt_…/source/12.3.m4s`; `None` if nothing can be there.
    pub(crate) fn parse(path: &str) -> Option<Self> {
        let mut segments = path.split('/').skip(2);
        let grant = match segments.next()? {
            "public" => Grant::Public,
            "preview" => Grant::Preview,
            _ => return None,
        };
        let id = segments.next()?.parse().ok()?;
        let (first, second) = (segments.next()?, segments.next());
        let wanted = match second {
            None if first == "index.m3u8" => Wanted::Master,
            None => return None,
            Some(file) => Wanted::file(first.parse().ok()?, file)?,
        };
        segments.next().is_none().then_some(Self { grant, id, wanted })
    }
}

impl Wanted {
    fn file(rendition: Rendition, file: &str) -> Option<Self> {
        if file == "index.m3u8" {
            return Some(Self::Playlist(rendition));
        }
        if file == IFRAMES_URI && rendition.is_video() {
            return Some(Self::Iframes(rendition));
        }
        if let Some(init) = file.strip_prefix("init-").and_then(|rest| rest.strip_suffix(".mp4")) {
            return Some(Self::Init(rendition, number(init)?));
        }
        let name = file.strip_suffix(".m4s")?;
        match name.split_once('.') {
            None => Some(Self::Segment(rendition, number(name)?)),
            Some((msn, part)) => Some(Self::Part(rendition, number(msn)?, number(part)?)),
        }
    }
}

/// A number as this server writes it: digits only, no zeros in front.
fn number<N: FromStr>(text: &str) -> Option<N> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let parse = |rest: &str| Address::<u8>::parse(&format!("/live/{rest}")).map(|found| found.wanted);
        assert_eq!(parse("public/1/index.m3u8"), Some(Wanted::Master));
        assert_eq!(parse("preview/1/360p/index.m3u8"), Some(Wanted::Playlist(Rendition::Scaled(360))));
        assert_eq!(parse("public/1/source/iframes.m3u8"), Some(Wanted::Iframes(Rendition::Source)));
        assert_eq!(parse("public/1/audio/init-3.mp4"), Some(Wanted::Init(Rendition::Audio, 3)));
        assert_eq!(parse("public/1/source/12.m4s"), Some(Wanted::Segment(Rendition::Source, 12)));
        assert_eq!(parse("public/1/source/12.0.m4s"), Some(Wanted::Part(Rendition::Source, 12, 0)));
        for wrong in [
            "",
            "public",
            "public/1",
            "public/1/",
            "secret/1/index.m3u8",
            "public/x/index.m3u8",
            "public/1/index.html",
            "public/1/source/012.m4s",
            "public/1/audio/iframes.m3u8",
            "public/1/source/+1.m4s",
            "public/1/source/-1.m4s",
            "public/1/source/1.2.3.m4s",
            "public/1/source/99999999999999999999.m4s",
            "public/1/source/index.m3u8/x",
            "public/1/../index.m3u8",
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
