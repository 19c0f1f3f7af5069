//! Writes the HLS multivariant playlist: which renditions there are.

use std::fmt::Write as _;

use super::playlist::IFRAMES_URI;

/// A video rendition, or the audio one of a stream without video.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Variant {
    /// Name of the rendition's folder.
    pub(crate) rendition: String,
    /// Highest bit rate of a segment, audio not counted.
    pub(crate) peak_bps: u64,
    pub(crate) average_bps: u64,
    /// As RFC 6381 has it: `avc1.64001f`.
    pub(crate) codec: String,
    pub(crate) resolution: Option<(u32, u32)>,
    pub(crate) frame_rate: Option<f64>,
    /// Of the pictures that decoding can begin with alone; zero where there is no list of them.
    pub(crate) key_peak_bps: u64,
    pub(crate) key_average_bps: u64,
}

/// The sound that goes with every video rendition.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct AudioGroup {
    pub(crate) rendition: String,
    pub(crate) peak_bps: u64,
    pub(crate) average_bps: u64,
    pub(crate) codec: String,
    pub(crate) channels: u8,
}

/// Everything a multivariant playlist is written from.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Master {
    pub(crate) variants: Vec<Variant>,
    pub(crate) audio: Option<AudioGroup>,
    /// For players that want whole segments only.
    pub(crate) plain: bool,
}

impl Master {
    pub(crate) fn render(&self) -> String {
        let query = if self.plain { "?plain=1" } else { "" };
        let mut out = String::from("#EXTM3U\n");
        let _ = writeln!(out, "#EXT-X-VERSION:{}", if self.plain { 8 } else { 9 });
        if let Some(audio) = &self.audio {
            let _ = writeln!(
                out,
                "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"audio\",NAME=\"Audio\",LANGUAGE=\"und\",DEFAULT=YES,AUTOSELECT=YES,CHANNELS=\"{}\",URI=\"{}/index.m3u8{query}\"",
                audio.channels, audio.rendition,
            );
        }
        for variant in &self.variants {
            self.stream_inf(&mut out, variant);
            let _ = writeln!(out, "{}/index.m3u8{query}", variant.rendition);
        }
        for variant in self.variants.iter().filter(|variant| variant.key_peak_bps > 0) {
            let _ = write!(
                out,
                "#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH={},AVERAGE-BANDWIDTH={},CODECS=\"{}\"",
                variant.key_peak_bps,
                variant.key_average_bps.clamp(1, variant.key_peak_bps),
                variant.codec
            );
            if let Some((width, height)) = variant.resolution {
                let _ = write!(out, ",RESOLUTION={width}x{height}");
            }
            let _ = writeln!(out, ",URI=\"{}/{IFRAMES_URI}\"", variant.rendition);
        }
        out
    }

    fn stream_inf(&self, out: &mut String, variant: &Variant) {
        let audio = self.audio.as_ref();
        // A bit rate of zero would make players choose it for ever (RFC 8216bis, 4.4.6.2).
        let peak = (variant.peak_bps + audio.map_or(0, |audio| audio.peak_bps)).max(1);
        let average = (variant.average_bps + audio.map_or(0, |audio| audio.average_bps)).clamp(1, peak);
        let _ = write!(
            out,
            "#EXT-X-STREAM-INF:BANDWIDTH={peak},AVERAGE-BANDWIDTH={average},CODECS=\"{}",
            variant.codec
        );
        if let Some(audio) = audio {
            let _ = write!(out, ",{}", audio.codec);
        }
        out.push('"');
        if let Some((width, height)) = variant.resolution {
            let _ = write!(out, ",RESOLUTION={width}x{height}");
        }
        if let Some(rate) = variant.frame_rate.filter(|rate| rate.is_finite() && *rate > 0.0) {
            let _ = write!(out, ",FRAME-RATE={rate:.3}");
        }
        if audio.is_some() {
            out.push_str(",AUDIO=\"audio\"");
        }
        out.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variant(rendition: &str, peak_bps: u64, resolution: (u32, u32)) -> Variant {
        Variant {
            rendition: rendition.to_owned(),
            peak_bps,
            average_bps: peak_bps / 2,
            codec: "avc1.64001f".to_owned(),
            resolution: Some(resolution),
            frame_rate: Some(30_000.0 / 1001.0),
            key_peak_bps: peak_bps / 10,
            key_average_bps: peak_bps / 20,
        }
    }

    #[test]
    fn video_and_sound() {
        let master = Master {
            variants: vec![variant("source", 3_000_000, (1280, 720)), variant("360p", 800_000, (640, 360))],
            audio: Some(AudioGroup {
                rendition: "audio".to_owned(),
                peak_bps: 130_000,
                average_bps: 128_000,
                codec: "mp4a.40.2".to_owned(),
                channels: 2,
            }),
            plain: false,
        };
        assert_eq!(
            master.render(),
            "#EXTM3U\n#EXT-X-VERSION:9\n\
             #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"audio\",NAME=\"Audio\",LANGUAGE=\"und\",DEFAULT=YES,AUTOSELECT=YES,CHANNELS=\"2\",URI=\"audio/index.m3u8\"\n\
             #EXT-X-STREAM-INF:BANDWIDTH=3130000,AVERAGE-BANDWIDTH=1628000,CODECS=\"avc1.64001f,mp4a.40.2\",RESOLUTION=1280x720,FRAME-RATE=29.970,AUDIO=\"audio\"\n\
             source/index.m3u8\n\
             #EXT-X-STREAM-INF:BANDWIDTH=930000,AVERAGE-BANDWIDTH=528000,CODECS=\"avc1.64001f,mp4a.40.2\",RESOLUTION=640x360,FRAME-RATE=29.970,AUDIO=\"audio\"\n\
             360p/index.m3u8\n\
             #EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=300000,AVERAGE-BANDWIDTH=150000,CODECS=\"avc1.64001f\",RESOLUTION=1280x720,URI=\"source/iframes.m3u8\"\n\
             #EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=80000,AVERAGE-BANDWIDTH=40000,CODECS=\"avc1.64001f\",RESOLUTION=640x360,URI=\"360p/iframes.m3u8\"\n"
        );
    }

    #[test]
    fn plain_without_sound() {
        let master = Master { variants: vec![variant("source", 10, (16, 16))], audio: None, plain: true };
        assert_eq!(
            master.render(),
            "#EXTM3U\n#EXT-X-VERSION:8\n\
             #EXT-X-STREAM-INF:BANDWIDTH=10,AVERAGE-BANDWIDTH=5,CODECS=\"avc1.64001f\",RESOLUTION=16x16,FRAME-RATE=29.970\n\
             source/index.m3u8?plain=1\n\
             #EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,AVERAGE-BANDWIDTH=1,CODECS=\"avc1.64001f\",RESOLUTION=16x16,URI=\"source/iframes.m3u8\"\n"
        );
    }
}
