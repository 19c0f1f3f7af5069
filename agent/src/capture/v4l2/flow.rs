//! Whether pictures flow from a capture that runs: pure.

use super::watch::Input;

/// Without a picture for so long, the port is worth a look.
const QUIET_MS: u64 = 250;
/// Without one for so long, capture is started anew; twice as long each time, as some grabbers start slowly.
const PATIENCE_MS: u64 = 5_000;
const MOST_PATIENCE_MS: u64 = 40_000;

#[derive(Debug)]
pub(super) struct Flow {
    /// When capture began; nothing where none runs.
    started_ms: Option<u64>,
    picture_ms: u64,
    is_noticed: bool,
    patience_ms: u64,
}

impl Flow {
    pub(super) fn new() -> Self {
        Self { started_ms: None, picture_ms: 0, is_noticed: false, patience_ms: PATIENCE_MS }
    }

    pub(super) fn started(&mut self, now_ms: u64) {
        (self.started_ms, self.is_noticed) = (Some(now_ms), false);
    }

    pub(super) fn stopped(&mut self) {
        self.started_ms = None;
    }

    /// Takes when the newest picture came; says what that means for the port, once each time.
    pub(super) fn look(&mut self, now_ms: u64, picture_ms: Option<u64>) -> Option<Input> {
        let started_ms = self.started_ms?;
        let picture_ms = picture_ms.unwrap_or(0).max(started_ms);
        if picture_ms > self.picture_ms.max(started_ms) {
            (self.is_noticed, self.patience_ms) = (false, PATIENCE_MS);
        }
        self.picture_ms = picture_ms;
        let quiet_ms = now_ms.saturating_sub(picture_ms);
        if quiet_ms >= self.patience_ms {
            self.started_ms = None;
            self.patience_ms = (self.patience_ms * 2).min(MOST_PATIENCE_MS);
            return Some(Input::Failed);
        }
        let is_news = quiet_ms >= QUIET_MS && !std::mem::replace(&mut self.is_noticed, quiet_ms >= QUIET_MS);
        is_news.then_some(Input::Nudged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks every 50 ms up to a time; what came of it, and when.
    fn looks(flow: &mut Flow, from_ms: u64, to_ms: u64, picture_ms: Option<u64>) -> Vec<(u64, Input)> {
        let times = (from_ms..to_ms).step_by(50);
        times.filter_map(|now_ms| flow.look(now_ms, picture_ms).map(|input| (now_ms, input))).collect()
    }

    #[test]
    fn quiet_is_noticed_once_and_started_anew_with_patience() {
        let mut flow = Flow::new();
        assert_eq!(looks(&mut flow, 0, 20_000, None), [], "nothing runs");
        flow.started(1_000);
        assert_eq!(looks(&mut flow, 1_000, 1_250, None), []);
        assert_eq!(looks(&mut flow, 1_250, 60_000, None), [(1_250, Input::Nudged), (6_000, Input::Failed)]);
        flow.started(10_000);
        assert_eq!(looks(&mut flow, 10_000, 60_000, None).last(), Some(&(20_000, Input::Failed)));
        // Pictures come: the patience is the first one again.
        flow.started(30_000);
        for now_ms in (30_000..40_000).step_by(40) {
            assert_eq!(flow.look(now_ms, Some(now_ms)), None);
        }
        let last_ms = 39_960;
        let expected = [(40_210, Input::Nudged), (44_960, Input::Failed)];
        assert_eq!(looks(&mut flow, last_ms, 60_000, Some(last_ms)), expected);
        for _ in 0..10 {
            flow.started(100_000);
            looks(&mut flow, 100_000, 200_000, None);
        }
        assert_eq!(flow.patience_ms, MOST_PATIENCE_MS);
        flow.started(200_000);
        flow.stopped();
        assert_eq!(looks(&mut flow, 200_000, 300_000, None), []);
    }
}
