//! The cloud's connection to its broker: rumqttc's event loop in a task, its events as messages.
#![allow(clippy::disallowed_methods, reason = "a driver: it waits between two attempts")]

use super::state::{Message, REQUESTER};
use crate::broker::{Broker, CONTROL_RESPONSE};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Filter, Packet, PublishProperties, SubscribeReasonCode};
use rumqttc::v5::{AsyncClient, Event, MqttOptions};
use stagebox_protocol::topic::PREFIX;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Requests that may wait for the event loop: `desired` of all boxes at once.
const REQUESTS: usize = 100_000;
const IN_FLIGHT: u16 = 1_000;
const KEEP_ALIVE: Duration = Duration::from_secs(10);
const MAX_PACKET_BYTES: u32 = 80 * 1024;
/// Between two attempts at a broker that is on this machine.
const PAUSE: Duration = Duration::from_millis(250);

/// What the connection brings.
#[derive(Debug)]
pub(super) enum News {
    /// Connected and subscribed.
    Up,
    Down(String),
    Message {
        topic: String,
        payload: Vec<u8>,
        retained: bool,
    },
}

/// A connection that is made again whenever it ends.
pub(super) struct Session {
    client: AsyncClient,
    task: JoinHandle<()>,
}

impl Session {
    /// Connects; news of it come with its number.
    pub(super) fn open(broker: &Broker, number: u64, news: mpsc::Sender<(u64, News)>) -> Self {
        let login = broker.login();
        let address = broker.local_address();
        let mut options = MqttOptions::new(login.user.clone(), address.ip().to_string(), address.port());
        options
            .set_credentials(login.user, login.password)
            .set_keep_alive(KEEP_ALIVE)
            .set_clean_start(true)
            .set_outgoing_inflight_upper_limit(IN_FLIGHT)
            .set_max_packet_size(Some(MAX_PACKET_BYTES));
        let (client, mut events) = AsyncClient::new(options, REQUESTS);
        let subscriber = client.clone();
        let task = tokio::spawn(async move {
            let down = loop {
                let said = match events.poll().await {
                    Ok(Event::Incoming(Packet::ConnAck(_))) => {
                        if subscriber.try_subscribe_many(subscriptions()).is_err() {
                            break "the subscriptions do not fit".to_owned();
                        }
                        continue;
                    }
                    Ok(Event::Incoming(Packet::SubAck(ack))) => {
                        if !ack
                            .return_codes
                            .iter()
                            .all(|code| matches!(code, SubscribeReasonCode::Success(_)))
                        {
                            break "the broker does not let the cloud read".to_owned();
                        }
                        News::Up
                    }
                    Ok(Event::Incoming(Packet::Publish(publish))) => News::Message {
                        topic: String::from_utf8_lossy(&publish.topic).into_owned(),
                        payload: publish.payload.to_vec(),
                        retained: publish.retain,
                    },
                    Ok(_) => continue,
                    Err(error) => break error.to_string(),
                };
                if news.send((number, said)).await.is_err() {
                    return;
                }
            };
            tokio::time::sleep(PAUSE).await;
            // The driver ends only with the server.
            let _ = news.send((number, News::Down(down))).await;
        });
        Self { client, task }
    }

    /// Hands a message to the event loop; `false` if it takes no more.
    pub(super) fn publish(&self, message: Message) -> bool {
        let properties =
            message.command.map_or_else(PublishProperties::default, |command| PublishProperties {
                response_topic: Some(command.response_topic),
                correlation_data: Some(command.correlation.into()),
                message_expiry_interval: Some(command.expiry_s),
                ..PublishProperties::default()
            });
        self.client
            .try_publish_with_properties(
                message.topic,
                QoS::AtLeastOnce,
                message.retain,
                message.payload,
                properties,
            )
            .is_ok()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn subscriptions() -> Vec<Filter> {
    let lasting = ["status", "reported", "event/+"].map(|topic| format!("{PREFIX}+/{topic}"));
    let mut filters: Vec<Filter> =
        lasting.into_iter().map(|topic| Filter::new(topic, QoS::AtLeastOnce)).collect();
    filters.push(Filter::new(format!("{PREFIX}+/response/{REQUESTER}"), QoS::AtLeastOnce));
    filters.push(Filter::new(format!("{PREFIX}+/telemetry"), QoS::AtMostOnce));
    filters.push(Filter::new(CONTROL_RESPONSE, QoS::AtLeastOnce));
    filters
}
