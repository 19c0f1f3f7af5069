//! Keys as a finger on the button: terminals know when a key goes down, not when it comes up.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use crate::button::HOLD_MS;

/// How long a tap holds the button, well over its debouncing.
const TAP_MS: u64 = 120;
/// A bit more than a hold needs.
const PRESS_ON_MS: u64 = HOLD_MS + 200;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    Button(Touch),
    Quit,
}

/// What a key does to the button.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Touch {
    Tap,
    /// Down for as long as a hold takes.
    Hold,
    /// Let go before its time.
    LetGo,
}

pub(super) fn of(event: KeyEvent) -> Option<Key> {
    if event.kind == KeyEventKind::Release {
        return None;
    }
    match event.code {
        KeyCode::Char('c') if event.modifiers.contains(KeyModifiers::CONTROL) => Some(Key::Quit),
        KeyCode::Char('q' | 'Q') => Some(Key::Quit),
        KeyCode::Char(' ') | KeyCode::Enter => Some(Key::Button(Touch::Tap)),
        KeyCode::Char('s' | 'S' | 'h' | 'H') => Some(Key::Button(Touch::Hold)),
        KeyCode::Esc => Some(Key::Button(Touch::LetGo)),
        _ => None,
    }
}

/// The finger on the button.
#[derive(Debug, Default)]
pub(super) struct Finger {
    down_until_ms: u64,
}

impl Finger {
    pub(super) fn touch(&mut self, now_ms: u64, touch: Touch) {
        match touch {
            // A key that repeats while it is down is one touch.
            Touch::Tap | Touch::Hold if self.is_down(now_ms) => {}
            Touch::Tap => self.down_until_ms = now_ms + TAP_MS,
            Touch::Hold => self.down_until_ms = now_ms + PRESS_ON_MS,
            Touch::LetGo => self.down_until_ms = now_ms,
        }
    }

    pub(super) fn is_down(&self, now_ms: u64) -> bool {
        now_ms < self.down_until_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Gesture, button::Gestures};

    fn gestures(touches: &[(u64, Touch)]) -> Vec<Gesture> {
        let (mut finger, mut gestures) = (Finger::default(), Gestures::default());
        (0..6_000)
            .step_by(25)
            .filter_map(|now_ms| {
                for (_, touch) in touches.iter().filter(|(at_ms, _)| *at_ms == now_ms) {
                    finger.touch(now_ms, *touch);
                }
                gestures.sample(now_ms, finger.is_down(now_ms))
            })
            .collect()
    }

    #[test]
    fn keys_are_gestures() {
        assert_eq!(gestures(&[(100, Touch::Tap)]), [Gesture::Press]);
        assert_eq!(gestures(&[(100, Touch::Hold)]), [Gesture::Hold]);
        assert_eq!(gestures(&[(100, Touch::Hold), (600, Touch::Hold), (900, Touch::Tap)]), [Gesture::Hold]);
        assert_eq!(gestures(&[(100, Touch::Tap), (1_000, Touch::Tap)]), [Gesture::Press; 2]);
    }

    #[test]
    fn letting_go_early_is_no_hold() {
        assert_eq!(gestures(&[(100, Touch::Hold), (800, Touch::LetGo)]), [Gesture::Press]);
    }

    #[test]
    fn control_c_quits() {
        let event = |code, modifiers| of(KeyEvent::new(code, modifiers));
        assert_eq!(event(KeyCode::Char('c'), KeyModifiers::CONTROL), Some(Key::Quit));
        assert_eq!(event(KeyCode::Char('c'), KeyModifiers::NONE), None);
        assert_eq!(event(KeyCode::Char(' '), KeyModifiers::NONE), Some(Key::Button(Touch::Tap)));
    }
}
