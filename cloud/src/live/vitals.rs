//! How well an event's inputs arrive: measured as packets come in, told once a second, kept by the minute.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use stagebox_media::Packet;
use std::time::Instant;

use super::health::{Health, Meter, Resolution, Source, read_minutes};
use super::timeline::{InputId, Now};
use crate::event::{self, Input};
use crate::id::EventId;
use crate::store::{Account, Document, Owner};

/// How often what was measured is kept, in minutes that were closed.
const KEEP_EVERY: usize = 5;

/// What is kept of an input at most: the minutes of two days.
const MOST_BYTES: usize = 640 * 1024;

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
    minutes: String,
}

impl Vitals {
    /// Goes on with what was kept.
    pub(super) fn after(kept: Option<&EventHealth>) -> Self {
        let minutes = kept.map(|kept| kept.minutes.clone()).unwrap_or_default();
        let inputs = minutes.into_iter().map(|(input, minutes)| {
            let meter = Meter::after(read_minutes(minutes.as_bytes()));
            (input, Vital { id: None, meter, minutes })
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
        for vital in self.inputs.values_mut() {
            for minute in vital.meter.take_minutes() {
                vital.minutes.push_str(&minute.to_line());
                self.unkept += 1;
                if vital.minutes.len() > MOST_BYTES {
                    // Whole lines of the oldest go, a good part at a time.
                    let from =
                        vital.minutes[MOST_BYTES / 4..].find('\n').map_or(0, |at| MOST_BYTES / 4 + at + 1);
                    vital.minutes.drain(..from);
                }
            }
        }
    }

    /// What is to be kept now; all that there is, if it is the `last` time.
    pub(super) fn take_unkept(&mut self, last: bool) -> Option<BTreeMap<Input, String>> {
        if self.unkept < if last { 1 } else { KEEP_EVERY } {
            return None;
        }
        self.unkept = 0;
        Some(self.inputs.iter().map(|(input, vital)| (*input, vital.minutes.clone())).collect())
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

    pub(super) fn health(&self, input: Input, resolution: Resolution) -> Health {
        let vital = self.inputs.get(&input);
        vital.map_or_else(|| Meter::default().health(resolution), |vital| vital.meter.health(resolution))
    }
}
