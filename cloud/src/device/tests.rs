use super::document::{BoxJournal, Cursor, Device};
use super::state::{Action, Answer, Asked, BoxState, Input, PRESENCE_MS, RESEND_MS, WRITE_PAUSE_MS};
use super::{DeviceChange, Devices, NewDevice, WantedConfig};
use crate::app::Addresses;
use crate::broker::Verifier;
use crate::clock::{Clock, Timestamp as Time};
use crate::cluster::Duty;
use crate::config::Config;
use crate::event::{Events, NewEvent};
use crate::id::BoxId;
use crate::secret::Vault;
use crate::store::{Document, Store};
use serde_json::{Map, Value, json};
use stagebox_protocol::{
    Ack, BoxEvent, CommandEnvelope, CommandResponse, Desired, DesiredState, EventBody, Outcome, Presence,
    Status, Timestamp, payload,
};
use std::sync::Arc;

fn state() -> BoxState {
    BoxState::new("box_1".parse().unwrap(), None, None)
}

fn feed(state: &mut BoxState, now_ms: u64, input: Input) -> Vec<Action> {
    let mut out = Vec::new();
    state.handle(now_ms, input, &mut out);
    out
}

fn event(outbox: &str, seq: u64, oldest: u64) -> BoxEvent {
    BoxEvent {
        seq,
        outbox: outbox.parse().unwrap(),
        oldest,
        boot_id: "b".parse().unwrap(),
        mono_ms: 0,
        ts: Timestamp::default(),
        clock_synced: false,
        body: EventBody::SignalLost,
    }
}

/// What is written, and what is acknowledged.
fn written(actions: &[Action]) -> (Vec<u64>, Vec<u64>) {
    let journal = actions.iter().filter_map(|action| match action {
        Action::Journal(event, _) => Some(event.seq),
        _ => None,
    });
    let acks = actions.iter().filter_map(|action| match action {
        Action::Publish(message) if message.topic.ends_with("/ack") => {
            Some(payload::decode::<Ack>(&message.payload).unwrap().seq)
        }
        _ => None,
    });
    (journal.collect(), acks.collect())
}

fn cursor(outbox: &str, seq: u64) -> Cursor {
    Cursor { outbox: outbox.parse().unwrap(), seq, retired: Vec::new() }
}

#[test]
fn events_are_written_in_order_and_acknowledged_after() {
    let mut state = state();
    feed(&mut state, 0, Input::BrokerUp);
    assert_eq!(
        written(&feed(&mut state, 1, Input::Event(event("o", 2, 1)))),
        (vec![], vec![]),
        "1 is missing"
    );
    assert_eq!(written(&feed(&mut state, 2, Input::Event(event("o", 1, 1)))), (vec![1], vec![]));
    assert_eq!(
        written(&feed(&mut state, 3, Input::Event(event("o", 1, 1)))),
        (vec![], vec![]),
        "being written"
    );
    assert_eq!(written(&feed(&mut state, 4, Input::Journaled(cursor("o", 1)))), (vec![2], vec![1]));
    assert_eq!(written(&feed(&mut state, 5, Input::Journaled(cursor("o", 2)))), (vec![], vec![2]));
    assert_eq!(
        written(&feed(&mut state, 6, Input::Event(event("o", 1, 1)))),
        (vec![], vec![2]),
        "told again"
    );
    assert_eq!(written(&feed(&mut state, 7, Input::Event(event("o", 9, 8)))), (vec![], vec![]));
    assert_eq!(written(&feed(&mut state, 8, Input::Event(event("o", 9, 9)))).0, [9], "8 was given up");
}

#[test]
fn a_replaced_disk_counts_anew_and_its_old_events_are_over() {
    let mut state = BoxState::new("box_1".parse().unwrap(), Some(cursor("old", 70)), None);
    let out = feed(&mut state, 0, Input::Event(event("new", 1, 1)));
    let Some(Action::Journal(_, after)) = out.first() else { panic!("{out:?}") };
    assert_eq!((after.seq, after.retired.len()), (1, 1));
    feed(&mut state, 1, Input::Journaled(after.clone()));
    assert_eq!(feed(&mut state, 2, Input::Event(event("old", 71, 71))), []);
}

#[test]
fn a_store_that_fails_is_tried_again() {
    let mut state = state();
    feed(&mut state, 0, Input::Event(event("o", 1, 1)));
    assert_eq!(feed(&mut state, 5, Input::JournalFailed), []);
    assert_eq!(state.next_deadline(), Some(5 + WRITE_PAUSE_MS));
    assert_eq!(written(&feed(&mut state, 5 + WRITE_PAUSE_MS, Input::Tick)).0, [1]);
}

fn asked(id: &str) -> Asked {
    Asked {
        id: id.parse().unwrap(),
        name: "start_stream".into(),
        args: Map::new(),
        issued_at: Timestamp::from_unix_ms(1_000),
        limit_ms: 8_000,
    }
}

fn status(state: Presence) -> Input {
    Input::Status(Status { state, boot_id: "b".parse().unwrap(), ts: Timestamp::default() })
}

/// The ids of the commands that are sent.
fn sent(actions: &[Action]) -> Vec<String> {
    let command = |action: &Action| match action {
        Action::Publish(message) => {
            let properties = message.command.as_ref()?;
            assert_eq!(properties.response_topic, "stagebox/v1/box_1/response/cloud");
            let envelope: CommandEnvelope = payload::decode(&message.payload).unwrap();
            assert_eq!(envelope.expires_at, Some(Timestamp::from_unix_ms(9_000)));
            assert!(!message.retain && properties.expiry_s <= 8);
            Some(envelope.id.to_string())
        }
        _ => None,
    };
    actions.iter().filter_map(command).collect()
}

fn done(id: &str) -> CommandResponse {
    Outcome::Done.response(id.parse().unwrap())
}

#[test]
fn commands_go_out_one_at_a_time_and_again_until_answered() {
    let mut state = state();
    assert_eq!(feed(&mut state, 0, Input::Ask(asked("a"))), [], "no broker yet");
    assert_eq!(sent(&feed(&mut state, 10, Input::BrokerUp)), ["a"]);
    assert!(sent(&feed(&mut state, 10, Input::Ask(asked("b")))).is_empty());
    assert_eq!(sent(&feed(&mut state, 10 + RESEND_MS, Input::Tick)), ["a"]);
    assert_eq!(feed(&mut state, 2_000, Input::Response(done("b"))), [], "b was not sent");
    let out = feed(&mut state, 2_001, Input::Response(done("a")));
    assert_eq!(out[0], Action::Answer("a".parse().unwrap(), Answer::Response(done("a"))));
    assert_eq!(sent(&out), ["b"]);
    assert_eq!(feed(&mut state, 2_002, Input::Response(done("a"))), [], "told twice");
    assert_eq!(sent(&feed(&mut state, 2_003, status(Presence::Online))), ["b"], "it may have missed it");
    let out = feed(&mut state, 8_010, Input::Tick);
    assert!(out.contains(&Action::Answer("b".parse().unwrap(), Answer::TimedOut)), "{out:?}");
}

#[test]
fn a_box_that_is_away_is_not_waited_for() {
    let mut state = state();
    feed(&mut state, 0, Input::BrokerUp);
    assert_eq!(feed(&mut state, 1, status(Presence::Offline)), [Action::Presence(false)]);
    let offline = Action::Answer("a".parse().unwrap(), Answer::Offline);
    assert_eq!(feed(&mut state, 2, Input::Ask(asked("a"))), [offline]);
    assert_eq!(feed(&mut state, 3, status(Presence::Online)), [Action::Presence(true)]);
    assert_eq!(feed(&mut state, 4, status(Presence::Online)), []);
    feed(&mut state, 5, Input::BrokerUp);
    assert_eq!(state.is_online(), None);
    assert_eq!(
        feed(&mut state, 5 + PRESENCE_MS, Input::Tick),
        [Action::Presence(false)],
        "the broker forgot it"
    );
}

#[test]
fn desired_is_published_at_each_start_of_the_broker_and_never_goes_back() {
    let mut state = state();
    let desired = |version| Input::Desire(Desired { version, state: DesiredState::default() });
    assert_eq!(feed(&mut state, 0, desired(2)), []);
    for now in 1..3 {
        let out = feed(&mut state, now, Input::BrokerUp);
        assert!(
            matches!(&out[..], [Action::Publish(message)] if message.retain && message.topic.ends_with("/desired"))
        );
    }
    assert_eq!(feed(&mut state, 4, desired(1)), []);
    assert_eq!(feed(&mut state, 5, desired(3)).len(), 1);
}

fn devices(directory: &tempfile::TempDir) -> (Devices, Events) {
    let clock = Clock::manual(Time::from_unix_ms(1_000));
    let store = Store::open_sled(directory.path(), clock.clone()).unwrap();
    let events = Events::new(
        store.clone(),
        Vault::from_key(&[1; 32]),
        Arc::new(Config::default()),
        Arc::new(Addresses::default()),
    );
    (Devices::new(&store, &events, &clock), events)
}

#[tokio::test]
async fn a_box_shows_its_secret_and_gets_the_targets_of_its_event() {
    let directory = tempfile::tempdir().unwrap();
    let (devices, events) = devices(&directory);
    let (device, secret) = devices
        .create(NewDevice { account: crate::store::Account::FIRST, name: "Hall".into() }, None)
        .await
        .unwrap();
    let id = device.id;
    assert_eq!(devices.authenticate(&id.to_string(), &secret).await.unwrap(), Some(id));
    for (other, secret) in
        [(id.to_string(), "x"), ("box_1".into(), &*secret), (BoxId::random().to_string(), &*secret)]
    {
        assert_eq!(devices.authenticate(&other, secret).await.unwrap(), None);
    }
    assert!(devices.targets(&id).await.unwrap().outputs.is_empty());
    let duty = Duty::alone(devices.store().clone());
    let before = super::desired::refresh(&devices, &duty, id).await.unwrap().unwrap();
    assert_eq!((before.version, before.event_id), (1, None));
    assert_eq!(super::desired::refresh(&devices, &duty, id).await.unwrap(), Some(before), "nothing changed");

    let event = events
        .create(
            NewEvent { account: crate::store::Account::FIRST, title: "Show".into(), device_id: Some(id) },
            None,
        )
        .await
        .unwrap();
    let targets = devices.targets(&id).await.unwrap();
    assert_eq!((targets.outputs.len(), targets.event_id), (2, Some(event.id)));
    let after = super::desired::refresh(&devices, &duty, id).await.unwrap().unwrap();
    assert_eq!((after.version, after.targets_version, after.event_id), (2, 2, Some(event.id)));
    assert_eq!(after.message().state.event_title.as_deref(), Some("Show"));

    let change = DeviceChange { name: Some("Stage".into()), enabled: Some(false), ..DeviceChange::default() };
    devices.patch(&id, &change, Some(1), None).await.unwrap();
    assert_eq!(devices.authenticate(&id.to_string(), &secret).await.unwrap(), None, "it is disabled");
    assert!(devices.patch(&id, &DeviceChange::default(), Some(1), None).await.is_err(), "changed meanwhile");
    let renamed = super::desired::refresh(&devices, &duty, id).await.unwrap().unwrap();
    assert_eq!((renamed.version, renamed.targets_version, renamed.name.as_str()), (3, 2, "Stage"));
    assert_eq!(renamed.message().state.config_version, None, "nobody wants any");

    let fps = json!({ "video": { "fps": 25 } }).as_object().cloned().unwrap();
    let want = async |change: Map<String, Value>, now: bool| {
        let config = Some(WantedConfig { change, now, ..WantedConfig::default() });
        let device = devices
            .patch(&id, &DeviceChange { config, ..DeviceChange::default() }, None, None)
            .await
            .unwrap();
        (device.config, super::desired::refresh(&devices, &duty, id).await.unwrap().unwrap().message().state)
    };
    let (shown, state) = want(fps.clone(), false).await;
    assert_eq!((shown, state.config), (Some(fps.clone()), Some(fps.clone())));
    assert_eq!((state.config_version, state.config_now), (Some(4), false));
    let (_, state) = want(fps.clone(), false).await;
    assert_eq!(state.config_version, Some(5), "wanted once more, a box that refused it tries again");
    let now = DeviceChange { config_now: Some(true), ..DeviceChange::default() };
    devices.patch(&id, &now, None, None).await.unwrap();
    let state = super::desired::refresh(&devices, &duty, id).await.unwrap().unwrap().message().state;
    assert_eq!((state.config_version, state.config_now), (Some(6), true), "what was wanted, now");
    let (_, state) = want(fps, true).await;
    assert_eq!(state.config_version, Some(7));
    let (_, state) = want(Map::new(), false).await;
    assert_eq!((state.config_version, state.config), (Some(8), Some(Map::new())), "the file alone, said");
    assert_eq!(state.targets_version, Some(2));
    assert_eq!(devices.all().await.unwrap().len(), 1);
}

#[test]
fn the_journal_has_events_and_no_secret() {
    let at = Time::from_unix_ms(0);
    let id = BoxId::random();
    let secret = Verifier::new("hidden", [0; 12]);
    let kept = serde_json::to_value(&secret).unwrap();
    let device = Device {
        id,
        account: crate::store::Account::FIRST,
        number: 1,
        name: "a".into(),
        enabled: true,
        created_at: at,
        updated_at: at,
        config: None,
        secret,
    };
    let view = device.journal_view().to_string();
    assert!(!view.contains(kept["hash"].as_str().unwrap()), "{view}");
    let journal = BoxJournal {
        id,
        account: crate::store::Account::FIRST,
        cursor: cursor("o", 1),
        event: event("o", 1, 1),
    };
    assert_eq!(journal.journal_view()["kind"], Value::from("signal_lost"));
}
