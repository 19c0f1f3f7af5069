//! Health as the API tells it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::meter::Meter;
use super::minute::Minute;
use super::sample::Sample;
use super::warning::Warning;
use crate::clock::Timestamp;

/// How finely an input's past is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = HealthResolution)]
pub(crate) enum Resolution {
    /// The last hour.
    #[default]
    Second,
    /// The whole event.
    Minute,
}

/// How well an input arrives, and how it did.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = Health)]
pub(crate) struct Health {
    /// Who broadcasts; `null` if nobody does.
    #[schema(required)]
    source: Option<SourceView>,
    /// The last second; `null` if nobody broadcasts.
    #[schema(required)]
    now: Option<SampleView>,
    /// The gravest first.
    warnings: Vec<WarningView>,
    /// The oldest first: seconds of the last hour, or the minutes of the whole event.
    samples: Vec<SampleView>,
}

/// How well an input arrives just now.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = HealthNow)]
pub(crate) struct HealthNow {
    /// The last second; `null` if nobody broadcasts.
    #[schema(required)]
    now: Option<SampleView>,
    /// The gravest first.
    warnings: Vec<WarningView>,
}

/// Who broadcasts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = HealthSource)]
struct SourceView {
    /// Its network address and port.
    address: String,
    /// What the encoder calls itself; empty if it does not say.
    encoder: String,
    /// Since when it broadcasts.
    since: Timestamp,
}

/// Something that somebody should do something about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = HealthWarning)]
struct WarningView {
    /// The same for ever for one kind of warning.
    #[schema(examples("key_frames_far_apart"))]
    name: &'static str,
    /// What is wrong, and what helps.
    #[schema(examples("key frames every 10 s: set 2 s in your encoder"))]
    words: String,
    /// The first second in which it was so.
    since: Timestamp,
}

/// A second or a minute; zeros and `null` where nothing came.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = HealthSample)]
struct SampleView {
    /// When it began.
    at: Timestamp,
    /// Of the picture.
    video_kbps: u32,
    /// Of the sound.
    audio_kbps: u32,
    /// Pictures that arrived; of a minute: a second, on average.
    frames_per_s: f64,
    /// Of a minute only: in the second with the fewest.
    #[serde(skip_serializing_if = "Option::is_none")]
    lowest_frames_per_s: Option<u32>,
    /// Between the last two key frames, or since the last if that is longer already; of a minute: the longest.
    #[schema(required)]
    key_interval_ms: Option<u32>,
    /// Of the picture, in pixels.
    #[schema(required)]
    width: Option<u32>,
    /// Of the picture, in pixels.
    #[schema(required)]
    height: Option<u32>,
    /// Full scale is an amplitude of 1, so that a sine reaches −3; silence is −120.
    #[schema(required)]
    audio_rms_dbfs: Option<f64>,
    /// The highest amplitude.
    #[schema(required)]
    audio_peak_dbfs: Option<f64>,
    /// By how much frames took longer from their timestamps to their arrival than others; of a minute: the worst.
    jitter_ms: u32,
    /// How far the newest frame is behind the best that arrived so far; of a minute: the worst.
    late_ms: u32,
    /// How often pictures are missing.
    gaps: u32,
}

impl Meter {
    /// How well the input arrives, and how it did.
    pub(crate) fn health(&self, resolution: Resolution) -> Health {
        let source = self.source().map(|(source, since_unix_ms)| SourceView {
            address: source.address.clone(),
            encoder: source.encoder.clone(),
            since: Timestamp::from_unix_ms(since_unix_ms),
        });
        let samples = match resolution {
            Resolution::Second => self.history().seconds().iter().map(SampleView::from).collect(),
            Resolution::Minute => self.history().minutes().map(SampleView::from).collect(),
        };
        let HealthNow { now, warnings } = self.now();
        Health { source, now, warnings, samples }
    }

    /// How well the input arrives just now.
    pub(crate) fn now(&self) -> HealthNow {
        let newest = self.source().and_then(|_| self.history().seconds().back());
        HealthNow {
            now: newest.map(SampleView::from),
            warnings: self.warnings().map(WarningView::from).collect(),
        }
    }
}

impl From<Warning<'_>> for WarningView {
    fn from(warning: Warning<'_>) -> Self {
        Self { name: warning.name, words: warning.words.to_owned(), since: time(warning.since_s) }
    }
}

impl From<&Sample> for SampleView {
    fn from(sample: &Sample) -> Self {
        Self {
            at: time(sample.at_s),
            video_kbps: sample.video_kbps,
            audio_kbps: u32::from(sample.audio_kbps),
            frames_per_s: f64::from(sample.frames),
            lowest_frames_per_s: None,
            key_interval_ms: sample.key_interval_ms.map(Into::into),
            width: sample.width.map(|width| u32::from(width.get())),
            height: sample.height.map(|height| u32::from(height.get())),
            audio_rms_dbfs: sample.rms.get(),
            audio_peak_dbfs: sample.peak.get(),
            jitter_ms: u32::from(sample.jitter_ms),
            late_ms: sample.late_ms,
            gaps: u32::from(sample.gaps),
        }
    }
}

impl From<Minute> for SampleView {
    fn from(minute: Minute) -> Self {
        let fps = f64::from(minute.frames) / f64::from(minute.seconds.max(1));
        Self {
            at: time(minute.at_s),
            video_kbps: minute.video_kbps,
            audio_kbps: u32::from(minute.audio_kbps),
            frames_per_s: (fps * 10.0).round() / 10.0,
            lowest_frames_per_s: Some(u32::from(minute.lowest_fps)),
            key_interval_ms: minute.key_interval_ms.map(Into::into),
            width: minute.width.map(|width| u32::from(width.get())),
            height: minute.height.map(|height| u32::from(height.get())),
            audio_rms_dbfs: minute.rms.get(),
            audio_peak_dbfs: minute.peak.get(),
            jitter_ms: u32::from(minute.jitter_ms),
            late_ms: minute.late_ms,
            gaps: minute.gaps,
        }
    }
}

fn time(at_s: u32) -> Timestamp {
    Timestamp::from_unix_ms(i64::from(at_s) * 1_000)
}
