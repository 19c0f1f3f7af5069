//! Marks on their way to the disk, and the last of them for whoever looks.

use stagebox_protocol::Outcome;
use stagebox_protocol::telemetry::MarkStatus;
use tokio::sync::oneshot;

use super::state::FileId;

/// Marks that the status shows.
const SHOWN: usize = 8;

/// A mark that is to be kept.
#[derive(Debug)]
pub(super) struct Marking {
    pub(super) file: FileId,
    /// From the beginning of the file.
    pub(super) at_ns: i64,
    pub(super) label: Option<String>,
    /// The command that it comes of.
    pub(super) command: Option<String>,
    pub(super) reply: oneshot::Sender<Outcome>,
}

/// Not in this state, and what to do about it.
pub(super) fn refused(words: &str) -> Outcome {
    Outcome::Rejected { code: 409, error: words.to_owned() }
}

/// The marks of this recording that were kept last.
#[derive(Debug, Default)]
pub(super) struct Marks {
    /// Goes on over recordings, so that two marks are never taken for one.
    last: u64,
    shown: Vec<MarkStatus>,
}

impl Marks {
    pub(super) fn push(&mut self, file: String, at_ms: u64, label: Option<String>) {
        self.last += 1;
        if self.shown.len() >= SHOWN {
            self.shown.remove(0);
        }
        self.shown.push(MarkStatus { number: self.last, file, at_ms, label });
    }

    /// Another recording begins.
    pub(super) fn clear(&mut self) {
        self.shown.clear();
    }

    pub(super) fn shown(&self) -> &[MarkStatus] {
        &self.shown
    }
}

#[cfg(test)]
mod tests {
    use super::Marks;

    #[test]
    fn the_last_marks_are_shown_and_numbers_go_on() {
        let mut marks = Marks::default();
        (1..=20).for_each(|number| marks.push("a.mp4".to_owned(), number, None));
        let numbers: Vec<_> = marks.shown().iter().map(|mark| mark.number).collect();
        assert_eq!(numbers, (13..=20).collect::<Vec<u64>>());
        marks.clear();
        marks.push("b.mp4".to_owned(), 5, Some("Encore".to_owned()));
        assert_eq!((marks.shown().len(), marks.shown()[0].number), (1, 21));
    }
}
