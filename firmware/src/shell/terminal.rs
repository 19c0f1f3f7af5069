//! The panel in a terminal: the same core, drawn with characters and played with keys.

#![allow(clippy::disallowed_methods, reason = "a driver: keys and time come from outside")]

mod face;
mod key;
mod typed;

use std::{
    io::{self, IsTerminal, Write},
    time::Duration,
};

use crossterm::{
    cursor::{Hide, MoveTo, Show},
    event::{self, Event},
    execute, queue,
    style::{Print, ResetColor},
    terminal::{
        BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate, EnterAlternateScreen,
        LeaveAlternateScreen, SetTitle, disable_raw_mode, enable_raw_mode, size,
    },
};

use super::{Clock, ShellError};
use crate::{button::Gestures, link::Link};
use face::Face;
use key::{Finger, Key};

const STEP: Duration = Duration::from_millis(25);
/// While no key is at work the face is drawn this often.
const REDRAW_MS: u64 = 100;

/// Plays the panel until somebody quits.
///
/// # Errors
/// Standard output is no terminal, or it fails.
pub fn run(mut link: Link) -> Result<(), ShellError> {
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        return Err(ShellError::NotATerminal);
    }
    let mut stage = Stage::enter()?;
    let clock = Clock::start();
    let mut gestures = Gestures::default();
    let mut finger = Finger::default();
    let mut redraw_ms = 0;
    loop {
        let mut wait = STEP;
        while event::poll(wait)? {
            wait = Duration::ZERO;
            match event::read()? {
                Event::Key(pressed) => match key::of(pressed) {
                    Some(Key::Quit) => return Ok(()),
                    Some(Key::Button(touch)) => finger.touch(clock.now_ms(), touch),
                    None => {}
                },
                Event::Resize(..) => {
                    stage.forget()?;
                    redraw_ms = 0;
                }
                _ => {}
            }
        }
        let now_ms = clock.now_ms();
        let down = finger.is_down(now_ms);
        let gesture = gestures.sample(now_ms, down);
        link.step(now_ms, gesture);

        if now_ms < redraw_ms && !down && gesture.is_none() {
            continue;
        }
        redraw_ms = now_ms + REDRAW_MS;
        let hold_percent = gestures.hold_percent(now_ms);
        let view = link.panel().view(now_ms, hold_percent);
        stage.show(&Face { link: &link, view: &view, down, hold_percent, now_ms }.lines(size()?))?;
    }
}

/// The terminal while the panel has it; as it was afterwards, however the panel ends.
struct Stage {
    shown: Vec<String>,
}

impl Stage {
    fn enter() -> io::Result<Self> {
        enable_raw_mode()?;
        let stage = Self { shown: Vec::new() };
        execute!(
            io::stdout(),
            EnterAlternateScreen,
            Hide,
            SetTitle("Stagebox panel"),
            Clear(ClearType::All)
        )?;
        Ok(stage)
    }

    fn forget(&mut self) -> io::Result<()> {
        self.shown.clear();
        execute!(io::stdout(), Clear(ClearType::All))
    }

    /// Writes the lines that differ from what is there.
    fn show(&mut self, lines: &[String]) -> io::Result<()> {
        let mut out = io::stdout().lock();
        queue!(out, BeginSynchronizedUpdate)?;
        for (row, line) in lines.iter().enumerate() {
            if self.shown.get(row) != Some(line) {
                queue!(out, MoveTo(0, row as u16), Print(line), ResetColor, Clear(ClearType::UntilNewLine))?;
            }
        }
        for row in lines.len()..self.shown.len() {
            queue!(out, MoveTo(0, row as u16), Clear(ClearType::CurrentLine))?;
        }
        queue!(out, EndSynchronizedUpdate)?;
        lines.clone_into(&mut self.shown);
        out.flush()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _gone = execute!(io::stdout(), Show, LeaveAlternateScreen);
        let _gone = disable_raw_mode();
    }
}
