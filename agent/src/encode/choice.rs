//! Which encoder to use: as configured, or the best that a trial has proven.

use std::path::Path;

use stagebox_hw::encoder::TrialOutcome;
use stagebox_hw::{Board, Encoder, VideoMode, board};
use stagebox_hw_probe::{
    Cache, CaptureDevice, InstalledEncoder, Machine, Probe, SystemProbe, Trial, Wanted, select,
};

use super::EncodeError;
use crate::config::VideoConfig;
use crate::probe::ChildProbe;

/// The encoder to use, and how quick it is to be where it is software.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chosen {
    pub(super) encoder: Encoder,
    pub(super) preset: Option<String>,
}

/// Chooses the encoder among those that are not to be avoided; `trials` is the file where outcomes of trials are kept.
pub(super) fn choose(
    video: &VideoConfig,
    avoid: &[Encoder],
    trials: Option<&Path>,
) -> Result<Chosen, EncodeError> {
    let program = std::env::current_exe().map_err(|error| EncodeError::Start(error.to_string()))?;
    choose_by(&ChildProbe::new(program), video, avoid, trials)
}

fn choose_by(
    probe: &dyn Probe,
    video: &VideoConfig,
    avoid: &[Encoder],
    trials: Option<&Path>,
) -> Result<Chosen, EncodeError> {
    let named = named(video)?.filter(|encoder| !avoid.contains(encoder));
    let machine = probe.machine();
    let boards = board::shipped();
    // There is one for any machine.
    let board = board::detect(&boards, &machine.identity());
    let of_board = |encoder| board.and_then(|board| board.preset(encoder));
    let chosen = match (named, board) {
        (Some(encoder), _) => Chosen { encoder, preset: of_board(encoder) },
        (None, None) => Chosen { encoder: Encoder::X264enc, preset: None },
        (None, Some(board)) => {
            let open = |path| Cache::open(path, &machine.kernel_release);
            let mut cache = trials.map_or_else(Cache::in_memory, open);
            best(&Without { probe, avoid }, board, video, &mut cache)?
        }
    };
    Ok(Chosen { preset: video.preset.clone().or(chosen.preset), ..chosen })
}

/// The encoder that the configuration names.
fn named(video: &VideoConfig) -> Result<Option<Encoder>, EncodeError> {
    if video.encoder == "auto" {
        return Ok(None);
    }
    let found = Encoder::ALL.into_iter().find(|encoder| encoder.element() == video.encoder);
    found.map(Some).ok_or_else(|| {
        let known: Vec<_> = Encoder::ALL.iter().map(|encoder| encoder.element()).collect();
        EncodeError::UnknownEncoder { name: video.encoder.clone(), known: known.join(", ") }
    })
}

/// Forgets that an encoder has proven itself: it hangs now, and has to prove itself again.
pub(super) fn forget(encoder: Encoder, trials: Option<&Path>) {
    if let Some(trials) = trials {
        Cache::open(trials, &SystemProbe::default().machine().kernel_release).forget(encoder);
    }
}

fn best(
    probe: &dyn Probe,
    board: &Board,
    video: &VideoConfig,
    cache: &mut Cache,
) -> Result<Chosen, EncodeError> {
    let mode = VideoMode { width: video.width, height: video.height, fps: video.fps };
    let wanted = Wanted { mode, bitrate_kbps: video.bitrate_kbps };
    let selection =
        select(probe, board, wanted, cache).map_err(|error| EncodeError::NoEncoder(error.to_string()))?;
    for (encoder, verdict) in &selection.assessed {
        tracing::info!(%encoder, ?verdict, "encoder");
    }
    let candidate = selection.candidate;
    Ok(Chosen { encoder: candidate.encoder, preset: candidate.preset })
}

/// The machine as if it had not got some of its encoders.
struct Without<'a> {
    probe: &'a dyn Probe,
    avoid: &'a [Encoder],
}

impl Probe for Without<'_> {
    fn machine(&self) -> Machine {
        self.probe.machine()
    }

    fn capture_devices(&self) -> Vec<CaptureDevice> {
        self.probe.capture_devices()
    }

    fn installed_encoders(&self) -> Vec<InstalledEncoder> {
        let mut installed = self.probe.installed_encoders();
        installed.retain(|found| !self.avoid.contains(&found.encoder));
        installed
    }

    fn try_encoder(&self, trial: &Trial) -> TrialOutcome {
        self.probe.try_encoder(trial)
    }
}

#[cfg(test)]
mod tests {
    use stagebox_hw_probe::fake::FakeProbe;

    use super::*;

    #[test]
    fn an_unknown_encoder_is_told_what_there_is() {
        let video = VideoConfig { encoder: "quick".to_owned(), ..VideoConfig::default() };
        let message = choose(&video, &[], None).unwrap_err().to_string();
        assert!(message.starts_with("video.encoder") && message.contains("x264enc"), "{message}");
        let video = VideoConfig { encoder: "vah264enc".to_owned(), ..VideoConfig::default() };
        assert_eq!(choose(&video, &[], None).unwrap().encoder, Encoder::Vah264enc);
    }

    fn works() -> TrialOutcome {
        TrialOutcome::Works { speed_percent: 200 }
    }

    /// A small board with these encoders, all of which work.
    fn board(model: &str, encoders: &[Encoder]) -> FakeProbe {
        let model = Some(model.to_owned());
        let machine = Machine { device_tree_model: model, ..Machine::default() };
        let probe = FakeProbe::default().with_machine(machine);
        encoders.iter().fold(probe, |probe, encoder| probe.with_encoder(*encoder, works()))
    }

    #[test]
    fn the_board_says_how_quick_software_has_to_be_unless_the_configuration_does() {
        let probe = board("Raspberry Pi 5 Model B", &[Encoder::X264enc]);
        let software = |preset: &str| Chosen { encoder: Encoder::X264enc, preset: Some(preset.to_owned()) };
        let automatic = VideoConfig::default();
        assert_eq!(choose_by(&probe, &automatic, &[], None).unwrap(), software("superfast"));
        let named = VideoConfig { encoder: "x264enc".to_owned(), ..automatic.clone() };
        assert_eq!(choose_by(&probe, &named, &[], None).unwrap(), software("superfast"));
        let faster = VideoConfig { preset: Some("faster".to_owned()), ..automatic };
        assert_eq!(choose_by(&probe, &faster, &[], None).unwrap(), software("faster"));
        assert!(probe.tried().is_empty(), "what is alone is not tried");
    }

    #[test]
    fn the_next_one_stands_in_for_one_that_is_avoided_even_if_that_was_named() {
        let probe = board("Raspberry Pi 4 Model B", &[Encoder::V4l2h264enc, Encoder::X264enc]);
        let automatic = VideoConfig::default();
        let named = VideoConfig { encoder: "v4l2h264enc".to_owned(), ..automatic.clone() };
        for video in [automatic, named] {
            let chosen = |avoid: &[Encoder]| choose_by(&probe, &video, avoid, None).unwrap();
            assert_eq!(chosen(&[]), Chosen { encoder: Encoder::V4l2h264enc, preset: None });
            let instead = Chosen { encoder: Encoder::X264enc, preset: Some("ultrafast".to_owned()) };
            assert_eq!(chosen(&[Encoder::V4l2h264enc]), instead);
        }
    }
}
