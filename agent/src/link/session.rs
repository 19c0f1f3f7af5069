//! One connection to the broker: rumqttc's event loop in a task, its events as inputs of the core.
//!
//! Each connection has an event loop of its own. rumqttc would carry requests over into the next one, or drop them,
//! depending on what the broker remembers; the core says everything anew instead.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Filter, LastWill, Packet, PublishProperties, SubscribeReasonCode};
use rumqttc::v5::{AsyncClient, ConnectionError, Event, EventLoop, MqttOptions, StateError};
use rumqttc::{TlsConfiguration, Transport};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::address::BrokerAddress;
use super::state::{Guarantee, Input, Message, Publish};
use crate::config::Secret;
use crate::trust;

/// Requests that wait for the event loop; the core never has that many under way.
const REQUESTS: usize = 256;
/// QoS 1 messages on their way at once; rumqttc keeps a slot for each.
const IN_FLIGHT: u16 = 64;
const KEEP_ALIVE: Duration = Duration::from_secs(10);
const CONNECT_LIMIT_S: u64 = 5;
/// The largest message that is taken from the broker, its topic and properties included.
const MAX_PACKET_BYTES: u32 = 80 * 1024;

/// Who connects where.
#[derive(Clone)]
pub(super) struct Login {
    pub(super) address: BrokerAddress,
    pub(super) id: String,
    pub(super) secret: Secret,
    pub(super) tls: Option<Arc<rustls::ClientConfig>>,
}

/// A connection, or the attempt at one; it ends when this is dropped.
pub(super) struct Session {
    client: AsyncClient,
    task: JoinHandle<()>,
}

impl Session {
    pub(super) fn open(
        login: &Login,
        will: Publish,
        inputs: mpsc::Sender<(u64, Input)>,
        number: u64,
    ) -> Self {
        let BrokerAddress { host, port, .. } = &login.address;
        let mut options = MqttOptions::new(login.id.clone(), host.clone(), *port);
        options
            .set_credentials(login.id.clone(), login.secret.expose())
            .set_keep_alive(KEEP_ALIVE)
            .set_connection_timeout(CONNECT_LIMIT_S)
            .set_clean_start(true)
            .set_outgoing_inflight_upper_limit(IN_FLIGHT)
            .set_last_will(LastWill::new(will.topic, will.payload, QoS::AtLeastOnce, will.retain, None))
            .set_max_packet_size(Some(MAX_PACKET_BYTES));
        if let Some(config) = &login.tls {
            options.set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(Arc::clone(config))));
        }
        let (client, events) = AsyncClient::new(options, REQUESTS);
        let task = tokio::spawn(run(events, inputs, number));
        Self { client, task }
    }

    /// Hands requests to the event loop; `false` if it takes no more, which ends the connection.
    pub(super) fn subscribe(&self, filters: Vec<String>) -> bool {
        let filters = filters.into_iter().map(|filter| Filter::new(filter, QoS::AtLeastOnce));
        self.client.try_subscribe_many(filters).is_ok()
    }

    /// As [`Session::subscribe`]; a message that may be lost is dropped before the connection is.
    pub(super) fn publish(&self, publish: Publish) -> bool {
        let qos = match publish.delivery {
            Guarantee::AtMostOnce => QoS::AtMostOnce,
            Guarantee::AtLeastOnce => QoS::AtLeastOnce,
        };
        let properties =
            PublishProperties { correlation_data: publish.correlation, ..PublishProperties::default() };
        let sent = self.client.try_publish_with_properties(
            publish.topic,
            qos,
            publish.retain,
            publish.payload,
            properties,
        );
        sent.is_ok() || publish.delivery == Guarantee::AtMostOnce
    }

    /// Sends what waits and a DISCONNECT, for as long as `limit`.
    pub(super) async fn close(mut self, limit: Duration) {
        if self.client.try_disconnect().is_ok() {
            // The event loop ends with the connection that the broker closes.
            let _ = tokio::time::timeout(limit, &mut self.task).await;
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(mut events: EventLoop, inputs: mpsc::Sender<(u64, Input)>, number: u64) {
    loop {
        let input = match events.poll().await {
            Ok(Event::Incoming(packet)) => input(packet),
            Ok(Event::Outgoing(_)) => None,
            Err(error) => {
                let _ = inputs.send((number, Input::Lost(reason(&error)))).await;
                return;
            }
        };
        if let Some(input) = input
            && inputs.send((number, input)).await.is_err()
        {
            return;
        }
    }
}

fn input(packet: Packet) -> Option<Input> {
    match packet {
        Packet::ConnAck(_) => Some(Input::Connected),
        Packet::SubAck(ack) => {
            let granted = |code: &SubscribeReasonCode| matches!(code, SubscribeReasonCode::Success(_));
            if ack.return_codes.iter().all(granted) {
                Some(Input::Subscribed)
            } else {
                Some(Input::Lost("the broker does not let this box read its own topics".into()))
            }
        }
        Packet::Publish(publish) => {
            let topic = String::from_utf8(publish.topic.to_vec()).ok()?;
            let properties = publish.properties.unwrap_or_default();
            Some(Input::Message(Message {
                topic,
                payload: Bytes::from(publish.payload.to_vec()),
                retained: publish.retain,
                response_topic: properties.response_topic,
                correlation: properties.correlation_data,
                expiry_s: properties.message_expiry_interval,
            }))
        }
        _ => None,
    }
}

fn tls_reason(error: &rumqttc::TlsError) -> String {
    let inner = match error {
        rumqttc::TlsError::TLS(error) => Some(error),
        rumqttc::TlsError::Io(error) => error.get_ref().and_then(|inner| inner.downcast_ref()),
        _ => None,
    };
    inner.and_then(trust::describe).map_or_else(|| error.to_string(), str::to_owned)
}

fn reason(error: &ConnectionError) -> String {
    match error {
        ConnectionError::ConnectionRefused(code) => {
            format!("the broker refused the box ({code:?}); check cloud.id and cloud.secret")
        }
        ConnectionError::Timeout(_) => "the broker did not answer in time".into(),
        ConnectionError::Io(error) => format!("connect to the broker: {error}"),
        ConnectionError::Tls(error) => format!("TLS with the broker: {}", tls_reason(error)),
        ConnectionError::MqttState(StateError::ServerDisconnect { reason_code, .. }) => {
            format!("the broker ended the connection ({reason_code:?})")
        }
        ConnectionError::MqttState(StateError::AwaitPingResp) => "the broker went silent".into(),
        other => other.to_string(),
    }
}
