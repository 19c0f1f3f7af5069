//! onMetaData: what a stream says about itself, and our own two fields in it.

use bytes::BytesMut;

use super::amf0::{self, Value};
use crate::Epoch;

/// AMF0 numbers are doubles and cannot carry 64 bits: the epoch travels as 16 hexadecimal digits.
const EPOCH_FIELD: &str = "stagebox_epoch";
/// The next frame's time in full, as decimal digits: RTMP's timestamps lose all above 2^32 ms.
const TIME_FIELD: &str = "stagebox_time_ms";

/// What a publisher says about its stream; nothing of it is checked against the frames.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Metadata {
    pub encoder: Option<String>,
    pub width: Option<f64>,
    pub height: Option<f64>,
    pub frames_per_s: Option<f64>,
    pub video_kbps: Option<f64>,
    pub audio_kbps: Option<f64>,
    pub epoch: Epoch,
    pub(super) time_ms: Option<i64>,
}

/// What a client tells about its stream.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StreamInfo {
    /// Name and version of what encodes, for the server's logs.
    pub encoder: String,
    pub width: u32,
    pub height: u32,
    pub frames_per_s: u32,
    pub video_kbps: u32,
    pub audio_kbps: u32,
}

impl Metadata {
    /// Reads the arguments of a data message; `None` when it is no onMetaData.
    pub(super) fn from_data(values: &[Value]) -> Option<Self> {
        let values = match values {
            [Value::String(set), rest @ ..] if set == "@setDataFrame" => rest,
            all => all,
        };
        let [Value::String(name), fields, ..] = values else { return None };
        if name != "onMetaData" {
            return None;
        }
        let number = |key| fields.get(key).and_then(Value::as_number).filter(|number| number.is_finite());
        let text = |key| fields.get(key).and_then(Value::as_str);
        Some(Self {
            encoder: text("encoder").map(|name| name.chars().take(100).collect()),
            width: number("width"),
            height: number("height"),
            frames_per_s: number("framerate"),
            video_kbps: number("videodatarate"),
            audio_kbps: number("audiodatarate"),
            epoch: text(EPOCH_FIELD)
                .and_then(|digits| u64::from_str_radix(digits, 16).ok())
                .map_or(Epoch::UNKNOWN, Epoch),
            time_ms: text(TIME_FIELD).and_then(|digits| digits.parse().ok()),
        })
    }
}

impl StreamInfo {
    /// The payload of a data message for frames of `epoch`, the next of them at `time_ms`.
    pub(super) fn to_data(&self, epoch: Epoch, time_ms: i64, out: &mut BytesMut) {
        let mut fields = vec![
            ("width".to_owned(), Value::from(f64::from(self.width))),
            ("height".to_owned(), Value::from(f64::from(self.height))),
            ("framerate".to_owned(), Value::from(f64::from(self.frames_per_s))),
            ("videodatarate".to_owned(), Value::from(f64::from(self.video_kbps))),
            ("audiodatarate".to_owned(), Value::from(f64::from(self.audio_kbps))),
        ];
        // Unknown figures are left out: a zero would be a claim.
        fields.retain(|(_, value)| value.as_number() != Some(0.0));
        if !self.encoder.is_empty() {
            fields.push(("encoder".to_owned(), Value::from(self.encoder.as_str())));
        }
        if epoch != Epoch::UNKNOWN {
            fields.push((EPOCH_FIELD.to_owned(), Value::String(format!("{:016x}", epoch.0))));
            fields.push((TIME_FIELD.to_owned(), Value::String(time_ms.to_string())));
        }
        for value in [Value::from("@setDataFrame"), Value::from("onMetaData"), Value::EcmaArray(fields)] {
            amf0::encode(&value, out);
        }
    }
}
