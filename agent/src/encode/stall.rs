//! Notices an encoder that takes pictures and gives none: drivers hang without a word. Pure.

/// Pictures that an encoder may look ahead, and seconds that it may take, before it counts as hung.
const LOOKS_AHEAD: u64 = 120;
const LIMIT_S: u64 = 3;
/// Seconds for the first picture of all: a device has to be started up.
const START_S: u64 = 10;

/// Counts the pictures that went in since one came out.
#[derive(Debug)]
pub(super) struct Stall {
    fps: u64,
    came_out: u64,
    went_in: u64,
}

impl Stall {
    pub(super) fn new(fps: u32) -> Self {
        Self { fps: fps.into(), came_out: 0, went_in: 0 }
    }

    /// Takes how many pictures have come out so far, with each one that goes in; whether the encoder hangs.
    pub(super) fn is_hung(&mut self, came_out: u64) -> bool {
        if came_out != self.came_out {
            (self.came_out, self.went_in) = (came_out, 0);
            return false;
        }
        self.went_in += 1;
        let limit_s = if self.came_out == 0 { START_S } else { LIMIT_S };
        self.went_in > (self.fps * limit_s).max(LOOKS_AHEAD).min(self.fps * START_S)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pictures until it counts as hung, if none come out after `came_out`.
    fn hangs_after(fps: u32, came_out: u64) -> u64 {
        let mut stall = Stall::new(fps);
        (0..came_out).for_each(|count| assert!(!stall.is_hung(count)));
        (1..).find(|_| stall.is_hung(came_out)).unwrap()
    }

    #[test]
    fn it_is_given_time_to_start_and_to_look_ahead() {
        assert_eq!([hangs_after(30, 0), hangs_after(60, 0)], [301, 601]);
        // The look that sees the last picture come out counts none.
        assert_eq!([hangs_after(15, 500), hangs_after(60, 500)], [122, 182]);
        assert_eq!(hangs_after(1, 50), 12, "slow pictures are not waited for for minutes");
    }

    #[test]
    fn a_slow_one_is_none_that_hangs() {
        let mut stall = Stall::new(30);
        assert!((0..30_000).all(|picture| !stall.is_hung(picture / 89)));
    }
}
