//! What figures mean for going live, in words for the person who is about to. Pure.

use std::time::Duration;

use stagebox_protocol::telemetry::{SignalAlarm, SignalState, SignalStatus};

use super::Finding;

/// Recordings that have less room than this are worth a word, or no recordings.
const SHORT_MIN: u64 = 60;
const TOO_SHORT_MIN: u64 = 5;
/// How many times the bitrate a disk is to write, and at least.
const DISK_TENTHS: u64 = 40;
const LEAST_DISK_TENTHS: u64 = 15;
/// How many times the bitrate a line is to carry, and at least.
const LINE_PERCENT: u64 = 150;
const LEAST_LINE_PERCENT: u64 = 110;
/// A count that begins and ends between two pictures is off by so many.
const BETWEEN_PICTURES: u64 = 2;
/// So many of a hundred pictures may be missing, and no more of them than this.
const MISSING_PERCENT: u64 = 2;
const MOST_MISSING_PERCENT: u64 = 10;
/// What is left of a bitrate that is advised is no odd number.
const ROUND_KBPS: u64 = 50;

/// The encoder over some seconds.
#[derive(Debug, Clone, Default)]
pub(super) struct Encoded {
    pub(super) name: String,
    pub(super) is_hardware: bool,
    /// Software is what was asked for.
    pub(super) is_chosen: bool,
    pub(super) wanted_fps: u32,
    pub(super) frames: u64,
    pub(super) dropped_frames: u64,
    pub(super) lasted: Duration,
    /// It stands in for one that does not encode although it should, and why.
    pub(super) stands_in: Option<String>,
    /// It was started anew meanwhile, and why.
    pub(super) restarted: Option<String>,
}

/// What the outputs send, in kbit/s.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stream {
    pub(super) video_kbps: u32,
    pub(super) audio_kbps: u32,
    /// What containers and messages add.
    pub(super) overhead_percent: u32,
    /// How many outputs send at the same time.
    pub(super) outputs: u32,
    /// Main and backup are among them.
    pub(super) backup_beside_main: bool,
}

impl Stream {
    fn of_one_kbps(self) -> u64 {
        let plain = u64::from(self.video_kbps) + u64::from(self.audio_kbps);
        plain * u64::from(100 + self.overhead_percent) / 100
    }

    fn kbps(self) -> u64 {
        self.of_one_kbps() * u64::from(self.outputs)
    }

    /// The picture that a line would carry, with room to spare.
    fn fitting_kbps(self, line_kbps: u64) -> Option<u64> {
        let of_one = line_kbps * 100 / LINE_PERCENT / u64::from(self.outputs.max(1));
        let plain = of_one * 100 / u64::from(100 + self.overhead_percent);
        let picture = plain.saturating_sub(u64::from(self.audio_kbps)) / ROUND_KBPS * ROUND_KBPS;
        (picture >= ROUND_KBPS).then_some(picture)
    }
}

pub(super) fn source(signal: &SignalStatus) -> Finding {
    let SignalStatus { width, height, fps, source, .. } = signal;
    let (said, fix) = match signal.state {
        SignalState::Locked => {
            let found = format!("{width}×{height} at {} pictures a second from {source}", rate(*fps));
            let wrong = signal.alarms.iter().find_map(|alarm| match alarm {
                SignalAlarm::Black => Some("the picture is black"),
                SignalAlarm::Frozen => Some("the picture stands still"),
                SignalAlarm::Silent | SignalAlarm::Unknown => None,
            });
            return match wrong {
                Some(wrong) => Finding::warn(format!("{found}; {wrong}"), "look at what the source shows"),
                None => Finding::pass(found),
            };
        }
        SignalState::NoCable => ("no cable is plugged in", "plug the source in"),
        SignalState::Protected => {
            ("the source protects its picture (HDCP)", "switch HDCP off at the source, or take another one")
        }
        SignalState::OutOfRange => {
            ("the box cannot take the source's size or rate", "set another size or rate at the source")
        }
        SignalState::Unstable => {
            ("the signal is not stable", "look at cable and plugs, and try a shorter cable")
        }
        SignalState::None | SignalState::Unknown => {
            ("nothing comes from the source", "switch the source on, and look at the cable")
        }
    };
    Finding::fail(signal.reason.as_deref().unwrap_or(said), fix)
}

/// `peak_dbfs` is the loudest moment so far, and `floor_dbfs` what counts as silence; sound that `is_apart` comes without
/// the source's signal too.
pub(super) fn sound(
    signal: &SignalStatus,
    is_apart: bool,
    peak_dbfs: Option<f32>,
    floor_dbfs: i32,
    waited: Duration,
) -> Finding {
    const FIX: &str = "look at the source's volume and mute, and at the cable that brings the sound";
    let is_locked = signal.state == SignalState::Locked;
    if !is_locked && !is_apart {
        return Finding::skipped("there is no signal that could bring any");
    }
    let seconds = waited.as_secs();
    match peak_dbfs {
        Some(peak) if is_heard(peak, floor_dbfs) => Finding::pass(format!("up to {peak:.0} dB")),
        // Without a signal the reason is the picture's.
        _ if !signal.audio => {
            let reason = signal.reason.as_deref().filter(|_| is_locked);
            Finding::warn(reason.unwrap_or("no sound comes in"), FIX)
        }
        Some(peak) => Finding::warn(
            format!("nothing above {floor_dbfs} dB in {seconds} s; the loudest moment was {peak:.0} dB"),
            FIX,
        ),
        None => Finding::warn(format!("nothing was measured in {seconds} s"), FIX),
    }
}

pub(super) fn is_heard(peak_dbfs: f32, floor_dbfs: i32) -> bool {
    f64::from(peak_dbfs) > f64::from(floor_dbfs)
}

pub(super) fn encoder(encoded: &Encoded) -> Finding {
    const SLOWER: &str =
        "set a smaller picture, a lower rate or a faster preset ([video]), and end what else runs on the box";
    let Encoded { name, wanted_fps, frames, dropped_frames, lasted, .. } = encoded;
    let kind = if encoded.is_hardware { "in hardware" } else { "in software" };
    if let Some(reason) = &encoded.restarted {
        return Finding::fail(
            format!("{name} was started anew while it was watched: {reason}"),
            "look at the box's log, and choose another encoder (video.encoder)",
        );
    }
    let seconds = lasted.as_secs_f64().max(0.001);
    let fps = rate((*frames as f64 / seconds) as f32);
    let expected = (f64::from(*wanted_fps) * seconds) as u64;
    let missing = expected.saturating_sub(frames + BETWEEN_PICTURES);
    let said = format!("{name} {kind}: {fps} of {wanted_fps} pictures a second, {dropped_frames} left out");
    if missing * 100 > expected * MOST_MISSING_PERCENT {
        Finding::fail(said, SLOWER)
    } else if missing * 100 > expected * MISSING_PERCENT || *dropped_frames > 0 {
        Finding::warn(said, SLOWER)
    } else if let Some(reason) = &encoded.stands_in {
        Finding::warn(
            format!("{said}; it stands in ({reason})"),
            "have the one that failed tried again: retry_encoder, on the device's page in the cloud",
        )
    } else if !encoded.is_hardware && !encoded.is_chosen {
        let fix = format!(
            "`stagebox-agent probe` says why no hardware encodes; where software is to, set video.encoder = \"{name}\""
        );
        Finding::warn(said, fix)
    } else {
        Finding::pass(said)
    }
}

/// `left_bytes` is what recordings may still take; `None` where the disk cannot be asked.
pub(super) fn room(left_bytes: Option<u64>, kbps: u32, folder: &str) -> Finding {
    let Some(left_bytes) = left_bytes else {
        return Finding::fail(
            format!("the folder of recordings cannot be read: {folder}"),
            "look whether its disk is plugged in and mounted (record.dir)",
        );
    };
    let minutes = left_bytes / (u64::from(kbps.max(1)) * 1000 / 8) / 60;
    let length = if minutes < 600 { format!("{minutes} min") } else { format!("{} h", minutes / 60) };
    let room = match left_bytes / 1_000_000 {
        megabytes @ ..10_000 => format!("{megabytes} MB"),
        megabytes => format!("{} GB", megabytes / 1_000),
    };
    let said = format!("room for {length} at {kbps} kbit/s ({room})");
    let fix = "delete recordings or copy them away, or set record.when_full = \"delete_oldest\"";
    match minutes {
        ..TOO_SHORT_MIN => Finding::fail(said, fix),
        TOO_SHORT_MIN..SHORT_MIN => Finding::warn(said, fix),
        _ => Finding::pass(said),
    }
}

pub(super) fn disk(bytes: u64, took: Duration, kbps: u32) -> Finding {
    let written_kbps = (bytes as f64 * 8.0 / 1000.0 / took.as_secs_f64().max(0.000_001)) as u64;
    let tenths = written_kbps * 10 / u64::from(kbps.max(1));
    let said = format!(
        "{:.1} MB/s written and synced, {} times what a recording takes",
        written_kbps as f64 / 8000.0,
        if tenths < 100 { format!("{}.{}", tenths / 10, tenths % 10) } else { (tenths / 10).to_string() }
    );
    let fix =
        "record on a faster disk (record.dir), or set a lower video.bitrate_kbps or record.bitrate_kbps";
    match tenths {
        ..LEAST_DISK_TENTHS => Finding::fail(said, fix),
        LEAST_DISK_TENTHS..DISK_TENTHS => Finding::warn(said, fix),
        _ => Finding::pass(said),
    }
}

pub(super) fn clock(is_synced: bool) -> Finding {
    if is_synced {
        return Finding::pass("set by a time service");
    }
    Finding::warn(
        "no time service has set the clock since the box started",
        "let the box reach a time server (NTP, UDP port 123): certificates and the names of recordings go by the clock",
    )
}

pub(super) fn upload(line_kbps: u32, stream: Stream) -> Finding {
    let (line, needed) = (u64::from(line_kbps), stream.kbps());
    let outputs = match stream.outputs {
        1 => String::new(),
        outputs => format!(" ({outputs} outputs of {})", stream.of_one_kbps()),
    };
    let said = format!("the line to the cloud carries {line} kbit/s; the stream takes {needed}{outputs}");
    let fix = match stream.fitting_kbps(line) {
        Some(fitting) => format!("set video.bitrate_kbps = {fitting}"),
        None => "no picture fits through this line: take another one".to_owned(),
    };
    let cold = if stream.backup_beside_main {
        ", or have the backup stand by ([backup] push = \"cold\")"
    } else {
        ""
    };
    let finding = if line * 100 >= needed * LINE_PERCENT {
        Finding::pass(said)
    } else if line * 100 >= needed * LEAST_LINE_PERCENT {
        Finding::warn(said, format!("there is little to spare: {fix}{cold}"))
    } else {
        Finding::fail(said, format!("{fix}{cold}"))
    };
    Finding { upload_kbps: Some(line_kbps), ..finding }
}

/// `29.97`, and `30` without what says nothing.
fn rate(fps: f32) -> String {
    let text = format!("{fps:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
