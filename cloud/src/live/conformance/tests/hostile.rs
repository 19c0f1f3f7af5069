//! Whatever comes, nothing panics and nothing grows without end.

use super::*;

/// A small generator of numbers, the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit.max(1)
    }
}

const PIECES: [&str; 16] = [
    "18446744073709551615",
    "99999999999999999999999",
    "-1",
    "\n#EXT-X-ENDLIST\n",
    "\n#EXT-X-DISCONTINUITY\n",
    "\n#EXT-X-SKIP:SKIPPED-SEGMENTS=18446744073709551615\n",
    "\n#EXT-X-MEDIA-SEQUENCE:18446744073709551615\n",
    "\n#EXT-X-TARGETDURATION:18446744073709551615\n",
    "\n#EXT-X-BYTERANGE:18446744073709551615@18446744073709551615\n",
    "\n#EXTINF:999999999999.9999999,\n",
    "\u{feff}",
    "\"",
    ",",
    "=",
    "ü\u{0}",
    "9999-12-31T23:59:59.999Z",
];

fn mutate(text: &str, dice: &mut Dice) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..=dice.below(6) {
        let at = dice.below(bytes.len());
        match dice.below(5) {
            0 => bytes[at] = dice.below(256) as u8,
            1 => drop(bytes.drain(at..(at + dice.below(40)).min(bytes.len()))),
            2 => drop(bytes.splice(at..at, PIECES[dice.below(PIECES.len())].bytes())),
            3 => {
                let end = (at + dice.below(200)).min(bytes.len());
                let copy = bytes[at..end].to_vec();
                bytes.splice(at..at, copy);
            }
            _ => {
                // A number becomes another.
                if let Some(digit) = bytes[at..].iter().position(u8::is_ascii_digit) {
                    bytes[at + digit] = b'0' + dice.below(10) as u8;
                }
            }
        }
        if bytes.is_empty() {
            bytes.push(b'#');
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn bounded(findings: &[Finding]) {
    assert!(findings.len() <= 1000, "{}", findings.len());
    assert!(findings.iter().all(|finding| finding.words.len() < 500));
}

#[test]
fn mutated_streams() {
    let mut dice = Dice(7);
    let texts = [plain(10, 6), low(10, 9, 2, 0), low(10, 12, 2, 4), vod(6), interrupted(10, 6, 1, &[12])];
    for _ in 0..400 {
        let mut checker = Checker::default();
        for round in 0..6 {
            bounded(&checker.master(&mutate(&master(), &mut dice)));
            for name in ["hi", "lo", "audio"] {
                let text = &texts[dice.below(texts.len())];
                let text = if dice.below(3) == 0 { text.clone() } else { mutate(text, &mut dice) };
                let ms = if dice.below(20) == 0 { u64::MAX } else { round * 1000 };
                bounded(&checker.media(name, &text, ms, dice.below(2) == 0));
                let mut facts = video(12, dice.below(900_000) as u64);
                if dice.below(4) == 0 {
                    facts.bytes = u64::MAX;
                    facts.tracks.iter_mut().flatten().for_each(|track| {
                        track.first_decode_us = Some(u64::MAX);
                        track.duration_us = Some(u64::MAX);
                    });
                }
                let uri = ["12.m4s", "16.0.m4s", "init.mp4", "x"][dice.below(4)];
                bounded(&checker.file(name, uri, &facts));
            }
            bounded(&checker.across());
        }
    }
}

#[test]
fn random_bytes() {
    let mut dice = Dice(3);
    let mut checker = Checker::default();
    for round in 0..300 {
        let bytes: Vec<u8> = (0..dice.below(2000)).map(|_| dice.below(256) as u8).collect();
        let mut text = String::from_utf8_lossy(&bytes).into_owned();
        if dice.below(2) == 0 {
            text.insert_str(0, "#EXTM3U\n#EXT-X-STREAM-INF:");
        }
        bounded(&checker.master(&text));
        bounded(&checker.media("a", &text, round, true));
        bounded(&checker.across());
    }
}

#[test]
fn many_playlists_are_forgotten() {
    let mut checker = Checker::default();
    for number in 0..1000u64 {
        checker.media(&format!("r{number}"), &plain(10, 6), number, false);
        checker.master(&master().replace(".m3u8", &format!(".m3u8?f={number}")));
    }
    let told = format!("{checker:?}");
    assert!(told.len() < 1_000_000, "{}", told.len());
    assert!(told.contains("\"r999\"") && !told.contains("\"r0\""));
}

#[test]
fn one_fault_in_many_segments_is_told_a_few_times() {
    let text = plain(0, 9000).replace("#EXTINF:4.000", "#EXTINF:9.000");
    let findings = Checker::default().media("a", &text, 0, false);
    bounded(&findings);
    assert!(findings.len() < 40, "{}", findings.len());
}

#[test]
fn what_is_too_long_is_let_be() {
    let text = "#EXTINF:\n".repeat(2_000_000);
    assert!(Checker::default().media("a", &text, 0, false).is_empty());
    assert!(Checker::default().master(&text).is_empty());
}
