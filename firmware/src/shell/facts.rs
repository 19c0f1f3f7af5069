//! A status as plain lines, for scripts, logs and very small terminals.

use stagebox_protocol::panel::{Broadcast, Cloud, Status};

use crate::{
    Panel, Tally,
    page::words::{self, Line},
};

/// The panel's facts, one a line, `name value`.
pub(super) fn lines(panel: &Panel, now_ms: u64) -> Vec<String> {
    let mut lines = vec![line("tally", panel.tally(now_ms).label())];
    match panel.status() {
        Some(status) => {
            status_lines(status, &mut lines);
            let test = panel.test().map(|test| line("test", &said(|line| words::preflight(line, test))));
            lines.extend(test);
        }
        None if panel.tally(now_ms) == Tally::AgentDead => lines.push(line("agent", "not answering")),
        None => lines.push(line("agent", "starting")),
    }
    lines
}

fn status_lines(status: &Status, lines: &mut Vec<String>) {
    let elapsed = |words: &str, elapsed_s| format!("{words} {}", words::Clock(elapsed_s));
    let broadcast = match status.broadcast {
        Broadcast::Off => "off".to_owned(),
        Broadcast::Starting => "starting".to_owned(),
        Broadcast::OnAir { elapsed_s } => elapsed("on air", elapsed_s),
        Broadcast::Lost { elapsed_s } => elapsed("no link", elapsed_s),
    };
    let cloud = match status.cloud {
        Cloud::Unset => "not set",
        Cloud::Connecting => "connecting",
        Cloud::Online => "online",
        Cloud::Refused => "refuses this box",
    };
    lines.push(line("broadcast", &broadcast));
    lines.push(line("input", &said(|line| words::input(line, &status.input))));
    lines.push(line("main", &said(|line| words::output(line, &status.main))));
    lines.push(line("backup", &said(|line| words::output(line, &status.backup))));
    lines.push(line("recording", &said(|line| words::recording(line, status.recording))));
    if let Some(storage) = status.storage {
        lines.push(line("storage", &format!("{} left", said(|line| words::storage(line, storage)))));
    }
    let audio = status
        .audio
        .map_or_else(|| "none".to_owned(), |peaks| format!("{} {} dBFS", peaks.left_dbfs, peaks.right_dbfs));
    lines.push(line("audio", &audio));
    lines.push(line("cloud", cloud));
    for (name, value) in [
        ("device", status.device.as_str()),
        ("address", &status.address),
        ("claim", &status.claim),
        ("trouble", &status.trouble),
    ] {
        if !value.is_empty() {
            lines.push(line(name, value));
        }
    }
}

fn line(name: &str, value: &str) -> String {
    format!("{name:<10} {value}")
}

fn said(say: impl FnOnce(&mut Line)) -> String {
    let mut line = Line::new();
    say(&mut line);
    line.as_str().to_owned()
}

#[cfg(test)]
mod tests {
    use stagebox_protocol::panel::{FromAgent, Preflight, PreflightState};

    use super::*;
    use crate::{Input, panel::tests::on_air};

    #[test]
    fn facts_as_scripts_read_them() {
        let mut panel = Panel::new(0);
        panel.handle(0, Input::Frame(FromAgent::Status(on_air())));
        assert_eq!(
            lines(&panel, 0).join("\n"),
            "tally      on air\nbroadcast  on air 1:15:21\ninput      1080p29.97\nmain       6012 kb/s\n\
             backup     6009 kb/s\nrecording  1:15:30\nstorage    43h left\naudio      -18 -24 dBFS\n\
             cloud      online\ndevice     Stage left\naddress    192.0.2.17"
        );
        let state = PreflightState::Failed { ago_s: 5 };
        let test = Preflight { state, what: stagebox_protocol::panel::text("disk") };
        panel.handle(0, Input::Frame(FromAgent::Preflight(test)));
        assert_eq!(lines(&panel, 0).last().unwrap(), "test       Test failed: disk");
        panel.handle(9_000, Input::Tick);
        assert_eq!(lines(&panel, 9_000).join("\n"), "tally      agent dead\nagent      not answering");
    }
}
