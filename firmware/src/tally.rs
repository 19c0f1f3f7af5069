//! The tally light: can be read from across the room, also by the colour-blind.
//!
//! No two states share a rhythm: steady means settled, blinking means look here.

use stagebox_protocol::panel::{Broadcast, Input, OutputState, Recording, Status};

/// A colour of three lamps that are on or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Color {
    pub red: bool,
    pub green: bool,
    pub blue: bool,
}

impl Color {
    pub const DARK: Self = Self { red: false, green: false, blue: false };
    pub const RED: Self = Self { red: true, ..Self::DARK };
    pub const GREEN: Self = Self { green: true, ..Self::DARK };
    pub const AMBER: Self = Self { red: true, green: true, blue: false };
    pub const MAGENTA: Self = Self { red: true, green: false, blue: true };
    pub const WHITE: Self = Self { red: true, green: true, blue: true };
}

/// What the light says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tally {
    /// Not ready to go live: no picture, or no server. Dark.
    Off,
    /// A press of the button goes live. Green.
    Ready,
    /// Wanted, nothing arrives yet. Red, slowly blinking.
    Starting,
    /// On air. Red.
    OnAir,
    /// On air and in trouble. Red and amber in turn.
    Trouble,
    /// The agent does not answer. Two short magenta flashes.
    AgentDead,
    /// 'This box.' White, quickly blinking.
    Identify,
}

impl Tally {
    /// What the light says about a status.
    #[must_use]
    pub fn of(status: &Status) -> Self {
        match status.broadcast {
            Broadcast::Starting => Self::Starting,
            Broadcast::OnAir { .. } if on_air_in_full(status) => Self::OnAir,
            Broadcast::OnAir { .. } | Broadcast::Lost { .. } => Self::Trouble,
            Broadcast::Off if ready(status) => Self::Ready,
            Broadcast::Off => Self::Off,
        }
    }

    /// The lamp's colour at a moment; time may start anywhere.
    #[must_use]
    pub fn color_at(self, now_ms: u64) -> Color {
        let lit = |on: bool, color| if on { color } else { Color::DARK };
        match self {
            Self::Off => Color::DARK,
            Self::Ready => Color::GREEN,
            Self::Starting => lit(now_ms % 1_000 < 500, Color::RED),
            Self::OnAir => Color::RED,
            Self::Trouble => {
                if now_ms % 600 < 300 {
                    Color::RED
                } else {
                    Color::AMBER
                }
            }
            Self::AgentDead => {
                let phase_ms = now_ms % 2_000;
                lit(phase_ms < 100 || (250..350).contains(&phase_ms), Color::MAGENTA)
            }
            Self::Identify => lit(now_ms % 250 < 125, Color::WHITE),
        }
    }

    /// One or two words for people.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Off => "not ready",
            Self::Ready => "ready",
            Self::Starting => "starting",
            Self::OnAir => "on air",
            Self::Trouble => "on air, trouble",
            Self::AgentDead => "agent dead",
            Self::Identify => "identify",
        }
    }
}

/// A server is set for at least one output.
#[must_use]
pub fn has_server(status: &Status) -> bool {
    [status.main, status.backup].iter().any(|output| output.state != OutputState::Unset)
}

fn ready(status: &Status) -> bool {
    has_server(status) && matches!(status.input, Input::Locked(_))
}

fn on_air_in_full(status: &Status) -> bool {
    let fine = |state| matches!(state, OutputState::Streaming | OutputState::Unset);
    fine(status.main.state)
        && fine(status.backup.state)
        && matches!(status.input, Input::Locked(_))
        && status.recording != Recording::Failed
        && status.trouble.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::panel::tests::{idle, locked, on_air};
    use stagebox_protocol::panel::text;

    #[test]
    fn a_status_is_one_light() {
        let change = |mut status: Status, edit: fn(&mut Status)| {
            edit(&mut status);
            status
        };
        let table = [
            ("nothing set up", Status::default(), Tally::Off),
            ("picture but no server", Status { input: locked(), ..Status::default() }, Tally::Off),
            ("ready", idle(), Tally::Ready),
            ("ready, no picture", change(idle(), |s| s.input = Input::NoSignal), Tally::Off),
            ("starting", change(idle(), |s| s.broadcast = Broadcast::Starting), Tally::Starting),
            ("on air", on_air(), Tally::OnAir),
            (
                "on air without backup",
                change(on_air(), |s| s.backup.state = OutputState::Unset),
                Tally::OnAir,
            ),
            (
                "backup away",
                change(on_air(), |s| s.backup.state = OutputState::Waiting { retry_ms: 5 }),
                Tally::Trouble,
            ),
            ("picture lost", change(on_air(), |s| s.input = Input::NoSignal), Tally::Trouble),
            ("disk full", change(on_air(), |s| s.recording = Recording::Failed), Tally::Trouble),
            ("agent says so", change(on_air(), |s| s.trouble = text("hot")), Tally::Trouble),
            (
                "all servers away",
                change(on_air(), |s| s.broadcast = Broadcast::Lost { elapsed_s: 9 }),
                Tally::Trouble,
            ),
        ];
        for (what, status, expected) in table {
            assert_eq!(Tally::of(&status), expected, "{what}");
        }
    }

    #[test]
    fn rhythms_differ() {
        let pattern = |tally: Tally| -> String {
            (0..2_000)
                .step_by(50)
                .map(|at_ms| match tally.color_at(at_ms) {
                    Color::DARK => '.',
                    Color::RED => 'R',
                    Color::GREEN => 'G',
                    Color::AMBER => 'A',
                    Color::MAGENTA => 'M',
                    _ => 'W',
                })
                .collect()
        };
        let table = [
            (Tally::Off, "........................................"),
            (Tally::Ready, "GGGGGGGGGGGGGGGGGGGGGGGGGGGGGGGGGGGGGGGG"),
            (Tally::Starting, "RRRRRRRRRR..........RRRRRRRRRR.........."),
            (Tally::OnAir, "RRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRR"),
            (Tally::Trouble, "RRRRRRAAAAAARRRRRRAAAAAARRRRRRAAAAAARRRR"),
            (Tally::AgentDead, "MM...MM................................."),
            (Tally::Identify, "WWW..WWW..WWW..WWW..WWW..WWW..WWW..WWW.."),
        ];
        for (tally, expected) in table {
            assert_eq!(pattern(tally), expected, "{tally:?}");
        }
    }
}
