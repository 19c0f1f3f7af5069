//! The link's core as a whole: the connection, what is published, and who may command.

use super::{Action, EventBody, Link, LinkState, at, envelope};
use crate::link::applying::Kept;
use crate::link::delivery::Delivery;
use crate::link::state::{CONNECT_LIMIT_MS, Identity, Input, Message};
use stagebox_protocol::{BoxStatus, Command, CommandResponse, Outcome, ResponseStatus, payload};

fn link() -> Link {
    let identity = Identity {
        device: "box_1".parse().unwrap(),
        boot_id: "boot".parse().unwrap(),
        software: "agent 1".into(),
    };
    Link::new(identity, 7, Vec::new(), Kept::default(), Delivery::new("o".parse().unwrap(), 1, 0))
}

fn feed(link: &mut Link, now: u64, input: Input) -> Vec<Action> {
    let mut out = Vec::new();
    link.handle(&at(now), input, &mut out);
    out
}

fn published(actions: &[Action]) -> Vec<(&str, bool)> {
    actions
        .iter()
        .filter_map(|action| if let Action::Publish(publish) = action { Some(publish) } else { None })
        .filter_map(|publish| Some((publish.topic.rsplit_once("box_1/")?.1, publish.retain)))
        .collect()
}

fn online() -> Link {
    let mut link = link();
    let mut out = Vec::new();
    link.start(&at(0), &mut out);
    let Some(Action::Connect { will }) = out.last() else { panic!("{out:?}") };
    assert!(will.retain && will.topic.ends_with("box_1/status"));
    assert!(String::from_utf8_lossy(&will.payload).contains("offline"));
    let out = feed(&mut link, 1, Input::Connected);
    assert!(matches!(&out[..], [Action::Subscribe(filters)] if filters.len() == 4));
    let out = feed(&mut link, 2, Input::Subscribed);
    assert_eq!(published(&out), [("status", true), ("telemetry", false), ("reported", true)]);
    link
}

#[test]
fn telemetry_goes_out_once_a_second_and_reported_when_it_changes() {
    let mut link = online();
    assert_eq!(link.next_deadline(), Some(1_002));
    assert_eq!(published(&feed(&mut link, 1_002, Input::Tick)), [("telemetry", false)]);
    let mut status = BoxStatus::default();
    status.encoder.frames = 30;
    assert_eq!(published(&feed(&mut link, 1_010, Input::Status(Box::new(status.clone())))), []);
    status.recording.state = stagebox_protocol::telemetry::RecordingState::Recording;
    let out = feed(&mut link, 1_011, Input::Status(Box::new(status)));
    assert!(matches!(&out[0], Action::Append(EventBody::RecordingStarted { .. })));
    assert_eq!(published(&out), [("reported", true)]);
}

#[test]
fn a_lost_connection_is_made_again_after_a_wait_that_grows() {
    let mut link = online();
    let mut waits = Vec::new();
    let mut now = 100;
    for _ in 0..8 {
        let out = feed(&mut link, now, Input::Lost("gone".into()));
        assert!(
            out.contains(&Action::Disconnect) && out.contains(&Action::Show(LinkState::Away("gone".into())))
        );
        let next = link.next_deadline().unwrap();
        waits.push(next - now);
        now = next;
        assert!(
            feed(&mut link, now, Input::Tick).iter().any(|action| matches!(action, Action::Connect { .. }))
        );
    }
    assert!(waits[0] <= 500 && waits.iter().all(|wait| (250..=15_000).contains(wait)), "{waits:?}");
    assert!(waits[7] >= 7_500);
    let out = feed(&mut link, now + CONNECT_LIMIT_MS, Input::Tick);
    assert!(out.contains(&Action::Disconnect), "a broker that does not answer is left");
}

fn command(topic: &str, response_topic: &str, payload: Vec<u8>) -> Input {
    Input::Message(Message {
        topic: topic.into(),
        payload: payload.into(),
        response_topic: Some(response_topic.into()),
        correlation: Some("c".into()),
        ..Message::default()
    })
}

#[test]
fn a_command_that_wants_its_answer_elsewhere_is_refused_and_told() {
    let body = payload::encode(&envelope("a", &Command::StartStream));
    let mut link = online();
    let topic = "stagebox/v1/box_1/command/start_stream";
    let out = feed(&mut link, 5, command(topic, "stagebox/v1/box_2/response/x", body.clone()));
    assert!(matches!(&out[..], [Action::Append(EventBody::CommandRefused { code: 403, .. })]), "{out:?}");
    let out = feed(
        &mut link,
        5,
        command("stagebox/v1/box_2/command/start_stream", "stagebox/v1/box_2/response/x", body),
    );
    assert_eq!(out, [], "not for this box");
    let out = feed(&mut link, 5, command(topic, "stagebox/v1/box_1/response/x", b"{".to_vec()));
    assert!(matches!(&out[..], [Action::Append(EventBody::CommandRefused { code: 400, .. })]), "{out:?}");
}

#[test]
fn an_answer_carries_its_correlation() {
    let body = payload::encode(&envelope("a", &Command::StartStream));
    let mut link = online();
    let (topic, answer) = ("stagebox/v1/box_1/command/start_stream", "stagebox/v1/box_1/response/x");
    feed(&mut link, 5, command(topic, answer, body.clone()));
    let out = feed(&mut link, 6, Input::Executed("a".parse().unwrap(), Outcome::Done));
    let Some(Action::Publish(publish)) = out.last() else { panic!("{out:?}") };
    assert_eq!((publish.topic.as_str(), publish.correlation.as_deref()), (answer, Some(&b"c"[..])));
    let response: CommandResponse = payload::decode(&publish.payload).unwrap();
    assert_eq!((response.status, response.code), (ResponseStatus::Done, 200));
    let mut retained =
        Message { topic: topic.into(), payload: body.into(), retained: true, ..Message::default() };
    retained.response_topic = Some(answer.into());
    let out = feed(&mut link, 7, Input::Message(retained));
    assert!(matches!(&out[..], [Action::Append(EventBody::CommandRefused { code: 400, .. })]), "{out:?}");
}
