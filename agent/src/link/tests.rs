mod connection;

use super::applying::{ApplyAction, Applying, Kept};
use super::commands::{
    CommandAction, Commands, Known, OLDEST_MS, QUESTIONS, REMEMBERED, Record, Reply, WAITING,
};
use super::delivery::{Delivery, DeliveryAction, RESEND_MS, WINDOW};
use super::state::{Action, Link, Now};
use super::targets::{FetchError, Target, Targets};
use super::{LinkState, Memory, Outbox};
use crate::durable::Durable;
use stagebox_protocol::{
    Ack, BoxStatus, Command, CommandEnvelope, EventBody, Outcome, Reported, Timestamp, telemetry::OutputRole,
};

const WALL_MS: i64 = 1_800_000_000_000;

fn at(mono_ms: u64) -> Now {
    let wall = Timestamp::from_unix_ms(WALL_MS + i64::try_from(mono_ms).unwrap());
    Now { mono_ms, wall, clock_synced: true }
}

fn envelope(id: &str, command: &Command) -> CommandEnvelope {
    CommandEnvelope { id: id.parse().unwrap(), issued_at: at(0).wall, expires_at: None, args: command.args() }
}

fn reply(topic: &str) -> Option<Reply> {
    Some(Reply { topic: topic.into(), correlation: None })
}

fn take(commands: &mut Commands, now: u64, id: &str, command: &Command) -> Vec<CommandAction> {
    let mut out = Vec::new();
    commands.take(&at(now), command.name(), &envelope(id, command), Some(60), reply("r"), &mut out);
    out
}

fn executed(commands: &mut Commands, now: u64, id: &str, outcome: &Outcome) -> Vec<CommandAction> {
    let mut out = Vec::new();
    commands.executed(&at(now), &id.parse().unwrap(), outcome, &mut out);
    out
}

fn answers(actions: &[CommandAction]) -> Vec<(String, u16)> {
    let answer = |action: &CommandAction| match action {
        CommandAction::Answer(_, response) => Some((response.id.to_string(), response.code)),
        _ => None,
    };
    actions.iter().filter_map(answer).collect()
}

fn kept(actions: &[CommandAction]) -> Vec<Record> {
    let record = |action: &CommandAction| match action {
        CommandAction::Keep(record) => Some(record.clone()),
        _ => None,
    };
    actions.iter().filter_map(record).collect()
}

#[test]
fn a_command_is_kept_then_carried_out_then_answered_and_a_repeat_is_answered_from_memory() {
    let mut commands = Commands::default();
    let out = take(&mut commands, 0, "a", &Command::StartStream);
    assert!(matches!(
        &out[..],
        [
            CommandAction::Keep(Record { known: Known::Begun { .. }, .. }),
            CommandAction::Execute { command: Command::StartStream, .. }
        ]
    ));
    assert_eq!(take(&mut commands, 1, "a", &Command::StartStream), []);
    let out = executed(&mut commands, 2, "a", &Outcome::Accepted);
    assert!(matches!(&out[..], [CommandAction::Keep(_), CommandAction::Answer(..)]), "kept first: {out:?}");
    assert_eq!(answers(&take(&mut commands, 3, "a", &Command::StartStream)), [("a".into(), 202)]);
    assert_eq!(executed(&mut commands, 4, "a", &Outcome::Done), [], "nothing runs");
}

#[test]
fn questions_are_answered_beside_commands_and_remembered_by_nobody() {
    let mut commands = Commands::default();
    take(&mut commands, 0, "a", &Command::StopStream);
    let asked = Command::FetchMoreLogs { of: "q".parse().unwrap(), offset: 9 };
    let is_asked =
        |out: &[CommandAction]| matches!(out, [CommandAction::Execute { command, .. }] if *command == asked);
    assert!(is_asked(&take(&mut commands, 1, "b", &asked)), "nothing is kept, and nothing waited for");
    assert_eq!(take(&mut commands, 2, "b", &asked), [], "it is being answered");
    let told = Outcome::Told([("data".to_owned(), "eA==".into())].into_iter().collect());
    let out = executed(&mut commands, 3, "b", &told);
    assert!(matches!(&out[..], [CommandAction::Answer(_, response)] if response.result.is_some()), "{out:?}");
    assert!(is_asked(&take(&mut commands, 4, "b", &asked)), "asked again, it is answered anew");
    for number in 1..QUESTIONS {
        assert!(is_asked(&take(&mut commands, 5, &format!("c{number}"), &asked)));
    }
    assert_eq!(answers(&take(&mut commands, 6, "d", &asked)), [("d".into(), 503)]);
    assert_eq!(answers(&executed(&mut commands, 7, "a", &Outcome::Done)), [("a".into(), 200)]);
}

#[test]
fn after_a_crash_what_was_begun_is_carried_out_before_anything_else() {
    let mut commands = Commands::default();
    let records = kept(&take(&mut commands, 0, "a", &Command::StartStream));
    let mut commands = Commands::restore(records);
    let mut out = Vec::new();
    commands.resume(&at(0), &mut out);
    assert_eq!(
        out,
        [CommandAction::Execute {
            id: "a".parse().unwrap(),
            command: Command::StartStream,
            expires_at: None
        }]
    );
    assert_eq!(take(&mut commands, 1, "b", &Command::StopStream), []);
    assert_eq!(take(&mut commands, 1, "a", &Command::StartStream), [], "its requester waits for the answer");
    let out = executed(&mut commands, 2, "a", &Outcome::Done);
    assert_eq!(answers(&out), [("a".into(), 200)]);
    assert!(matches!(out.last(), Some(CommandAction::Execute { command: Command::StopStream, .. })));
    let mut commands = Commands::restore(kept(&out));
    assert_eq!(answers(&take(&mut commands, 3, "a", &Command::StartStream)), [("a".into(), 200)]);
}

#[test]
fn what_came_too_late_is_refused() {
    let mut commands = Commands::default();
    let mut late = envelope("a", &Command::StartStream);
    late.expires_at = Some(at(10).wall);
    let mut out = Vec::new();
    commands.take(&at(11), "start_stream", &late, None, reply("r"), &mut out);
    assert_eq!(answers(&out), [("a".into(), 408)]);
    out.clear();
    commands.take(
        &at(0),
        "start_stream",
        &envelope("b", &Command::StartStream),
        Some(0),
        reply("r"),
        &mut out,
    );
    assert_eq!(answers(&out), [("b".into(), 408)], "its Message Expiry is over");
    assert_eq!(answers(&take(&mut commands, OLDEST_MS + 1, "c", &Command::StartStream)), [("c".into(), 408)]);
    out.clear();
    let doubtful = Now { clock_synced: false, ..at(11) };
    commands.take(&doubtful, "start_stream", &late, None, reply("r"), &mut out);
    assert_eq!(answers(&out), [], "a clock that may be wrong refuses nothing");
}

#[test]
fn what_expires_while_it_waits_is_not_carried_out() {
    let mut commands = Commands::default();
    take(&mut commands, 0, "a", &Command::StartStream);
    take(&mut commands, 0, "b", &Command::StopStream);
    let out = executed(&mut commands, 61_000, "a", &Outcome::Done);
    assert_eq!(answers(&out), [("a".into(), 200), ("b".into(), 408)]);
}

#[test]
fn unknown_bad_and_too_many_commands_have_their_codes() {
    let mut commands = Commands::default();
    let mut out = Vec::new();
    commands.take(&at(0), "dance", &envelope("a", &Command::StartStream), None, reply("r"), &mut out);
    let mut bad = envelope("b", &Command::StartStream);
    bad.args.insert("x".into(), 1.into());
    commands.take(&at(0), "start_stream", &bad, None, reply("r"), &mut out);
    assert_eq!(answers(&out), [("a".into(), 404), ("b".into(), 400)]);
    for index in 0..=WAITING {
        assert_eq!(answers(&take(&mut commands, 0, &format!("n{index}"), &Command::StartStream)), []);
    }
    assert_eq!(answers(&take(&mut commands, 0, "more", &Command::StartStream)), [("more".into(), 503)]);
}

#[test]
fn the_oldest_answers_are_forgotten() {
    let mut commands = Commands::default();
    let mut forgotten = 0;
    for index in 0..REMEMBERED + 10 {
        let id = format!("c{index}");
        take(&mut commands, 0, &id, &Command::StartStream);
        let out = executed(&mut commands, 0, &id, &Outcome::Done);
        forgotten += out.iter().filter(|action| matches!(action, CommandAction::Forget(_))).count();
    }
    assert_eq!(forgotten, 10);
}

fn targets(key: &str) -> Targets {
    let target = Target { role: OutputRole::Main, url: "rtmp://h/live".into(), key: key.to_owned().into() };
    Targets { outputs: vec![target], event_id: Some("evt_1".into()) }
}

fn desired(version: u64, more: &str) -> Vec<u8> {
    format!(r#"{{"version":{version},"state":{{"event_id":"evt_1","targets_version":{version}{more}}}}}"#)
        .into_bytes()
}

fn reported(applying: &Applying) -> Reported {
    applying.reported(&BoxStatus::default()).unwrap()
}

#[test]
fn desired_is_reported_once_its_targets_are_there() {
    let mut applying = Applying::new("agent 1".into(), Kept::default());
    let mut out = Vec::new();
    applying.take(&desired(3, ""), &mut out);
    assert!(matches!(&out[..], [ApplyAction::Keep(_), ApplyAction::Fetch]));
    assert_eq!(applying.reported(&BoxStatus::default()), None);
    out.clear();
    applying.fetched(0, Err(FetchError::Unauthorized), &mut out);
    let failed = reported(&applying);
    assert_eq!((failed.desired_version, failed.code), (3, 503));
    assert!(failed.error.unwrap().contains("cloud.secret"));
    applying.tick(applying.next_deadline().unwrap(), &mut out);
    assert_eq!(out, [ApplyAction::Fetch]);
    out.clear();
    applying.fetched(1_000, Ok(targets("0123456789abcdef")), &mut out);
    assert!(matches!(&out[..], [ApplyAction::Keep(_), ApplyAction::Use(_)]));
    let done = reported(&applying);
    assert_eq!((done.desired_version, done.code, done.error), (3, 200, None));
    assert_eq!(done.state.outputs[0].key, "••••cdef");
    out.clear();
    applying.take(&desired(2, ""), &mut out);
    assert_eq!(out, [], "an older wish is no wish");
}

#[test]
fn unknown_wishes_are_named_and_unreadable_ones_refused() {
    let mut applying = Applying::new("agent 1".into(), Kept::default());
    let mut out = Vec::new();
    applying.take(&desired(3, r#","overlay":"logo""#), &mut out);
    applying.fetched(0, Ok(targets("k")), &mut out);
    let partly = reported(&applying);
    assert_eq!((partly.desired_version, partly.code), (3, 206));
    assert!(partly.error.unwrap().contains("overlay"));
    applying.take(br#"{"version":4}"#, &mut out);
    let refused = reported(&applying);
    assert_eq!((refused.desired_version, refused.code), (4, 422));
    assert!(refused.error.unwrap().contains("state"));
}

#[test]
fn a_change_during_a_fetch_is_fetched_again() {
    let mut applying = Applying::new("agent 1".into(), Kept::default());
    let mut out = Vec::new();
    applying.take(&desired(1, ""), &mut out);
    applying.take(&desired(2, ""), &mut out);
    out.clear();
    applying.fetched(0, Ok(targets("old")), &mut out);
    assert_eq!(out.last(), Some(&ApplyAction::Fetch));
    assert_eq!(applying.reported(&BoxStatus::default()), None, "version 2 is not applied yet");
}

fn ack(seq: u64) -> Ack {
    Ack { seq, outbox: "o".parse().unwrap() }
}

#[test]
fn events_are_sent_in_a_window_and_again_until_acknowledged() {
    let mut delivery = Delivery::new("o".parse().unwrap(), 1, 100);
    let mut out = Vec::new();
    delivery.up(&mut out);
    assert_eq!(out, [DeliveryAction::Read { from: 1, limit: WINDOW }]);
    out.clear();
    delivery.sent(0, Some(WINDOW), &mut out);
    assert_eq!(out, [], "the window is full");
    delivery.acknowledged(5, &ack(2), &mut out);
    assert_eq!(
        out,
        [DeliveryAction::Release { up_to: 2 }, DeliveryAction::Read { from: WINDOW + 1, limit: 2 }]
    );
    out.clear();
    delivery.sent(5, Some(WINDOW + 2), &mut out);
    delivery.tick(delivery.next_deadline().unwrap(), &mut out);
    assert_eq!(out, [DeliveryAction::Read { from: 3, limit: WINDOW }], "all that is not acknowledged");
    assert_eq!(delivery.next_deadline(), None);
    out.clear();
    delivery.sent(5 + RESEND_MS, Some(WINDOW + 2), &mut out);
    let elsewhere = Ack { seq: 30, outbox: "another".parse().unwrap() };
    delivery.acknowledged(6, &elsewhere, &mut out);
    delivery.acknowledged(6, &ack(1), &mut out);
    assert_eq!(out, []);
    delivery.down();
    delivery.up(&mut out);
    assert_eq!(out, [DeliveryAction::Read { from: 3, limit: WINDOW }], "anew on each connection");
}

#[tokio::test]
async fn the_outbox_counts_on_after_a_restart_and_makes_room_when_full() {
    let dir = tempfile::tempdir().unwrap();
    let (first, second) = ("one".parse().unwrap(), "two".parse().unwrap());
    let boot = "boot".parse().unwrap();
    let durable = Durable::open(dir.path()).unwrap();
    let mut outbox = Outbox::open(&durable, &first, 20).unwrap();
    assert_eq!(outbox.range(), (1, 0));
    for _ in 0..5 {
        outbox.append(&at(0), &boot, EventBody::SignalLost).await.unwrap();
    }
    outbox.release(9).unwrap();
    assert_eq!(outbox.range(), (6, 5));
    let mut outbox = Outbox::open(&durable, &second, 20).unwrap();
    assert_eq!((outbox.id(), outbox.range()), (&first, (6, 5)));
    for _ in 0..21 {
        outbox.append(&at(0), &boot, EventBody::SignalLost).await.unwrap();
    }
    let events = outbox.read(&at(0), &boot, 0, 100).unwrap();
    assert_eq!(outbox.range(), (8, 27));
    assert_eq!(events.first().map(|event| event.seq), Some(8));
    assert!(events.iter().any(|event| event.body == EventBody::EventsLost { count: 2 }));
    assert_eq!(outbox.read(&at(0), &boot, 10, 3).unwrap().len(), 3);
}

#[tokio::test]
async fn what_the_link_remembers_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let durable = Durable::open(dir.path()).unwrap();
    let memory = Memory::open(&durable).unwrap();
    let mut commands = Commands::default();
    let records =
        kept(&take(&mut commands, 0, "a", &Command::Reconnect { output: Some(OutputRole::Backup) }));
    memory.keep_command(&records[0]).await.unwrap();
    let wishes = Kept { targets: Some(targets("secret")), ..Kept::default() };
    memory.keep_desired(&wishes).await.unwrap();
    assert_eq!(Memory::open(&durable).unwrap().read().unwrap(), (records, wishes.clone()));
    memory.forget_command(0).unwrap();
    assert_eq!(memory.read().unwrap(), (Vec::new(), wishes));
    assert!(!format!("{:?}", targets("secret")).contains("secret"));
}
