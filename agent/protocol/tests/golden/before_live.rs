//! The test before going live.

use super::ts;
use stagebox_protocol::{Command, preflight::*};

pub(super) fn preflight_commands() -> [(&'static str, Command); 3] {
    [
        ("command_preflight", Command::Preflight { upload_s: UPLOAD_S }),
        ("command_preflight_longest", Command::Preflight { upload_s: LONGEST_UPLOAD_S }),
        ("command_cancel_preflight", Command::CancelPreflight),
    ]
}

pub(super) fn preflight() -> Preflight {
    let check = |name: &str, verdict, said: &str, fix: Option<&str>| PreflightCheck {
        name: name.into(),
        verdict,
        said: said.into(),
        fix: fix.map(Into::into),
    };
    Preflight {
        state: PreflightState::Failed,
        percent: 100,
        started_at: ts(),
        finished_at: Some(ts()),
        checks: vec![
            check("source", PreflightVerdict::Pass, "1280x720 at 29.5 frames a second", None),
            check(
                "clock",
                PreflightVerdict::Warn,
                "nobody has set it",
                Some("let the box reach a time server"),
            ),
            check("main", PreflightVerdict::Fail, "the name is not known", Some("look at the address")),
            check("backup", PreflightVerdict::Skipped, "no server is set for it", None),
        ],
        upload_kbps: Some(8_200),
    }
}

pub(super) fn running_preflight() -> Preflight {
    Preflight {
        state: PreflightState::Running,
        percent: 40,
        finished_at: None,
        upload_kbps: None,
        ..preflight()
    }
}
