//! Packed log lines, told piece by piece. Pure.

use std::collections::VecDeque;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use stagebox_protocol::logs::LOG_PIECE_BYTES;
use stagebox_protocol::{CommandId, LogPiece, Outcome};

use super::Packed;

/// Of so many requests the lines are kept, until others ask; the oldest go first.
const KEPT: usize = 3;

/// What was asked for last: it is told as it was then, whatever is logged meanwhile.
#[derive(Debug, Default)]
pub struct Pieces {
    kept: VecDeque<(CommandId, Packed)>,
}

impl Pieces {
    /// Keeps the lines that were asked for.
    pub fn keep(&mut self, of: CommandId, packed: Packed) {
        self.kept.retain(|(known, _)| *known != of);
        self.kept.push_back((of, packed));
        while self.kept.len() > KEPT {
            self.kept.pop_front();
        }
    }

    /// The piece that begins there.
    #[must_use]
    pub fn tell(&self, of: &CommandId, offset: u32) -> Outcome {
        let Some((_, packed)) = self.kept.iter().find(|(known, _)| known == of) else {
            let error = "these log lines are not kept any more; begin anew with `fetch_logs`".to_owned();
            return Outcome::Rejected { code: 404, error };
        };
        let rest = usize::try_from(offset).ok().and_then(|offset| packed.bytes.get(offset..));
        let Some(rest) = rest.filter(|rest| !rest.is_empty()) else {
            let error = format!("args of `fetch_more_logs`: offset must be below {}", packed.bytes.len());
            return Outcome::Rejected { code: 400, error };
        };
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let piece = LogPiece {
            of: of.clone(),
            lines: count(packed.lines),
            total_bytes: count(packed.bytes.len()),
            offset,
            data: STANDARD.encode(&rest[..rest.len().min(LOG_PIECE_BYTES)]),
        };
        Outcome::Told(piece.result())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use stagebox_protocol::payload::{MAX_PAYLOAD_BYTES, encode};

    fn id(number: usize) -> CommandId {
        format!("cmd_{number}").parse().unwrap()
    }

    fn piece(outcome: &Outcome) -> LogPiece {
        let Outcome::Told(result) = outcome else { panic!("no piece: {outcome:?}") };
        serde_json::from_value(result.clone().into()).unwrap()
    }

    fn code(outcome: &Outcome) -> u16 {
        outcome.response(id(0)).code
    }

    #[test]
    fn only_the_last_ones_are_kept() {
        let mut pieces = Pieces::default();
        let packed = Packed { bytes: vec![7; 10], lines: 1 };
        for number in 0..=KEPT {
            pieces.keep(id(number), packed.clone());
            pieces.keep(id(number), packed.clone());
        }
        assert_eq!(code(&pieces.tell(&id(0), 0)), 404);
        assert_eq!(piece(&pieces.tell(&id(1), 9)).data, STANDARD.encode([7]));
        assert_eq!([10, u32::MAX].map(|offset| code(&pieces.tell(&id(1), offset))), [400, 400]);
    }

    proptest! {
        #[test]
        fn all_pieces_together_are_the_whole(bytes in prop::collection::vec(any::<u8>(), 1..3 * LOG_PIECE_BYTES)) {
            let mut pieces = Pieces::default();
            pieces.keep(id(1), Packed { bytes: bytes.clone(), lines: 5 });
            let mut whole = Vec::new();
            while whole.len() < bytes.len() {
                let outcome = pieces.tell(&id(1), u32::try_from(whole.len()).unwrap());
                prop_assert!(encode(&outcome.response(id(2))).len() < MAX_PAYLOAD_BYTES);
                let piece = piece(&outcome);
                prop_assert_eq!((piece.lines, piece.total_bytes as usize, piece.offset as usize), (5, bytes.len(), whole.len()));
                whole.extend(STANDARD.decode(piece.data).unwrap());
            }
            prop_assert_eq!(whole, bytes);
        }
    }
}
