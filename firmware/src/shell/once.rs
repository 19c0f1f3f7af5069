//! One deed at the panel, for scripts: look, press or hold, and an exit code.

#![allow(clippy::disallowed_methods, reason = "a driver: it waits between two looks at the line")]

use std::{path::Path, time::Duration};

use stagebox_protocol::panel::Outcome;

use super::{Clock, facts};
use crate::{Action, Gesture, Panel, Screen, link::Link, page};

const STEP: Duration = Duration::from_millis(20);

/// What to do once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// The facts, one a line.
    PrintFacts,
    /// The display's picture.
    PrintScreen,
    Gesture(Gesture),
}

/// How it ended; the number is the exit code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// 0; the lines are for standard output.
    Done(Vec<String>),
    /// 1; the box refused, and says why.
    Refused(String),
    /// 2; the agent did not answer in time.
    NoAgent { shown: Vec<String>, reason: String },
}

/// Does one thing at the agent behind `socket`, within `limit_ms`.
#[must_use]
pub fn once(socket: &Path, deed: Deed, limit_ms: u64) -> Ending {
    let clock = Clock::start();
    let mut link = Link::new(socket.to_owned(), Panel::new(limit_ms));
    let mut gesture = None;
    let mut done = false;
    loop {
        let now_ms = clock.now_ms();
        let settled = link.step(now_ms, gesture.take());
        for action in settled {
            match action {
                Action::Settled(Outcome::Done) => return Ending::Done(facts::lines(link.panel(), now_ms)),
                Action::Settled(Outcome::Rejected { reason }) => {
                    return Ending::Refused(reason.as_str().to_owned());
                }
                Action::Send(_) => {}
            }
        }
        if link.panel().status().is_some() {
            match deed {
                Deed::PrintFacts => return Ending::Done(facts::lines(link.panel(), now_ms)),
                Deed::PrintScreen => return Ending::Done(picture(link.panel(), now_ms)),
                Deed::Gesture(wanted) if !done => {
                    gesture = Some(wanted);
                    done = true;
                }
                Deed::Gesture(_) => {}
            }
        }
        if now_ms >= limit_ms {
            let reason = link.trouble().unwrap_or("the agent is silent").to_owned();
            let shown = match deed {
                Deed::PrintScreen => picture(link.panel(), now_ms),
                Deed::PrintFacts => facts::lines(link.panel(), now_ms),
                Deed::Gesture(_) => Vec::new(),
            };
            return Ending::NoAgent { shown, reason };
        }
        std::thread::sleep(STEP);
    }
}

fn picture(panel: &Panel, now_ms: u64) -> Vec<String> {
    let mut screen = Screen::new();
    let Ok(()) = page::draw(&panel.view(now_ms, None), &mut screen);
    screen.half_blocks().collect()
}
