//! The list of a rendition's pictures that decoding can begin with, for winding with a picture (RFC 8216bis, 4.4.3.6).

use std::fmt::Write as _;

use super::{MediaPlaylist, PlaylistKind, begin, seconds, segment_uri};

impl MediaPlaylist<'_> {
    /// Writes the first picture of each complete segment: it lies at the segment's beginning, with the boxes it needs.
    pub(crate) fn render_iframes(&self) -> String {
        let mut out = String::with_capacity(512 + self.segments.len() * 120);
        let _ = write!(out, "#EXTM3U\n#EXT-X-VERSION:8\n#EXT-X-TARGETDURATION:{}\n", self.target_duration_s);
        if self.kind == PlaylistKind::OnDemand {
            out.push_str("#EXT-X-PLAYLIST-TYPE:VOD\n");
        }
        let _ = write!(
            out,
            "#EXT-X-I-FRAMES-ONLY\n#EXT-X-MEDIA-SEQUENCE:{}\n#EXT-X-DISCONTINUITY-SEQUENCE:{}\n",
            self.first_msn, self.discontinuity_sequence
        );
        let mut init = None;
        for (index, segment) in self.segments.iter().enumerate() {
            begin(&mut out, segment, &mut init, index == 0);
            let _ = writeln!(out, "#EXTINF:{},", seconds(segment.duration_us));
            match segment.key_bytes.filter(|_| !segment.gap) {
                Some(bytes) => {
                    let _ = writeln!(out, "#EXT-X-BYTERANGE:{bytes}@0");
                }
                // Numbers have no holes: what has no such picture is listed as not there.
                None => out.push_str("#EXT-X-GAP\n"),
            }
            let _ = writeln!(out, "{}", segment_uri(segment.msn));
        }
        if self.kind != PlaylistKind::Live {
            out.push_str("#EXT-X-ENDLIST\n");
        }
        out
    }
}
