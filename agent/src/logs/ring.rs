//! The last lines, in memory. Pure.

use std::collections::VecDeque;

use stagebox_protocol::LogLevel;

use super::Line;
use super::files::Written;

/// Lines up to a size; the oldest make room.
#[derive(Debug)]
pub(super) struct Ring {
    lines: VecDeque<Line>,
    bytes: usize,
    most_bytes: usize,
    /// Lines made room.
    is_cut: bool,
}

impl Ring {
    pub(super) fn new(most_bytes: usize) -> Self {
        Self { lines: VecDeque::new(), bytes: 0, most_bytes, is_cut: false }
    }

    pub(super) fn push(&mut self, line: Line) {
        self.bytes += cost(&line);
        self.lines.push_back(line);
        while self.bytes > self.most_bytes {
            let Some(oldest) = self.lines.pop_front() else { return };
            self.bytes -= cost(&oldest);
            self.is_cut = true;
        }
    }

    /// Lines of the last minutes of this level and worse, the oldest first: those in memory by the time that has passed,
    /// and before them those of the files, by their place there.
    ///
    /// A box without a clock that runs on while it is off dates its lines anyhow after a power cut. So a line of a file is
    /// as old as the next one and what the clock says to lie between them, if it goes on there and not back.
    pub(super) fn since(
        &self,
        written: &Written,
        mono_ms: u64,
        minutes: u32,
        level: LogLevel,
    ) -> Vec<String> {
        let most_ms = u64::from(minutes) * 60_000;
        let first = self.lines.front();
        let mut age_ms = first.map_or(0, |line| mono_ms.saturating_sub(line.mono_ms));
        let mut next_ms = first.map(|line| line.unix_ms);
        let mut texts: VecDeque<&Line> =
            self.lines.iter().filter(|line| line.mono_ms >= mono_ms.saturating_sub(most_ms)).collect();
        let cut = self.cut(&written.in_this_run);
        for line in written.before_this_run.iter().chain(cut).rev() {
            let between = next_ms.map_or(0, |next| next.saturating_sub(line.unix_ms).max(0).unsigned_abs());
            (age_ms, next_ms) = (age_ms.saturating_add(between), Some(line.unix_ms));
            if age_ms > most_ms {
                break;
            }
            texts.push_front(line);
        }
        texts.into_iter().filter(|line| line.level <= level).map(|line| line.text.clone()).collect()
    }

    /// Of the lines that this run wrote, those that are not in memory any more.
    fn cut<'a>(&self, written: &'a [Line]) -> &'a [Line] {
        match self.lines.front() {
            Some(first) if self.is_cut => {
                let place = written.iter().position(|line| line.text == first.text);
                // One that the disk was not quick enough for is found by its time.
                let place = place.unwrap_or_else(|| {
                    written.iter().take_while(|line| line.unix_ms < first.unix_ms).count()
                });
                &written[..place]
            }
            Some(_) => &[],
            None => written,
        }
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

    fn written(before_this_run: Vec<Line>, in_this_run: Vec<Line>) -> Written {
        Written { before_this_run, in_this_run }
    }

    const NOW: i64 = 1_800_000_000_000;

    #[test]
    fn a_clock_that_is_set_loses_no_line_of_this_run() {
        let mut ring = Ring::new(1 << 20);
        ring.push(line(1_000, 5_000, "before the clock was set"));
        ring.push(line(NOW - 10_000, 15_000, "after"));
        let here: Vec<Line> = ring.lines.iter().cloned().collect();
        let written = written(vec![line(500, 0, "in the last run")], here);
        let count = |mono_ms, level| ring.since(&written, mono_ms, 60, level).len();
        assert_eq!(count(25_000, LogLevel::Info), 3);
        assert_eq!(count(25_000 + 3_600_000, LogLevel::Info), 0);
        assert_eq!(count(25_000, LogLevel::Warn), 0);
    }

    #[test]
    fn a_power_cut_hides_no_line_before_it_from_a_box_whose_clock_goes_back() {
        // The clock begins where it was saved last, an hour before the power was cut.
        let saved = NOW - 3_600_000;
        let run =
            [line(saved - 7_200_000, 0, "two hours"), line(NOW - 30_000, 0, "30 s"), line(NOW, 0, "the cut")];
        let mut ring = Ring::new(1 << 20);
        ring.push(line(saved, 2_000, "started"));
        ring.push(line(saved + 5_000, 7_000, "live"));
        let written = written(run.to_vec(), Vec::new());
        let lines = ring.since(&written, 10_000, 60, LogLevel::Info);
        let words: Vec<&str> = lines.iter().filter_map(|line| line.split(": ").nth(1)).collect();
        assert_eq!(words, ["30 s", "the cut", "started", "live"]);
        // Where the clock ran on, its word counts.
        let mut ring = Ring::new(1 << 20);
        ring.push(line(NOW + 3_000_000, 2_000, "started"));
        assert_eq!(ring.since(&written, 10_000, 60, LogLevel::Info).len(), 3);
        assert_eq!(ring.since(&written, 10_000, 10, LogLevel::Info).len(), 1);
    }

    #[test]
    fn what_memory_has_no_room_for_is_in_the_files_once() {
        let all: Vec<Line> = (0..100)
            .map(|number| line(NOW + number % 7, number.unsigned_abs(), &format!("line {number}")))
            .collect();
        let mut ring = Ring::new(2_000);
        all.iter().cloned().for_each(|line| ring.push(line));
        let lines = ring.since(&written(Vec::new(), all.clone()), 100, 60, LogLevel::Info);
        assert_eq!(lines, all.iter().map(|line| line.text.clone()).collect::<Vec<_>>());
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
