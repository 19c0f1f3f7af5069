//! Which encoder to use: as configured, or the best that a trial has proven.

use std::path::Path;

use stagebox_hw::{Encoder, VideoMode, board};
use stagebox_hw_probe::{Cache, Probe, SystemProbe, Wanted, select};

use super::EncodeError;
use crate::config::VideoConfig;
use crate::probe::ChildProbe;

/// Chooses the encoder; `trials` is the file where outcomes of trials are kept.
pub(super) fn choose(video: &VideoConfig, trials: Option<&Path>) -> Result<Encoder, EncodeError> {
    if video.encoder == "auto" {
        let program = std::env::current_exe().map_err(|error| EncodeError::Start(error.to_string()))?;
        return best(&ChildProbe::new(program), video, trials);
    }
    Encoder::ALL.into_iter().find(|encoder| encoder.element() == video.encoder).ok_or_else(|| {
        let known: Vec<_> = Encoder::ALL.iter().map(|encoder| encoder.element()).collect();
        EncodeError::UnknownEncoder { name: video.encoder.clone(), known: known.join(", ") }
    })
}

/// Forgets that an encoder has proven itself: it hangs now, and has to prove itself again.
pub(super) fn forget(encoder: &str, trials: Option<&Path>) {
    let encoder = Encoder::ALL.into_iter().find(|known| known.element() == encoder);
    if let (Some(encoder), Some(trials)) = (encoder, trials) {
        Cache::open(trials, &SystemProbe::default().machine().kernel_release).forget(encoder);
    }
}

fn best(probe: &dyn Probe, video: &VideoConfig, trials: Option<&Path>) -> Result<Encoder, EncodeError> {
    let installed = probe.installed_encoders();
    if !installed.iter().any(|found| found.encoder.is_hardware()) {
        // Nothing to choose from, so no trial keeps the picture waiting.
        return Ok(Encoder::X264enc);
    }
    let machine = probe.machine();
    let boards = board::shipped();
    let Some(board) = board::detect(&boards, &machine.identity()) else { return Ok(Encoder::X264enc) };
    let mut cache = trials.map_or_else(Cache::in_memory, |path| Cache::open(path, &machine.kernel_release));
    let mode = VideoMode { width: video.width, height: video.height, fps: video.fps };
    let wanted = Wanted { mode, bitrate_kbps: video.bitrate_kbps };
    let selection = select(probe, board, wanted, &mut cache)
        .map_err(|error| EncodeError::NoEncoder(error.to_string()))?;
    for (encoder, verdict) in &selection.assessed {
        tracing::info!(%encoder, ?verdict, "encoder");
    }
    Ok(selection.candidate.encoder)
}

#[cfg(test)]
mod tests {
    use super::choose;
    use crate::config::VideoConfig;

    #[test]
    fn an_unknown_encoder_is_told_what_there_is() {
        let video = VideoConfig { encoder: "quick".to_owned(), ..VideoConfig::default() };
        let message = choose(&video, None).unwrap_err().to_string();
        assert!(message.starts_with("video.encoder") && message.contains("x264enc"), "{message}");
        let video = VideoConfig { encoder: "vah264enc".to_owned(), ..VideoConfig::default() };
        assert_eq!(choose(&video, None).unwrap().element(), "vah264enc");
    }
}
