//! What there is to know of a device's input, for people who set up a box.

use std::path::Path;

use serde::Serialize;
use stagebox_hw::Edid;

use super::device;
use super::port::{HdmiPort, Reading, look};

/// An input that measures its signal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HdmiInput {
    /// The driver measures timings.
    pub dv_timings: bool,
    /// The EDID that is loaded: one that ships by its name, else `other`, or `none yet`; absent where it takes none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edid: Option<String>,
    /// What comes in, in words.
    pub signal: String,
    /// Whether there is sound in the cable, if the driver tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio: Option<bool>,
}

/// Asks a device; nothing where it has neither timings nor an EDID, or cannot be opened.
#[must_use]
pub fn examine(path: &Path) -> Option<HdmiInput> {
    let mut device = device::open(path).ok()?;
    let (dv_timings, edid) = device.abilities();
    (dv_timings || edid.is_some()).then(|| describe(&mut device, dv_timings, edid.as_deref()))
}

fn describe(port: &mut dyn HdmiPort, dv_timings: bool, edid: Option<&[u8]>) -> HdmiInput {
    let edid = edid.map(|bytes| match Edid::of(bytes) {
        Some(edid) => edid.name().to_owned(),
        None if bytes.is_empty() => "none yet".to_owned(),
        None => "other".to_owned(),
    });
    let signal = match look(port) {
        Ok(Reading::NoCable) => "no cable".to_owned(),
        Ok(Reading::NoSignal) => "no signal".to_owned(),
        Ok(Reading::NotLocked) => "not locked".to_owned(),
        Ok(Reading::OutOfRange(measured)) => {
            measured.map_or("out of range".to_owned(), |timings| format!("out of range: {}", timings.words()))
        }
        Ok(Reading::Protected) => "protected (HDCP)".to_owned(),
        Ok(Reading::Timings(timings)) => timings.words(),
        Ok(Reading::Free) => "not measured".to_owned(),
        Err(errno) => format!("cannot be asked: {errno}"),
    };
    HdmiInput { dv_timings, edid, signal, audio: port.audio().map(|audio| audio.is_present) }
}

impl std::fmt::Display for HdmiInput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let timings = if self.dv_timings { "DV timings" } else { "no DV timings" };
        let edid = self.edid.as_ref().map_or("no EDID".to_owned(), |edid| format!("EDID {edid}"));
        let audio = match self.audio {
            Some(true) => ", with sound",
            Some(false) => ", without sound",
            None => "",
        };
        write!(f, "{timings}, {edid}, signal: {}{audio}", self.signal)
    }
}

#[cfg(test)]
mod tests {
    use super::super::fake::FakeChip;
    use super::super::port::Audio;
    use super::super::timings::samples::progressive;
    use super::*;
    use nix::errno::Errno;

    #[test]
    fn an_input_is_described_in_a_line() {
        let chip = FakeChip::default();
        chip.plug(progressive(1920, 1080, 50));
        chip.change(|chip| chip.audio = Some(Audio { is_present: true, rate_hz: None }));
        let edid = Edid::P1080At30.bytes();
        let told = describe(&mut chip.port(), true, Some(edid));
        assert_eq!(
            told.to_string(),
            "DV timings, EDID 1080p30, signal: 1920x1080 at 50 pictures a second, pixel clock 123.75 MHz, with sound"
        );
        chip.unplug();
        chip.change(|chip| chip.audio = None);
        for (edid, words) in
            [(None, "no EDID"), (Some(&[][..]), "EDID none yet"), (Some(&[1][..]), "EDID other")]
        {
            let expected = format!("DV timings, {words}, signal: no cable");
            assert_eq!(describe(&mut chip.port(), true, edid).to_string(), expected);
        }
        chip.change(|chip| chip.query = Err(Errno::EIO));
        assert!(describe(&mut chip.port(), true, None).signal.contains("cannot be asked: EIO"));
    }

    #[test]
    fn what_is_no_device_is_no_input() {
        assert_eq!(examine(Path::new("/dev/null")), None);
        assert_eq!(examine(Path::new("/nowhere")), None);
    }
}
