//! The same wishes in each encoder's own properties and units.

use super::Encoder;

/// What an encoder shall produce; always CBR, closed GOPs, no B-frames.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodeTarget {
    pub bitrate_kbps: u32,
    /// Frames from one keyframe to the next.
    pub gop_frames: u32,
    /// Speed preset for software; hardware has none.
    pub preset: Option<String>,
}

/// A property of the element, as text for `g_object_set` by string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    pub property: &'static str,
    pub value: String,
}

fn set(property: &'static str, value: impl std::fmt::Display) -> Setting {
    Setting { property, value: format!("{value}") }
}

impl Encoder {
    /// The properties to set before the encoder starts.
    ///
    /// Bitrates are in kbit/s here; some elements want bit/s, which is the
    /// classic way to stream at a thousandth of what was asked for.
    #[must_use]
    pub fn settings(self, target: &EncodeTarget) -> Vec<Setting> {
        let EncodeTarget { bitrate_kbps: kbps, gop_frames: gop, preset } = target;
        let bits_per_s = u64::from(*kbps) * 1000;
        match self {
            // Names of the driver's controls in lower case; profile 4 is High, level 11 is 4.0.
            Self::V4l2h264enc => vec![set(
                "extra-controls",
                format!(
                    "controls,video_bitrate_mode=1,video_bitrate={bits_per_s},h264_i_frame_period={gop},\
                     repeat_sequence_header=1,h264_profile=4,h264_level=11"
                ),
            )],
            Self::Vah264enc => vec![
                set("rate-control", "cbr"),
                set("bitrate", kbps),
                set("key-int-max", gop),
                set("b-frames", 0),
            ],
            Self::Qsvh264enc => vec![
                set("rate-control", "cbr"),
                set("bitrate", kbps),
                set("gop-size", gop),
                set("b-frames", 0),
            ],
            Self::Nvh264enc => vec![
                set("rc-mode", "cbr"),
                set("bitrate", kbps),
                set("gop-size", gop),
                set("bframes", 0),
                set("zerolatency", true),
            ],
            // control-rate 1 is constant bitrate.
            Self::Nvv4l2h264enc => vec![
                set("control-rate", 1),
                set("bitrate", bits_per_s),
                set("iframeinterval", gop),
                set("idrinterval", gop),
                set("insert-sps-pps", true),
            ],
            Self::Mpph264enc => vec![
                set("rc-mode", "cbr"),
                set("bps", bits_per_s),
                set("gop", gop),
                set("header-mode", "each-idr"),
            ],
            Self::X264enc => vec![
                set("speed-preset", preset.as_deref().unwrap_or("veryfast")),
                set("tune", "zerolatency"),
                set("bitrate", kbps),
                set("vbv-buf-capacity", 1000),
                set("key-int-max", gop),
                set("bframes", 0),
                set("option-string", "scenecut=0:open-gop=0"),
            ],
        }
    }

    /// The setting that changes the bitrate of a running encoder, where that is possible.
    #[must_use]
    pub fn bitrate_setting(self, bitrate_kbps: u32) -> Option<Setting> {
        let bits_per_s = u64::from(bitrate_kbps) * 1000;
        match self {
            Self::V4l2h264enc => Some(set("extra-controls", format!("controls,video_bitrate={bits_per_s}"))),
            Self::Nvv4l2h264enc => Some(set("bitrate", bits_per_s)),
            Self::Mpph264enc => Some(set("bps", bits_per_s)),
            Self::Vah264enc | Self::Qsvh264enc | Self::Nvh264enc | Self::X264enc => {
                Some(set("bitrate", bitrate_kbps))
            }
        }
    }

    /// The raw format that costs this encoder no conversion.
    #[must_use]
    pub fn raw_format(self) -> &'static str {
        match self {
            Self::X264enc | Self::V4l2h264enc => "I420",
            _ => "NV12",
        }
    }

    /// What has to stand between system memory and the encoder.
    #[must_use]
    pub fn uploader(self) -> Option<&'static str> {
        match self {
            // Takes NVMM memory only.
            Self::Nvv4l2h264enc => Some("nvvidconv"),
            _ => None,
        }
    }

    /// Caps to ask for after the encoder.
    #[must_use]
    pub fn output_caps(self) -> &'static str {
        match self {
            // Without a level some drivers negotiate 1.0 and then refuse the picture's size.
            Self::V4l2h264enc => "video/x-h264,profile=(string)high,level=(string)4",
            _ => "video/x-h264,profile=(string)high",
        }
    }
}
