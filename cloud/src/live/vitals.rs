//! How well an event's inputs arrive: measured as packets come in, told once a second, kept by the minute.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use stagebox_media::Packet;
use stagebox_media::rtmp::Fault;
use std::time::Instant;

use super::health::{Health, Meter, Resolution, Source, read_minutes};
use super::timeline::{InputId, Now};
use crate::event::{self, Input};
use crate::id::EventId;
use crate::store::{Account, Document, Owner};

/// How often what was measured is kept, in minutes that were closed.
const KEEP_EVERY: usize = 5;

/// What is kept of an event's inputs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct EventHealth {
    pub(super) event: EventId,
    pub(super) account: Account,
    /// A line of JSON for each minute.
    pub(super) minutes: BTreeMap<Input, String>,
}

impl Document for EventHealth {
    const KIND: &'static str = "event_health";
    const JOURNALED: bool = false;

    fn owner(&self) -> Owner {
        Owner::Account(self.account)
    }

    fn id(&self) -> String {
        self.event.to_string()
    }
}

/// Both inputs of an event.
#[derive(Default)]
pub(super) struct Vitals {
    inputs: BTreeMap<Input, Vital>,
    /// Minutes that were closed and not kept yet.
    unkept: usize,
    told: u64,
}

#[derive(Default)]
struct Vital {
    /// Whoever broadcasts; what an earlier one still sends is not measured.
    id: Option<InputId>,
    meter: Meter,
}

impl Vitals {
    /// Goes on with what was kept.
    pub(super) fn after(kept: Option<&EventHealth>) -> Self {
        let minutes = kept.map(|kept| kept.minutes.clone()).unwrap_or_default();
        let inputs = minutes.into_iter().map(|(input, minutes)| {
            let meter = Meter::after(read_minutes(minutes.as_bytes()));
            (input, Vital { id: None, meter })
        });
        Self { inputs: inputs.collect(), ..Self::default() }
    }

    /// Somebody broadcasts; `is_running` says whether viewers see the event.
    pub(super) fn join(
        &mut self,
        now: Now,
        id: InputId,
        input: Input,
        source: &event::Source,
        is_running: bool,
    ) {
        let vital = self.inputs.entry(input).or_default();
        vital.id = Some(id);
        let (address, encoder) = (source.address.clone(), source.encoder.clone());
        vital.meter.begin(now, Source { address, encoder });
        vital.meter.set_running(now, is_running);
    }

    pub(super) fn packet(&mut self, now: Now, id: InputId, packet: &Packet) {
        if let Some(vital) = self.inputs.values_mut().find(|vital| vital.id == Some(id)) {
            vital.meter.packet(now, packet);
        }
    }

    /// Something of a broadcast could not be used.
    pub(super) fn left_out(&mut self, now: Now, id: InputId, fault: Fault) {
        if let Some(vital) = self.inputs.values_mut().find(|vital| vital.id == Some(id)) {
            vital.meter.left_out(now, fault);
        }
    }

    pub(super) fn leave(&mut self, now: Now, id: InputId) {
        if let Some(vital) = self.inputs.values_mut().find(|vital| vital.id == Some(id)) {
            vital.id = None;
            vital.meter.end(now);
        }
    }

    /// Says whether viewers see the event: then it is measured that nothing comes, too.
    pub(super) fn set_running(&mut self, now: Now, is_running: bool) {
        self.inputs.values_mut().for_each(|vital| vital.meter.set_running(now, is_running));
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.inputs.values().filter_map(|vital| vital.meter.next_deadline()).min()
    }

    /// Closes the seconds that are over.
    pub(super) fn tick(&mut self, now: Now) {
        self.inputs.values_mut().for_each(|vital| vital.meter.tick(now));
        self.take_minutes();
    }

    /// Closes the minute too, as nothing more is to come.
    pub(super) fn finish(&mut self, now: Now) {
        self.inputs.values_mut().for_each(|vital| vital.meter.finish(now));
        self.take_minutes();
    }

    fn take_minutes(&mut self) {
        let closed = self.inputs.values_mut().map(|vital| vital.meter.take_minutes().len());
        self.unkept += closed.sum::<usize>();
    }

    /// What is to be kept now; all that there is, if it is the `last` time.
    pub(super) fn take_unkept(&mut self, last: bool) -> Option<BTreeMap<Input, String>> {
        if self.unkept < if last { 1 } else { KEEP_EVERY } {
            return None;
        }
        self.unkept = 0;
        Some(self.inputs.iter().map(|(input, vital)| (*input, vital.meter.lines())).collect())
    }

    /// What is new since it was told last, for pages.
    pub(super) fn news(&mut self) -> Option<Value> {
        let kept = self.inputs.values().map(|vital| vital.meter.kept()).sum();
        if std::mem::replace(&mut self.told, kept) == kept {
            return None;
        }
        let of = |input: Input| self.inputs.get(&input).map(|vital| vital.meter.now());
        let none = || json!({ "now": null, "warnings": [] });
        let shown = |input| of(input).map_or_else(none, |now| json!(now));
        Some(json!({ "main": shown(Input::Main), "backup": shown(Input::Backup) }))
    }

    /// Whether an input's last second was silent, where it is known.
    pub(super) fn is_silent(&self, input: Input) -> Option<bool> {
        self.inputs.get(&input)?.meter.is_silent()
    }

    pub(super) fn health(&self, input: Input, resolution: Resolution) -> Health {
        let vital = self.inputs.get(&input);
        vital.map_or_else(|| Meter::default().health(resolution), |vital| vital.meter.health(resolution))
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests need some instant to count from")]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn what_was_kept_goes_on_after_a_restart() {
        let began = Instant::now();
        let at = |s: u64| Now {
            instant: began + Duration::from_secs(s),
            unix_ms: 1_700_000_040_000 + i64::try_from(s).unwrap_or(0) * 1_000,
        };
        let samples = |vitals: &Vitals| {
            let health = serde_json::to_value(vitals.health(Input::Main, Resolution::Minute)).unwrap();
            health["samples"].as_array().unwrap().len()
        };
        let mut vitals = Vitals::default();
        assert_eq!(vitals.news(), None);
        vitals.join(at(0), InputId(1), Input::Main, &event::Source::default(), true);
        for s in 1..=240 {
            vitals.tick(at(s));
        }
        assert!(vitals.news().is_some_and(|news| news["main"]["now"]["video_kbps"] == 0));
        assert_eq!(vitals.take_unkept(false), None, "four minutes are not worth a write yet");
        (241..=320).for_each(|s| vitals.tick(at(s)));
        let minutes = vitals.take_unkept(false).unwrap();
        assert_eq!(vitals.take_unkept(true), None);
        // One that has gone is not measured any more, whoever comes after it.
        vitals.leave(at(321), InputId(1));
        vitals.leave(at(321), InputId(1));
        let kept = EventHealth { event: EventId::random(), account: Account::FIRST, minutes };
        assert_eq!(samples(&Vitals::after(Some(&kept))), 6, "five, and the begun one");
        assert_eq!(samples(&Vitals::after(None)), 0);
    }
}
