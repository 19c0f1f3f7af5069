//! The display's page in the terminal's own letters, where there is no room for its pixels.

use crossterm::style::Stylize;
use stagebox_protocol::panel::{Input, OutputState, Recording, Status};

use super::face::{GLASS, INK};
use crate::page::{
    Footer, Scene, View,
    status::Headline,
    words::{self, Clock, Line},
};

pub(super) const WIDTH: usize = 62;
pub(super) const HEIGHT: usize = 12;

const METER_WIDTH: usize = 36;
/// The lowest level that a meter shows.
const FLOOR_DBFS: i32 = -60;

/// Pieces of a row; `true` is dark on light.
type Row = Vec<(String, bool)>;

/// The page's rows, each [`WIDTH`] characters wide.
pub(super) fn page(view: &View<'_>) -> Vec<String> {
    let mut rows = match view.scene {
        Scene::Booting => {
            let dots = ".".repeat((view.now_ms / 400 % 4) as usize);
            vec![
                vec![],
                vec![],
                centered("STAGEBOX", false),
                vec![],
                vec![(format!("{:>31}{dots}", "starting"), false)],
            ]
        }
        Scene::Status(status) => status_rows(status, view.now_ms),
        Scene::AgentDead { for_s, was_on_air } => vec![
            centered("", true),
            centered("AGENT NOT ANSWERING", true),
            centered("", true),
            vec![],
            centered(&format!("for {}", Clock(for_s)), false),
            centered(if was_on_air { "It was on air" } else { "The box restarts it" }, false),
        ],
    };
    rows.resize(HEIGHT - 1, vec![]);
    rows.push(footer(&view.footer, view.now_ms));
    rows.into_iter().map(|row| styled(row, view.flash)).collect()
}

fn status_rows(status: &Status, now_ms: u64) -> Vec<Row> {
    let Headline { title, elapsed_s, filled } = Headline::of(status, now_ms);
    let right = match elapsed_s {
        Some(elapsed_s) => Clock(elapsed_s).to_string(),
        None if title == "READY" => "press to go live".to_owned(),
        None => String::new(),
    };
    let headline = format!("  {title:<20}{right:>38}  ");
    let recording = format!(
        "{:<40}{:>10}",
        said(|line| words::recording(line, status.recording)),
        status.storage.map_or_else(String::new, |storage| {
            format!("{} left", said(|line| words::storage(line, storage)))
        })
    );
    let peak = |of: fn(&stagebox_protocol::panel::AudioPeaks) -> i8| status.audio.as_ref().map(of);
    vec![
        vec![(headline, filled)],
        vec![],
        row(
            "INPUT",
            matches!(status.input, Input::Locked(_)),
            &said(|line| words::input(line, &status.input)),
        ),
        row(
            "MAIN",
            status.main.state == OutputState::Streaming,
            &said(|line| words::output(line, &status.main)),
        ),
        row(
            "BACKUP",
            status.backup.state == OutputState::Streaming,
            &said(|line| words::output(line, &status.backup)),
        ),
        row("REC", matches!(status.recording, Recording::On { .. }), &recording),
        vec![],
        row("LEFT", false, &meter(peak(|peaks| peaks.left_dbfs))),
        row("RIGHT", false, &meter(peak(|peaks| peaks.right_dbfs))),
    ]
}

fn row(label: &str, runs: bool, value: &str) -> Row {
    vec![(format!(" {label:<7}"), runs), (format!("  {value}"), false)]
}

fn meter(dbfs: Option<i8>) -> String {
    let Some(dbfs) = dbfs else { return "no sound".to_owned() };
    let above_floor = (i32::from(dbfs).min(0) - FLOOR_DBFS).max(0) as usize;
    let lit = above_floor * METER_WIDTH / FLOOR_DBFS.unsigned_abs() as usize;
    format!("{}{} {dbfs:>4} dB", "█".repeat(lit), "·".repeat(METER_WIDTH - lit))
}

fn footer(footer: &Footer<'_>, now_ms: u64) -> Row {
    match footer {
        Footer::Empty => vec![],
        Footer::Hold { percent, to } => {
            let text: Vec<char> = format!("{:^WIDTH$}", to.words()).chars().collect();
            let (held, rest) = text.split_at(WIDTH * usize::from(*percent.min(&100)) / 100);
            vec![(held.iter().collect(), true), (rest.iter().collect(), false)]
        }
        Footer::Test(test) => centered(&said(|line| words::preflight(line, test)), false),
        Footer::Notice { line, .. } => centered(line, true),
        Footer::Trouble(line) => vec![(" ! ".to_owned(), now_ms % 1_000 < 500), (format!(" {line}"), false)],
        Footer::Device(line) | Footer::Address(line) => centered(line, false),
        Footer::Claim(code) => centered(&format!("Claim code {code}"), false),
    }
}

fn centered(text: &str, turned: bool) -> Row {
    vec![(format!("{text:^WIDTH$}"), turned)]
}

fn said(say: impl FnOnce(&mut Line)) -> String {
    let mut line = Line::new();
    say(&mut line);
    line.as_str().to_owned()
}

/// Cuts or fills a row to its width and colours it.
fn styled(row: Row, flash: bool) -> String {
    let mut room = WIDTH;
    let mut line = String::new();
    let filling = (" ".repeat(WIDTH), false);
    for (text, turned) in row.into_iter().chain([filling]) {
        let text: String = text.chars().take(room).collect();
        room -= text.chars().count();
        let (ink, glass) = if turned == flash { (INK, GLASS) } else { (GLASS, INK) };
        line.push_str(&text.with(ink).on(glass).to_string());
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Panel,
        panel::tests::{idle, on_air},
    };
    use stagebox_protocol::panel::FromAgent;

    fn bare(row: &str) -> String {
        let mut styled = false;
        row.chars()
            .filter(|character| match (styled, character) {
                (false, '\x1b') => {
                    styled = true;
                    false
                }
                (true, 'm') => {
                    styled = false;
                    false
                }
                (styled, _) => !styled,
            })
            .collect()
    }

    fn text(status: Status, hold_percent: Option<u8>) -> Vec<String> {
        let mut panel = Panel::new(0);
        panel.handle(0, crate::Input::Frame(FromAgent::Status(status)));
        page(&panel.view(0, hold_percent)).iter().map(|row| bare(row)).collect()
    }

    #[test]
    fn rows_have_one_width_and_say_what_the_display_says() {
        for status in [idle(), on_air(), Status::default()] {
            let rows = text(status, Some(50));
            assert_eq!(rows.len(), HEIGHT);
            assert!(rows.iter().all(|row| row.chars().count() == WIDTH), "{rows:#?}");
        }
        let rows = text(on_air(), None);
        assert!(rows[0].contains("ON AIR") && rows[0].contains("1:15:21"));
        assert_eq!(rows[3].trim(), "MAIN     6012 kb/s");
        assert!(rows[5].contains("1:15:30") && rows[5].contains("43h left"));
        assert!(rows[7].contains("-18 dB"));
        assert_eq!(rows[HEIGHT - 1].trim(), "Stage left");
        assert_eq!(text(on_air(), Some(50))[HEIGHT - 1].trim(), "KEEP HOLDING TO STOP");
    }

    #[test]
    fn a_dead_agent_is_told() {
        let mut panel = Panel::new(0);
        panel.handle(5_000, crate::Input::Tick);
        let rows: Vec<String> = page(&panel.view(65_000, None)).iter().map(|row| bare(row)).collect();
        assert_eq!(rows[1].trim(), "AGENT NOT ANSWERING");
        assert_eq!(rows[4].trim(), "for 1:00");
    }
}
