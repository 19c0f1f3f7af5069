//! Numbers in few bytes: the columns of what is kept of a segment's samples.

/// Seven bits a byte, the lowest first; nine bytes at most.
pub(super) fn put_number(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(super) fn take_number(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..63).step_by(7) {
        let (byte, tail) = rest.split_first()?;
        *rest = tail;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// Small numbers of either sign become small ones.
pub(super) fn zigzag(value: i64) -> u64 {
    value.unsigned_abs().wrapping_mul(2).wrapping_sub(u64::from(value < 0))
}

pub(super) fn unzigzag(value: u64) -> i64 {
    let half = (value >> 1) as i64;
    if value & 1 == 0 { half } else { -half - 1 }
}

/// Writes values as runs of equal ones. They are less than 2^40 from zero.
#[derive(Debug, Default)]
pub(super) struct RunWriter {
    out: Vec<u8>,
    run: Option<(i64, u64)>,
}

impl RunWriter {
    pub(super) fn push(&mut self, value: i64) {
        match &mut self.run {
            Some((last, count)) if *last == value => *count += 1,
            _ => {
                self.flush();
                self.run = Some((value, 1));
            }
        }
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        self.flush();
        self.out
    }

    /// The lowest bit tells whether a count follows: most runs of a source with uneven times are of one.
    fn flush(&mut self) {
        let Some((value, count)) = self.run.take() else { return };
        put_number(zigzag(value) << 1 | u64::from(count > 1), &mut self.out);
        if count > 1 {
            put_number(count - 2, &mut self.out);
        }
    }
}

/// The next run: how many, and of which value.
fn take_run(rest: &mut &[u8]) -> Option<(u64, i64)> {
    let number = take_number(rest)?;
    let count = if number & 1 == 0 { 1 } else { take_number(rest)?.checked_add(2)? };
    Some((count, unzigzag(number >> 1)))
}

/// The runs of a column, up to the first that cannot be read.
pub(super) fn runs(column: &[u8]) -> impl Iterator<Item = (u64, i64)> + '_ {
    let mut rest = column;
    std::iter::from_fn(move || take_run(&mut rest))
}

/// The values of a column that was checked.
pub(super) fn values(column: &[u8]) -> impl Iterator<Item = i64> + '_ {
    runs(column).flat_map(|(count, value)| std::iter::repeat_n(value, usize::try_from(count).unwrap_or(0)))
}

/// Whether a column holds exactly so many values, all within bounds.
pub(super) fn is_whole(column: &[u8], count: u64, bounds: std::ops::RangeInclusive<i64>) -> bool {
    let (mut rest, mut left) = (column, count);
    while !rest.is_empty() {
        match take_run(&mut rest) {
            Some((count, value)) if count <= left && bounds.contains(&value) => left -= count,
            _ => return false,
        }
    }
    left == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn values_are_read_as_they_were_written(
            list in proptest::collection::vec(prop_oneof![Just(3000i64), -5i64..5, -(1i64 << 39)..1 << 39], 0..80)
        ) {
            let mut writer = RunWriter::default();
            list.iter().for_each(|value| writer.push(*value));
            let column = writer.finish();
            prop_assert_eq!(values(&column).collect::<Vec<_>>(), list.clone());
            prop_assert!(is_whole(&column, list.len() as u64, -(1 << 40)..=1 << 40));
            prop_assert!(!is_whole(&column, list.len() as u64 + 1, -(1 << 40)..=1 << 40));
        }

        #[test]
        fn any_bytes_are_a_column_or_not(bytes in proptest::collection::vec(any::<u8>(), 0..40), count in 0u64..9) {
            if is_whole(&bytes, count, -9..=9) {
                prop_assert_eq!(values(&bytes).count() as u64, count);
            }
        }
    }

    #[test]
    fn equal_values_cost_two_numbers() {
        let mut writer = RunWriter::default();
        (0..10_000).for_each(|_| writer.push(1024));
        assert_eq!(writer.finish().len(), 4);
    }
}
