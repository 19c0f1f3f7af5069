//! Which elements encode a rendition: rules only, over what `stagebox-hw` knows and a trial has proven.

use stagebox_hw::encoder::{EncodeTarget, Proof, Setting};
use stagebox_hw::{Encoder, EncoderCandidate};

use super::ladder::Scaled;

/// Key frames are where the source has them: encoders make none of their own within any usual group.
const NEVER_FRAMES: u32 = 10_000;
/// As far as elements with a narrow range go (`vah264enc` to 1024).
const RARELY_FRAMES: u32 = 1_000;
const PRESET: &str = "veryfast";

/// An encoder and what stands around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Elements {
    pub(super) encoder: Encoder,
    pub(super) settings: Vec<Setting>,
    pub(super) raw_format: &'static str,
    /// What brings pictures to where the encoder takes them.
    pub(super) uploader: Option<&'static str>,
    pub(super) output_caps: &'static str,
    /// Whether its output has to be brought into length-prefixed form.
    pub(super) parse: bool,
}

/// The elements for a rendition: those of the encoder that proved itself, or of `x264enc`.
pub(super) fn elements(proven: Option<&EncoderCandidate>, scaled: Scaled) -> Elements {
    let hardware = proven.filter(|candidate| matches!(candidate.proof, Proof::Tried { .. }));
    let encoder = hardware.map_or(Encoder::X264enc, |candidate| candidate.encoder);
    let is_software = !encoder.is_hardware();
    let target = EncodeTarget {
        bitrate_kbps: scaled.bitrate_kbps,
        gop_frames: if is_software { NEVER_FRAMES } else { RARELY_FRAMES },
        preset: is_software.then(|| PRESET.to_owned()),
    };
    let mut settings = encoder.settings(&target);
    if is_software {
        let control = scaled.rate_control();
        settings.retain(|setting| setting.property != "vbv-buf-capacity");
        settings.push(Setting { property: "vbv-buf-capacity", value: control.buffer_ms.to_string() });
        // Every rendition has a thread of its own already; more would only cost.
        settings.push(Setting { property: "threads", value: "1".to_owned() });
    }
    Elements {
        encoder,
        settings,
        raw_format: encoder.raw_format(),
        uploader: encoder.uploader(),
        output_caps: encoder.output_caps(),
        parse: !is_software,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCALED: Scaled = Scaled { width: 640, height: 360, bitrate_kbps: 800 };

    fn value<'a>(elements: &'a Elements, property: &str) -> Option<&'a str> {
        let mut found = elements.settings.iter().filter(|setting| setting.property == property);
        let value = found.next().map(|setting| setting.value.as_str());
        assert!(found.next().is_none(), "{property} is set twice");
        value
    }

    fn candidate(encoder: Encoder, proof: Proof) -> EncoderCandidate {
        EncoderCandidate { encoder, preset: None, proof }
    }

    #[test]
    fn software_without_a_proof() {
        let elements = elements(None, SCALED);
        assert_eq!(elements.encoder, Encoder::X264enc);
        for (property, wanted) in [
            ("bitrate", "800"),
            ("tune", "zerolatency"),
            ("speed-preset", "veryfast"),
            ("threads", "1"),
            ("bframes", "0"),
            ("vbv-buf-capacity", "500"),
            ("key-int-max", "10000"),
        ] {
            assert_eq!(value(&elements, property), Some(wanted), "{property}");
        }
        assert_eq!((elements.raw_format, elements.parse), ("I420", false));
    }

    #[test]
    fn hardware_only_if_it_was_tried() {
        for proof in [Proof::Untried, Proof::LastResort] {
            let untried = candidate(Encoder::Vah264enc, proof);
            assert_eq!(elements(Some(&untried), SCALED).encoder, Encoder::X264enc);
        }
        let tried = candidate(Encoder::Vah264enc, Proof::Tried { speed_percent: 400 });
        let hardware = elements(Some(&tried), SCALED);
        assert_eq!(hardware.encoder, Encoder::Vah264enc);
        assert_eq!(value(&hardware, "key-int-max"), Some("1000"));
        assert_eq!((hardware.raw_format, hardware.parse), ("NV12", true));
        assert_eq!(value(&hardware, "threads"), None);
    }

    #[test]
    fn every_encoder_has_its_elements() {
        for encoder in Encoder::ALL {
            let tried = candidate(encoder, Proof::Tried { speed_percent: 100 });
            let elements = elements(Some(&tried), SCALED);
            assert_eq!(elements.encoder, encoder);
            assert!(elements.output_caps.starts_with("video/x-h264,"));
        }
    }
}
