//! The broker, as far as it matters: who is connected, what is retained, whose will is due.

use std::collections::BTreeMap;

/// Who is connected to the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Client {
    Box,
    Cloud,
}

/// A message on its way; what only commands have is empty elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Packet {
    pub(crate) topic: String,
    pub(crate) payload: Vec<u8>,
    pub(crate) retain: bool,
    pub(crate) response_topic: Option<String>,
    pub(crate) correlation: Option<Vec<u8>>,
    /// When its Message Expiry is over.
    pub(crate) expires_ms: Option<u64>,
}

/// The broker's memory.
#[derive(Debug, Default)]
pub(crate) struct Broker {
    pub(crate) retained: BTreeMap<String, Packet>,
    /// The connection of each client, by number: messages of another one are lost.
    sessions: BTreeMap<Client, Session>,
}

#[derive(Debug)]
struct Session {
    number: u64,
    will: Option<Packet>,
    subscribed: bool,
}

impl Broker {
    /// Takes a connection; the one before is over, and its will is published.
    pub(crate) fn connect(&mut self, client: Client, number: u64, will: Option<Packet>) -> Option<Packet> {
        let before = self.sessions.insert(client, Session { number, will, subscribed: false });
        before.and_then(|session| session.will)
    }

    /// Notes the subscriptions; returns what is retained for them.
    pub(crate) fn subscribe(&mut self, client: Client, number: u64) -> Vec<Packet> {
        let Some(session) = self.sessions.get_mut(&client).filter(|session| session.number == number) else {
            return Vec::new();
        };
        session.subscribed = true;
        self.retained.values().filter(|packet| reads(client, &packet.topic)).cloned().collect()
    }

    pub(crate) fn is_connected(&self, client: Client, number: u64) -> bool {
        self.sessions.get(&client).is_some_and(|session| session.number == number)
    }

    /// Ends a connection without a word; returns the will.
    pub(crate) fn drop_client(&mut self, client: Client) -> Option<Packet> {
        self.sessions.remove(&client).and_then(|session| session.will)
    }

    /// Keeps a message if it is to be kept, and says who gets it.
    pub(crate) fn publish(&mut self, packet: &Packet) -> Vec<(Client, u64)> {
        if packet.retain {
            self.retained.insert(packet.topic.clone(), packet.clone());
        }
        let readers = self
            .sessions
            .iter()
            .filter(|(client, session)| session.subscribed && reads(**client, &packet.topic));
        readers.map(|(client, session)| (*client, session.number)).collect()
    }

    /// Ends at once, without persistence.
    pub(crate) fn restart(&mut self) {
        self.retained.clear();
        self.sessions.clear();
    }
}

/// The two sides read disjoint topics.
fn reads(client: Client, topic: &str) -> bool {
    let last = topic.splitn(4, '/').nth(3).unwrap_or_default();
    let is_for_box = last == "desired" || last == "ack" || last.starts_with("command/");
    is_for_box == (client == Client::Box)
}
