//! What of the machine's state is worth a word. Pure.
//!
//! What is raised stays so until it has been over for a while, and what trembles is raised once: an event for each is no
//! flood.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use stagebox_protocol::machine::{InterfaceStatus, MachineWarning, MemoryStatus, PowerStatus, WarningKind};

/// From this on the processor is too hot, in degrees Celsius, and below the other it is not any more.
const HOT_C: f32 = 82.0;
const COOL_C: f32 = 77.0;
/// Less than this part of the memory, in per cent, is little; more than the other is enough again.
const LOW_PERCENT: u64 = 8;
const ENOUGH_PERCENT: u64 = 12;
/// A clock may take so long after a start to be set.
const SETS: Duration = Duration::from_secs(180);
/// Broken packets from one look to the next that are worth a word.
const ERRORS: u64 = 10;
/// What is over is so for so long before it is told.
const OVER: Duration = Duration::from_secs(60);

/// What was looked at.
#[derive(Debug, Clone, Default)]
pub struct Seen<'a> {
    pub memory: Option<&'a MemoryStatus>,
    pub power: Option<&'a PowerStatus>,
    pub network: &'a [InterfaceStatus],
    pub temperature_c: Option<f32>,
    pub clock_synced: bool,
}

/// The warnings that hold, with when each was last seen to.
#[derive(Debug)]
pub struct Warnings {
    began: Instant,
    raised: Vec<Raised>,
    /// Broken packets at the last look, by interface.
    errors: BTreeMap<String, u64>,
}

#[derive(Debug)]
struct Raised {
    warning: MachineWarning,
    seen_at: Instant,
}

impl Warnings {
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self { began: now, raised: Vec::new(), errors: BTreeMap::new() }
    }

    /// Takes what is; all that holds, in the order in which it came.
    pub fn look(&mut self, now: Instant, seen: &Seen<'_>) -> Vec<MachineWarning> {
        for (kind, words) in self.found(now, seen) {
            match self.raised.iter_mut().find(|raised| raised.warning.kind == kind) {
                Some(raised) => raised.seen_at = now,
                None => self.raised.push(Raised { warning: MachineWarning { kind, words }, seen_at: now }),
            }
        }
        self.raised.retain(|raised| now.saturating_duration_since(raised.seen_at) < OVER);
        self.raised.iter().map(|raised| raised.warning.clone()).collect()
    }

    fn holds(&self, kind: WarningKind) -> bool {
        self.raised.iter().any(|raised| raised.warning.kind == kind)
    }

    fn found(&mut self, now: Instant, seen: &Seen<'_>) -> Vec<(WarningKind, String)> {
        let mut found = Vec::new();
        let is = |part: fn(&PowerStatus) -> Option<bool>| seen.power.and_then(part) == Some(true);
        if is(|power| power.under_voltage) {
            let words = "the power supply is too weak: use the maker's own, and a short thick cable";
            found.push((WarningKind::UnderVoltage, words.to_owned()));
        } else if is(|power| power.throttled) {
            let words = "the processor is slowed down: give the box air, and the maker's own power supply";
            found.push((WarningKind::Throttled, words.to_owned()));
        }
        let limit = if self.holds(WarningKind::Hot) { COOL_C } else { HOT_C };
        if let Some(celsius) = seen.temperature_c.filter(|celsius| *celsius >= limit) {
            let words = format!(
                "the processor has {celsius:.0} °C: give the box air, out of the sun and off other machines"
            );
            found.push((WarningKind::Hot, words));
        }
        let limit = if self.holds(WarningKind::MemoryLow) { ENOUGH_PERCENT } else { LOW_PERCENT };
        if let Some(memory) = seen.memory
            && memory.available_bytes < memory.total_bytes / 100 * limit
        {
            let mib = memory.available_bytes >> 20;
            let words =
                format!("only {mib} MiB of memory are left: make the picture smaller, or end other programs");
            found.push((WarningKind::MemoryLow, words));
        }
        if !seen.clock_synced && now.saturating_duration_since(self.began) >= SETS {
            let words = "nobody has set the clock: the names of recordings may be wrong, and old ones are not deleted by age; \
                         let the box reach a time server (NTP)";
            found.push((WarningKind::Clock, words.to_owned()));
        }
        let broken: Vec<&str> =
            seen.network.iter().filter(|one| self.breaks(one)).map(|one| one.name.as_str()).collect();
        if !broken.is_empty() {
            let words = format!("{} breaks packets: try another cable or port", broken.join(" and "));
            found.push((WarningKind::LinkErrors, words));
        }
        self.errors = seen.network.iter().map(|one| (one.name.clone(), one.errors)).collect();
        found
    }

    fn breaks(&self, interface: &InterfaceStatus) -> bool {
        let before = self.errors.get(&interface.name);
        before.is_some_and(|before| interface.errors.saturating_sub(*before) >= ERRORS)
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests need some instant to count from")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FINE: Seen<'static> =
        Seen { memory: None, power: None, network: &[], temperature_c: None, clock_synced: true };

    fn kinds(warnings: &[MachineWarning]) -> Vec<WarningKind> {
        warnings.iter().map(|warning| warning.kind).collect()
    }

    #[test]
    fn each_fault_has_its_words() {
        let memory = |available_bytes| MemoryStatus {
            total_bytes: 4 << 30,
            available_bytes,
            ..MemoryStatus::default()
        };
        let power = |under_voltage, throttled| PowerStatus {
            under_voltage: Some(under_voltage),
            throttled: Some(throttled),
            since_boot: None,
        };
        let (low, fine, weak, slow) =
            (memory(200 << 20), memory(1 << 30), power(true, true), power(false, true));
        for (seen, kind, word) in [
            (Seen { power: Some(&weak), ..FINE }, WarningKind::UnderVoltage, "maker's own"),
            (Seen { power: Some(&slow), ..FINE }, WarningKind::Throttled, "air"),
            (Seen { temperature_c: Some(85.0), ..FINE }, WarningKind::Hot, "85 °C"),
            (Seen { memory: Some(&low), ..FINE }, WarningKind::MemoryLow, "200 MiB"),
        ] {
            let now = Instant::now();
            let found = Warnings::new(now).look(now, &seen);
            assert!(kinds(&found) == [kind] && found[0].words.contains(word), "{found:?}");
        }
        let now = Instant::now();
        assert_eq!(Warnings::new(now).look(now, &Seen { memory: Some(&fine), ..FINE }), []);
    }

    #[test]
    fn a_clock_has_its_time_and_a_line_its_count() {
        let start = Instant::now();
        let at = |s| start + Duration::from_secs(s);
        let mut warnings = Warnings::new(start);
        let unset = Seen { clock_synced: false, ..FINE };
        assert_eq!(warnings.look(at(179), &unset), []);
        assert_eq!(kinds(&warnings.look(at(180), &unset)), [WarningKind::Clock]);
        let line =
            |errors| [InterfaceStatus { name: "eth0".to_owned(), errors, ..InterfaceStatus::default() }];
        let mut warnings = Warnings::new(start);
        let mut look = |s, errors| {
            let network = line(errors);
            kinds(&warnings.look(at(s), &Seen { network: &network, ..FINE }))
        };
        assert_eq!(look(0, 5_000), [], "that was before");
        assert_eq!(look(2, 5_009), []);
        assert_eq!(look(4, 5_100), [WarningKind::LinkErrors]);
    }

    #[test]
    fn what_trembles_is_raised_once() {
        let start = Instant::now();
        let mut warnings = Warnings::new(start);
        let mut raised = 0;
        let mut before = Vec::new();
        for s in (0..600).step_by(2) {
            let celsius = if s / 2 % 2 == 0 { 83.0 } else { 70.0 };
            let now = kinds(
                &warnings
                    .look(start + Duration::from_secs(s), &Seen { temperature_c: Some(celsius), ..FINE }),
            );
            raised += usize::from(!now.is_empty() && before.is_empty());
            before = now;
        }
        assert_eq!(raised, 1);
        // Cool for a minute, and it is over.
        let end = start + Duration::from_secs(598);
        let cool = Seen { temperature_c: Some(70.0), ..FINE };
        assert_eq!(warnings.look(end + Duration::from_secs(57), &cool).len(), 1);
        assert_eq!(warnings.look(end + Duration::from_secs(58), &cool), []);
    }

    proptest! {
        /// However a temperature behaves, there is at most one beginning in each minute.
        #[test]
        fn there_is_no_flood(celsius in prop::collection::vec(60.0_f32..100.0, 1..400)) {
            let start = Instant::now();
            let mut warnings = Warnings::new(start);
            let (mut last, mut held) = (None, false);
            for (look, celsius) in (0u64..).zip(celsius) {
                let now = start + Duration::from_secs(look * 2);
                let holds = !warnings.look(now, &Seen { temperature_c: Some(celsius), ..FINE }).is_empty();
                prop_assert!(holds || celsius < HOT_C);
                if holds && !held {
                    if let Some(last) = last {
                        prop_assert!(now - last >= OVER);
                    }
                    last = Some(now);
                }
                held = holds;
            }
        }
    }
}
