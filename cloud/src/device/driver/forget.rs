//! Takes boxes that are gone from the broker: who they were, what they might do, and what it keeps of them.

use super::super::devices::wire_id;
use super::super::document::Device;
use super::super::state::Message;
use super::{Driver, Governing, control};
use crate::broker::AdminCommand;
use crate::id::BoxId;
use stagebox_protocol::TopicKind;
use tokio::sync::oneshot;

impl Driver {
    /// Forgets a box if the store has it no more.
    pub(super) async fn forget(&mut self, device: BoxId, reply: Option<oneshot::Sender<()>>) {
        // What cannot be looked up is looked at again in a while.
        if !matches!(self.devices.store().get::<Device>(device).await, Ok(None)) {
            return;
        }
        if self.boxes.remove(&device).is_none() && reply.is_none() {
            return;
        }
        self.accounts.remove(&device);
        self.ids.remove(&device.to_string());
        self.devices.forget_seen(device);
        let id = wire_id(device);
        let command = AdminCommand::remove_box(&id);
        self.governing.push_back(Governing { command: command.clone(), device, reply });
        if !self.is_up {
            return;
        }
        self.publish(control(&command));
        self.take_back(&id);
    }

    /// Has the broker keep nothing of a box that is gone.
    fn take_back(&mut self, id: &stagebox_protocol::BoxId) {
        for kind in [TopicKind::Desired, TopicKind::Status, TopicKind::Reported, TopicKind::Ack] {
            // An empty payload takes back what is retained (MQTT 5, 3.3.1.3).
            self.publish(Message { topic: id.topic(kind), payload: Vec::new(), retain: true, command: None });
        }
    }

    /// Forgets all boxes that the store has no more, however they went.
    pub(super) async fn forget_the_gone(&mut self) {
        let Ok(kept) = self.devices.all().await else { return };
        let gone: Vec<BoxId> =
            self.boxes.keys().filter(|id| !kept.iter().any(|device| device.id == **id)).copied().collect();
        for device in gone {
            tracing::info!(%device, "a box is gone: the broker forgets it");
            self.forget(device, None).await;
        }
        if self.is_up {
            for stranger in std::mem::take(&mut self.strangers) {
                if !kept.iter().any(|device| device.id.to_string() == stranger.as_str()) {
                    self.take_back(&stranger);
                }
            }
        }
    }
}
