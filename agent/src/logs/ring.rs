//! The last lines, in memory. Pure.

use std::collections::VecDeque;

use stagebox_protocol::LogLevel;

use super::Line;

/// Lines up to a size; the oldest make room.
#[derive(Debug)]
pub(super) struct Ring {
    lines: VecDeque<Line>,
    bytes: usize,
    most_bytes: usize,
}

impl Ring {
    pub(super) fn new(most_bytes: usize) -> Self {
        Self { lines: VecDeque::new(), bytes: 0, most_bytes }
    }

    pub(super) fn push(&mut self, line: Line) {
        self.bytes += cost(&line);
        self.lines.push_back(line);
        while self.bytes > self.most_bytes {
            let Some(oldest) = self.lines.pop_front() else { return };
            self.bytes -= cost(&oldest);
        }
    }

    /// Lines of the last minutes of this level and worse, the oldest first: those in memory by the time that has passed,
    /// and before them those that were `written`, by the clock.
    pub(super) fn since(
        &self,
        written: &[Line],
        unix_ms: i64,
        mono_ms: u64,
        minutes: u32,
        level: LogLevel,
    ) -> Vec<String> {
        let ms = u64::from(minutes) * 60_000;
        let (from_unix, from_mono) = (unix_ms.saturating_sub_unsigned(ms), mono_ms.saturating_sub(ms));
        let first = self.lines.front().map_or(i64::MAX, |line| line.unix_ms);
        // Of the same moment those are older that are not in memory.
        let is_here = |line: &Line| {
            self.lines.iter().take_while(|here| here.unix_ms == first).any(|here| here.text == line.text)
        };
        let written = written.iter().filter(|line| {
            line.unix_ms >= from_unix && (line.unix_ms < first || (line.unix_ms == first && !is_here(line)))
        });
        let here = self.lines.iter().filter(|line| line.mono_ms >= from_mono);
        written.chain(here).filter(|line| line.level <= level).map(|line| line.text.clone()).collect()
    }
}

/// What a line takes of memory.
fn cost(line: &Line) -> usize {
    line.text.len() + size_of::<Line>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn line(unix_ms: i64, mono_ms: u64, message: &str) -> Line {
        Line::new(unix_ms, mono_ms, LogLevel::Info, "t", message)
    }

    #[test]
    fn a_clock_that_is_set_loses_no_line_of_this_run() {
        let mut ring = Ring::new(1 << 20);
        let now = 1_800_000_000_000;
        ring.push(line(1_000, 5_000, "before the clock was set"));
        ring.push(line(now - 10_000, 15_000, "after"));
        let written = [line(now - 7_200_000, 0, "long ago"), line(500, 0, "in the last run")];
        assert_eq!(ring.since(&written, now, 25_000, 60, LogLevel::Info).len(), 2);
        assert_eq!(ring.since(&written, now, 25_000 + 3_600_000, 60, LogLevel::Info).len(), 0);
        assert_eq!(ring.since(&written, now, 25_000, 60, LogLevel::Warn).len(), 0);
        assert_eq!(Ring::new(1).since(&written, now, 25_000, 1_440, LogLevel::Trace).len(), 1);
    }

    #[test]
    fn what_an_earlier_run_wrote_in_the_same_moment_is_not_lost() {
        let (mut ring, now) = (Ring::new(1 << 20), 1_800_000_000_000);
        let here = [line(now, 5_000, "here"), line(now + 1, 5_001, "and here")];
        here.iter().for_each(|line| ring.push(line.clone()));
        let written = [&[line(now, 0, "before")][..], &here].concat();
        let lines = ring.since(&written, now + 1, 5_001, 60, LogLevel::Info);
        let texts: Vec<_> = lines.iter().map(|text| text.rsplit_once(": ").unwrap().1).collect();
        assert_eq!(texts, ["before", "here", "and here"]);
    }

    proptest! {
        #[test]
        fn a_ring_holds_the_last_and_no_more(sizes in prop::collection::vec(0_usize..400, 1..200)) {
            let mut ring = Ring::new(4_000);
            for (number, size) in (0..).zip(&sizes) {
                ring.push(line(number, number.unsigned_abs(), &"x".repeat(*size)));
                prop_assert!(ring.lines.iter().map(cost).sum::<usize>() == ring.bytes && ring.bytes <= 4_000);
                prop_assert_eq!(ring.lines.back().map(|line| line.unix_ms), Some(number));
            }
        }
    }
}
