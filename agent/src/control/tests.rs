#![allow(clippy::disallowed_methods, reason = "tests make their own start of time")]

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use stagebox_protocol::telemetry::{LiveState, OutputState, OutputStatus, RecordingState};
use stagebox_protocol::{Command, CommandId, Origin, Outcome, OutputRole, Timestamp};

use super::state::{Action, Input, Now, State};
use super::{IntentStore, Machinery, Observation, Record, Request, spawn};
use crate::clock::Clock;
use crate::durable::Durable;

fn now() -> Now {
    Now { instant: Instant::now(), unix_ms: 1_000_000, wall_is_true: true }
}

fn request(command: Command) -> Request {
    Request { command, origin: Origin::Panel, id: None, expires_at: None }
}

fn with_id(command: Command, id: &str) -> Request {
    Request { id: Some(id.parse::<CommandId>().unwrap()), ..request(command) }
}

fn handle(state: &mut State, input: Input) -> Vec<Action> {
    let mut out = Vec::new();
    state.handle(now(), input, &mut out);
    out
}

fn ask(state: &mut State, ticket: u64, request: Request) -> Vec<Action> {
    handle(state, Input::Asked { ticket, request })
}

fn reply(ticket: u64, outcome: Outcome) -> Action {
    Action::Reply { ticket, outcome }
}

#[test]
fn an_intent_is_kept_before_it_is_carried_out() {
    let mut state = State::resume(Record::default(), &mut Vec::new());
    let actions = ask(&mut state, 1, request(Command::StartStream));
    assert!(matches!(&actions[..], [Action::Keep(record)] if record.live.on && !record.recording.on));
    assert!(!state.record().live.on);
    assert_eq!(handle(&mut state, Input::Kept), [Action::SetLive(true), reply(1, Outcome::Accepted)]);
    assert!(state.record().live.on);
    assert_eq!(ask(&mut state, 2, request(Command::StartStream)), [reply(2, Outcome::Done)]);
}

#[test]
fn what_cannot_be_kept_is_not_carried_out() {
    let mut state = State::resume(Record::default(), &mut Vec::new());
    ask(&mut state, 1, request(Command::StartRecording));
    let actions = handle(&mut state, Input::NotKept { reason: "disk full".to_owned() });
    assert!(matches!(&actions[..], [Action::Reply { outcome: Outcome::Rejected { code: 500, .. }, .. }]));
    assert!(!state.record().recording.on);
}

#[test]
fn what_is_to_stop_stops_whatever_the_disk_does() {
    let mut state = State::resume(Record::default(), &mut Vec::new());
    ask(&mut state, 1, request(Command::StartStream));
    handle(&mut state, Input::Kept);
    let actions = ask(&mut state, 2, request(Command::StopStream));
    assert!(matches!(&actions[..], [Action::SetLive(false), Action::Keep(record)] if !record.live.on));
    let actions = handle(&mut state, Input::NotKept { reason: "disk full".to_owned() });
    let [Action::Reply { ticket: 2, outcome: Outcome::Rejected { code: 500, error } }] = &actions[..] else {
        panic!("{actions:?}")
    };
    assert!(error.starts_with("stopped, but that cannot be kept") && error.contains("disk full"), "{error}");
    assert!(!state.record().live.on);
    // What is kept next takes it along.
    let actions = ask(&mut state, 3, request(Command::StartRecording));
    assert!(matches!(&actions[..], [Action::Keep(record)] if !record.live.on && record.recording.on));
}

#[test]
fn a_mark_is_taken_while_it_records_and_holds_nothing_up() {
    let mut state = State::resume(Record::default(), &mut Vec::new());
    let mark = || with_id(Command::Mark { label: Some("Encore".into()) }, "m");
    let [Action::Reply { outcome: Outcome::Rejected { code: 409, error }, .. }] =
        &ask(&mut state, 1, mark())[..]
    else {
        panic!("it does not record")
    };
    assert!(error.contains("start the recording"), "{error}");
    ask(&mut state, 2, request(Command::StartRecording));
    handle(&mut state, Input::Kept);
    let label = Some("Encore".to_owned());
    let wanted = [Action::Mark { ticket: 3, id: Some("m".parse().unwrap()), label }];
    assert_eq!(ask(&mut state, 3, mark()), wanted);
    assert!(matches!(
        ask(&mut state, 4, request(Command::StopRecording))[..],
        [Action::SetRecording(false), ..]
    ));
}

#[test]
fn commands_wait_for_the_one_being_kept() {
    let mut state = State::resume(Record::default(), &mut Vec::new());
    ask(&mut state, 1, request(Command::StartStream));
    // Stop stops at once, and has its turn.
    assert_eq!(ask(&mut state, 2, request(Command::StopStream)), [Action::SetLive(false)]);
    let actions = handle(&mut state, Input::Kept);
    assert!(matches!(
        &actions[..],
        [Action::SetLive(true), Action::Reply { ticket: 1, .. }, Action::SetLive(false), Action::Keep(record)]
            if !record.live.on
    ));
    assert_eq!(handle(&mut state, Input::Kept), [reply(2, Outcome::Done)]);
    for ticket in 3..100 {
        ask(
            &mut state,
            ticket,
            request(if ticket == 3 { Command::StartStream } else { Command::StopStream }),
        );
    }
    let actions = ask(&mut state, 100, request(Command::StopStream));
    assert!(matches!(&actions[..], [Action::Reply { outcome: Outcome::Rejected { code: 503, .. }, .. }]));
}

#[test]
fn a_command_delivered_again_is_answered_and_not_repeated() {
    let mut state = State::resume(Record::default(), &mut Vec::new());
    ask(&mut state, 1, with_id(Command::StartStream, "a"));
    handle(&mut state, Input::Kept);
    ask(&mut state, 2, with_id(Command::StopStream, "b"));
    handle(&mut state, Input::Kept);
    assert_eq!(ask(&mut state, 3, with_id(Command::StartStream, "a")), [reply(3, Outcome::Accepted)]);
    assert!(!state.record().live.on);

    let record: Record = serde_json::from_slice(&serde_json::to_vec(state.record()).unwrap()).unwrap();
    let mut restarted = State::resume(record, &mut Vec::new());
    assert_eq!(ask(&mut restarted, 4, with_id(Command::StartStream, "a")), [reply(4, Outcome::Accepted)]);
}

#[test]
fn an_expired_command_is_refused_only_by_a_clock_that_is_right() {
    let mut state = State::resume(Record::default(), &mut Vec::new());
    let expired = Request {
        expires_at: Some(Timestamp::from_unix_ms(999_999)),
        ..request(Command::Identify { duration_ms: 5000 })
    };
    let actions = ask(&mut state, 1, expired.clone());
    assert!(matches!(&actions[..], [Action::Reply { outcome: Outcome::Rejected { code: 408, .. }, .. }]));
    let mut out = Vec::new();
    let unsure = Now { wall_is_true: false, ..now() };
    state.handle(unsure, Input::Asked { ticket: 2, request: expired }, &mut out);
    assert_eq!(out, [reply(2, Outcome::Done)]);
    assert_eq!(state.next_deadline(), Some(unsure.instant + Duration::from_secs(5)));
    state.on_deadline(unsure.instant + Duration::from_secs(5));
    assert_eq!(state.next_deadline(), None);
}

#[test]
fn a_restart_takes_up_the_intents() {
    let mut record = Record::default();
    record.live.on = true;
    record.recording.on = true;
    let mut actions = Vec::new();
    State::resume(record, &mut actions);
    assert_eq!(actions, [Action::SetRecording(true), Action::SetLive(true)]);
}

#[test]
fn a_test_is_in_no_streams_way() {
    const TEST: Command = Command::Preflight { upload_s: 10 };
    let mut state = State::resume(Record::default(), &mut Vec::new());
    let begun = |run, ticket| {
        [Action::Test { run, upload: Duration::from_secs(10) }, reply(ticket, Outcome::Accepted)]
    };
    let refused = |actions: &[Action], word: &str| {
        let [Action::Reply { outcome: Outcome::Rejected { code: 409, error }, .. }] = actions else {
            panic!("{actions:?}")
        };
        assert!(error.contains(word), "{error}");
    };
    assert_eq!(ask(&mut state, 1, with_id(TEST, "a")), begun(1, 1));
    // The same command once more, and another one.
    assert_eq!(ask(&mut state, 2, with_id(TEST, "a")), [reply(2, Outcome::Accepted)]);
    refused(&ask(&mut state, 3, request(TEST)), "a test runs already");
    // News of another test say nothing of this one.
    handle(&mut state, Input::Tested { run: 9 });
    refused(&ask(&mut state, 4, request(TEST)), "a test runs already");
    assert_eq!(
        ask(&mut state, 5, request(Command::CancelPreflight)),
        [Action::CancelTest, reply(5, Outcome::Done)]
    );
    handle(&mut state, Input::Tested { run: 1 });
    assert_eq!(ask(&mut state, 6, request(TEST)), begun(2, 6));
    handle(&mut state, Input::Tested { run: 2 });
    // It is allowed while the box records, and not while it is live, or about to be.
    ask(&mut state, 7, request(Command::StartRecording));
    handle(&mut state, Input::Kept);
    assert_eq!(ask(&mut state, 8, request(TEST)), begun(3, 8));
    handle(&mut state, Input::Tested { run: 3 });
    ask(&mut state, 9, request(Command::StartStream));
    assert_eq!(ask(&mut state, 10, request(TEST)), []);
    let actions = handle(&mut state, Input::Kept);
    assert_eq!(actions[..2], [Action::SetLive(true), reply(9, Outcome::Accepted)]);
    refused(&actions[2..], "the box is live");
}

#[derive(Clone, Default)]
struct Fake(Arc<Mutex<Vec<String>>>);

impl Fake {
    fn note(&self, text: String) {
        self.0.lock().unwrap().push(text);
    }
}

impl Machinery for Fake {
    fn set_live(&mut self, live: bool) {
        self.note(format!("live {live}"));
    }
    fn set_recording(&mut self, recording: bool) {
        self.note(format!("recording {recording}"));
    }
    fn reconnect(&mut self, output: Option<OutputRole>) {
        self.note(format!("reconnect {output:?}"));
    }

    fn retry_encoder(&mut self) {
        self.note("retry encoder".to_owned());
    }

    fn test(&mut self, run: u64, upload: Duration) {
        self.note(format!("test {run} for {} s", upload.as_secs()));
    }

    fn cancel_test(&mut self) {
        self.note("cancel test".to_owned());
    }

    fn mark(&mut self, id: Option<CommandId>, label: Option<String>) -> BoxFuture<'static, Outcome> {
        self.note(format!("mark {id:?} {label:?}"));
        Box::pin(async { Outcome::Done })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn intents_survive_the_process_and_show_in_the_status() {
    let dir = tempfile::tempdir().unwrap();
    let fake = Fake::default();
    {
        let durable = Durable::open(dir.path()).unwrap();
        let store = IntentStore::open(&durable).unwrap();
        let control = spawn(store, fake.clone(), Clock::new()).unwrap();
        assert_eq!(control.execute(Command::StartStream, Origin::Panel).await, Outcome::Accepted);
        assert_eq!(control.execute(Command::StartRecording, Origin::Cloud).await, Outcome::Accepted);
        let status = control.status().borrow().clone();
        assert_eq!(status.live.state, LiveState::Connecting);
        assert_eq!(status.live.origin, Some(Origin::Panel));
        assert_eq!(status.recording.state, RecordingState::Starting);

        let output = |role, state| {
            let url = None;
            let counts = (0, 0, 0, 0, 0);
            let (bitrate_kbps, queued_ms, sent_bytes, dropped_frames, reconnects) = counts;
            Observation::Output(OutputStatus {
                role,
                state,
                url,
                bitrate_kbps,
                queued_ms,
                sent_bytes,
                dropped_frames,
                reconnects,
                error: None,
            })
        };
        control.observe(output(OutputRole::Backup, OutputState::Waiting)).await;
        control.observe(output(OutputRole::Main, OutputState::Sending)).await;
        control.execute(Command::Reconnect { output: None }, Origin::Panel).await;
        let status = control.status().borrow().clone();
        assert_eq!(status.live.state, LiveState::Degraded);
        assert_eq!(status.outputs[0].role, OutputRole::Main);
    }
    let copy = tempfile::tempdir().unwrap();
    let from = dir.path().join("store");
    // What a kill -9 would leave: the files as they lie.
    std::process::Command::new("cp").arg("-r").arg(&from).arg(copy.path()).status().unwrap();
    let resumed = Fake::default();
    let store = IntentStore::open(&Durable::open(copy.path()).unwrap()).unwrap();
    let control = spawn(store, resumed.clone(), Clock::new()).unwrap();
    assert_eq!(control.status().borrow().live.state, LiveState::Connecting, "from the first moment");
    control.execute(Command::Identify { duration_ms: 1000 }, Origin::Panel).await;
    assert_eq!(*resumed.0.lock().unwrap(), ["recording true", "live true"]);
    assert!(control.status().borrow().identify_ms > 0);
    assert_eq!(*fake.0.lock().unwrap(), ["live true", "recording true", "reconnect None"]);
}
