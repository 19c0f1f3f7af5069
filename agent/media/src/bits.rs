//! Reads fields that are not whole bytes, as codec headers have them.

/// A position in a bit string; every read past the end gives `None`.
#[derive(Debug, Clone)]
pub(crate) struct BitReader<'a> {
    data: &'a [u8],
    position: usize,
}

impl<'a> BitReader<'a> {
    pub(crate) fn new(data: &'a [u8]) -> Self {
        Self { data, position: 0 }
    }

    pub(crate) fn remaining(&self) -> usize {
        self.data.len().saturating_mul(8) - self.position
    }

    pub(crate) fn bit(&mut self) -> Option<bool> {
        let byte = *self.data.get(self.position / 8)?;
        let bit = byte >> (7 - self.position % 8) & 1;
        self.position += 1;
        Some(bit == 1)
    }

    /// The next `count` bits, at most 32, most significant first.
    pub(crate) fn bits(&mut self, count: u32) -> Option<u32> {
        debug_assert!(count <= 32);
        let mut value = 0u32;
        for _ in 0..count {
            value = value << 1 | u32::from(self.bit()?);
        }
        Some(value)
    }

    pub(crate) fn skip(&mut self, count: usize) -> Option<()> {
        if count > self.remaining() {
            return None;
        }
        self.position += count;
        Some(())
    }

    /// An unsigned Exp-Golomb code `ue(v)` (ITU-T H.264, 9.1).
    pub(crate) fn ue(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.bit()? {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        let suffix = self.bits(zeros)?;
        Some(((1u64 << zeros) - 1 + u64::from(suffix)) as u32)
    }

    /// A signed Exp-Golomb code `se(v)` (ITU-T H.264, 9.1.1).
    pub(crate) fn se(&mut self) -> Option<i32> {
        let code = i64::from(self.ue()?);
        let value = if code & 1 == 1 { (code + 1) / 2 } else { -(code / 2) };
        i32::try_from(value).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::BitReader;

    #[test]
    fn exp_golomb_codes_of_the_specifications_table() {
        // 1 010 011 00100 00101
        let data = [0b1010_0110, 0b0100_0010, 0b1000_0000];
        let mut reader = BitReader::new(&data);
        assert_eq!((0..5).map(|_| reader.ue()).collect::<Option<Vec<_>>>(), Some(vec![0, 1, 2, 3, 4]));
        let mut reader = BitReader::new(&data);
        assert_eq!((0..5).map(|_| reader.se()).collect::<Option<Vec<_>>>(), Some(vec![0, 1, -1, 2, -2]));
    }

    #[test]
    fn a_code_that_never_ends_is_no_value() {
        assert_eq!(BitReader::new(&[0; 64]).ue(), None);
        assert_eq!(BitReader::new(&[0xff]).bits(9), None);
        assert_eq!(BitReader::new(&[0xff]).skip(9), None);
    }
}
