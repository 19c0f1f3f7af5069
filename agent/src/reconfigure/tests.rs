#![allow(clippy::disallowed_methods, reason = "tests make their own start of time")]

mod start;

use std::path::Path;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde_json::{Value, json};
use stagebox_protocol::{ConfigProblem, EventBody, ReportedConfig};

use super::Wanted;
use super::state::{Action, Input, State, is_other_media};
use super::trial::{TRIES, WORKS_AFTER};
use crate::config::{Change, Config, FileConfig, LastGood, Start};

fn change(value: Value) -> Change {
    let Value::Object(change) = value else { panic!("a change is an object") };
    change
}

fn file() -> FileConfig {
    FileConfig::parse(Path::new("/etc/box.toml"), "[video]\nfps = 25\n", []).unwrap().0
}

fn start() -> Start {
    let config = file().with(&Change::new()).unwrap();
    let last_good = LastGood::default();
    Start { file: file(), alone: None, config, last_good, refused: None, notes: Vec::new() }
}

fn wanted(version: u64, value: Value, now: bool) -> Input {
    let change = change(value);
    let checked = file().with(&change).map(Box::new);
    Input::Wanted(Wanted { version, change, now }, checked)
}

struct Tried {
    state: State,
    now: Instant,
    out: Vec<Action>,
}

impl Tried {
    fn new(start: &Start) -> Self {
        let mut out = Vec::new();
        let state = State::new(start, &mut out);
        Self { state, now: Instant::now(), out: Vec::new() }
    }

    fn take(&mut self, input: Input) -> ReportedConfig {
        self.out.clear();
        self.state.handle(self.now, input, &mut self.out);
        self.state.report()
    }

    /// So much time passes.
    fn pass(&mut self, time: Duration) -> ReportedConfig {
        self.out.clear();
        self.now += time;
        self.state.on_deadline(self.now, &mut self.out);
        self.state.report()
    }

    /// The media process of this setup delivers for long enough.
    fn works(&mut self, setup: u64) -> ReportedConfig {
        self.take(Input::Delivers { setup, restarts: 0 });
        let mut before = std::mem::take(&mut self.out);
        let report = self.pass(WORKS_AFTER);
        self.out.splice(..0, before.drain(..));
        report
    }

    fn media(&self) -> Option<(u64, u32)> {
        self.out.iter().find_map(|action| match action {
            Action::Media { setup, config } => Some((*setup, config.video.fps)),
            _ => None,
        })
    }

    fn used(&self) -> Option<&Config> {
        self.out
            .iter()
            .find_map(|action| if let Action::Use(config) = action { Some(&**config) } else { None })
    }

    fn told(&self) -> Option<&str> {
        self.out.iter().find_map(|action| match action {
            Action::Tell(EventBody::ConfigNotUsed { reason }) => Some(reason.as_str()),
            _ => None,
        })
    }

    fn kept(&self) -> Option<u64> {
        self.out.iter().find_map(|action| match action {
            Action::Keep(last_good) if last_good.refused.is_none() => Some(last_good.version),
            _ => None,
        })
    }
}

fn fails(setup: u64, restarts: u32, configuration: bool) -> Input {
    Input::Fails { setup, restarts, error: "video.encoder: there is none".to_owned(), configuration }
}

#[test]
fn what_moves_no_picture_holds_at_once_on_air_too() {
    let mut one = Tried::new(&start());
    one.take(Input::OnAir(true));
    let report =
        one.take(wanted(3, json!({ "record": { "keep_days": 7 }, "video": { "protect": "stream" } }), false));
    assert!(
        report.applied && report.version == 3 && report.running["record"]["keep_days"] == 7,
        "{report:?}"
    );
    assert_eq!((one.media(), one.kept()), (None, Some(3)));
    assert_eq!(one.used().unwrap().record.keep_days, Some(7));
}

#[test]
fn what_begins_the_picture_anew_waits_for_the_end_of_the_stream() {
    let mut one = Tried::new(&start());
    one.take(Input::OnAir(true));
    let report = one.take(wanted(3, json!({ "video": { "fps": 50 } }), false));
    assert!(!report.applied && report.waits.is_some() && report.version == 3, "{report:?}");
    assert!(one.out.is_empty());
    // A newer wish replaces it.
    one.take(wanted(4, json!({ "video": { "fps": 30 } }), false));
    let report = one.take(Input::OnAir(false));
    assert!(!report.applied && one.media() == Some((1, 30)) && one.kept().is_none(), "{report:?}");
    assert_eq!(report.running["video"]["fps"], 25, "it is not known yet whether it works");
    one.works(0);
    assert!(one.out.is_empty(), "the old one");
    let report = one.works(1);
    assert!(report.applied && report.running["video"]["fps"] == 30 && one.kept() == Some(4), "{report:?}");
    // Wanted now, it does not wait.
    one.take(Input::OnAir(true));
    one.take(wanted(5, json!({ "video": { "fps": 50 } }), true));
    assert_eq!(one.media(), Some((2, 50)));
}

#[test]
fn a_wish_that_waits_can_be_wanted_now_or_taken_back() {
    let mut one = Tried::new(&start());
    one.take(Input::OnAir(true));
    one.take(wanted(3, json!({ "video": { "fps": 50 } }), false));
    one.take(wanted(3, json!({ "video": { "fps": 50 } }), true));
    assert_eq!(one.media(), Some((1, 50)));
    one.works(1);
    one.take(wanted(4, json!({ "video": { "fps": 60 } }), false));
    let report = one.take(wanted(5, json!({ "video": { "fps": 50 } }), false));
    assert!(report.applied && report.version == 5 && one.media().is_none(), "{report:?}");
}

#[test]
fn a_bad_one_is_refused_in_words_and_nothing_changes() {
    let mut one = Tried::new(&start());
    one.take(wanted(1, json!({ "record": { "keep_days": 7 } }), false));
    let report = one.take(wanted(2, json!({ "video": { "fps": 0 } }), false));
    assert!(!report.applied && report.version == 2, "{report:?}");
    let told = one.told();
    assert!(one.out.len() == 1 && told.is_some_and(|told| told.contains("video.fps")), "{:?}", one.out);
    assert_eq!(report.errors[0].field, "video.fps");
    assert_eq!(report.running["record"]["keep_days"], 7);
    // The same again is the same; what stood before holds again.
    assert_eq!(one.take(wanted(2, json!({ "video": { "fps": 0 } }), false)), report);
    assert!(one.out.is_empty(), "told once");
    let report = one.take(wanted(3, json!({ "record": { "keep_days": 7 } }), false));
    assert!(report.applied && report.errors.is_empty(), "{report:?}");
}

#[test]
fn what_the_encoder_cannot_do_is_taken_back() {
    let mut one = Tried::new(&start());
    one.take(wanted(2, json!({ "video": { "encoder": "nvh264enc", "fps": 50 } }), false));
    assert_eq!(one.state.last_word(), u64::MAX, "it is no reason to end");
    let report = one.take(fails(1, 1, true));
    assert_eq!((one.media(), one.kept(), one.state.last_word()), (Some((2, 25)), None, 2));
    assert!(!report.applied && report.errors[0].field == "video.encoder", "{report:?}");
    assert!(one.told().is_some_and(|told| told.contains("there is none")), "{:?}", one.out);
    // A process that only crashes has a few attempts.
    one.take(wanted(3, json!({ "video": { "fps": 30 } }), false));
    assert_eq!(one.media(), Some((3, 30)));
    for restarts in 2..1 + TRIES {
        one.take(fails(3, restarts, false));
        assert!(one.out.is_empty(), "{restarts}");
    }
    // What comes meanwhile has its turn.
    one.take(wanted(4, json!({ "video": { "fps": 60 } }), false));
    assert!(one.out.is_empty());
    one.take(fails(3, 1 + TRIES, false));
    let started: Vec<u32> = one
        .out
        .iter()
        .filter_map(
            |action| if let Action::Media { config, .. } = action { Some(config.video.fps) } else { None },
        )
        .collect();
    assert_eq!(started, [25, 60]);
    let report = one.works(5);
    assert!(report.applied && report.version == 4, "{report:?}");
}

#[test]
fn what_was_tried_in_vain_is_not_tried_at_the_next_start() {
    let mut one = Tried::new(&start());
    one.take(wanted(2, json!({ "video": { "fps": 50 } }), false));
    one.take(fails(1, 1, true));
    let Some(Action::Keep(kept)) = one.out.iter().find(|action| matches!(action, Action::Keep(_))) else {
        panic!("it is not kept: {:?}", one.out)
    };
    let again = Start { refused: kept.refused.clone(), last_good: kept.clone(), ..start() };
    let mut one = Tried::new(&again);
    let report = one.take(wanted(2, json!({ "video": { "fps": 50 } }), false));
    assert!(one.out.is_empty() && report.version == 2 && !report.errors.is_empty(), "{report:?}");
}

#[test]
fn a_disk_that_keeps_nothing_is_told_of() {
    let mut one = Tried::new(&start());
    one.take(wanted(1, json!({ "record": { "keep_days": 7 } }), false));
    let report = one.take(Input::Kept(Err("read-only".to_owned())));
    assert!(report.applied && report.notes[0].contains("read-only"), "{report:?}");
    assert!(one.take(Input::Kept(Ok(()))).notes.is_empty());
}

#[derive(Debug, Clone)]
enum Step {
    Want { fps: u32, days: u32, now: bool },
    OnAir(bool),
    Media { works: bool, configuration: bool },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (prop::sample::select(vec![0, 25, 30, 50]), 1_u32..3, any::<bool>())
            .prop_map(|(fps, days, now)| Step::Want { fps, days, now }),
        2 => any::<bool>().prop_map(Step::OnAir),
        4 => (any::<bool>(), any::<bool>()).prop_map(|(works, configuration)| Step::Media { works, configuration }),
    ]
}

proptest! {
    /// The media process has what holds or what is being tried, never anything else; what is kept has worked; nothing
    /// begins the picture anew on air that was not wanted now, and after all is quiet the last good wish holds.
    #[test]
    fn the_box_never_runs_with_what_nobody_knows_to_work(steps in prop::collection::vec(step(), 1..60)) {
        let mut one = Tried::new(&start());
        let (mut version, mut restarts, mut on_air) = (0, 0, false);
        let (mut setup, mut media) = (0, start().config);
        let mut worked = vec![start().config];
        let mut last_now = false;
        for step in steps {
            let came_now = matches!(step, Step::Want { now: true, .. });
            let mut works = false;
            let input = match step {
                Step::Want { fps, days, now } => {
                    version += 1;
                    last_now = now;
                    wanted(version, json!({ "video": { "fps": fps }, "record": { "keep_days": days } }), now)
                }
                Step::OnAir(is) => {
                    on_air = is;
                    Input::OnAir(is)
                }
                Step::Media { works: true, .. } => {
                    worked.push(media.clone());
                    works = true;
                    Input::Delivers { setup, restarts }
                }
                Step::Media { works: false, configuration } => {
                    restarts += 1;
                    fails(setup, restarts, configuration)
                }
            };
            let mut report = one.take(input);
            if works {
                let mut before = std::mem::take(&mut one.out);
                report = one.pass(WORKS_AFTER);
                one.out.splice(..0, before.drain(..));
            }
            for action in &one.out {
                match action {
                    Action::Media { setup: number, config } => {
                        let goes_back = worked.iter().any(|one| !is_other_media(one, config));
                        prop_assert!(goes_back || !on_air || came_now || last_now);
                        prop_assert_eq!(*number, setup + 1);
                        (setup, media) = (*number, (**config).clone());
                    }
                    Action::Use(config) => {
                        prop_assert!(worked.iter().any(|one| !is_other_media(one, config)));
                    }
                    Action::Keep(kept) => {
                        let config = file().with(&kept.change).unwrap();
                        prop_assert!(worked.iter().any(|one| !is_other_media(one, &config)));
                    }
                    Action::Tell(_) => {}
                }
            }
            prop_assert!(!(report.applied && report.waits.is_some()));
            prop_assert!(!report.applied || report.errors == Vec::<ConfigProblem>::new());
        }
        one.take(Input::OnAir(false));
        for _ in 0..3 {
            for action in std::mem::take(&mut one.out) {
                if let Action::Media { setup: number, .. } = action {
                    setup = number;
                }
            }
            one.works(setup);
        }
        let report = one.state.report();
        prop_assert!(report.version == version && report.waits.is_none(), "{:?}", report);
        prop_assert!(report.applied || !report.errors.is_empty());
    }
}
