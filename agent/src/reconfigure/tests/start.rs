//! What a box begins with, and whether it works.

use std::time::Duration;

use serde_json::json;
use stagebox_protocol::EventBody;

use super::{Tried, change, fails, file, start, wanted};
use crate::config::{LastGood, Start};
use crate::reconfigure::state::{Action, Input};
use crate::reconfigure::trial::{TRIES, WORKS_AFTER};

#[test]
fn a_start_goes_back_to_the_file_where_the_change_does_not_work_any_more() {
    let changed = changed_start();
    let mut one = Tried::new(&changed);
    assert_eq!(one.state.last_word(), u64::MAX);
    one.take(fails(0, 1, false));
    assert!(one.out.is_empty(), "a device may come late");
    let report = one.take(fails(0, 2, true));
    assert_eq!((one.media(), one.state.last_word()), (Some((1, 25)), 1));
    assert!(one.out.iter().any(|action| matches!(action, Action::Tell(EventBody::ConfigNotUsed { .. }))));
    assert!(!report.applied && report.version == 7 && report.notes.len() == 1, "{report:?}");
    // Where it works, it holds.
    let mut one = Tried::new(&changed);
    let report = one.works(0);
    assert!(report.applied && report.version == 7 && one.state.last_word() == 0, "{report:?}");
}

fn changed_start() -> Start {
    let fps = change(json!({ "video": { "fps": 50 } }));
    Start {
        config: file().with(&fps).unwrap(),
        alone: Some(start().config),
        last_good: LastGood { version: 7, change: fps, ..LastGood::default() },
        ..start()
    }
}

#[test]
fn what_delivers_and_fails_a_moment_later_is_taken_back() {
    let mut one = Tried::new(&start());
    one.take(wanted(2, json!({ "video": { "fps": 50 } }), false));
    let moment = Duration::from_secs(3);
    for restarts in 1..=TRIES {
        one.take(Input::Delivers { setup: 1, restarts: restarts - 1 });
        let report = one.pass(moment);
        assert!(!report.applied && one.kept().is_none(), "{report:?}");
        one.take(fails(1, restarts, false));
    }
    assert_eq!((one.media(), one.kept()), (Some((2, 25)), None));
    assert!(!one.state.report().applied && one.told().is_some());
    // The picture is there all the time: said again and again, it is the same; another process begins anew.
    one.take(wanted(3, json!({ "video": { "fps": 30 } }), false));
    one.take(Input::Delivers { setup: 3, restarts: 3 });
    one.pass(moment);
    one.take(Input::Starts { setup: 3 });
    one.take(Input::Delivers { setup: 3, restarts: 3 });
    let report = one.pass(WORKS_AFTER - moment);
    assert!(!report.applied, "{report:?}");
    one.take(Input::Delivers { setup: 3, restarts: 3 });
    let report = one.pass(moment);
    assert!(report.applied && report.version == 3 && one.kept() == Some(3), "{report:?}");
}

#[test]
fn a_start_that_only_crashes_goes_back_to_the_file_too() {
    let mut one = Tried::new(&changed_start());
    let report = one.state.report();
    assert!(!report.applied && report.waits.is_some() && report.version == 7, "{report:?}");
    for restarts in 1..TRIES {
        one.take(fails(0, restarts, false));
        assert!(one.out.is_empty(), "{restarts}");
    }
    let report = one.take(fails(0, TRIES, false));
    assert!(!report.applied && report.version == 7 && !report.errors.is_empty(), "{report:?}");
    assert_eq!((one.media(), one.state.last_word()), (Some((1, 25)), 1));
}

#[test]
fn a_start_that_does_not_work_is_mended_from_afar() {
    // On the air a wish has its turn once there is no picture that it could disturb, and says that it waits.
    let mut one = Tried::new(&changed_start());
    one.take(Input::OnAir(true));
    let report = one.take(wanted(8, json!({ "video": { "fps": 30 } }), false));
    assert!(one.out.is_empty() && report.version == 8 && report.waits.is_some(), "{report:?}");
    one.take(fails(0, 1, false));
    assert_eq!(one.media(), Some((1, 30)));
    let report = one.works(1);
    assert!(report.applied && report.version == 8 && one.kept() == Some(8), "{report:?}");
    // What works is not disturbed.
    let mut one = Tried::new(&changed_start());
    one.take(Input::OnAir(true));
    one.take(wanted(8, json!({ "video": { "fps": 30 } }), false));
    let report = one.works(0);
    assert!(one.media().is_none() && report.version == 8 && report.waits.is_some(), "{report:?}");
    one.take(Input::OnAir(false));
    assert_eq!(one.media(), Some((1, 30)));
    // Off the air it takes the place of what may hang; if it is no better, the file is still there to go back to.
    let mut one = Tried::new(&changed_start());
    one.take(wanted(8, json!({ "video": { "encoder": "none" } }), false));
    assert_eq!(one.media().map(|(setup, _)| setup), Some(1));
    one.take(fails(1, 1, true));
    assert_eq!((one.media(), one.state.last_word()), (Some((2, 50)), u64::MAX));
    let report = one.take(fails(2, 2, true));
    assert_eq!((one.media(), one.state.last_word()), (Some((3, 25)), 3));
    assert!(!report.applied && report.notes.len() == 1, "{report:?}");
    // What touches no picture holds at once, and proves nothing.
    let mut one = Tried::new(&changed_start());
    let report = one.take(wanted(8, json!({ "video": { "fps": 50 }, "record": { "keep_days": 7 } }), false));
    assert!(!report.applied && report.version == 8 && one.media().is_none(), "{report:?}");
    assert_eq!((one.used().unwrap().record.keep_days, one.state.last_word()), (Some(7), u64::MAX));
    one.take(wanted(9, json!({ "video": { "fps": 0 } }), false));
    assert_eq!(one.state.last_word(), u64::MAX, "a bad wish proves nothing either");
}
