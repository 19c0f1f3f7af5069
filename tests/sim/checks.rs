//! What must be true in the end, and all along.

use crate::box_side::SimBox;
use crate::broker::Broker;
use crate::cloud_side::{LIMIT_MS, SimCloud, numbers};
use stagebox_cloud::device::state::Answer;
use stagebox_protocol::{Command, CommandId, Reported, TopicKind, payload};

/// After the network has been whole for a while.
pub(crate) fn in_the_end(seed: u64, device: &SimBox, cloud: &SimCloud, broker: &Broker) {
    events_arrived_once_and_in_order(seed, device, cloud);
    commands_were_carried_out_once(seed, device, cloud);
    reported_is_what_is_wanted(seed, device, cloud, broker);
}

fn events_arrived_once_and_in_order(seed: u64, device: &SimBox, cloud: &SimCloud) {
    let repeated: Vec<_> = numbers(&cloud.journal).into_iter().filter(|(_, count)| *count > 1).collect();
    assert!(repeated.is_empty(), "seed {seed}: more than once in the journal: {repeated:?}");
    let bodies = |events: &[stagebox_protocol::BoxEvent]| {
        events.iter().map(|event| (event.seq, event.body.clone())).collect::<Vec<_>>()
    };
    assert_eq!(
        bodies(&cloud.journal),
        bodies(&device.happened),
        "seed {seed}: the journal is not what happened"
    );
    assert!(device.is_outbox_empty(), "seed {seed}: the box keeps what the cloud has");
}

fn commands_were_carried_out_once(seed: u64, device: &SimBox, cloud: &SimCloud) {
    // The same command twice in a row is the same as once; after another one it is not.
    let mut done: Vec<&CommandId> = Vec::new();
    for effect in &device.effects {
        if done.last() != Some(&&effect.id) {
            assert!(
                !done.contains(&&effect.id),
                "seed {seed}: {} again after others: {:?}",
                effect.id,
                device.effects
            );
            done.push(&effect.id);
        }
    }
    let place = |id: &CommandId| cloud.given.iter().position(|given| given.id == *id).unwrap();
    // What a killed cloud had sent may still be on its way when the next one sends.
    let kept: Vec<usize> =
        done.iter().map(|id| place(id)).filter(|place| !cloud.given[*place].is_orphan).collect();
    assert!(kept.is_sorted(), "seed {seed}: out of order: {done:?}");
    for given in &cloud.given {
        let first = device.effects.iter().find(|effect| effect.id == given.id);
        if let Some(effect) = first {
            assert_eq!(effect.command, given.command, "seed {seed}");
            let age_ms = effect.at_ms - given.at_ms;
            assert!(age_ms <= LIMIT_MS + 100, "seed {seed}: {} after {age_ms} ms", given.id);
        }
        match &given.answer {
            Some((Answer::Response(response), _)) => {
                let is_done = response.code < 300;
                assert_eq!(first.is_some(), is_done, "seed {seed}: {} answered {response:?}", given.id);
            }
            Some((Answer::Offline | Answer::Busy, _)) => {
                assert!(first.is_none(), "seed {seed}: {} was not sent", given.id);
            }
            Some((Answer::TimedOut, at_ms)) => {
                assert!(*at_ms >= given.at_ms + LIMIT_MS, "seed {seed}: {} given up early", given.id);
            }
            None => assert!(given.is_orphan, "seed {seed}: {} was never answered", given.id),
        }
    }
    let last = |on: &Command, off: &Command| {
        let effect = device.effects.iter().rfind(|effect| effect.command == *on || effect.command == *off);
        effect.is_some_and(|effect| effect.command == *on)
    };
    let wanted = (
        last(&Command::StartStream, &Command::StopStream),
        last(&Command::StartRecording, &Command::StopRecording),
    );
    assert_eq!(device.intends(), wanted, "seed {seed}: the intents are not the last commands'");
    assert_eq!(device.does(), Some(wanted), "seed {seed}: the box does not do what it intends");
}

fn reported_is_what_is_wanted(seed: u64, device: &SimBox, cloud: &SimCloud, broker: &Broker) {
    let packet = broker.retained.get(&device.id.topic(TopicKind::Reported));
    let reported: Reported =
        payload::decode(&packet.unwrap_or_else(|| panic!("seed {seed}: nothing reported")).payload).unwrap();
    let wanted = &cloud.desired;
    assert_eq!((reported.desired_version, reported.code), (wanted.version, 200), "seed {seed}: {reported:?}");
    assert_eq!(reported.state.name, wanted.state.name, "seed {seed}");
    assert_eq!(reported.state.targets_version, wanted.state.targets_version, "seed {seed}");
    assert_eq!(reported.state.event_id, wanted.state.event_id, "seed {seed}");
    assert_eq!(Some((reported.state.live, reported.state.recording)), device.does(), "seed {seed}");
    let known = cloud.process.as_ref().and_then(|process| process.reported());
    assert_eq!(known, Some(&reported), "seed {seed}: the cloud has not heard it");
}
